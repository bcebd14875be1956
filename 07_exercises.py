# %% [markdown]
# # Exercises
#
# The tutorial's five exercises, solved twice. First comes yesnote's solution, cell for cell, with
# `nn.Linear`. Then comes one with `nn.Parameter`, as the tutorial's author has it. Both are
# device-agnostic, as the exercises ask. The README's last section names both.

# %% Imports
from pathlib import Path
from pprint import pprint

import matplotlib.pyplot as plt
import torch
from torch import nn

# %% Device-agnostic code
device = "cuda" if torch.cuda.is_available() else "cpu"

# %% [markdown]
# ## Exercise 1
#
# Make a straight line with weight 0.3 and bias 0.9, of 100 points or more. Split it, 80 % to train
# and 20 % to test. Draw both parts.

# %% Exercise 1: data
weight = 0.3
bias = 0.9

start = 0
end = 1
step = 0.01
X = torch.arange(start, end, step).unsqueeze(dim=1)
y = weight * X + bias

print(f"Number of X samples: {len(X)}")
print(f"Number of y samples: {len(y)}")
print(f"First 10 X & y samples:\nX: {X[:10]}\ny: {y[:10]}")

# %% Split
train_split = int(0.8 * len(X))
X_train, y_train = X[:train_split], y[:train_split]
X_test, y_test = X[train_split:], y[train_split:]


# %% Plot (the look is 01_data.py's)
def plot_predictions(
    train_data=X_train,
    train_labels=y_train,
    test_data=X_test,
    test_labels=y_test,
    predictions=None,
):
    """Draw the training data, the test data and, if given, the predictions for the test data."""
    plt.rc("font", size=14)
    plt.figure(figsize=(10, 7), layout="constrained")
    plt.scatter(train_data, train_labels, c="#0072B2", s=30, label="Training data")
    hollow = dict(marker="s", s=110, facecolors="none", edgecolors="#009E73", linewidths=2)
    plt.scatter(test_data, test_labels, **hollow, label="Testing data")
    if predictions is not None:
        plt.scatter(test_data, predictions, c="#D55E00", marker="x", s=40, label="Predictions")
    plt.title("Data" if predictions is None else "Data and predictions")
    plt.xlabel("X (feature, no unit)")
    plt.ylabel("y (label, no unit)")
    plt.legend(prop={"size": 14})


plot_predictions()
Path("figures").mkdir(exist_ok=True)  # the solution only shows its pictures
plt.savefig("figures/07_exercises_data.png")

# %% [markdown]
# ## Exercise 2
#
# Write a model as a subclass of `nn.Module`, with one random `nn.Parameter` for the weight and one
# for the bias, both with `requires_grad=True`, and a `forward()` that computes the line.
# `nn.Linear` may take the two parameters' place. Make an instance; look at its `state_dict()`.


