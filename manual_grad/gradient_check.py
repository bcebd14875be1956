"""Is a gradient right? Compare it with finite differences of its loss. If it is wrong, say how.

    python -m manual_grad.gradient_check            our losses, right and with mistakes
    python -m manual_grad.gradient_check mine.py    your own: exit status 0 if right, 1 if wrong

Your file defines two functions. Both get NumPy arrays of shape (n, 1), float64. `loss(y_pred, y)`
returns a number. `gradient(y_pred, y)` returns its derivatives with respect to y_pred, an array of
that shape. Predictions lie between -3 and 3, or between 0 and 1 if the loss isn't finite elsewhere.
Labels lie between 0 and 1. The exit status is 2 if the file can't be checked.
"""

import runpy
import sys
import traceback
from itertools import product
from pathlib import Path
from typing import NamedTuple

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from manual_grad import program
from manual_grad.losses import LOSSES

SIZES = 20, 33  # two numbers of points n, so that a factor n is not mistaken for 20
SHARP = 1e-3  # of the largest slope: a check that sees less than three digits is refused
FLOAT32 = 16 * 2.0**-24  # of the largest slope: what 16 roundings of float32 explain

# A function may carry 1000 roundings, each of 2^-53 of its size. A central difference divides them
# by STEP: 1.8e-9. It leaves out STEP^2 / 6 of the third derivative: 6e-10. A larger step raises the
# second error, a smaller one the first.
STEP = 2.0**-14
ROUNDING = 1000 * 2.0**-53


def slopes(function, x, h):
    """Return the slopes of `function` to the left and to the right of each element of the array x.

    right_i = (f(x + h e_i) - f(x)) / h     the forward difference
    left_i  = (f(x) - f(x - h e_i)) / h     the mean of both is the central difference
    """
    steps = h * np.eye(x.size).reshape(-1, *x.shape)
    here = function(x)
    left = [(here - function(x - step)) / h for step in steps]
    right = [(function(x + step) - here) / h for step in steps]
    return np.reshape(left, x.shape), np.reshape(right, x.shape)


def derivative(function, x):
    """Return the derivative for each element of x, how far off it may be, and where kinks are.

    The derivative is the central difference. A second one, with half the step, shows its error:
    half the step leaves a quarter of the truncation, so twice the change is a bound. Without a
    kink, half the step also halves the jump between left and right slope. At a kink the jump stays,
    and each slope between the two is a subgradient. A kink near x, but not at x, makes the error
    bound (room) larger, never too small.
    """
    left, right = slopes(function, x, STEP)
    near_left, near_right = slopes(function, x, STEP / 2)
    central = (left + right) / 2
    truncation = 2 * abs(central - (near_left + near_right) / 2)
    size = abs(function(x)) + abs(central * x).sum()  # the terms of a sum may cancel
    room = ROUNDING * size / STEP + truncation
    jump = abs(2 * (near_right - near_left) - (right - left))
    return central, room + jump / 2, jump / 2 > room


def points(n, low, high):
    """Return n predictions and labels of shape (n, 1), some of them equal, some 0 if they may be.

    They are multiples of 2^-20, so that a prediction plus or minus a step is exact.
    """
    rng = np.random.default_rng(n)
    y_pred = np.round(rng.uniform(low, high, (n, 1)) * 2**20) / 2**20
    y = np.round(rng.uniform(0.05, 0.95, (n, 1)) * 2**20) / 2**20
    y_pred[:2] = y[:2]
    if low < 0:
        y_pred[2], y[3], y[4] = 0, 0, 1
    return y_pred, y


class Verdict(NamedTuple):
    """Whether the gradient is right; what it is ("right", "wrong sign", ...); the numbers."""

    right: bool
    finding: str
    detail: str


def check(loss, gradient):
    """Return the Verdict: is gradient(y_pred, y) the derivative of loss(y_pred, y)?

    Raises ValueError for a result of another shape, and for a loss that isn't finite or is too
    rough to be checked. What the two functions raise is passed on.
    """
    with np.errstate(all="ignore"):
        for limits in ((-3, 3), (0.05, 0.95)):
            data = [points(n, *limits) for n in SIZES]
            columns = [measure(loss, y_pred, y) for y_pred, y in data]
            n, y_pred, y, slope, room, kink = (np.concatenate(parts) for parts in zip(*columns))
            if np.isfinite(room).all():
                break
        else:
            raise ValueError("loss must be finite for predictions and labels between 0 and 1")
        if not np.median(room) < SHARP * abs(slope).max():
            raise ValueError("loss is too flat or too rough to check: is it computed in float32?")
        ours = [call(gradient, "gradient", *pair, pair[0].shape) for pair in data]
        ours = np.concatenate(ours).ravel()

        wrong = ~(abs(ours - slope) <= room)  # nan is wrong
        if wrong.any():
            i = np.nan_to_num(abs(ours - slope) / room, nan=np.inf).argmax()
            detail = (
                f"{wrong.sum()} of {wrong.size} test points are wrong (two sets, of {SIZES[0]} and "
                f"{SIZES[1]}). The farthest, in the set of {n[i]}: at y_pred = {y_pred[i]:.6g} "
                f"and y = {y[i]:.6g} it is {ours[i]:.9g}, but should be {slope[i]:.9g} "
                f"(+- {room[i]:.1e})"
            )
            return Verdict(False, finding(ours, n, y_pred, y, slope, room, kink), detail)
        low, high = limits
        detail = (
            f"predictions from {low} to {high}: {(~kink).sum()} test points lie within "
            f"{room[~kink].max():.1e} of the slope of the loss, {kink.sum()} at a kink (a corner "
            f"of the loss) between the slopes to its two sides"
        )
        return Verdict(True, "right", detail)


