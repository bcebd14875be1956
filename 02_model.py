"""Section 2 of the tutorial: build a model.

What PyTorch's building blocks are for:
    torch.nn             what computational graphs (chains of computations) are built from
    nn.Module            the base class of all models and layers: it collects the parameters inside
    nn.Parameter         a tensor that a module learns: autograd computes its gradient
    forward()            what a module computes from its input; every nn.Module defines it
    torch.optim          optimizers: they change parameters by their gradients (section 3)
    torch.utils.data     Dataset and DataLoader: they serve data in batches. 50 points need neither.
"""

from importlib import import_module
from pathlib import Path
from pprint import pprint

import matplotlib.pyplot as plt
import torch
from torch import nn

# import_module takes the name as a string: `import 01_data` is a syntax error, for its first digit.
plot_predictions = import_module("01_data").plot_predictions


class LinearRegressionModel(nn.Module):
    """The straight line y = weights * x + bias, with two parameters of shape (1,), float32.

    Almost everything in PyTorch is an nn.Module. Small modules are put together to larger ones.
    """

    def __init__(self):
        super().__init__()
        # The start is random, and training moves it towards what fits the data. torch.float is
        # float32, PyTorch's default. requires_grad=True, also a default here, asks for gradients.
        self.weights = nn.Parameter(torch.randn(1, dtype=torch.float), requires_grad=True)
        self.bias = nn.Parameter(torch.randn(1, dtype=torch.float), requires_grad=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # The formula of linear regression: one weight for the one feature, and a bias.
        return self.weights * x + self.bias


if __name__ == "__main__":
    # Section 1 in short.
    weight, bias = 0.7, 0.3
    start, end, step = 0, 1, 0.02
    X = torch.arange(start, end, step).unsqueeze(dim=1)
    y = weight * X + bias
    train_split = int(0.8 * len(X))
    X_train, y_train = X[:train_split], y[:train_split]
    X_test, y_test = X[train_split:], y[train_split:]

    # With a seed, the random start is the same in every run. Try another seed: another start.
    torch.manual_seed(42)
    model_0 = LinearRegressionModel()

    # parameters() yields each nn.Parameter that the module has collected. Training will move these
    # two random values towards 0.7 and 0.3.
    print("\n# 2. Build model: parameters of the untrained model")
    pprint(list(model_0.parameters()))

    # The state_dict holds each parameter under its name. It is all that the model knows.
    print("\n# 2. Build model: state_dict of the untrained model")
    print(model_0.state_dict())

    # model_0(X_test) runs forward() with x = X_test. Predictions need no gradients, so nothing is
    # recorded for them under inference_mode(): that saves time and memory. Older code uses
    # torch.no_grad() here. It pauses recording too, and its results can still take part in
    # training; those of inference_mode can't. So no_grad serves for updates by hand (script 08).
    with torch.inference_mode():
        y_preds = model_0(X_test)

    # One prediction for each sample.
    print("\n# 2. Build model: predictions of the untrained model")
    print(f"Number of testing samples: {len(X_test)}")
    print(f"Number of predictions made: {len(y_preds)}")
    print(f"Predicted values:\n{y_preds}")

    # Numbers in columns say little again. The picture shows that the model guesses: its predictions
    # lie far below the test data, because it has seen no training data yet.
    plot_predictions(X_train, y_train, X_test, y_test, predictions=y_preds)
    plt.title("The untrained model: its predictions are a guess")
    Path("figures").mkdir(exist_ok=True)
    plt.savefig("figures/02_model_untrained_predictions.png")

    # All ten predictions are too low, by half a unit or so. What is printed here is the negative of
    # the residual, y_preds - y_test.
    print("\n# 2. Build model: y_test - y_preds")
    print(y_test - y_preds)
    plt.show()
