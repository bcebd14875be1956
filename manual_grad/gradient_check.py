"""Is a gradient right? Compare it with finite differences of its loss. If it is wrong, say how.

    python -m manual_grad.gradient_check            our losses, right and with mistakes
    python -m manual_grad.gradient_check mine.py    your own: exit status 0 if right, 1 if wrong

Your file defines two functions. Both get NumPy arrays of shape (n, 1), float64. `loss(y_pred, y)`
returns one number, computed in float64. `gradient(y_pred, y)` returns its derivatives with respect
to y_pred, an array of that shape. Labels go first if the parameters' names say so, as in
`loss(y_true, y_pred)`. A `gradient()` without parameters may use what `loss` has just stored. The
exit status is 2 if the file can't be checked.

Predictions lie in the widest range that the loss is made for: -3 to 3, positive numbers, or
probabilities. Labels are of several kinds, and the gradient must be right for all that the loss
takes. One exception: if the loss is made for classes, a gradient may be right for the labels of
classes alone, such as 0 and 1. The verdict says what was tried.
"""

import functools
import inspect
import math
import re
import runpy
import sys
import time
import traceback
from pathlib import Path
from typing import NamedTuple

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from manual_grad import program
from manual_grad.losses import LOSSES

REAL, AWAY = "0.05 to 0.95", "0.01 to 8 away from y_pred"  # kinds of labels
BINARY, SIGNS, ONE_HOT = CLASSES = "0 or 1", "-1 or 1", "a single 1, else 0"
TRIALS = (  # ranges of predictions, and the labels to try with them
    ((-3, 3), (REAL, AWAY, BINARY, SIGNS, ONE_HOT)),
    ((0.05, 3), (REAL, AWAY, BINARY)),  # positive numbers
    ((0.05, 0.95), (REAL, BINARY)),  # probabilities
    ((0.05, 0.95), (SIGNS,)),
)
SIZES = 12, 19  # two numbers of points n, so that a factor n is not mistaken for 12
DIGITS = 1e-5  # of a slope: float32 and guards such as log(p + 1e-7) change a gradient by less
SHARP = 1e-2  # of a point's own slope: a point is seen if its slope is known that well, or ...
FLAT = 1e-5  # ... of the smallest slope so seen, if its own slope is about 0
SEEN = 2 / 3  # of the points: if fewer are seen, the loss is not checked with them
RIGHT = "is the derivative of the loss"
PATIENCE = 2  # seconds without a word

# A function may carry 1000 roundings, each of 2^-53 of its size. A central difference divides them
# by STEP: 1.8e-9. It leaves out STEP^2 / 6 of the third derivative: 6e-10. A larger step raises the
# second error, a smaller one the first.
STEP = 2.0**-14
ROUNDING = 1000 * 2.0**-53

# Parameters' names, the surest first: how much they sound like predictions (> 0) or labels (< 0).
NAMES = {
    "pred|hat|estim|^yp$|^q$": 2,
    "true|truth|target|label|actual|expect|desired|observed|real|ground|^t$|^gt$": -2,
    "out|logit|prob|score|activ|input|^[afhopsxz]$": 1,
    "^[dy]$": -1,
    "": 0,
}


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
    """Return the derivative for each element of x, an estimate of its error, and where kinks are.

    The derivative is the central difference. A second one, with half the step, shows its error:
    half the step leaves a quarter of the truncation, so twice the change is more than all of it.
    Without a kink, half the step also halves the jump between left and right slope. At a kink the
    jump stays, and each slope between the two is a subgradient. The error (`room`) is an estimate,
    not a bound. It supposes that within a step of x the function is smooth or has one kink.
    """
    left, right = slopes(function, x, STEP)
    near_left, near_right = slopes(function, x, STEP / 2)
    central = (left + right) / 2
    truncation = 2 * abs(central - (near_left + near_right) / 2)
    size = abs(function(x)) + abs(central * x).sum()  # the terms of a sum may cancel
    room = ROUNDING * size / STEP + truncation
    jump = abs(2 * (near_right - near_left) - (right - left))
    return central, room + jump / 2, jump / 2 > room