# %% Exercise 2: a model with nn.Linear
class LinearRegressionModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear_layer = nn.Linear(in_features=1, out_features=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear_layer(x)


# %% Its state_dict
torch.manual_seed(42)
model_1 = LinearRegressionModel()
pprint(model_1.state_dict())

# %% Its device
# yesnote's run had a GPU. There the next outputs also say device='cuda:0'.
pprint(next(model_1.parameters()).device)

# %% The model to the device
model_1.to(device)
pprint(list(model_1.parameters()))

# %% [markdown]
# ## Exercise 3
#
# Make a loss function, `nn.L1Loss()`, and an optimizer, `torch.optim.SGD`, for the model's
# parameters with a learning rate of 0.01. Train for 300 epochs. Test every 20 epochs.

# %% Exercise 3: loss function and optimizer
loss_fn = nn.L1Loss()
optimizer = torch.optim.SGD(params=model_1.parameters(), lr=0.01)

# %% Epochs, and data on the device
torch.manual_seed(42)

epochs = 300

# A tensor's .to() is not in place: its result must be assigned.
X_train = X_train.to(device)
y_train = y_train.to(device)
X_test = X_test.to(device)
y_test = y_test.to(device)

# %% Training loop, with a test every 20 epochs
for epoch in range(epochs):
    ### Training
    model_1.train()

    # 1. Forward pass
    y_pred = model_1(X_train)

    # 2. Loss
    loss = loss_fn(y_pred, y_train)

    # 3. Zero gradients
    optimizer.zero_grad()

    # 4. Backpropagation
    loss.backward()

    # 5. Gradient descent
    optimizer.step()

    ### Testing
    if epoch % 20 == 0:
        model_1.eval()
        with torch.inference_mode():
            test_pred = model_1(X_test)
            test_loss = loss_fn(test_pred, y_test)
            print(f"Epoch: {epoch} | Train loss: {loss:.3f} | Test loss: {test_loss:.3f}")

# %% [markdown]
# ## Exercise 4
#
# Predict the test data with the trained model. Draw the predictions beside the training and test
# data. Matplotlib can't draw tensors that lie on a GPU.

# %% Exercise 4: predictions
model_1.eval()
with torch.inference_mode():
    y_preds = model_1(X_test)
pprint(y_preds.cpu())

# %% The predictions as a picture
plt.close()  # the picture of the data alone: the next one shows them too
plot_predictions(predictions=y_preds.cpu())
plt.gcf().suptitle("The solution with nn.Linear")
plt.gcf().canvas.manager.set_window_title("The solution with nn.Linear")
plt.savefig("figures/07_exercises_nn_linear.png")

# %% [markdown]
# ## Exercise 5
#
# Save the trained model's `state_dict()` to a file. Load it into a new instance of the class. Check
# that its predictions for the test data equal those of exercise 4.

# %% Exercise 5: save
MODEL_PATH = Path("models")
MODEL_PATH.mkdir(parents=True, exist_ok=True)

MODEL_NAME = "saved_model.pth"
MODEL_SAVE_PATH = MODEL_PATH / MODEL_NAME

torch.save(obj=model_1.state_dict(), f=MODEL_SAVE_PATH)

# %% Load (weights_only as in section 5)
loaded_model_1 = LinearRegressionModel()
loaded_model_1.load_state_dict(torch.load(f=MODEL_SAVE_PATH, weights_only=True))
loaded_model_1.to(device)
pprint(loaded_model_1.state_dict())

# %% The same predictions
# The solution leaves out eval() and inference_mode() here. This model predicts the same without
# them; autograd records the predictions, for nothing.
loaded_y_preds = loaded_model_1(X_test)
pprint(loaded_y_preds == y_preds)

# %% [markdown]
# # The author's way: nn.Parameter
#
# Model and numbers are the author's. The cells are arranged like those above, whose imports,
# `device` and `plot_predictions` they use.

# %% Exercise 1: data
weight = 0.3
bias = 0.9
X = torch.arange(0, 1, 0.01).unsqueeze(dim=1)
y = weight * X + bias

print(f"Number of X samples: {len(X)}")
print(f"Number of y samples: {len(y)}")
print(f"First 10 X & y samples:\nX: {X[:10]}\ny: {y[:10]}")

# %% Split
train_split = int(0.8 * len(X))
X_train, y_train = X[:train_split], y[:train_split]
X_test, y_test = X[train_split:], y[train_split:]

pprint((len(X_train), len(y_train), len(X_test), len(y_test)))


# %% Exercise 2: a model with two nn.Parameters
class LinearRegressionModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, dtype=torch.float), requires_grad=True)
        self.bias = nn.Parameter(torch.randn(1, dtype=torch.float), requires_grad=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight * x + self.bias


torch.manual_seed(42)
model_1 = LinearRegressionModel()
pprint(model_1.state_dict())

# %% Exercise 3: loss function, optimizer, data on the device
model_1.to(device)
loss_fn = nn.L1Loss()
optimizer = torch.optim.SGD(params=model_1.parameters(), lr=0.01)

epochs = 300
X_train = X_train.to(device)
y_train = y_train.to(device)
X_test = X_test.to(device)
y_test = y_test.to(device)

# %% Training loop, with a test every 20 epochs
for epoch in range(epochs):
    ### Training
    model_1.train()

    # 1. Forward pass
    y_pred = model_1(X_train)

    # 2. Loss
    loss = loss_fn(y_pred, y_train)

    # 3. Zero gradients
    optimizer.zero_grad()

    # 4. Backpropagation
    loss.backward()

    # 5. Gradient descent
    optimizer.step()

    ### Testing
    if epoch % 20 == 0:
        model_1.eval()
        with torch.inference_mode():
            test_pred = model_1(X_test)
            test_loss = loss_fn(test_pred, y_test)
            print(f"Epoch: {epoch} | Train loss: {loss:.3f} | Test loss: {test_loss:.3f}")

# %% Exercise 4: predictions
model_1.eval()
with torch.inference_mode():
    y_preds = model_1(X_test)
pprint(y_preds.cpu())

# %% The predictions as a picture
plot_predictions(predictions=y_preds.cpu())
plt.gcf().suptitle("The solution with nn.Parameter")
plt.gcf().canvas.manager.set_window_title("The solution with nn.Parameter")
plt.savefig("figures/07_exercises_nn_parameter.png")

# %% Exercise 5: save
MODEL_PATH = Path("models")
MODEL_PATH.mkdir(parents=True, exist_ok=True)
MODEL_SAVE_PATH = MODEL_PATH / "saved_model_nn_parameter.pth"
torch.save(obj=model_1.state_dict(), f=MODEL_SAVE_PATH)

# %% Load
loaded_model_1 = LinearRegressionModel()
loaded_model_1.load_state_dict(torch.load(f=MODEL_SAVE_PATH, weights_only=True))
loaded_model_1.to(device)
pprint(loaded_model_1.state_dict())

# %% The same predictions
loaded_model_1.eval()
with torch.inference_mode():
    loaded_y_preds = loaded_model_1(X_test)
pprint(loaded_y_preds == y_preds)
plt.show()  # windows, where there is a screen; the script ends when you close them
