"""What every trainer records, and what every trainer asks of its arguments."""

from numbers import Integral, Real
from typing import NamedTuple

import numpy as np

from manual_grad.losses import LOSSES

FLOATS = np.float32, np.float64


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
        epoch = int(finite.argmin())
        numbers = Trajectory(*np.stack(trajectory)[:, epoch].tolist())
        raise FloatingPointError(
            f"training is no longer finite in epoch {epoch}, {numbers}: try a smaller lr, "
            "or standardize X: (X - X.mean()) / X.std()"
        )
    return trajectory


def find_cycle(states):
    """Return (first, period): the place of the state that comes back first, and after how many.

    The states, one for each epoch, can be anything that has a hash, such as (weight, bias). States
    first to first + period - 1 all differ, and the next one is the first one again, to the bit.
    Raises ValueError if no state comes back.
    """
    seen = {}
    for epoch, state in enumerate(states):
        if state in seen:
            return seen[state], epoch - seen[state]
        seen[state] = epoch
    raise ValueError(f"there is no cycle: in {len(seen)} epochs no state came back")


def check_arguments(X, y, weight, bias, loss, lr, epochs):
    """Raise TypeError or ValueError unless a trainer can train with these.

    X and y are NumPy arrays or torch tensors, on any device, of shape (n, 1), float32 or float64.
    """
    arrays = {"X": as_array(X), "y": as_array(y)}
    for name, values in arrays.items():
        require_floats(name, values)
        column = values.ndim == 2 and values.shape[1] == 1 and len(values) > 0
        wanted = f"{name} must have shape (n, 1) with n of 1 or more, not {values.shape}"
        require(column, wanted, ValueError)

    X, y = arrays.values()
    each_labelled = f"X has {len(X)} rows and y has {len(y)}: each sample needs one label"
    require(len(X) == len(y), each_labelled, ValueError)
    largest = float(np.finfo(X.dtype).max)
    for name, values in arrays.items():
        # Both are nan where any value is, and need no array of size n, which isfinite would fill.
        finite = -largest <= float(values.min()) <= float(values.max()) <= largest
        require(finite, f"{name} must be finite in {X.dtype}, but holds nan or inf", ValueError)

    for name, value in (("weight", weight), ("bias", bias), ("lr", lr)):
        kind = type(value).__name__
        require(isinstance(value, Real), f"{name} must be a number, not of type {kind}")
        wanted = f"{name} must be a finite number of {X.dtype}, not {value}"
        require(abs(value) <= largest, wanted, ValueError)  # nan isn't
    require(lr >= 0, f"lr must be 0 or more, not {lr}", ValueError)

    known = isinstance(loss, str) and loss in LOSSES
    require(known, f"loss must be one of {', '.join(map(repr, LOSSES))}, not {loss!r}", ValueError)
    if loss == "bce":
        lowest, highest = y.min(), y.max()
        wanted = f"y must lie in [0, 1] for bce, but it reaches from {lowest} to {highest}"
        require(0 <= lowest <= highest <= 1, wanted, ValueError)
    whole = isinstance(epochs, Integral) and epochs >= 0
    require(whole, f"epochs must be a whole number, 0 or more, not {epochs!r}", ValueError)


def require(condition, message, error=TypeError):
    """Raise the error with the message unless the condition holds."""
    if not condition:
        raise error(message)


def require_floats(name, values):
    """Raise TypeError unless the values are an array of float32 or float64.

    Masked arrays and matrices are refused, because they compute by rules of their own.
    """
    plain = type(values) in (np.ndarray, np.memmap, *FLOATS)
    if not plain or values.dtype.type not in FLOATS:
        found = type(values).__name__ + (f" of {values.dtype}" if plain else "")
        raise TypeError(f"{name} must be a plain array of float32 or float64, not {found}")


def as_array(values):
    """Return a tensor as a NumPy array, copied from a GPU if need be. Return all else as it is.

    torch raises TypeError for tensors that NumPy has no array for, such as those of bfloat16.
    """
    return values.numpy(force=True) if hasattr(values, "numpy") else values


def as_arrays(X, y):
    """Return X and y, arrays or tensors, as arrays that NumPy and torch train with alike.

    Both get the dtype of X. What is read-only, strided or in the other byte order is copied.
    """
    X, y = as_array(X), as_array(y)
    return [np.require(values, X.dtype.newbyteorder("="), "CWE") for values in (X, y)]