@functools.cache
def points(n, limits, labels):
    """Return n predictions and labels of shape (n, 1), two of them equal if they may be.

    They are multiples of 2^-20, so that a prediction plus or minus a step is exact.
    """
    rng = np.random.default_rng(n)
    y_pred, real = rng.uniform(*limits, (n, 1)), rng.uniform(0.05, 0.95, (n, 1))
    if limits[0] < 0:
        y_pred[2] = 0
    y = {
        REAL: real,
        AWAY: y_pred
        + np.resize([1, np.sign(limits[0])], (n, 1)) * np.geomspace(0.01, 8, n)[:, None],
        SIGNS: np.resize([-1, 1], (n, 1)),
        ONE_HOT: np.eye(n)[:, 1:2],
        BINARY: np.resize([0, 1], (n, 1)),
    }[labels]
    if labels != AWAY:
        y_pred[:2] = np.clip(y[:2], *limits)
    return np.round(y_pred * 2**20) / 2**20, np.round(y * 2**20) / 2**20


def labels_first(function):
    """Say if the parameters' names want the labels first; None if they don't tell."""
    try:
        names = [name.lower().strip("_") for name in inspect.signature(function).parameters]
        first, second = (
            next(score for pattern, score in NAMES.items() if re.search(pattern, name))
            for name in names[:2]
        )
    except (TypeError, ValueError):  # a built-in function without names, or fewer than two
        return None
    return None if first == second else first < second


def calling(function, swap):
    """Return `function` as a function of (y_pred, y).

    Each call gets copies, so that a function may work in place.
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        parameters = (None, None)
    if len(parameters) < 2 and all(p.default is not p.empty for p in parameters):
        return lambda y_pred, y: function()

    def call(y_pred, y):
        data = y_pred.copy(), y.copy()
        return function(*(data[::-1] if swap else data))

    return call


def number(loss, y_pred, y):
    """Return loss(y_pred, y) as a float. Raises ValueError unless it is one finite number."""
    value = loss(y_pred, y)
    value = value if hasattr(value, "item") else np.asarray(value)
    if value.dtype == object or math.prod(value.shape) != 1:
        got = value if value.dtype == object else f"shape {tuple(value.shape)}"
        raise ValueError(f"loss returns {got}, but must return one number")
    value = float(value.item())
    if not np.isfinite(value):
        raise ValueError(f"loss is {value}, but must be finite if all y_pred and y lie in 0..1")
    return value


def column(gradient, loss, y_pred, y):
    """Return gradient(y_pred, y) in float64. Raises ValueError for another shape than y_pred's."""
    loss(y_pred, y)  # gradient may use what loss has stored
    value = gradient(y_pred, y)
    if value is None or np.shape(value) != y_pred.shape:
        got = "None" if value is None else f"shape {np.shape(value)}"
        raise ValueError(
            f"gradient returns {got}, but must return the shape of y_pred, {y_pred.shape}: "
            f"one derivative for each prediction, none for weights"
        )
    return np.asarray(value, dtype=np.float64)


class Points(NamedTuple):
    """Test points: columns of shape (N,). Some are of a set of n = 12, the others of n = 19."""

    n: np.ndarray
    y_pred: np.ndarray
    y: np.ndarray
    slope: np.ndarray  # the derivative of the loss, by differences
    kink: np.ndarray  # True where the loss has a corner
    seen: np.ndarray  # True where the slope is known well enough to judge
    allowed: np.ndarray  # how far the gradient may be from the slope
    ours: np.ndarray  # the gradient that is checked
    relabelled: np.ndarray  # the same gradient when each prediction gets its neighbour's label

    @property
    def wrong(self):
        return self.seen & ~(abs(self.ours - self.slope) <= self.allowed)  # nan is wrong

    def some(self, which):
        return Points(*(column[which] for column in self))


def join(sets):
    """Return several Points as one."""
    return Points(*map(np.concatenate, zip(*sets)))


