"""The published training runs as data: what goes in, so that any trainer can be given them.

    section 3             the notebook's first model, 100 epochs of MAE
    section 6             its second model (nn.Linear), 1000 epochs of MAE
    exercise              y = 0.3 x + 0.9, 300 epochs of MAE, from the same start as section 6
    exercise, author's    the same from the start of section 3: the author's own solution
    pipeline, nn.Linear   the second tutorial's third step, 100 epochs of MSE
    pipeline, custom      its fourth step

The second tutorial's first two steps train a weight alone. The trainers here always train a weight
and a bias, so those two are not among the runs; 08_training_pipeline.py reproduces them.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from manual_grad.numpy_closed_form import TRUE_BIAS, TRUE_WEIGHT
from manual_grad.trajectory import Trajectory

# The second tutorial's runs were not seeded. 08_training_pipeline.py tells how these were found.
LINEAR_START = dict(weight=0.20527294278144836, bias=0.8670080900192261)
CUSTOM_START = dict(weight=0.6033452153205872, bias=-0.28596004843711853)


class Run(NamedTuple):
    """Training and test data of shape (n, 1), float32; start; loss; learning rate; epochs."""

    X: torch.Tensor
    y: torch.Tensor
    X_test: torch.Tensor
    y_test: torch.Tensor
    weight: float
    bias: float
    loss: str = "mae"
    lr: float = 0.01
    epochs: int = 100

    def train(self, trainer, **options):
        """Return the Trajectory of this run with one of the trainers, called with options of it."""
        settings = dict(loss=self.loss, lr=self.lr, epochs=self.epochs)
        return trainer(self.X, self.y, self.weight, self.bias, **settings, **options)

    def train_at(self, rates, trainer):
        """Return the Trajectory of one epoch at each of these rates, by steps without momentum."""
        run, epochs = self, []
        for rate in rates:
            epoch = run._replace(lr=rate, epochs=1).train(trainer)
            run = run._replace(weight=epoch.weight.item(), bias=epoch.bias.item())
            epochs.append(epoch)
        return Trajectory(*np.concatenate(epochs, axis=1))


def published_runs():
    """Return the runs by name. The random state of torch on the CPU stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(42)
        start_0 = [torch.randn(1).item(), torch.randn(1).item()]  # weight, then bias
        torch.manual_seed(42)
        start_1 = [parameter.item() for parameter in nn.Linear(1, 1).parameters()]
    X = torch.arange(0, 1, 0.02).unsqueeze(dim=1)
    y = TRUE_WEIGHT * X + TRUE_BIAS
    line = X[:40], y[:40], X[40:], y[40:]
    X = torch.arange(0, 1, 0.01).unsqueeze(dim=1)
    y = 0.3 * X + 0.9
    exercise = X[:80], y[:80], X[80:], y[80:]
    X = torch.tensor([[1], [2], [3], [4], [5]], dtype=torch.float32)
    y = 2 * X
    pipeline = X[:4], y[:4], X[4:], y[4:]
    return {
        "section 3": Run(*line, *start_0),
        "section 6": Run(*line, *start_1, epochs=1000),
        "exercise": Run(*exercise, *start_1, epochs=300),
        "exercise, author's": Run(*exercise, *start_0, epochs=300),
        "pipeline, nn.Linear": Run(*pipeline, **LINEAR_START, loss="mse"),
        "pipeline, custom": Run(*pipeline, **CUSTOM_START, loss="mse"),
    }
