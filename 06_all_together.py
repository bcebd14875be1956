# %% [markdown]
# # 6. All of it together
#
# From data to a saved and reloaded model. New here: the code runs on a GPU where there is one (it
# is device-agnostic), and `nn.Linear` makes the parameters. All else is sections 1 to 5 again.

# %% Imports and PyTorch's version
from pathlib import Path
from pprint import pprint

import matplotlib.pyplot as plt
import torch
from torch import nn

pprint(torch.__version__)

# %% The device
# "cuda" is an NVIDIA GPU. A Mac's GPU is "mps"; as in the tutorial it is not used, and 50 points
# need no GPU.
device = "cuda" if torch.cuda.is_available() else "cpu"
print(f"Using device: {device}")

# %% 6.1 Data
weight = 0.7
bias = 0.3

X = torch.arange(0, 1, 0.02).unsqueeze(dim=1)
y = weight * X + bias
pprint((X[:10], y[:10]))

# %% Split
train_split = int(0.8 * len(X))
X_train, y_train = X[:train_split], y[:train_split]
X_test, y_test = X[train_split:], y[train_split:]

pprint((len(X_train), len(y_train), len(X_test), len(y_test)))


# %% Section 1's plot_predictions again
# Default arguments are fixed when `def` runs: they stay on the CPU when X_train moves to a GPU.
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


# %% The data as a picture
plot_predictions(X_train, y_train, X_test, y_test)
Path("figures").mkdir(exist_ok=True)  # the tutorial only shows this picture
plt.savefig("figures/06_all_together_data.png")


# %% 6.2 A linear model
class LinearRegressionModelV2(nn.Module):
    def __init__(self):
        super().__init__()
        # nn.Linear makes the parameters. in_features: columns of the input; out_features: columns
        # of the prediction. It takes its own dtype only, float32. NumPy's data are float64 and stop
        # it ("must have the same dtype"): X.float() converts. Section 2's model takes both.
        self.linear_layer = nn.Linear(in_features=1, out_features=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear_layer(x)


torch.manual_seed(42)
model_1 = LinearRegressionModelV2()
pprint((model_1, model_1.state_dict()))

# %% Its device
# A new model lies on the CPU.
pprint(next(model_1.parameters()).device)

# %% The model to the device
# A model's .to() moves its parameters in place.
model_1.to(device)
pprint(next(model_1.parameters()).device)

# %% 6.3 Training: loss function and optimizer
# The same as in section 3. The parameters are model_1's.
loss_fn = nn.L1Loss()

optimizer = torch.optim.SGD(params=model_1.parameters(), lr=0.01)

# %% Training loop and testing loop
torch.manual_seed(42)

epochs = 1000

# A tensor's .to() changes nothing in place: its result must be assigned. Model and data must lie on
# one device, or the forward pass stops.
X_train = X_train.to(device)
X_test = X_test.to(device)
y_train = y_train.to(device)
y_test = y_test.to(device)

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
    model_1.eval()

    with torch.inference_mode():
        # 1. Forward pass
        test_pred = model_1(X_test)

        # 2. Loss
        test_loss = loss_fn(test_pred, y_test)

    if epoch % 10 == 0:
        # Do your numbers differ? See docs/numbers.md.
        print(f"Epoch: {epoch} | Train loss: {loss} | Test loss: {test_loss}")

# %% The learned parameters
# Closer to the original values than section 3's model after its 100 epochs.
print("The model's weights and bias:")
pprint(model_1.state_dict())
print("\nAnd the original values of weights and bias are: ")
print(f"weights: {weight}, bias: {bias}")

# %% 6.4 Predictions
model_1.eval()

with torch.inference_mode():
    y_preds = model_1(X_test)
pprint(y_preds)

# %% The predictions as a picture
# The tutorial passes y_preds as they are. Matplotlib draws from the CPU: .cpu() copies from a GPU.
plot_predictions(predictions=y_preds.cpu())
plt.savefig("figures/06_all_together_predictions.png")

# %% 6.5 Save the model
# 1. A folder for models
MODEL_PATH = Path("models")
MODEL_PATH.mkdir(parents=True, exist_ok=True)

# 2. A path in it
MODEL_NAME = "01_pytorch_workflow_model_1.pth"
MODEL_SAVE_PATH = MODEL_PATH / MODEL_NAME

# 3. The state_dict
print(f"Saving model to: {MODEL_SAVE_PATH}")
torch.save(obj=model_1.state_dict(), f=MODEL_SAVE_PATH)

# %% Load it
# A file remembers its tensors' device. map_location, which the tutorial lacks, puts them on this
# machine's. Without it, a computer without a GPU can't load a GPU's file. weights_only is section
# 5's.
loaded_model_1 = LinearRegressionModelV2()

loaded_model_1.load_state_dict(torch.load(MODEL_SAVE_PATH, map_location=device, weights_only=True))

loaded_model_1.to(device)

print(f"Loaded model:\n {loaded_model_1}")
print(f"Model on device:\n {next(loaded_model_1.parameters()).device}")

# %% The same predictions
loaded_model_1.eval()
with torch.inference_mode():
    loaded_model_1_preds = loaded_model_1(X_test)
pprint(y_preds == loaded_model_1_preds)
plt.show()  # windows, where there is a screen; the script ends when you close them