def call(function, name, y_pred, y, shape):
    """Return function(y_pred, y) in float64. Raises ValueError unless it has this shape."""
    try:
        result = function(y_pred.copy(), y.copy())
    except TypeError as error:
        if error.__traceback__.tb_next is None:  # the call itself failed, nothing inside it
            raise TypeError(f"{error}: it is called as {name}(y_pred, y)") from None
        raise
    if result is None or np.shape(result) != shape:
        got = "None" if result is None else f"shape {np.shape(result)}"
        wanted = f"the shape of y_pred, {shape}" if shape else "one number"
        raise ValueError(f"{name} returns {got}, but must return {wanted}")
    return np.asarray(result, dtype=np.float64)


def measure(loss, y_pred, y):
    """Return six columns of shape (n,): n, y_pred, y, and what `derivative` finds out."""
    columns = derivative(lambda moved: call(loss, "loss", moved, y, ()), y_pred)
    return [column.ravel() for column in (np.full(y.shape, y.size), y_pred, y, *columns)]


def finding(ours, n, y_pred, y, slope, room, kink):
    """Say how the gradient `ours` is wrong, as far as the numbers bear it out."""
    wrong = ~(abs(ours - slope) <= room)
    if not np.isfinite(ours).all():
        return "not finite"
    if not ours.any():
        return "zero everywhere"
    signs = {"": 1, "wrong sign": -1}
    sizes = {"": 1, "twice as large": 2, "half as large": 1 / 2}
    counts = {"": 1, "not divided by n": n, "divided by n - 1": n / (n - 1)}
    counts["divided by n twice (once, if the loss is a sum)"] = 1 / n
    for (sign, a), (size, b), (count, c) in product(*map(dict.items, (signs, sizes, counts))):
        if (abs(ours / (a * b * c) - slope) <= room).all():
            return ", ".join(filter(None, (sign, size, count)))
    if kink[wrong].all():
        return "right except at the kink"
    places = {
        "y_pred = y": y_pred == y,
        "y_pred < y": y_pred < y,
        "y_pred > y": y_pred > y,
        "y_pred = 0": y_pred == 0,
        "y_pred < 0": y_pred < 0,
        "y_pred > 0": y_pred > 0,
        "|y_pred - y| > 1": abs(y_pred - y) > 1,
    }
    for name, place in places.items():
        if np.array_equal(wrong, place):
            return f"right except where {name}"
    if (abs(ours - slope) <= room + FLOAT32 * abs(slope).max()).all():
        return "right to 6 digits: is it computed in float32?"
    ordered, in_order = ours[np.lexsort((ours, n))], slope[np.lexsort((slope, n))]
    if (abs(ordered - in_order) <= room[~kink].max()).all():
        return "right, but in another order"
    ratios = [(ours / slope)[np.argmax(abs(slope) * (n == size))] for size in SIZES]
    if (abs(ours / np.repeat(ratios, SIZES) - slope) <= 2 * room).all():
        by_n = [f"{ratio:.6g} times as large with n = {m}" for ratio, m in zip(ratios, SIZES)]
        same = abs(ratios[0] - ratios[1]) <= FLOAT32 * abs(ratios[0])
        return by_n[0].split(" with")[0] if same else ", ".join(by_n)
    return "wrong in another way"


def sentence(verdict):
    """Return what a Verdict found as a sentence that starts with RIGHT or WRONG."""
    if verdict.right:
        return "RIGHT: the gradient is the derivative of the loss."
    words = "is " + verdict.finding.replace("as large", "as large as it should be")
    words = words.replace("is wrong sign, ", "has the wrong sign, and is ")
    words = words.replace("is wrong sign", "has the wrong sign")
    return f"WRONG: the gradient {words}" + "." * (not words.endswith("?"))


def print_checks():
    """Print what the check says of our gradients, right as they are and with a mistake."""
    print("\n# The check at work: our gradients, and some mistakes")
    mistakes = {
        "as it is": lambda gradient: gradient,
        "times -1": lambda gradient: -gradient,
        "times n": lambda gradient: gradient.size * gradient,
        "backwards": lambda gradient: gradient[::-1],
    }
    for loss_name, (loss, gradient) in LOSSES.items():
        for name, change in mistakes.items():
            verdict = check(loss, lambda *data, f=gradient, change=change: change(f(*data)))
            print(f"{loss_name}, {name:<11}{sentence(verdict)}")


def check_file(file):
    """Print the verdict on a reader's file, and end with its exit status."""
    try:
        names = runpy.run_path(file, run_name="mine")
        for name in ("loss", "gradient"):
            if not callable(names.get(name)):
                raise ValueError(f"it must define the function {name}(y_pred, y)")
        result = check(names["loss"], names["gradient"])
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        here = [frame for frame in frames if frame.filename == file][-1:]
        where = file + "".join(f", line {frame.lineno}" for frame in here)
        what = " ".join(str(error).split())
        inside = here and here[0].name != "<module>"
        if inside and isinstance(error, TypeError | AttributeError):
            what += " (y_pred and y are NumPy arrays, not tensors)"
        print(f"{where}: {type(error).__name__}: {what}", file=sys.stderr)
        sys.exit(2)
    print(f"\n# {file}: is gradient the derivative of loss?")
    print(f"{sentence(result)}\n{result.detail}")
    sys.exit(not result.right)


def main(file=None):
    if file is not None:
        check_file(file)
    print_checks()


if __name__ == "__main__":
    settings = dict(nargs="?", help="your file: loss(y_pred, y) and gradient(y_pred, y)")
    program.run(main, __doc__, [("file", settings)])
