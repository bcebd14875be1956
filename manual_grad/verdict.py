"""Why are two float32 runs equal, or not? Every number is computed again, in every epoch.

A Trajectory records where each epoch stood and what it found there. So each run can be checked by
itself, without the other:

- Loss and gradients are computed again in float64, at the run's own parameters. The recorded ones
  may be off by float32's roundings, as many as there are, in whatever order a mean is added up.
- The step is computed again from the run's own parameters and gradients, to the bit. float32 can
  round theta - lr * grad in two ways: `theta -= lr * grad` rounds twice, the product and the
  difference; a fused multiply-add rounds once. One of the two must hold in all epochs.

A number that fails is a Fault: rounding can't explain it. Where two runs without a fault differ,
rounding can explain it, and `explain` names where it came in: in a mean, or in a step.

Sources: Higham, "Accuracy and Stability of Numerical Algorithms" (2002), chapters 2 to 4; Boldo and
Melquiond, "Emulation of FMA and Correctly Rounded Sums" (2008).
"""

from math import inf, isclose, nan
from typing import NamedTuple

import numpy as np

U = 2.0**-24  # one float32 rounding changes a number by at most this share of it

COLUMNS = {
    "parameters": ["weight", "bias"],
    "gradients": ["weight_grad", "bias_grad"],
    "loss": ["loss"],
}


class Fault(NamedTuple):
    """A recorded number that rounding can't explain, and what it should be.

    `ratio` is recorded to right; for a weight or a bias, its step's to the right step. It is inf
    where the right one is 0.
    """

    whose: str  # "" or "torch_optim"
    epoch: int
    column: str
    recorded: float
    right: float
    ratio: float
    guess: str  # what may have happened, or ""

    def __str__(self):
        whose = f" ({self.whose})" if self.whose else ""
        is_step = self.column in COLUMNS["parameters"]
        source, ratio = ("a step", "ratio of the steps") if is_step else ("float64", "ratio")
        guess = f": {self.guess}" if self.guess else ""
        return (
            f"NOT EXPLAINED{whose}: epoch {self.epoch}, {self.column} is {self.recorded:.9g}, "
            f"{source} gives {self.right:.9g}, {ratio} {self.ratio:.7g}{guess}"
        )


class Verdict(NamedTuple):
    """Why a group of columns is, or isn't, that of torch_optim.

    `reasons` tells for each reason in which epochs it makes them differ: booleans, (epochs,).
    """

    fault: Fault | None
    reasons: dict

    def __str__(self):
        if self.fault:
            return str(self.fault)
        reasons = [f"{why} ({in_words(epochs)})" for why, epochs in self.reasons.items()]
        return "; ".join(reasons) or "equal to the bit"


def in_words(epochs):
    """Return the epochs that are True: "epoch 4", "epochs 0 to 10", "67 epochs from 2 to 99"."""
    where = np.flatnonzero(epochs)
    first, last, count = where[0], where[-1], len(where)
    if count == 1:
        return f"epoch {first}"
    from_to = f"{first} to {last}"
    return f"epochs {from_to}" if count == last - first + 1 else f"{count} epochs from {from_to}"


def stack(trajectory, columns):
    """Return some columns of a Trajectory as one array of shape (number of columns, epochs)."""
    return np.stack([getattr(trajectory, name) for name in columns])


def parameters_before(run, trajectory):
    """Return weight and bias before the step of each epoch: float32, of shape (2, epochs)."""
    start = [[run.weight], [run.bias]]
    return np.hstack([start, stack(trajectory, COLUMNS["parameters"])])[:, :-1].astype(np.float32)


def roundings(k):
    """Return the largest change by k roundings, one after the other, as a share of a number."""
    return k * U / (1 - k * U)


def in_float64(run, trajectory):
    """Return {name: (value in float64, error bound of float32)} for loss and both gradients.

    Both have shape (epochs,). The loss is "mae" or "mse", as in all published runs.
    """
    X, y = (np.asarray(values, np.float64).ravel() for values in (run.X, run.y))
    weight, bias = parameters_before(run, trajectory).astype(np.float64)[:, :, None]
    y_pred = weight * X + bias
    residual = y_pred - y
    # Product, sum and difference are each rounded, in proportion to their own size. A later
    # rounding also scales the earlier errors. So the factor is a little more than U.
    error = roundings(3) / 3 * (np.abs(weight * X) + np.abs(y_pred) + np.abs(residual))
    if run.loss == "mae":
        losses, losses_error = np.abs(residual), error
        sign_known = np.abs(residual) > error  # elsewhere float32 may take any slope from -1 to 1
        slope, slope_error = np.where(sign_known, np.sign(residual), 0), ~sign_known
    elif run.loss == "mse":
        losses, losses_error = residual**2, (2 * np.abs(residual) + error) * error
        slope, slope_error = 2 * residual, 2 * error
    else:
        raise ValueError(f"the loss of the run must be 'mae' or 'mse', not {run.loss!r}")
    terms = {
        "loss": (losses, losses_error),
        "weight_grad": (slope * X, slope_error * np.abs(X)),
        "bias_grad": (slope, slope_error),
    }
    # A mean has n - 1 additions, in any order. Up to 3 more roundings make its term, the division
    # by n among them: 2 / n, times r, times x. The last one stands for float64's own, far smaller.
    k = len(X) - 1 + 3 + 1
    return {
        name: (term.mean(axis=1), (error + roundings(k) * (np.abs(term) + error)).mean(axis=1))
        for name, (term, error) in terms.items()
    }


