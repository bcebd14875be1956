"""What every trainer records, and what every trainer asks of its arguments."""

from math import isfinite
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np

from manual_grad.losses import LOSSES


class Trajectory(NamedTuple):
    """One training run: five NumPy arrays of shape (epochs,), in the dtype of the data.

    `loss` and the two gradients of an epoch are those at the parameters before its step; `weight`
    and `bias` are the parameters after it.
    """

    loss: np.ndarray
    weight_grad: np.ndarray
    bias_grad: np.ndarray
    weight: np.ndarray
    bias: np.ndarray


COLUMNS = {
    "parameters": ["weight", "bias"],
    "gradients": ["weight_grad", "bias_grad"],
    "loss": ["loss"],
}


def stack(trajectory, columns):
    """Return some columns of a Trajectory as one array of shape (number of columns, epochs)."""
    return np.stack([getattr(trajectory, name) for name in columns])


def by_hand(trajectories):
    """Return all trajectories but that of torch_optim."""
    return {trainer: t for trainer, t in trajectories.items() if trainer != "torch_optim"}


def parameters_apart(trajectories):
    """Return for each trainer by hand how far weight or bias is from torch_optim's: (epochs,)."""
    columns = COLUMNS["parameters"]
    reference = stack(trajectories["torch_optim"], columns)
    return {
        trainer: np.abs(stack(trajectory, columns) - reference).max(axis=0)
        for trainer, trajectory in by_hand(trajectories).items()
    }


def in_words(epochs):
    """Return the epochs that are True: "epoch 4", "epochs 0 to 10", "67 epochs from 2 to 99"."""
    where = np.flatnonzero(epochs)
    first, last, count = where[0], where[-1], len(where)
    if count == 1:
        return f"epoch {first}"
    from_to = f"{first} to {last}"
    return f"epochs {from_to}" if count == last - first + 1 else f"{count} epochs from {from_to}"


def as_trajectory(rows, dtype):
    """Return one row (loss, weight_grad, bias_grad, weight, bias) for each epoch as a Trajectory.

    Raises FloatingPointError, with the first such epoch, if a number is not finite.
    """
    trajectory = Trajectory(*np.array(rows, dtype).reshape(-1, 5).T.copy())
    finite = np.isfinite(trajectory).all(axis=0)
    if not finite.all():
        epoch = int(np.argmin(finite))
        numbers = ", ".join(
            f"{name} {column[epoch]}" for name, column in trajectory._asdict().items()
        )
        raise FloatingPointError(
            f"training is no longer finite in epoch {epoch} ({numbers}): try a smaller lr"
        )
    return trajectory


def check_arguments(X, y, weight, bias, loss, lr, epochs):
    """Raise TypeError or ValueError unless a trainer can train with these.

    X and y are NumPy arrays or torch tensors, on any device.
    """
    if not isinstance(loss, str) or loss not in LOSSES:
        raise ValueError(f"loss must be one of {', '.join(map(repr, LOSSES))}, not {loss!r}")
    if not isinstance(epochs, Integral) or epochs < 0:
        raise ValueError(f"epochs must be a whole number, 0 or more, not {epochs!r}")
    X_values, y_values = (check_values(name, values) for name, values in (("X", X), ("y", y)))
    limit = float(np.finfo(X_values.dtype).max)
    for name, values in (("X", X_values), ("y", y_values)):
        # Smallest and largest are nan where any value is, and take no memory of size n.
        if not -limit <= float(values.min()) <= float(values.max()) <= limit:
            raise ValueError(f"{name} must be finite in {X_values.dtype}, but holds nan or inf")
    if len(X) != len(y):
        raise ValueError(f"X has {len(X)} rows and y has {len(y)}: each sample needs one label")
    if loss == "bce" and (y_values.min() < 0 or y_values.max() > 1):
        lowest, highest = y_values.min(), y_values.max()
        raise ValueError(f"y must lie in [0, 1] for bce, but it reaches from {lowest} to {highest}")
    for name, value in (("weight", weight), ("bias", bias), ("lr", lr)):
        if not isinstance(value, Real):
            raise TypeError(f"{name} must be a number, not of type {type(value).__name__}")
        if not isfinite(value) or abs(value) > limit:
            raise ValueError(f"{name} must be a finite number of {X_values.dtype}, not {value}")
    if lr < 0:
        raise ValueError(f"lr must be 0 or more, not {lr}")


def check_values(name, values):
    """Return X or y as an array. Raise unless it holds floats and has shape (n, 1)."""
    if hasattr(values, "numpy") and not isinstance(values, type):
        values = values.numpy(force=True)  # a tensor: detached, and copied from a GPU
    if not isinstance(values, np.ndarray):
        raise TypeError(f"{name} must be an array or a tensor, not {type(values).__name__}")
    if not np.issubdtype(values.dtype, np.floating):
        raise TypeError(f"{name} must hold floats such as float32, not {values.dtype}")
    if values.ndim != 2 or values.shape[1] != 1 or len(values) == 0:
        raise ValueError(f"{name} must have shape (n, 1) with n of 1 or more, not {values.shape}")
    return values
