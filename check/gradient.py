"""Is gradient(y_pred, y) the derivative of loss(y_pred, y)? It is held against differences.

    python -m check.gradient mine.py     your own: exit status 0 if right, 1 if not
    python -m check.gradient             our losses, right and with mistakes

Your file defines two functions. Both get NumPy arrays of shape (n, 1) in float64, the predictions
first and the labels second, whatever you call them. `loss(y_pred, y)` returns one number, computed
in float64. `gradient(y_pred, y)` returns its derivative for each prediction, an array of that
shape; a `gradient()` without parameters may use what `loss` has just stored. For predictions of
another shape, call `check(loss, gradient, y_pred, y)` at points of your own.

What your loss is made for is not guessed. A table has the answer for each kind of predictions with
each kind of labels: RIGHT, WRONG, or - where there is no derivative to compare with, because the
loss isn't finite, doesn't change with the predictions, or raises an error. Real labels are near to
the predictions and far from them, of the same sign or within 0 to 1 where those are. A single WRONG
makes the exit status 1, so if your loss is meant for one kind alone, choose that by --predictions
and --labels. If all kinds are -, the exit status is 2.
"""

import inspect
import itertools
import math
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from check import reader
from manual_grad import program
from manual_grad.derivative import derivative
from manual_grad.losses import LOSSES

PREDICTIONS = {"any number": (-3, 3), "positive": (0.05, 3), "probabilities": (0.05, 0.95)}
LABELS = {"real": "real", "01": "0 or 1", "signs": "-1 or 1", "onehot": "one-hot"}
SIZES = 12, 19  # two numbers of points n, so that a factor n isn't mistaken for 12
N = np.repeat(SIZES, SIZES).reshape(-1, 1)  # for each point, of how many it is one
DIGITS = 1e-5  # of a slope: float32 and guards such as log(p + 1e-7) change a gradient by less
SHARP = 1e-2  # of its own slope, or of a typical one: a point known that well is judged
SEEN = 2 / 3  # of the points: if fewer are known that well, the loss is too rough to be checked
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
    """Return `function` as a function of (y_pred, y), of which it gets copies to work on.

    It gets nothing if it has no parameters, or a single one that needn't be given.
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a built-in function
        parameters = (None, None)
    if len(parameters) < 2 and all(p.default is not p.empty for p in parameters):
        return lambda y_pred, y: function()
    return lambda y_pred, y: function(y_pred.copy(), y.copy())


def number(loss, y_pred, y):
    """Return loss(y_pred, y) as a float. Raises ValueError unless it is one finite number."""
    value = loss(y_pred, y)
    value = value if hasattr(value, "item") else np.asarray(value)  # a tensor has its own item()
    if value.dtype == object or math.prod(value.shape) != 1:
        got = value if value.dtype == object else f"shape {tuple(value.shape)}"
        raise ValueError(f"loss returns {got}, but must return one number")
    value = float(value.item())
    if not np.isfinite(value):
        raise ValueError(f"loss returns {value}, but must return a finite number")
    return value


def measure(loss, y_pred, y):
    """Return the slope of loss at each point, and how far a gradient may be from it.

    Raises ValueError if differences can't show the slopes.
    """
    nudged = y_pred * (1 + NUDGE * np.cos(y_pred))  # not in proportion: a cosine would stay
    if y_pred.any() and number(loss, nudged, y) == number(loss, y_pred, y):
        raise ValueError(
            "loss doesn't change when predictions change by 1e-11: it must depend on them, be "
            "computed in float64, and not be rounded"
        )
    slope, room, kink = derivative(lambda moved: number(loss, moved, y), y_pred)
    sharp = ~kink & (room < SHARP * abs(slope))
    typical = np.median(abs(slope[sharp])) if sharp.any() else 0
    smooth = sharp | ~kink & (room < SHARP * typical)  # the flat points too
    if smooth.mean() < SEEN:
        seen = f"differences show its slope at {smooth.sum()} of {smooth.size} points only"
        raise ValueError(f"loss is too rough to be checked: {seen}")
    allowed = room + DIGITS * (abs(slope) + typical)
    return slope, np.where(smooth | kink, allowed, np.inf)


def judge(gradient, slope, allowed):
    """Return the Verdict on an array. Raises ValueError unless it has the slope's shape."""
    if gradient is None or np.shape(gradient) != slope.shape:
        got = "None" if gradient is None else f"shape {np.shape(gradient)}"
        raise ValueError(
            f"gradient returns {got}, but must return the shape of y_pred, {slope.shape}: "
            f"one derivative for each prediction, none for weights"
        )
    return Verdict(np.asarray(gradient, dtype=np.float64), slope, allowed)


def check(loss, gradient, y_pred, y):
    """Return the Verdict: is gradient(y_pred, y) the derivative of loss(y_pred, y) at these points?

    y_pred and y may have any shape that the two functions take. Raises ValueError if the gradient
    has another shape than y_pred, and for a loss that isn't one finite number, doesn't change with
    y_pred, or is too rough for differences. What the two functions raise is passed on.
    """
    y_pred, y = np.array(y_pred, dtype=np.float64), np.array(y)
    loss, gradient = calling(loss), calling(gradient)
    with np.errstate(all="ignore"):
        known = measure(loss, y_pred, y)
        loss(y_pred, y)  # gradient may use what loss has stored
        return judge(gradient(y_pred, y), *known)


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


def try_kind(loss, gradient, limits, labels):
    """Return the Verdict on all points of one kind, of both SIZES, or the error that hinders."""
    try:
        verdicts = [check(loss, gradient, *points(n, limits, labels)) for n in SIZES]
    except Exception as error:
        return error
    return Verdict(*map(np.concatenate, zip(*verdicts)))