def rounded_twice(theta, grad, lr):
    """Return theta - lr * grad, all float32, with the product rounded and then the difference."""
    return theta - lr * grad


def rounded_once(theta, grad, lr):
    """Return theta - lr * grad, all float32, with one rounding at the end: a fused multiply-add.

    A float64 holds the product exactly, but not always the difference. Rounding that to float64 and
    then to float32 can end at the wrong neighbour, if the first rounding hits the middle of two
    float32. So an inexact difference takes the neighbour with an odd last bit: no middle has one.
    """
    theta, product = np.asarray(theta, np.float64), np.float64(lr) * np.asarray(grad, np.float64)
    difference = theta - product
    part = difference - theta
    lost = (theta - (difference - part)) - (product + part)  # exactly what that rounding lost
    even = difference.view(np.int64) % 2 == 0
    odd_neighbour = np.nextafter(difference, np.copysign(np.inf, lost))
    return np.where((lost != 0) & even, odd_neighbour, difference).astype(np.float32)


STEPS = {"twice": rounded_twice, "once": rounded_once}


def rounding_and_steps(run, trajectory):
    """Return how a run rounded its steps, "twice" or "once", and weight and bias after each.

    Weight and bias have shape (2, epochs). They are computed again from the recorded parameters and
    gradients. The rounding returned is the one that reproduces more of the recorded numbers.
    """
    recorded = stack(trajectory, COLUMNS["parameters"])
    before, lr = parameters_before(run, trajectory), np.float32(run.lr)
    grad = stack(trajectory, COLUMNS["gradients"]).astype(np.float32)
    steps = {name: step(before, grad, lr) for name, step in STEPS.items()}
    return max(steps.items(), key=lambda item: (item[1] == recorded).sum())


def first_fault(run, trajectory, columns):
    """Return the first Fault in these columns, or None."""
    _, steps = rounding_and_steps(run, trajectory)
    should_be = in_float64(run, trajectory) | {
        name: (values, 0) for name, values in zip(COLUMNS["parameters"], steps)
    }
    before = dict(zip(COLUMNS["parameters"], parameters_before(run, trajectory)))
    faults = []
    for name in columns:
        recorded, (right, error) = getattr(trajectory, name), should_be[name]
        wrong = ~(np.abs(recorded - right) <= error)  # nan is wrong too
        if wrong.any():
            epoch = int(wrong.argmax())
            last = float(recorded[epoch - 1]) if epoch else nan
            recorded, right = float(recorded[epoch]), float(right[epoch])
            start = float(before[name][epoch]) if name in before else 0.0
            ratio = (recorded - start) / (right - start) if right != start else inf
            guess = guess_at(recorded, right, ratio, last, len(run.X))
            faults.append(Fault("", epoch, name, recorded, right, ratio, guess))
    return min(faults, key=lambda fault: fault.epoch, default=None)


def guess_at(recorded, right, ratio, last, n):
    """Return what may have made a wrong number of the right one, or "".

    `last` is the recorded number of the epoch before, nan if there is none; n the number of points.
    """
    if abs(recorded - right) <= np.spacing(np.float32(abs(right))):
        return "off by a last bit, does it compute in float64?"
    guesses = [
        (ratio, 1, ""),
        (recorded, last + right, "the epoch before is added, is it zeroed?"),
        (ratio, 2, "twice"),
        (ratio, 1 / 2, "half"),
        (ratio, -1, "the other sign"),
        (ratio, n, "n times, is it a sum?"),
        (ratio, 1 / n, "1/n of it, is it divided twice?"),
    ]
    return next((guess for a, b, guess in guesses if isclose(a, b, rel_tol=1e-3)), "")


def share_of_bound(run, trajectory, columns):
    """Return the largest error against float64, divided by its bound."""
    right = in_float64(run, trajectory)
    errors = {name: np.abs(getattr(trajectory, name) - right[name][0]) for name in columns}
    return max(float((error / right[name][1]).max()) for name, error in errors.items())


def explain(run, ours, theirs, group):
    """Return the Verdict on a group of columns of our Trajectory beside torch_optim's, `theirs`.

    `group` is a key of COLUMNS.
    """
    columns, gradients = COLUMNS[group], COLUMNS["gradients"]
    # A step is only as right as its gradient.
    checked = [*gradients, *columns] if group == "parameters" else columns
    for whose, trajectory in (("", ours), ("torch_optim", theirs)):
        if fault := first_fault(run, trajectory, checked):
            return Verdict(fault._replace(whose=whose), {})

    differ = stack(ours, columns) != stack(theirs, columns)
    already = (parameters_before(run, ours) != parameters_before(run, theirs)).any(axis=0)
    if group == "parameters":
        ways = [rounding_and_steps(run, trajectory)[0] for trajectory in (ours, theirs)]
        other_gradient = stack(ours, gradients) != stack(theirs, gradients)
        reasons = {
            f"our step rounds {ways[0]}, torch_optim's {ways[1]}": ~already & ~other_gradient,
            "a gradient rounds differently": ~already & other_gradient,
        }
    else:
        reasons = {"a mean rounds differently": ~already}
    reasons["the parameters already differ"] = already
    epochs = {why: (differ & where).any(axis=0) for why, where in reasons.items()}
    return Verdict(None, {why: where for why, where in epochs.items() if where.any()})
