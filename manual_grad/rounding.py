"""What rounding can do to a run: to its losses and gradients, and to its steps.

A Trajectory records where each epoch stood and what it found there. Each number can therefore be
computed again from those that it was made of, without a second run:

- Losses and gradients are computed again in float64, at the run's own parameters. A trainer in
  float32 may be off by as many roundings as it does operations, in whatever order it adds up a
  mean, and the most that they can come to stands beside each number.
- Steps are computed again to the bit, because theta - lr * grad is rounded in one of two ways: by
  `theta -= lr * grad` twice, the product and then the difference; by torch.optim.SGD, which calls
  torch.add(theta, grad, alpha=-lr), only once on most CPUs, in a fused multiply-add.

What none of this explains is a Fault, so that two runs without one differ by rounding alone.

Source: Higham, "Accuracy and Stability of Numerical Algorithms" (2002), chapters 2 to 4.
"""

from math import inf
from typing import NamedTuple

import numpy as np
import torch

U = 2.0**-24  # one float32 rounding changes a number by at most this share of it


class Fault(NamedTuple):
    """A recorded number that rounding can't explain, and what it should be.

    `ratio` is recorded to right; of a weight or a bias, the recorded step to the right step. It is
    inf where the right one is 0.
    """

    epoch: int
    column: str
    recorded: float
    right: float
    ratio: float

    def __str__(self):
        of_steps = " of the steps" if self.column in ("weight", "bias") else ""
        number = f"epoch {self.epoch}, {self.column} is {self.recorded:.9g}"
        return f"{number}, should be {self.right:.9g}, ratio{of_steps} {self.ratio:z.7g}"


def before_each_step(run, trajectory):
    """Return {"weight": ..., "bias": ...} before the step of each epoch: float64, (epochs,)."""
    return {
        name: np.array([getattr(run, name), *getattr(trajectory, name)][:-1], np.float64)
        for name in ("weight", "bias")
    }


def roundings(k):
    """Return the largest change by k roundings, one after the other, as a share of a number."""
    return k * U / (1 - k * U)


def with_bounds(run, trajectory):
    """Return loss and both gradients as {name: (value in float64, error bound of float32)}.

    Each has shape (epochs,). Raises ValueError unless the loss of the run is "mae" or "mse".
    """
    X, y = (np.asarray(values, np.float64).ravel() for values in (run.X, run.y))
    weight, bias = (theta[:, None] for theta in before_each_step(run, trajectory).values())
    y_pred = weight * X + bias
    residual = y_pred - y
    # The product, the sum and the difference are each rounded by U of their own size, or a little
    # more than U in all, because the later roundings enlarge the earlier errors too.
    error = roundings(3) / 3 * (np.abs(weight * X) + np.abs(y_pred) + np.abs(residual))
    if run.loss == "mae":
        losses, losses_error = np.abs(residual), error
        sign_known = np.abs(residual) > error
        slope = np.where(sign_known, np.sign(residual), 0)
        slope_error = np.where(sign_known, 0, 1)  # float32 may take any slope from -1 to 1
    elif run.loss == "mse":
        losses, losses_error = residual**2, (2 * np.abs(residual) + error) * error
        slope, slope_error = 2 * residual, 2 * error
    else:
        raise ValueError(f"the loss of the run must be 'mae' or 'mse', not {run.loss!r}")
    # Each term of a mean is rounded up to 3 times more: 2 / n, times r, times x. The mean has n - 1
    # additions, in any order. One more rounding stands for float64's own, which are far smaller.
    k = 3 + len(X) - 1 + 1

    def mean_and_bound(terms, terms_error):
        bound = terms_error + roundings(k) * (np.abs(terms) + terms_error)
        return terms.mean(axis=1), bound.mean(axis=1)

    return {
        "loss": mean_and_bound(losses, losses_error),
        "weight_grad": mean_and_bound(slope * X, slope_error * np.abs(X)),
        "bias_grad": mean_and_bound(slope, slope_error),
    }


def steps(theta, grad, lr):
    """Return each right theta - lr * grad: two computed in float64, then the same two in float32.

    The first of each two rounds the product and then the difference; the second is torch.add's.
    theta and grad have shape (epochs,); what is returned is float64 of shape (4, epochs).
    """
    ways = []
    for dtype in (np.float64, np.float32):
        theta, grad = np.asarray(theta, dtype), np.asarray(grad, dtype)
        by_torch = torch.add(torch.from_numpy(theta), torch.from_numpy(grad), alpha=-lr)
        ways += [theta - dtype(lr) * grad, by_torch.numpy()]
    return np.array(ways, np.float64)


def first_fault(run, trajectory):
    """Return the first Fault of a Trajectory of this run, or None if rounding explains it all.

    Within an epoch the loss is looked at first, then the gradients, then the parameters: a step is
    computed from the recorded gradient, right or not.
    """
    right_and_bound = with_bounds(run, trajectory)
    before, faults = before_each_step(run, trajectory), []
    for name, recorded in trajectory._asdict().items():
        if name in before:
            start = before[name]
            ways = steps(start, getattr(trajectory, f"{name}_grad"), run.lr)
            right, explained = ways[0], (recorded == ways).any(axis=0)
        else:
            start = np.zeros(len(recorded))
            right, bound = right_and_bound[name]
            explained = np.abs(recorded - right) <= bound  # nan isn't
        if not explained.all():
            epoch = int(explained.argmin())
            size, right_size = recorded[epoch] - start[epoch], right[epoch] - start[epoch]
            ratio = size / right_size if right_size else inf
            faults.append(Fault(epoch, name, recorded[epoch], right[epoch], ratio))
    return min(faults, key=lambda fault: fault.epoch, default=None)
