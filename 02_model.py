"""Section 2 of the tutorial: build a model.

A linear regression from PyTorch's building blocks. `nn.Module` is the base class of every model
and layer: it collects the parameters inside it and asks for a `forward` method. `nn.Parameter` is
a tensor that belongs to a module and learns: autograd computes its gradient. `torch.optim` changes
the parameters by their gradients (section 3). `Dataset` and `DataLoader` serve data that is too
much to take at once, batch by batch: 50 points, all in one tensor, have no need of them.
"""

from importlib import import_module
from pprint import pprint

import torch
from torch import nn

data = import_module("01_data")


class LinearRegressionModel(nn.Module):
    """The straight line y = weights * x + bias, with two parameters of shape (1,), float32.

    Both start at random (standard normal), drawn from torch's generator, weights first.
    """

    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.randn(1, dtype=torch.float), requires_grad=True)
        self.bias = nn.Parameter(torch.randn(1, dtype=torch.float), requires_grad=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the predictions for x, in the shape of x."""
        return self.weights * x + self.bias


if __name__ == "__main__":
    X, y = data.make_line()
    X_train, y_train, X_test, y_test = data.split(X, y)

    # Seeded, so that the random start is the same for everyone who runs this.
    torch.manual_seed(42)
    model_0 = LinearRegressionModel()

    print("\n# 2. Build model: parameters of the untrained model")
    pprint(list(model_0.parameters()))

    # The state_dict maps each parameter's name to its values: all that the model knows.
    print("\n# 2. Build model: state_dict of the untrained model")
    print(model_0.state_dict())

    # inference_mode() records nothing for gradients, which predictions alone never need: less work
    # and memory. torch.no_grad(), seen in older code, does the same less thoroughly.
    with torch.inference_mode():
        y_preds = model_0(X_test)

    print("\n# 2. Build model: number of samples and predictions")
    print(f"Number of testing samples: {len(X_test)}")
    print(f"Number of predictions made: {len(y_preds)}")

    print("\n# 2. Build model: predictions of the untrained model")
    print(f"Predicted values:\n{y_preds}")

    print("\n# 2. Build model: residuals y_test - y_preds")
    print(y_test - y_preds)

    print("\n# 2. Build model: the predictions as a picture")
    axes = data.plot_predictions(X_train, y_train, X_test, y_test, predictions=y_preds)
    axes.set_title("The untrained model: its predictions are a guess")
    data.save_figure(axes, "02_model_untrained_predictions")
    data.show_figures()
