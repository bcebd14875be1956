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
loss and gradient are finite that far, because many losses change their form far from the label.

A single WRONG makes the exit status 1, so if your loss is meant for one kind alone, choose that by
--predictions and --labels. Otherwise it is 2 if all kinds are -, or if one raises anything but the
errors by which a loss refuses a domain (ValueError, OverflowError, ZeroDivisionError), and else 0.
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

from check.loading import NOT_RIGHT, RIGHT, WRONG_SIGN, in_one_line, load, name_factor, refusing
from manual_grad import program
from manual_grad.derivative import derivative

PREDICTIONS = {"any number": (-3, 3), "positive": (0.05, 3), "probabilities": (0.05, 0.95)}
LABELS = {"real": "real", "01": "0 or 1", "signs": "-1 or 1", "onehot": "one-hot"}
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
    """A kind of points, and what was found there: RIGHT or WRONG by a Verdict, or - by an error."""

    predictions: str
    labels: str
    y_pred: np.ndarray
    y: np.ndarray
    word: str = ""
    found: Verdict | Exception | None = None

    def __str__(self):
        return f"{self.predictions} with labels {LABELS[self.labels]}"


def calling(gradient):
    """Return `gradient` as a function of (y_pred, y), even if it needs no arguments."""
    parameters = inspect.signature(gradient).parameters.values()
    needs = any(one.default is one.empty and one.kind != one.VAR_KEYWORD for one in parameters)
    return gradient if needs else lambda y_pred, y: gradient()


def call(name, function, y_pred, y):
    """Return function(y_pred, y), or raise TypeError if it is None or a tuple.

    It gets copies, so that a loss that is computed in place, in y_pred, does no harm.
    """
    value = function(y_pred.copy(), y.copy())
    if value is None or isinstance(value, tuple):
        what = "a tuple" if value else "None"
        raise TypeError(f"{name} returns {what}: end it with `return` and the {name} alone")
    return value


def loss_value(loss, y_pred, y):
    """Return loss(y_pred, y) as a float, or raise ValueError unless it is one finite number."""
    value = call("loss", loss, y_pred, y)
    value = value if hasattr(value, "item") else np.asarray(value)  # a tensor has its own item()
    got = value.item() if math.prod(value.shape) == 1 else f"shape {tuple(value.shape)}"
    if not isinstance(got, Real) or not np.isfinite(got):
        raise ValueError(f"loss must return one finite number, not {got}")
    return float(got)


@np.errstate(all="ignore")
def check(loss, gradient, y_pred, y):
    """Return the Verdict: is gradient(y_pred, y) the derivative of loss(y_pred, y) at these points?

    y_pred and y may have any shape that the two functions take, and what they raise is passed on.
    Raises TypeError if one of them returns None or a tuple. Raises ValueError if the gradient has
    another shape than y_pred, and if the loss isn't a finite number, doesn't depend on y_pred, or
    is rounded or has kinks so close together that differences show its slope at few points.
    """
    y_pred, y = np.array(y_pred, dtype=np.float64), np.array(y)
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
    allowed = np.where(sharp | kink, room + DIGITS * (abs(slope) + typical), np.inf)
    loss_value(loss, y_pred, y)  # gradient may use what loss has stored
    returned = call("gradient", calling(gradient), y_pred, y)
    if np.shape(returned) != y_pred.shape:
        raise ValueError(
            f"gradient must return one derivative for each prediction, shape {y_pred.shape}, and "
            f"none for weights, not {np.shape(returned) or 'one number'}"
        )
    return Verdict(np.asarray(returned, dtype=np.float64), slope, allowed)


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


def judge(way, cell):
    """Return the Cell with what is found at its points by this way of calling.

    A way is (loss, gradient, the shape of y_pred and y).
    """
    loss, gradient, shape = way
    try:
        found = check(loss, gradient, cell.y_pred.reshape(shape), cell.y.reshape(shape))
    except Exception as error:
        return cell._replace(word="-", found=error)
    return cell._replace(word="RIGHT" if found.right else "WRONG", found=found)


def judge_all(loss, gradient, cells):
    """Return the way of calling by which most Cells can be judged, and these.

    The ways are arrays of shape (n, 1), arrays of shape (n,), and lists of floats; the first of
    equals is chosen.
    """
    both, tried = (loss, calling(gradient)), []
    lists = (lambda y_pred, y, f=f: f(y_pred.tolist(), y.tolist()) for f in both)
    for way in (*both, (N, 1)), (*both, (N,)), (*lists, (N,)):
        judged = [judge(way, cell) for cell in cells]
        tried.append((sum(cell.word == "-" for cell in judged), way, judged))
        if not tried[-1][0]:
            break
    return min(tried, key=lambda one: one[0])[1:]


def right_if_swapped(loss, gradient, cells):
    """Return whether all is RIGHT that can be compared when the labels come first."""
    swapped = [lambda y_pred, y, f=f: f(y, y_pred) for f in (loss, calling(gradient))]
    return {cell.word for cell in judge_all(*swapped, cells)[1]} - {"-"} == {"RIGHT"}


