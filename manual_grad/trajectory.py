"""What every trainer records, and what every trainer asks of its arguments."""

from math import isfinite
from numbers import Integral
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
    """Raise TypeError or ValueError unless a trainer can train with these (X and y as arrays)."""
    if loss not in list(LOSSES):
        raise ValueError(f"loss must be one of {', '.join(LOSSES)}, not {loss!r}")
    if not isinstance(epochs, Integral) or epochs < 0:
        raise ValueError(f"epochs must be a whole number, 0 or more, not {epochs!r}")
    for name, values in (("X", X), ("y", y)):
        if not np.issubdtype(values.dtype, np.floating):
            raise TypeError(f"{name} must hold floats such as float32, not {values.dtype}")
        if values.ndim != 2 or values.shape[1] != 1 or len(values) == 0:
            raise ValueError(
                f"{name} must have shape (n, 1) with n of 1 or more, not {values.shape}"
            )
        # Smallest and largest are nan where any value is, and take no memory of size n.
        limit = float(np.finfo(X.dtype).max)
        if not -limit <= float(values.min()) <= float(values.max()) <= limit:
            raise ValueError(f"{name} must be finite in {X.dtype}, but holds nan, inf or more")
    if len(X) != len(y):
        raise ValueError(f"X has {len(X)} rows and y has {len(y)}: each sample needs one label")
    if loss == "bce" and (y.min() < 0 or y.max() > 1):
        raise ValueError(
            f"y must lie in [0, 1] for bce, but it reaches from {y.min()} to {y.max()}"
        )
    for name, value in (("weight", weight), ("bias", bias), ("lr", lr)):
        if not isfinite(value) or abs(value) > limit:
            raise ValueError(f"{name} must be a finite number of dtype {X.dtype}, not {value}")
    if lr < 0:
        raise ValueError(f"lr must be 0 or more, not {lr}")
