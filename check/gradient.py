"""Is gradient(y_pred, y) the derivative of loss(y_pred, y), as differences of the loss show it?

    python -m check.gradient mine.py

Your file defines two functions, which get NumPy arrays of shape (n, 1) in float64: the predictions
first and the labels second, whatever you call them. `loss(y_pred, y)` returns one number, computed
in float64, and `gradient(y_pred, y)` its derivative for each prediction, an array of that shape. A
`gradient()` without parameters may use what `loss` has just stored. For predictions of another
shape, call `check(loss, gradient, y_pred, y)` at points of your own.

What your loss is made for is not guessed. A table has the answer for each kind of predictions with
each kind of labels: RIGHT, WRONG, or - where nothing can be compared, because the loss isn't
finite, doesn't change with the predictions or is too rough, or because an error is raised. A single
WRONG makes the exit status 1, so if your loss is meant for one kind alone, choose that by
--predictions and --labels. The exit status is 0 if all else is RIGHT, and 2 if all kinds are -.
"""

import inspect
import math
import sys
from numbers import Real
from pathlib import Path
from typing import NamedTuple

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from check import loading
from manual_grad import program
from manual_grad.derivative import derivative

PREDICTIONS = {"any number": (-3, 3), "positive": (0.05, 3), "probabilities": (0.05, 0.95)}
LABELS = {"real": "real", "01": "0 or 1", "signs": "-1 or 1", "onehot": "one-hot"}
N = 19  # points of a kind: no formula has this factor of its own, so that a ratio of 19 is n
DIGITS = 1e-5  # of a slope: float32 and guards such as log(p + 1e-7) change a gradient by less
SHARP = 1e-2  # of a slope, or of a typical one: a point is judged if its slope is known that well
SEEN = 2 / 3  # of the points: if fewer can be judged, the loss is too rough to be checked
NUDGE = 2.0**-36  # of a prediction: a loss in float64 shows such a change, one in float32 doesn't


class Verdict(NamedTuple):
    """A gradient beside what it should be: arrays of y_pred's shape."""

    gradient: np.ndarray
    slope: np.ndarray  # the derivative of the loss by differences
    allowed: np.ndarray  # how far the gradient may be from it; inf where it isn't known

    @property
    def off(self):
        """How far the gradient is from the slope; 0 where that is allowed, nan where it is nan."""
        off = abs(self.gradient - self.slope)
        return np.where(off <= self.allowed, 0, off)

    @property
    def right(self):
        return not self.off.any()


def calling(function):
    """Return `function` as one of (y_pred, y), even if it takes no arguments.

    It gets copies, so that a loss that is computed in place, in y_pred, does no harm.
    """
    if not inspect.signature(function).parameters:
        return lambda y_pred, y: function()
    return lambda y_pred, y: function(y_pred.copy(), y.copy())


def loss_value(loss, y_pred, y):
    """Return loss(y_pred, y) as a float, or raise ValueError unless it is one finite number."""
    value = loss(y_pred, y)
    value = value if hasattr(value, "item") else np.asarray(value)  # a tensor has its own item()
    got = value.item() if math.prod(value.shape) == 1 else f"shape {tuple(value.shape)}"
    if not isinstance(got, Real) or not np.isfinite(got):
        raise ValueError(f"loss must return one finite number, not {got}")
    return float(got)


def measure(loss, y_pred, y):
    """Return the slope of loss at each point, and how far a gradient may be from it.

    Raises ValueError if differences can't show the slopes, because the loss is rounded, doesn't
    depend on the predictions, or has kinks or curves too close together.
    """
    nudged = y_pred * (1 + NUDGE * np.cos(y_pred))  # a cosine similarity hides one factor
    if y_pred.any() and loss_value(loss, nudged, y) == loss_value(loss, y_pred, y):
        raise ValueError(
            "loss doesn't change when predictions change by 1e-11: it must depend on them, be "
            "computed in float64, and not be rounded"
        )
    slope, room, kink = derivative(lambda moved: loss_value(loss, moved, y), y_pred)
    sharp = ~kink & (room < SHARP * abs(slope))
    typical = np.median(abs(slope[sharp])) if sharp.any() else 0
    smooth = sharp | ~kink & (room < SHARP * typical)  # the flat points too
    if smooth.mean() < SEEN:
        seen = f"differences show its slope at {smooth.sum()} of {smooth.size} points only"
        raise ValueError(f"loss is too rough to be checked: {seen}")
    allowed = room + DIGITS * (abs(slope) + typical)
    return slope, np.where(smooth | kink, allowed, np.inf)


def check(loss, gradient, y_pred, y):
    """Return the Verdict: is gradient(y_pred, y) the derivative of loss(y_pred, y) at these points?

    y_pred and y may have any shape that the two functions take, and what they raise is passed on.
    Raises ValueError if the gradient has another shape than y_pred, and for a loss that isn't one
    finite number, doesn't change with y_pred, or is too rough for differences.
    """
    y_pred, y = np.array(y_pred, dtype=np.float64), np.array(y)
    loss, gradient = calling(loss), calling(gradient)
    with np.errstate(all="ignore"):
        known = measure(loss, y_pred, y)
        loss(y_pred, y)  # gradient may use what loss has stored
        returned = gradient(y_pred, y)
    if np.shape(returned) != y_pred.shape:
        raise ValueError(
            f"gradient must return one derivative for each prediction, shape {y_pred.shape}, and "
            f"none for weights, not {np.shape(returned) or returned}"
        )
    return Verdict(np.asarray(returned, dtype=np.float64), *known)


