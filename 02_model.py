# %% [markdown]
# # 2. Build a model
#
# What PyTorch's building blocks are for:
#
# | block | what for |
# | --- | --- |
# | `torch.nn` | what computational graphs (chains of computations) are built from |
# | `nn.Module` | the base class of all models and layers; it collects the parameters inside |
# | `nn.Parameter` | a tensor that a module learns; autograd differentiates: it finds the gradient |
# | `forward()` | what a module computes from its input; every `nn.Module` defines it |
# | `torch.optim` | optimizers: they change parameters by their gradients (section 3) |
# | `torch.utils.data` | `Dataset` and `DataLoader` serve data in batches; 50 points need neither |

# %% Section 1 in short
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


# %% The model
class LinearRegressionModel(nn.Module):  # almost everything in PyTorch is an nn.Module
    def __init__(self):
        super().__init__()
        # The start is random; training moves it towards values that fit the data. torch.float is
        # float32, PyTorch's default. requires_grad=True, also a default here, asks for gradients.
        # nn.Parameter(...) * 0.5 would be no parameter but a product, which nothing trains. Write
        # nn.Parameter(0.5 * torch.randn(1)).
        self.weights = nn.Parameter(torch.randn(1, dtype=torch.float), requires_grad=True)
        self.bias = nn.Parameter(torch.randn(1, dtype=torch.float), requires_grad=True)

    # What the model computes: the formula of linear regression, y = weight * x + bias
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weights * x + self.bias


# %% Its parameters
# The seed fixes the random numbers, and they are drawn in the order of the statements. So a second
# model without a new manual_seed(42), or a class with bias above weights, starts from other values.
torch.manual_seed(42)

model_0 = LinearRegressionModel()

# Each nn.Parameter that the module has collected. Training will move both towards 0.7 and 0.3.
pprint(list(model_0.parameters()))

# %% Its parameters by name
# The state_dict is all that the model knows. It is no copy: kept in a variable, it changes as the
# model learns. copy.deepcopy(model_0.state_dict()) keeps the values of this moment. (Python 3.12
# and later print OrderedDict({...: ...}), but OrderedDict([(..., ...)]) if it fills several lines.)
pprint(model_0.state_dict())

# %% Predictions
# model_0(X_test) runs forward() with x = X_test. `with` opens a context manager: what it switches
# on ends with the indented block. inference_mode() records nothing for gradients: that saves time
# and memory. Older code has torch.no_grad(). What no_grad() computes can be used in later
# training; what inference_mode() computes often can't ("cannot be saved for backward").
with torch.inference_mode():
    y_preds = model_0(X_test)

# %% One prediction for each sample
print(f"Number of testing samples: {len(X_test)}")
print(f"Number of predictions made: {len(y_preds)}")
print(f"Predicted values:\n{y_preds}")

# %% The predictions as a picture
# The model guesses: its predictions lie far below the test data. It has seen no training data yet.
plot_predictions(predictions=y_preds)
Path("figures").mkdir(exist_ok=True)  # the tutorial saves beside the notebook
plt.savefig("figures/02_model_untrained_predictions.png")

# %% How far off they are
# All ten are too low, by about a half. What is printed is y - y_pred. The README and lessons/ call
# y_pred - y the residual, because its sign is that of the loss's slope at this prediction.
pprint(y_test - y_preds)
plt.show()  # a window, where there is a screen; the script ends when you close it
