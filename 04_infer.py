# %% [markdown]
# # 4. Make predictions with the trained model (inference)
#
# Three things belong to every prediction:
#
# 1. the model is in evaluation mode;
# 2. inference mode is on;
# 3. model and data lie on the same device.
#
# The first two leave out what only training needs.

# %% Sections 1 to 3 in short
from pathlib import Path
from pprint import pprint

import matplotlib.pyplot as plt
import torch
from torch import nn

weight = 0.7
bias = 0.3
X = torch.arange(0, 1, 0.02).unsqueeze(dim=1)
y = weight * X + bias
train_split = int(0.8 * len(X))
X_train, y_train = X[:train_split], y[:train_split]
X_test, y_test = X[train_split:], y[train_split:]


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


class LinearRegressionModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.randn(1, dtype=torch.float), requires_grad=True)
        self.bias = nn.Parameter(torch.randn(1, dtype=torch.float), requires_grad=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weights * x + self.bias


torch.manual_seed(42)
model_0 = LinearRegressionModel()
loss_fn = nn.L1Loss()
optimizer = torch.optim.SGD(params=model_0.parameters(), lr=0.01)
for _ in range(100):
    y_pred = model_0(X_train)  # 1. Forward pass
    loss = loss_fn(y_pred, y_train)  # 2. Loss
    optimizer.zero_grad()  # 3. Zero gradients
    loss.backward()  # 4. Backpropagation
    optimizer.step()  # 5. Gradient descent

# %% Predictions
# 1. Evaluation mode. Some layers work differently in training: dropout, for example, switches off
#    units at random. This turns that off.
model_0.eval()

# 2. Inference mode: nothing is recorded for gradients, which is faster.
with torch.inference_mode():
    # 3. The same device. Here all is on the CPU. With the model on a GPU and the data on the CPU,
    #    PyTorch would stop: "Expected all tensors to be on the same device". Section 6 moves both:
    # model_0.to(device)
    # X_test = X_test.to(device)
    y_preds = model_0(X_test)
pprint(y_preds)

# %% The predictions as a picture
# Compare section 2's picture: the predictions have moved close to the test data. Nobody has told
# the model 0.7 and 0.3; it found its values from 40 examples.
plot_predictions(predictions=y_preds)

# Not in the tutorial: the model's line over all X. Without it, the model looks too low everywhere.
# It is too high on the left: the weight is still too small, and the bias too large.
with torch.inference_mode():
    plt.plot(X, model_0(X), ls="--", c="#D55E00", label="The model's line")
plt.legend(prop={"size": 14})

Path("figures").mkdir(exist_ok=True)  # the tutorial saves beside the notebook
plt.savefig("figures/04_infer_predictions.png")
plt.show()  # a window, where there is a screen; the script ends when you close it
