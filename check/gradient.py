"""Is gradient(y_pred, y) the derivative of loss(y_pred, y), as differences of the loss show it?

    python -m check.gradient mine.py

Your file defines two functions, which get the predictions first and the labels second, whatever you
call them: NumPy arrays of shape (n, 1) in float64, or where more can be computed with them, arrays
of shape (n,) or lists of floats. `loss(y_pred, y)` returns one number, computed in float64, and
`gradient(y_pred, y)` its derivative for each prediction, of that shape. A `gradient` whose
parameters all have defaults is called without any, and may use what `loss` has just stored. For
predictions of another shape, call `check(loss, gradient, y_pred, y)` at points of your own.

What your loss is made for is not guessed. A table has the answer for each kind of predictions with
each kind of labels: RIGHT, WRONG, or - where nothing can be compared, for the reason below it. Then
it says what arrays of shape (1, n) show otherwise, and how far the residuals reach: to 1,000 where
loss and gradient stay finite, because many losses change their form far from the label.

A single WRONG makes the exit status 1, so if your loss is meant for one kind alone, choose that by
--predictions and --labels. Otherwise it is 2 if all kinds are -, or if one raises anything but the
errors by which a loss refuses a domain (ValueError, OverflowError, ZeroDivisionError), and else 0.
"""

import inspect
import itertools
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
WORDS = "RIGHT", "WRONG", "-"
SWAPPED = "\nIt is RIGHT with the arguments swapped. Take y_pred first, and y second."
FAR = 1000  # how far real labels lie in a try of their own, where predictions have both signs
REFUSALS = ValueError, OverflowError, ZeroDivisionError  # what a loss raises outside its domain
N = 19  # points of a kind: 19 stands in no loss's formula, so that a ratio of 19 can only be n
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


class Cell(NamedTuple):
    """The points of a kind, and what was found there: a Verdict, or the error that hinders it."""

    y_pred: np.ndarray
    y: np.ndarray
    found: Verdict | Exception

    @property
    def word(self):
        if isinstance(self.found, Exception):
            return "-"
        return "RIGHT" if self.found.right else "WRONG"

    @property
    def refused(self):
        return isinstance(self.found, REFUSALS)


def calling(gradient):
    """Return `gradient` as a function of (y_pred, y), even if it needs no arguments."""
    parameters = inspect.signature(gradient).parameters.values()
    needs = any(one.default is one.empty and one.kind != one.VAR_KEYWORD for one in parameters)
    return gradient if needs else lambda y_pred, y: gradient()


def call(name, function, y_pred, y, length):
    """Return function(y_pred, y); raise TypeError for None, and for a tuple of another length.

    It gets copies, so that a loss that is computed in place, in y_pred, does no harm.
    """
    value = function(y_pred.copy(), y.copy())
    if value is None or isinstance(value, tuple) and len(value) != length:
        what = "None" if value is None else f"a tuple of {len(value)}"
        raise TypeError(f"{name} returns {what}: end it with `return` and the {name} alone")
    return value


def loss_value(loss, y_pred, y):
    """Return loss(y_pred, y) as a float, or raise ValueError unless it is one finite number."""
    value = call("loss", loss, y_pred, y, 1)
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
    sharp = room < SHARP * abs(slope)
    typical = np.median(abs(slope[sharp])) if sharp.any() else 0
    sharp |= room < SHARP * typical  # the flat points too
    if sharp.mean() < SEEN:
        seen = f"differences show its slope at {sharp.sum()} of {sharp.size} points only"
        raise ValueError(f"loss is too rough to be checked: {seen}")
    allowed = room + DIGITS * (abs(slope) + typical)
    return slope, np.where(sharp | kink, allowed, np.inf)