def measure(loss, gradient, limits, labels):
    """Return Points with these labels. Raises ValueError if differences can't see the slopes."""
    sets = []
    for size in SIZES:
        y_pred, y = points(size, limits, labels)
        slope, room, kink = derivative(lambda moved, y=y: number(loss, moved, y), y_pred)
        sharp = ~kink & (room < SHARP * abs(slope))
        sizes = abs(slope[sharp])
        smooth = sharp | ~kink & (room <= FLAT * sizes.min(initial=np.inf))
        if not sizes.size or smooth.mean() < SEEN:
            raise ValueError(
                f"loss doesn't change with the predictions, or is too rough to check: differences "
                f"show its slope at {sharp.sum()} of {size} points only"
            )
        allowed = room + DIGITS * (abs(slope) + np.median(sizes))
        ours = column(gradient, loss, y_pred, y)
        relabelled = column(gradient, loss, y_pred, np.roll(y, 1, axis=0))
        n, seen = np.full(y.shape, size), smooth | kink
        columns = n, y_pred, y, slope, kink, seen, allowed, ours, relabelled
        sets.append(Points(*map(np.ravel, columns)))
    return join(sets)


def ends_that_matter(loss, limits, labels):
    """Say if loss is made for predictions below 0, and if for those above 1, with these labels.

    It isn't if they change nothing, as behind a clip. Nor if it has a logarithm at 0, or at 1: each
    time all predictions come nearer by half, it changes by the same. True if there are none.
    """
    y_pred, y = points(max(SIZES), limits, labels)
    here, moves = number(loss, y_pred, y), np.random.default_rng(0).uniform(1, 2, y.shape)
    if number(loss, y_pred * (1 + 2.0**-36 * moves), y) == here:
        raise ValueError(
            "loss doesn't change when predictions change by 1e-11: it must depend on them, be "
            "computed in float64, and not be rounded"
        )
    matter = []
    for end, beyond in (0, y_pred < 0), (1, y_pred > 1):
        nearer = [number(loss, end + (y_pred - end) / 2.0**k, y) for k in range(3, 12)]
        changes = abs(np.diff(nearer))
        logarithm = changes[-1] > 0.1 * changes.max() + 1e-9 * abs(here)
        changed = number(loss, y_pred + STEP * moves * beyond, y) != here
        matter.append(not beyond.any() or changed and not logarithm)
    return np.array(matter)


def has_softmax(loss, limits):
    """Say if loss stays the same when all predictions grow by 1, as the softmax of them does."""
    y_pred, y = points(max(SIZES), limits, ONE_HOT)
    return np.isclose(number(loss, y_pred + 1, y), number(loss, y_pred, y))


def try_labels(loss, gradient):
    """Return the first range that loss is made for, and Points for each kind of labels it takes.

    Raises what hinders the last kind if there is none.
    """
    for limits, kinds in TRIALS:
        tried, matter = {}, False
        for labels in kinds:
            try:
                matter |= labels != AWAY and ends_that_matter(loss, limits, labels)
                if labels != ONE_HOT or has_softmax(loss, limits):
                    tried[labels] = measure(loss, gradient, limits, labels)
            except Exception as caught:
                error = caught
        if tried.keys() - {AWAY} and np.all(matter):
            return limits, tried
    raise error


def is_for_classes(limits, points):
    """Say if a loss may be made for classes, by its Points for real labels.

    A loss for real labels rises as y_pred goes away from y. One of probabilities may do so too.
    """
    away = np.sign(points.y_pred - points.y)
    falls, rises = points.slope * away < -points.allowed, points.slope > points.allowed
    return limits[1] <= 1 or falls.any() or not rises[away > 0].any()


# How a gradient may be wrong. First: what it was multiplied by.
FACTORS = {
    "": lambda p: 1,
    "is twice as large as it should be": lambda p: 2,
    "is half as large as it should be": lambda p: 1 / 2,
    "is n times as large as it should be: is 1/n missing?": lambda p: p.n,
    "is 1/n of what it should be: is it divided by n once too often?": lambda p: 1 / p.n,
    "is multiplied by y_pred: is it for a weight?": lambda p: p.y_pred,
    "is multiplied by y_pred (1 - y_pred): is it for the logit?": lambda p: p.y_pred - p.y_pred**2,
}
# Then: where it is wrong, if it is right everywhere else.
PLACES = {
    "y_pred = y": lambda p: p.y_pred == p.y,
    "y_pred < y": lambda p: p.y_pred < p.y,
    "y_pred > y": lambda p: p.y_pred > p.y,
    "y_pred = 0": lambda p: p.y_pred == 0,
    "y_pred < 0": lambda p: p.y_pred < 0,
    "y_pred > 0": lambda p: p.y_pred > 0,
    "y < 0": lambda p: p.y < 0,
    "|y_pred - y| is large": lambda p: abs(p.y_pred - p.y) >= abs(p.y_pred - p.y)[p.wrong].min(),
    "|y_pred - y| is small": lambda p: abs(p.y_pred - p.y) <= abs(p.y_pred - p.y)[p.wrong].max(),
    "y_pred and y_pred - y differ in sign: no - y?": lambda p: p.y_pred * (p.y_pred - p.y) <= 0,
}


