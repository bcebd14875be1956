"""Section 1 of the tutorial: data (preparing and loading).

Machine learning is a game of two parts: turn data into numbers, then build a model that learns the
pattern in them. Here the numbers are made from a pattern that we know, the straight line
y = weight * X + bias, so that we can see afterwards whether the model has found it.
"""

import math
from pathlib import Path
from pprint import pprint

import matplotlib.pyplot as plt
import torch


def make_line(weight=0.7, bias=0.3, start=0.0, end=1.0, step=0.02):
    """Return features X = start, start + step, ... (below end) and labels y = weight * X + bias.

    Both are float32 tensors of shape (n, 1): n samples in rows, one feature in the column, which
    is the shape that `nn.Linear` takes. Raises ValueError for a value that is not finite, and for
    a step that does not lead from start towards end.
    """
    for name, value in dict(weight=weight, bias=bias, start=start, end=end, step=step).items():
        if not math.isfinite(value):
            raise ValueError(f"{name} must be a finite number, not {value}")
    points = (end - start) / step if step else 0
    if not 0 < points <= 2**24:
        raise ValueError(
            f"start={start}, end={end}, step={step} yield no point, or more than the 2**24 that "
            "float32 can tell apart: step must lead from start towards end, in fewer steps"
        )
    X = torch.arange(start, end, step, dtype=torch.float32).unsqueeze(dim=1)
    y = weight * X + bias
    check_data(X, y)
    return X, y


def check_data(X, y):
    """Raise TypeError or ValueError unless X and y are finite floats, one label for each sample."""
    check_values("X", X)
    check_values("y", y)
    if len(X) != len(y):
        raise ValueError(f"X has {len(X)} rows and y has {len(y)}: each sample needs one label")


def check_values(name, values):
    """Raise TypeError or ValueError unless this is a tensor of finite floats, of a row or more."""
    if not isinstance(values, torch.Tensor) or not values.is_floating_point():
        kind = values.dtype if isinstance(values, torch.Tensor) else type(values).__name__
        raise TypeError(f"{name} must be a tensor of floats such as torch.float32, not {kind}")
    if values.ndim == 0 or len(values) == 0:
        raise ValueError(f"{name} is empty, of shape {tuple(values.shape)}: give it a row or more")
    if not torch.isfinite(values).all():
        raise ValueError(f"{name} must be finite, but holds nan or inf")


def split(X, y, train_fraction=0.8):
    """Return X_train, y_train, X_test, y_test: the first int(train_fraction * n) rows, the rest.

    The number of training rows is rounded down. Raises ValueError where a side would be empty.
    """
    check_data(X, y)
    train_split = int(train_fraction * len(X)) if 0 < train_fraction < 1 else 0
    if train_split == 0:
        raise ValueError(
            f"train_fraction={train_fraction} of {len(X)} rows leaves a side empty: it must lie "
            "between 0 and 1, with at least one row on each side"
        )
    return X[:train_split], y[:train_split], X[train_split:], y[train_split:]


def plot_predictions(train_data, train_labels, test_data, test_labels, predictions=None):
    """Draw the training data, the test data and, where given, the predictions for the test data.

    Takes tensors of shape (n, 1) on any device. Returns the Axes of a new figure.
    """
    groups = [
        ("Training data", train_data, train_labels, dict(color="#0072B2", marker="o")),
        (
            "Testing data",
            test_data,
            test_labels,
            dict(color="#009E73", marker="s", facecolor="none"),
        ),
    ]
    if predictions is not None:
        look = dict(color="#D55E00", marker="x")
        groups.append(("Predictions", test_data, predictions, look))
    axes = plt.figure(figsize=(10, 7), layout="constrained").subplots()
    for label, X, y, look in groups:
        # Matplotlib takes what lies in the CPU's memory and is no part of a gradient graph.
        axes.scatter(X.detach().cpu(), y.detach().cpu(), s=28, label=label, **look)
    axes.set(title=" and ".join(label.lower() for label, *_ in groups).capitalize())
    axes.set(xlabel="X (feature, no unit)", ylabel="y (label, no unit)")
    axes.legend(prop={"size": 14})
    return axes


def save_figure(axes, name):
    """Save the figure of `axes` as figures/<name>.png, in the current folder; return the Path."""
    path = Path("figures") / f"{name}.png"
    path.parent.mkdir(exist_ok=True)
    axes.figure.savefig(path)
    print(f"Saved {path.as_posix()}")
    return path


def show_figures():
    """Open a window for each figure where there is a display; elsewhere do nothing."""
    if plt.gcf().canvas.required_interactive_framework:
        plt.show()


if __name__ == "__main__":
    print("\n# 1. Data: PyTorch version")
    print(torch.__version__)

    # Known parameters, which the model has to find.
    weight = 0.7
    bias = 0.3
    X, y = make_line(weight, bias, start=0, end=1, step=0.02)

    print("\n# 1. Data: the first ten features X and labels y")
    pprint((X[:10], y[:10]))

    # The model learns from the training set alone. The test set stands for unseen data: it tells
    # whether the pattern holds beyond what was learned, so it is used once, at the end. Whoever
    # compares models or settings does that on a third part, the validation set, or the test set
    # would no longer be unseen; here nothing is chosen, and two parts are enough.
    X_train, y_train, X_test, y_test = split(X, y, train_fraction=0.8)

    print("\n# 1. Data: lengths of X_train, y_train, X_test, y_test")
    print((len(X_train), len(y_train), len(X_test), len(y_test)))

    print("\n# 1. Data: the split as a picture")
    axes = plot_predictions(X_train, y_train, X_test, y_test)
    save_figure(axes, "01_data_split")
    show_figures()