def check(loss, gradient, y_pred, y):
    """Return the Verdict: is gradient(y_pred, y) the derivative of loss(y_pred, y) at these points?

    y_pred and y may have any shape that the two functions take, and what they raise is passed on.
    Raises ValueError if the gradient has another shape than y_pred, and for a loss that isn't one
    finite number, doesn't change with y_pred, or is too rough for differences; and TypeError if one
    of them returns None, or a tuple of more than is asked for.
    """
    y_pred, y = np.array(y_pred, dtype=np.float64), np.array(y)
    with np.errstate(all="ignore"):
        known = measure(loss, y_pred, y)
        loss_value(loss, y_pred, y)  # gradient may use what loss has stored
        returned = call("gradient", calling(gradient), y_pred, y, len(y_pred))
    if np.shape(returned) != y_pred.shape:
        raise ValueError(
            f"gradient must return one derivative for each prediction, shape {y_pred.shape}, and "
            f"none for weights, not {np.shape(returned) or 'one number'}"
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


def try_points(loss, gradient, shape, y_pred, y):
    """Return the Cell of these points, in arrays of this shape."""
    y_pred, y = y_pred.reshape(shape), y.reshape(shape)
    try:
        return Cell(y_pred, y, check(loss, gradient, y_pred, y))
    except Exception as error:
        return Cell(y_pred, y, error)


def try_kinds(loss, gradient, rows, columns):
    """Return the way of calling that gives the most Verdicts, and its Cell of each (row, column).

    A way is (loss, gradient, shape). The ways are arrays of shape (n, 1), arrays of shape (n,), and
    lists of floats, and the first of equals is chosen.
    """
    functions, tried = (loss, calling(gradient)), []
    lists = [lambda y_pred, y, f=f: f(y_pred.tolist(), y.tolist()) for f in functions]
    for way in (*functions, (N, 1)), (*functions, N), (*lists, N):
        kinds = itertools.product(rows, columns)
        cells = {kind: try_points(*way, *points(N, rows[kind[0]], kind[1])) for kind in kinds}
        tried.append((way, cells))
        if not any(cell.word == "-" for cell in cells.values()):
            break
    return max(tried, key=lambda one: sum(cell.word != "-" for cell in one[1].values()))


def right_if_swapped(loss, gradient, rows, columns):
    """Return whether all is RIGHT that can be compared when the labels come first."""
    swapped = [lambda y_pred, y, f=f: f(y, y_pred) for f in (loss, calling(gradient))]
    _, cells = try_kinds(*swapped, rows, columns)
    return {cell.word for cell in cells.values()} - {"-"} == {"RIGHT"}


def try_far(way, rows, cells, file):
    """Return the Cells, WRONG too where that shows far from the labels, and how far that was.

    Far labels lie on both sides of predictions of both signs, and the farthest FAR away.
    """
    farther, far = "", np.resize([-FAR, FAR], N) * np.geomspace(0.003, 1, N)
    for row, (low, high) in rows.items():
        kind = row, "real"
        if kind in cells and cells[kind].word == "RIGHT" and low < 0 < high:
            y_pred = cells[kind].y_pred.ravel()
            cell = try_points(*way, y_pred, y_pred + far)
            if cell.word == "-":
                farther = f". Farther out: {loading.in_one_line(file, cell.found)}"
            elif not np.isfinite(cell.found.gradient).all():
                farther = ". Farther out the gradient isn't finite"
            else:
                cells = cells | {kind: cell}
    reached = [abs(cell.y_pred - cell.y).max() for cell in cells.values() if cell.word == "RIGHT"]
    return cells, f"Residuals reach {max(reached, default=0):,.4g} where it is RIGHT{farther}"


def print_table(cells, rows, columns, file):
    """Print the answers, a row for each kind of predictions, and why nothing could be compared."""
    print("predictions".ljust(28) + "labels: " + "".join(f"{LABELS[key]:<9}" for key in columns))
    for row, limits in rows.items():
        answers = [f"{cells[row, column].word:<9}" for column in columns]
        print(f"{row}, {limits[0]:g} to {limits[1]:g}".ljust(36) + "".join(answers))
    reasons = {}
    for kind, cell in cells.items():
        if cell.word == "-":
            reasons.setdefault(loading.in_one_line(file, cell.found), []).append(kind)
    for reason, (kind, *others) in reasons.items():
        more = f" and {len(others)} more" if others else ""
        print(f"- {in_words(kind)}{more}: {reason}")


def in_words(kind):
    """Return a kind as "positive with labels real"."""
    return f"{kind[0]} with labels {LABELS[kind[1]]}"


def print_other_shape(loss, gradient, cells):
    """Print what arrays of shape (1, n) show otherwise, for the first kind where they do."""
    for kind, cell in cells.items():
        other = try_points(loss, gradient, (1, N), cell.y_pred, cell.y)
        if other.word not in ("-", cell.word) and "RIGHT" in (cell.word, other.word):
            wrong = [loading.name_factor(*c.found, N) for c in (cell, other) if c.word == "WRONG"]
            shapes = (f"{c.word} in shape {c.y_pred.shape}" for c in (cell, other))
            print(": ".join(filter(None, [in_words(kind), ", ".join(shapes), *wrong])))
            return


def print_farthest(kind, cell, swapped):
    """Print the point of a wrong kind where the gradient is farthest off, and what factor fits.

    `swapped` tells whether all is RIGHT with the arguments swapped.
    """
    factor = loading.name_factor(*cell.found, N)
    if swapped and factor == loading.WRONG_SIGN:
        factor += ", or the arguments are exchanged: nobody can tell"
    elif swapped:
        print(SWAPPED)
    at = int(np.argmax(cell.found.off))  # nan counts as largest
    numbers = [values.item(at) for values in (cell.y_pred, cell.y, *cell.found[:2])]
    ratio = f"{numbers[2] / numbers[3]:.6g}" if numbers[3] else "-"
    print(f"\nWRONG for {in_words(kind)}. The farthest of n = {N} points:")
    print("".join(f"{name:>13}" for name in ("y_pred", "y", "it is", "should be", "ratio")))
    print("".join(f"{value:>13.6g}" for value in numbers) + f"{ratio:>13}")
    if factor:
        print(f"At all points of this kind {factor}.")


def report(loss, gradient, rows, columns, file):
    """Print the table and what follows from it; return the exit status.

    If it can't be checked, raises the error that says why: the first that refuses no domain, or if
    there is none that of the last row, the narrowest predictions.
    """
    way, cells = try_kinds(loss, gradient, rows, columns)
    cells, reach = try_far(way, rows, cells, file)
    print_table(cells, rows, columns, file)
    print_other_shape(loss, gradient, cells)
    right, wrong, unknown = ([k for k in cells if cells[k].word == w] for w in WORDS)
    faults = [cells[k].found for k in unknown if not cells[k].refused]
    if right:
        print(reach)
    if right and (wrong or faults):
        print("\nIf the loss is made for one of the kinds that are RIGHT, choose it:")
        for row, column in right:
            print("    --predictions {:g} {:g} --labels {}".format(*rows[row], column))
    swapped = not right and right_if_swapped(loss, gradient, rows, columns)
    if wrong:
        print_farthest(wrong[0], cells[wrong[0]], swapped)
    elif swapped:
        print(SWAPPED)
    if wrong or swapped:
        return loading.NOT_RIGHT
    if faults or not right:
        raise (faults or [cells[[*rows][-1], columns[0]].found])[0]
    return loading.RIGHT


def main(file, predictions=None, labels=None):
    rows = {"chosen": predictions} if predictions else PREDICTIONS
    columns = [labels] if labels else [*LABELS]
    with loading.refusing(file):
        if predictions and not predictions[0] < predictions[1]:
            raise ValueError("--predictions LOW HIGH: LOW must be less than HIGH")
        mine = loading.load(file, "loss", "gradient")
        print(f"\n# {file}: is gradient the derivative of loss?")
        status = report(mine.loss, mine.gradient, rows, columns, file)
    sys.exit(status)


if __name__ == "__main__":
    low_high = dict(nargs=2, type=float, metavar=("LOW", "HIGH"), help="one range of predictions")
    options = [
        ("file", dict(help="your file: loss(y_pred, y) and gradient(y_pred, y)")),
        ("--predictions", low_high),
        ("--labels", dict(choices=LABELS, help="one kind of labels")),
    ]
    program.run(main, __doc__, options)