def points(n, limits, labels):
    """Return n predictions within limits and labels of one kind of LABELS, both of shape (n, 1).

    Real labels lie near and far from the predictions, in the same limits, or in twice as wide ones
    if the predictions may be negative. Two predictions equal their labels where they may, and one
    is 0. All are multiples of 2^-20, so that a prediction plus or minus a step is exact.
    """
    y_pred, ends = np.random.default_rng(n).uniform(*limits, (n, 1)), np.resize(limits, (n, 1))
    if limits[0] < 0 < limits[1]:
        y_pred[2], ends = 0, 2 * ends
    far = np.append([0, 0], np.geomspace(0.003, 1, n - 2)).reshape(n, 1)
    y = {
        "real": y_pred + far * (ends - y_pred),
        "01": np.resize([0.0, 1.0], (n, 1)),
        "signs": np.resize([-1.0, 1.0], (n, 1)),
        "onehot": np.eye(n)[:, 3:4],
    }[labels]
    y_pred[:2] = np.clip(y[:2], *limits)
    return np.round(y_pred * 2**20) / 2**20, np.round(y * 2**20) / 2**20


def try_kinds(loss, gradient, rows, columns):
    """Return the Verdict at the points of each kind (row, column), or the error that hinders it."""
    found = {}
    for row, limits in rows.items():
        for column in columns:
            try:
                found[row, column] = check(loss, gradient, *points(N, limits, column))
            except Exception as error:
                found[row, column] = error
    return found


def answer(found):
    """Return the word of the table for what try_kinds has found of one kind."""
    return "-" if isinstance(found, Exception) else "RIGHT" if found.right else "WRONG"


def print_table(found, rows, columns):
    """Print the answers, a row for each kind of predictions."""
    print("predictions".ljust(28) + "labels: " + "".join(f"{LABELS[key]:<9}" for key in columns))
    for row, limits in rows.items():
        answers = [f"{answer(found[row, column]):<9}" for column in columns]
        print(f"{row}, {limits[0]:g} to {limits[1]:g}".ljust(36) + "".join(answers))
    if "-" in map(answer, found.values()):
        print("-: the loss isn't finite there, doesn't change or is rough, or an error is raised")


def print_farthest(row, limits, column, verdict):
    """Print the point of a wrong kind where the gradient is farthest off, and what factor fits."""
    at = int(np.argmax(verdict.off))  # nan counts as largest
    numbers = [values.item(at) for values in (*points(N, limits, column), *verdict[:2])]
    ratio = f"{numbers[2] / numbers[3]:.6g}" if numbers[3] else "-"
    print(f"\nWRONG for {row} with labels {LABELS[column]}. The farthest of n = {N} points:")
    print("".join(f"{name:>13}" for name in ("y_pred", "y", "it is", "should be", "ratio")))
    print("".join(f"{value:>13.6g}" for value in numbers) + f"{ratio:>13}")
    if factor := loading.name_factor(*verdict, N):
        print(f"At all points of this kind {factor}.")


def report(loss, gradient, rows, columns):
    """Print the table and what follows from it; return the exit status.

    If no kind can be checked, raises the error of the last row's first, the narrowest predictions.
    """
    found = try_kinds(loss, gradient, rows, columns)
    print_table(found, rows, columns)
    right, wrong = ([k for k in found if answer(found[k]) == word] for word in ("RIGHT", "WRONG"))
    if right and not wrong:
        return loading.RIGHT
    if right:
        print("\nIf the loss is made for one of the kinds that are RIGHT, choose it:")
        for row, column in right:
            print("    --predictions {:g} {:g} --labels {}".format(*rows[row], column))
    else:
        swapped = [lambda y_pred, y, f=f: calling(f)(y, y_pred) for f in (loss, gradient)]
        answers = set(map(answer, try_kinds(*swapped, rows, columns).values()))
        if answers - {"-"} == {"RIGHT"}:
            print("\nIt is RIGHT with the arguments swapped. Take y_pred first, and y second.")
        elif not wrong:
            raise found[[*rows][-1], columns[0]]
    for row, column in wrong[:1]:
        print_farthest(row, rows[row], column, found[row, column])
    return loading.NOT_RIGHT


def main(file, predictions=None, labels=None):
    rows = {"chosen": predictions} if predictions else PREDICTIONS
    columns = [labels] if labels else [*LABELS]
    with loading.refusing(file):
        if predictions and not predictions[0] < predictions[1]:
            raise ValueError("--predictions LOW HIGH: LOW must be less than HIGH")
        mine = loading.load(file, "loss", "gradient")
        print(f"\n# {file}: is gradient the derivative of loss?")
        status = report(mine.loss, mine.gradient, rows, columns)
    sys.exit(status)


if __name__ == "__main__":
    low_high = dict(nargs=2, type=float, metavar=("LOW", "HIGH"), help="one range of predictions")
    options = [
        ("file", dict(help="your file: loss(y_pred, y) and gradient(y_pred, y)")),
        ("--predictions", low_high),
        ("--labels", dict(choices=LABELS, help="one kind of labels")),
    ]
    program.run(main, __doc__, options)