def name_factor(p):
    """Return by which factor the gradient is wrong, in words; none ("") if it isn't a factor."""

    def fits(factor):
        return (abs(p.ours - factor * p.slope) <= abs(factor) * p.allowed).all()

    for sign, word in (1, ""), (-1, "has the wrong sign"):
        for words, factor in FACTORS.items():
            if fits(sign * factor(p)):
                return ", and ".join(filter(None, (word, words)))
    largest = [np.argmax(abs(p.slope) * (p.n == n) * ~p.kink) for n in SIZES]
    a, b = p.ours[largest] / p.slope[largest]
    if not fits(np.where(p.n == SIZES[0], a, b)):
        return ""
    if abs(a - b) <= DIGITS * abs(a):
        return f"is {a:.6g} times as large as it should be"
    return f"is {a:.6g} times as large as it should be if n = 12, and {b:.6g} times if n = 19"


def is_in_another_order(p):
    """Say if sorting makes the gradient right, but for kinks and points that are not seen."""
    smooth = p.seen & ~p.kink
    apart = abs(np.sort(p.ours) - np.sort(p.slope)) > p.allowed[smooth].max()
    return apart.sum() <= (~smooth).sum()


def name_mistake(wrong):
    """Return what is wrong, as words that follow "the gradient".

    `wrong` are Points, one for each kind of labels for which the gradient is wrong.
    """
    p = join([points.some(points.seen) for points in wrong])
    sets = [wrong[0].some(wrong[0].n == n) for n in SIZES]
    if not np.isfinite(p.ours).all():
        i = np.isfinite(p.ours).argmin()
        return f"is not finite, for example at y_pred = {p.y_pred[i]:.6g}, y = {p.y[i]:.6g}"
    if not p.ours.any():
        return "is 0 everywhere"
    if factor := name_factor(p):
        return factor
    if np.array_equal(p.ours, p.relabelled):
        return "does not depend on y: is - y missing?"
    if all(np.ptp(one.ours) == 0 for one in sets):
        return "is one number for all predictions: is it for a weight?"
    if p.kink[p.wrong].all():
        return "is right except at a kink, a corner of the loss"
    clear = p.some(~p.kink & (p.wrong | (p.y_pred != p.y)))  # elsewhere it may be right by luck
    for words, place in PLACES.items():
        if np.array_equal(clear.wrong, place(clear)) and not clear.wrong.all():
            return f"is right except where {words}"
    if all(map(is_in_another_order, sets)):
        return "is right, but in another order"
    return "is wrong in another way"


class Verdict(NamedTuple):
    """Whether the gradient is right, what it is ("has the wrong sign"), and the details."""

    right: bool
    finding: str
    detail: str


def describe(limits, tried):
    """Return in words what was tried."""
    text = f"Tried: predictions {limits[0]} to {limits[1]}. Labels {', '.join(tried)}."
    p = join(tried.values())
    hidden = [f"({a:.6g}, {b:.6g})" for a, b in zip(p.y_pred[~p.seen], p.y[~p.seen])]
    if hidden:
        text += f"\nNot judged: {len(hidden)} of {p.n.size} points, where the loss is too rough. "
        text += "(y_pred, y):\n" + ", ".join(hidden[:3]) + ", ..." * (len(hidden) > 3)
    return text