def farther(way, cell):
    """Return the Cell with labels on both sides of its predictions, the farthest FAR away.

    It stays as it is unless it is RIGHT for real labels and predictions of both signs, and where
    nothing can be compared so far away.
    """
    both_signs = cell.y_pred.min() < 0 < cell.y_pred.max()
    if cell.word != "RIGHT" or cell.labels != "real" or not both_signs:
        return cell
    away = np.resize([-FAR, FAR], N) * np.geomspace(0.003, 1, N)
    far = judge(way, cell._replace(y=cell.y_pred + away.reshape(N, 1)))
    return far if far.word != "-" and np.isfinite(far.found.gradient).all() else cell


def print_table(cells, rows, columns, file):
    """Print the answers, a row for each kind of predictions, and why nothing could be compared."""
    print("predictions".ljust(28) + "labels: " + "".join(f"{LABELS[key]:<9}" for key in columns))
    for row, (low, high) in rows.items():
        answers = (f"{cell.word:<9}" for cell in cells if cell.predictions == row)
        print(f"{row}, {low:g} to {high:g}".ljust(36) + "".join(answers))
    reasons = [in_one_line(file, cell.found) for cell in cells if cell.word == "-"]
    for reason in dict.fromkeys(reasons):
        print(f"- {reason}")


def print_other_shape(way, cells):
    """Print what arrays of shape (1, n) show otherwise, for the first kind where they do."""
    *functions, shape = way
    for cell in cells:
        row = judge((*functions, (1, N)), cell)
        if row.word not in ("-", cell.word) and "RIGHT" in (cell.word, row.word):
            wrong = (one.found for one in (cell, row) if one.word == "WRONG")
            factor = "".join(name_factor(*found, N) for found in wrong)
            print(f"{cell}: {cell.word} in shape {shape}, {row.word} in shape {(1, N)}", end="")
            print(f": {factor}" if factor else "")
            return


def print_farthest(cell, factor):
    """Print the point of a wrong Cell where the gradient is farthest off, and what factor fits."""
    at = int(np.argmax(cell.found.off))  # nan counts as largest
    numbers = [values.item(at) for values in (cell.y_pred, cell.y, *cell.found[:2])]
    ratio = f"{numbers[2] / numbers[3]:.6g}" if numbers[3] else "-"
    print(f"\nWRONG for {cell}. The farthest of n = {N} points:")
    print("".join(f"{name:>13}" for name in ("y_pred", "y", "it is", "should be", "ratio")))
    print("".join(f"{value:>13.6g}" for value in numbers) + f"{ratio:>13}")
    if factor:
        print(f"At all points of this kind {factor}.")


def report(loss, gradient, rows, columns, file):
    """Print the table and what follows from it; return the exit status.

    If it can't be checked, raises the error that says why: the first that refuses no domain, or if
    there is none the last one.
    """
    kinds = [Cell(row, column, *points(N, rows[row], column)) for row in rows for column in columns]
    way, cells = judge_all(loss, gradient, kinds)
    cells = [farther(way, cell) for cell in cells]
    print_table(cells, rows, columns, file)
    print_other_shape(way, cells)
    right, wrong = ([cell for cell in cells if cell.word == word] for word in ("RIGHT", "WRONG"))
    faults = [c.found for c in cells if c.word == "-" and not isinstance(c.found, REFUSALS)]
    if right:
        reach = max(abs(cell.y_pred - cell.y).max() for cell in right)
        print(f"Residuals reach {reach:,.4g} where it is RIGHT")
    if right and (wrong or faults):
        print("\nIf the loss is made for one of the kinds that are RIGHT, choose it:")
        for cell in right:
            low, high = rows[cell.predictions]
            print(f"    --predictions {low:g} {high:g} --labels {cell.labels}")
    swapped = not right and right_if_swapped(loss, gradient, kinds)
    factor = name_factor(*wrong[0].found, N) if wrong else ""
    if swapped and factor == WRONG_SIGN:
        factor += ", or the arguments are exchanged: nobody can tell"
    elif swapped:
        print("\nIt is RIGHT with the arguments swapped. Take y_pred first, and y second.")
    if wrong:
        print_farthest(wrong[0], factor)
    if wrong or swapped:
        return NOT_RIGHT
    if faults or not right:
        raise (*faults, cells[-1].found)[0]
    return RIGHT


def main(file, predictions=None, labels=None):
    rows = {"chosen": predictions} if predictions else PREDICTIONS
    columns = [labels] if labels else [*LABELS]
    with refusing(file):
        if predictions and not predictions[0] < predictions[1]:
            raise ValueError("--predictions LOW HIGH: LOW must be less than HIGH")
        mine = load(file, "loss", "gradient")
        print(f"\n# {file}: is gradient the derivative of loss?")
        status = report(mine.loss, mine.gradient, rows, columns, file)
    sys.exit(status)


if __name__ == "__main__":
    low_high = dict(nargs=2, type=float, metavar=("LOW", "HIGH"), help="one range of predictions")
    labels = dict(choices=LABELS, help="one kind of labels")
    mine = dict(help="your file: loss(y_pred, y) and gradient(y_pred, y)")
    program.run(main, __doc__, [("file", mine), ("--predictions", low_high), ("--labels", labels)])