def answer(found):
    """Return RIGHT, WRONG or - for what try_kind has found."""
    return "-" if isinstance(found, Exception) else "RIGHT" if found.right else "WRONG"


def print_table(loss, gradient, rows, columns):
    """Print the answers, each once it is found; return what was found by (row, column)."""
    print("predictions".ljust(28) + "labels: " + "".join(f"{LABELS[key]:<9}" for key in columns))
    found = {}
    for row, limits in rows.items():
        print(f"{row}, {limits[0]:g} to {limits[1]:g}".ljust(36), end="")
        for column in columns:
            found[row, column] = try_kind(loss, gradient, limits, column)
            print(f"{answer(found[row, column]):<9}", end="", flush=True)
        print()
    if "-" in map(answer, found.values()):
        print("-: the loss isn't finite there, doesn't change, or raises an error")
    return found


def print_farthest(row, column, limits, verdict):
    """Print the point of a wrong kind where the gradient is farthest off, and what factor fits."""
    y_pred, y = map(np.concatenate, zip(*(points(n, limits, column) for n in SIZES)))
    at = int(np.argmax(verdict.off))  # nan counts as largest
    numbers = [array.flat[at] for array in (y_pred, y, verdict.gradient, verdict.slope)]
    ratio = f"{numbers[2] / numbers[3]:.6g}" if numbers[3] else "-"
    of = f"The farthest of n = {N.flat[at]} points"
    print(f"\nWRONG for {row} with labels {LABELS[column]}. {of}:")
    print("".join(f"{name:>13}" for name in ("y_pred", "y", "it is", "should be", "ratio")))
    print("".join(f"{value:>13.6g}" for value in numbers) + f"{ratio:>13}")
    if factor := reader.name_factor(*verdict, N):
        print(f"At all points of this kind {factor}.")


def print_right(right, rows, columns):
    """Print for which kinds, pairs (row, column), a gradient is RIGHT, and how to choose one."""
    fitting = {row: [column for column in columns if (row, column) in right] for row in rows}
    names = [
        f"{row} ({', '.join(LABELS[key] for key in fit)})" for row, fit in fitting.items() if fit
    ]
    row, column = right[0]
    choice = "--predictions {:g} {:g}".format(*rows[row])
    choice += "" if fitting[row] == columns else f" --labels {column}"
    text = f"RIGHT for {', '.join(names)}. If the loss is made for one of these alone, choose it"
    print("\n" + textwrap.fill(f"{text}, such as {choice}", 100, break_on_hyphens=False))


def is_right_swapped(loss, gradient, rows, columns):
    """Say if the gradient is right, wherever it can be checked, with labels as first argument."""

    def swap(function):
        call = calling(function)
        return lambda y_pred, y: call(y, y_pred)

    kinds = itertools.product(rows.values(), columns)
    answers = {answer(try_kind(swap(loss), swap(gradient), *kind)) for kind in kinds}
    return answers - {"-"} == {"RIGHT"}


def report(loss, gradient, rows, columns):
    """Print the table and what follows from it; return the exit status.

    If no kind can be checked, raises what hinders the tamest one, the last row's first.
    """
    found = print_table(loss, gradient, rows, columns)
    right, wrong = ([k for k in found if answer(found[k]) == word] for word in ("RIGHT", "WRONG"))
    if right and not wrong:
        return reader.RIGHT
    if right:
        print_right(right, rows, columns)
    elif is_right_swapped(loss, gradient, rows, columns):
        print("\nIt is RIGHT with the arguments swapped. Take y_pred first, and y second.")
    elif not wrong:
        error = found[[*rows][-1], columns[0]]
        if isinstance(error, TypeError | AttributeError):
            error.args = (f"{error} (both functions get two NumPy arrays, y_pred and y)",)
        raise error
    for row, column in wrong[:1]:
        print_farthest(row, column, rows[row], found[row, column])
    return reader.NOT_RIGHT


def print_checks(limits, labels):
    """Print the verdict on our gradients, right as they are and with mistakes."""
    print("\n# The check at work: our gradients, and some mistakes")
    mistakes = {
        "as it is": lambda gradient: gradient,
        "times -1": lambda gradient: -gradient,
        "times n": lambda gradient: gradient.size * gradient,
        "backwards": lambda gradient: gradient[::-1],
    }
    for loss_name, (loss, gradient) in LOSSES.items():
        for name, change in mistakes.items():
            changed = lambda *data, g=gradient, change=change: change(g(*data))  # noqa: E731
            found = try_kind(loss, changed, limits, labels)
            factor = "" if found.right else reader.name_factor(*found, N)
            print(f"{loss_name}, {name:<12}{answer(found):<8}{factor}".rstrip())


def main(file=None, predictions=None, labels=None):
    rows = {"chosen": predictions} if predictions else PREDICTIONS
    columns = [labels] if labels else [*LABELS]
    if file is None:
        print_checks([*rows.values()][0], columns[0])
        return
    with reader.refusing(file):
        if predictions and not predictions[0] < predictions[1]:
            raise ValueError("--predictions LOW HIGH: LOW must be less than HIGH")
        mine = reader.load(file, "loss", "gradient")
        print(f"\n# {file}: is gradient the derivative of loss?")
        status = report(mine.loss, mine.gradient, rows, columns)
    sys.exit(status)


if __name__ == "__main__":
    low_high = dict(nargs=2, type=float, metavar=("LOW", "HIGH"), help="one range of predictions")
    options = [
        ("file", dict(nargs="?", help="your file: loss(y_pred, y) and gradient(y_pred, y)")),
        ("--predictions", low_high),
        ("--labels", dict(choices=LABELS, help="one kind of labels")),
    ]
    program.run(main, __doc__, options)