def check(loss, gradient):
    """Return the Verdict: is gradient(y_pred, y) the derivative of loss(y_pred, y)?

    Raises ValueError for a result of another shape, and for a loss that isn't finite, doesn't
    change, or is too rough to be checked. What the two functions raise everywhere is passed on.
    """
    first = labels_first(loss), labels_first(gradient)
    swap = [own if own is not None else other for own, other in (first, first[::-1])]
    with np.errstate(all="ignore"):
        verdict = check_in_order(loss, gradient, *swap)
        if not verdict.right and first == (None, None):
            if check_in_order(loss, gradient, True, True).right:
                raise ValueError(
                    "the gradient is right if labels go first, and wrong if predictions do: name "
                    "the parameters y_pred and y"
                )
    names = " and ".join(name for name, own in zip(("loss", "gradient"), swap) if own)
    note = f"\nLabels go first, by the parameters' names: in {names}." if names else ""
    return verdict._replace(detail=verdict.detail + note)


def check_in_order(loss, gradient, loss_swap, gradient_swap):
    """Return the Verdict, with labels first where so ordered."""
    limits, tried = try_labels(calling(loss, loss_swap), calling(gradient, gradient_swap))
    right_here = (
        RIGHT if limits == TRIALS[0][0] else f"{RIGHT} for y_pred from {limits[0]} to {limits[1]}"
    )
    wrong = {labels: p for labels, p in tried.items() if p.wrong.any()}
    if not wrong:
        return Verdict(True, right_here, describe(limits, tried))
    verdict = Verdict(False, name_mistake([*wrong.values()]), describe(limits, tried))
    right = {labels: tried[labels] for labels in CLASSES if labels in tried.keys() - wrong.keys()}
    if right and (REAL not in tried or REAL in wrong and is_for_classes(limits, tried[REAL])):
        detail = f"{describe(limits, right)}\nBut with other labels: {sentence(verdict)}"
        return Verdict(True, right_here, detail)
    p = join([points.some(points.wrong) for points in wrong.values()])
    i = abs(p.ours - p.slope).argmax()
    numbers = (
        f"Wrong points: {p.n.size}. The farthest: at y_pred = {p.y_pred[i]:.6g}, "
        f"y = {p.y[i]:.6g}, one of n = {p.n[i]} points,\n"
        f"it is {p.ours[i]:.9g}, but should be {p.slope[i]:.9g} (+- {p.allowed[i]:.1e}).\n"
    )
    return verdict._replace(detail=numbers + verdict.detail)


def sentence(verdict):
    """Return what a Verdict found as a sentence that starts with RIGHT or WRONG."""
    end = "" if verdict.finding.endswith("?") else "."
    return f"{'RIGHT' if verdict.right else 'WRONG'}: the gradient {verdict.finding}{end}"


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
            verdict = check(loss, lambda *data, g=gradient, change=change: change(g(*data)))
            print(f"{loss_name}, {name:<11}{sentence(verdict)}")


def with_progress(loss):
    """Return loss as a function that tells on stderr how often it was called, if it is slow."""
    start, calls = time.monotonic(), 0

    @functools.wraps(loss)
    def told(*arguments):
        nonlocal calls
        calls += 1
        seconds = time.monotonic() - start
        if seconds > PATIENCE and sys.stderr.isatty():
            text = f"loss was called {calls} times in {seconds:.0f} s; a check takes 300 to 1400"
            print(text, end="\r", file=sys.stderr, flush=True)
        return loss(*arguments)

    return told


def check_file(file):
    """Print the verdict on a reader's file, and end with its exit status."""
    sys.argv = [file]  # the file's own argparse must not see our options
    sys.path.insert(0, str(Path(file).resolve().parent))  # so that it can import its neighbours
    try:
        names = runpy.run_path(file, run_name="mine")
        for name in ("loss", "gradient"):
            if not callable(names.get(name)):
                raise ValueError(f"it must define the function {name}(y_pred, y)")
        result = check(with_progress(names["loss"]), names["gradient"])
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        here = [frame for frame in frames if frame.filename == file][-1:]
        where = file + "".join(f", line {frame.lineno}" for frame in here)
        what = " ".join(str(error).split())
        if isinstance(error, TypeError) and not here:
            what += ": loss and gradient are called with (y_pred, y)"
        elif isinstance(error, TypeError | AttributeError) and here[0].name != "<module>":
            what += " (y_pred and y are NumPy arrays; make tensors of them here: Tensor(y_pred))"
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
