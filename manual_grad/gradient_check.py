"""Is a gradient right? Compare it with finite differences of its loss. If it is wrong, say how.

    python -m manual_grad.gradient_check            our losses, right and with mistakes
    python -m manual_grad.gradient_check mine.py    your own: exit status 0 if right, 1 if wrong

Your file defines two functions. Both get NumPy arrays of shape (n, 1), float64. `loss(y_pred, y)`
returns one number, computed in float64. `gradient(y_pred, y)` returns its derivatives with respect
to y_pred, an array of that shape. Labels go first if the parameters' names say so, as in
`loss(y_true, y_pred)`. A `gradient()` without parameters may use what `loss` has just stored. The
exit status is 2 if the file can't be checked.

Predictions lie between -3 and 3. If the loss isn't defined all over that range, or doesn't change,
a smaller one is tried. Labels are real; a few are 0 or 1, -1 or 1, or far from the prediction. Is
the loss made for two classes, a gradient may be right for labels 0 and 1 alone, or -1 and 1. The
verdict says what was tried.
"""

import functools
import inspect
import math
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
from manual_grad.losses import LOSSES, sigmoid

RANGES = (-3, 3), (0.05, 3), (0.05, 0.95)  # of predictions: the last is for probabilities
# Kinds of labels. FAR: from the prediction. ONE_HOT: for a softmax over all predictions.
REAL, SIGNS, BINARY, FAR = "0.05..0.95", "-1 or 1", "0 or 1", "4..8 away"
ONE_HOT = "all 0 but one"
KINDS = REAL, SIGNS, BINARY, ONE_HOT
SIZES = 12, 19  # two numbers of points n, so that a factor n is not mistaken for 12
DIGITS = 1e-5  # of a slope: float32 and guards such as log(p + 1e-7) change a gradient by less
SHARP = 1e-2  # of a point's own slope: a point is seen if its slope is known that well, or ...
FLAT = 1e-5  # ... of the smallest slope so seen, if its own slope is about 0
SEEN = 2 / 3  # of a set of points: if fewer are seen, the set can't be checked
PATIENCE = 2  # seconds without a word

# A function may carry 1000 roundings, each of 2^-53 of its size. A central difference divides them
# by STEP: 1.8e-9. It leaves out STEP^2 / 6 of the third derivative: 6e-10. A larger step raises the
# second error, a smaller one the first.
STEP = 2.0**-14
ROUNDING = 1000 * 2.0**-53

# Does a parameter's name sound like predictions (> 0) or labels (< 0)? First the whole name, then
# the sum over its parts: "expected_output" is a label, "predicted_label" a prediction.
NAMES = dict.fromkeys("afhopsxz", 1) | {"q": 2, "yp": 2, "y": -1, "d": -1, "t": -2, "gt": -2}
PARTS = dict.fromkeys(("pred", "hat", "estim"), 3)
PARTS |= dict.fromkeys(("out", "logit", "prob", "score", "activ", "input"), 1)
PARTS |= dict.fromkeys(("true", "truth", "target", "label", "actual", "expect", "desired"), -2)
PARTS |= dict.fromkeys(("observed", "real", "ground"), -2)


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
    side = np.resize([1, -1 if limits[0] < 0 else 1], (n, 1))
    y = {
        REAL: real,
        SIGNS: np.resize([-1, 1], (n, 1)),
        BINARY: np.resize([0, 1], (n, 1)),
        ONE_HOT: np.eye(n)[:, 1:2],
        FAR: y_pred + side * (4 + 4 * real),
    }[labels]
    if labels != FAR:
        y_pred[:2] = np.clip(y[:2], *limits)
    if labels == REAL and limits[0] < 0:
        y_pred[2] = 0
    return np.round(y_pred * 2**20) / 2**20, np.round(y * 2**20) / 2**20


def labels_first(function):
    """Say if the parameters' names want the labels first; None if they don't tell."""
    try:
        names = [name.lower().strip("_") for name in inspect.signature(function).parameters][:2]
        parts = [sum(PARTS[part] for part in PARTS if part in name) for name in names]
        first, second = map(NAMES.get, names, parts)
    except (TypeError, ValueError):  # a built-in function without names, or fewer than two
        return None
    return None if first == second else first < second


def calling(function, name, swap):
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
        try:
            return function(*(data[::-1] if swap else data))
        except TypeError as error:
            if error.__traceback__.tb_next is None:  # the call itself failed, nothing inside it
                raise TypeError(f"{error}: it is called as {name}(y_pred, y)") from None
            raise

    return call


def number(loss, y_pred, y):
    """Return loss(y_pred, y) as a float. Raises ValueError unless it is one finite number."""
    value = loss(y_pred, y)
    shape = value.shape if hasattr(value, "shape") else np.shape(value)
    if value is None or math.prod(shape) != 1:
        got = "None" if value is None else f"shape {tuple(shape)}"
        raise ValueError(f"loss returns {got}, but must return one number")
    value = float(value.item() if hasattr(value, "item") else np.asarray(value).item())
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
    """Test points: columns of shape (N,). They come in sets, each with its own number n."""

    n: np.ndarray
    y_pred: np.ndarray
    y: np.ndarray
    slope: np.ndarray  # the derivative of the loss, by differences
    room: np.ndarray  # how far off it may be
    kink: np.ndarray  # True where the loss has a corner
    seen: np.ndarray  # True where the slope is known well enough to judge
    allowed: np.ndarray  # how far the gradient may be from the slope
    ours: np.ndarray  # the gradient that is checked
    relabelled: np.ndarray  # the same gradient when each prediction gets its neighbour's label

    @property
    def wrong(self):
        return ~(abs(self.ours - self.slope) <= self.allowed)  # nan is wrong

    def some(self, which):
        return Points(*(column[which] for column in self))


def measure(loss, gradient, y_pred, y, smallest=None):
    """Return one set of Points, and the smallest slope that is seen sharply.

    Raises ValueError if differences can't see the slopes. `smallest` is that of another set.
    """
    slope, room, kink = derivative(lambda moved: number(loss, moved, y), y_pred)
    sharp = ~kink & (room < SHARP * abs(slope))
    sizes = abs(slope[sharp])
    if smallest is None:
        if not sizes.size:
            raise ValueError("loss doesn't change with the predictions, or is too rough to check")
        smallest = sizes.min()
    smooth = sharp | ~kink & (room <= FLAT * smallest)
    if smooth.mean() < SEEN:
        raise ValueError(
            f"loss is too rough to check: differences show its slope at {smooth.sum()} of {y.size} "
            f"points only"
        )
    typical = np.median(sizes) if sizes.size else smallest
    allowed = room + DIGITS * (abs(slope) + typical)
    ours = column(gradient, loss, y_pred, y)
    relabelled = column(gradient, loss, y_pred, np.roll(y, 1, axis=0))
    n, seen = np.full(y.shape, y.size), smooth | kink
    columns = n, y_pred, y, slope, room, kink, seen, allowed, ours, relabelled
    return Points(*map(np.ravel, columns)), smallest


def changes(loss, gradient, limits, labels):
    """Say if loss changes with predictions below 0, and with those above 1, as far as there are.

    None: it is singular at 0 or 1, like log(p), where each halving of p makes the same change. So
    predictions beyond make no sense. Raises ValueError for a loss in float32, and what the two
    functions raise.
    """
    y_pred, y = points(max(SIZES), limits, labels)
    column(gradient, loss, y_pred, y)
    here, steps = number(loss, y_pred, y), np.random.default_rng(0).uniform(1, 2, y.shape)
    if number(loss, y_pred + 2.0**-36 * steps * (y_pred != 0), y) == here:
        raise ValueError(
            "loss must be computed in float64, and not be rounded: it doesn't change when "
            "predictions change by 1e-11"
        )
    changed = []
    for end, inwards, beyond in (0, 1, y_pred < 0), (1, -1, y_pred > 1):
        if beyond.any():
            values = [number(loss, end + inwards * steps / 2.0**k, y) for k in (2, 3, 4, 5, 9, 10)]
            halvings = abs(np.diff(values))
            if halvings[-1] > 0.1 * halvings[:3].max() + 1e-9 * abs(here):
                return None
            changed.append(number(loss, y_pred + STEP * steps * beyond, y) != here)
    return changed


def find_ranges(loss, gradient):
    """Return the widest of RANGES that loss and gradient are made for, and the narrower ones.

    Raises what they raise, or ValueError, if there is none.
    """
    error = ValueError("loss doesn't change with the predictions")
    for i, limits in enumerate(RANGES):
        changed = []
        for labels in KINDS:
            try:
                changed.append(changes(loss, gradient, limits, labels))
            except Exception as caught:
                error = caught
                continue
            if changed[-1] is None:
                break
            if np.any(changed, axis=0).all():
                return RANGES[i:]
    raise error


def has_softmax(loss, limits):
    """Say if loss stays the same when all predictions grow by 1, as the softmax of them does."""
    y_pred, y = points(max(SIZES), limits, ONE_HOT)
    return np.isclose(number(loss, y_pred + 1, y), number(loss, y_pred, y))


def sample(loss, gradient, limits, labels):
    """Return Points with these labels, and the kinds of labels that are among them.

    Some other labels go with the real ones, where loss and gradient allow them. They are sets of
    their own, because one huge slope blinds a whole set.
    """
    sets, smallest = zip(*(measure(loss, gradient, *points(n, limits, labels)) for n in SIZES))
    sets, kinds = list(sets), [labels]
    others = [(8, BINARY)] + [(9, SIGNS)] * (limits[0] < 0) + [(7, FAR)] * (limits[1] > 1)
    for n, other in others if labels == REAL else ():
        try:
            sets.append(measure(loss, gradient, *points(n, limits, other), min(smallest))[0])
            kinds.append(other)
        except Exception:  # the loss isn't made for these labels
            continue
    return Points(*map(np.concatenate, zip(*sets))), kinds


def labels_excuse(points, limits):
    """Say if a gradient that is wrong here may be right for other labels, those of two classes."""
    p = points.some(points.seen)
    usual = p.some(np.isin(p.n, SIZES))
    if not usual.wrong.any() or np.array_equal(p.ours, p.relabelled):
        return False
    if name_factor(p) or in_another_order(points):
        return False
    # A loss of real labels is smallest where y_pred = y: it falls before and rises behind. So does
    # a loss of probabilities, but its labels are mostly 0 and 1.
    side = np.sign(usual.y_pred - usual.y)
    both = all((usual.slope * s > usual.room)[side == s].any() for s in (-1, 1))
    return limits[1] <= 1 or not both or (usual.slope * side < -usual.room).any()


# How a gradient may be wrong. First: what it was multiplied by. `p` are Points.
FACTORS = {
    "": lambda p: 1,
    "is twice as large as it should be": lambda p: 2,
    "is half as large as it should be": lambda p: 1 / 2,
    "is n times as large as it should be: is 1/n missing?": lambda p: p.n,
    "is 1/n of what it should be: is it divided by n once too often?": lambda p: 1 / p.n,
    "is n/2 times as large as it should be: is 2/n missing?": lambda p: p.n / 2,
    "is divided by n - 1, and not by n": lambda p: p.n / (p.n - 1),
    "is multiplied by y_pred: is it the gradient for a weight?": lambda p: p.y_pred,
    "is multiplied by y_pred (1 - y_pred): is it the gradient for the logit?": (
        lambda p: p.y_pred * (1 - p.y_pred)
    ),
    "is multiplied by the slope of the sigmoid once too often": (
        lambda p: sigmoid(p.y_pred) * sigmoid(-p.y_pred)
    ),
    "is not multiplied by the slope of the sigmoid: is it the gradient for the probability?": (
        lambda p: 1 / (sigmoid(p.y_pred) * sigmoid(-p.y_pred))
    ),
}
# Then: what else can be said of it.
MISTAKES = {
    "does not depend on y: is - y missing?": lambda p: np.array_equal(p.ours, p.relabelled),
    "is one number for all predictions: is it the gradient for a weight?": (
        lambda p: all(np.ptp(p.ours[p.n == n]) == 0 for n in p.n)
    ),
    "is right except at a kink, a corner of the loss": lambda p: p.kink[p.wrong].all(),
    "is right except where y_pred = y": lambda p: only_where(p, p.y_pred == p.y),
    "is right except where y_pred < y": lambda p: only_where(p, p.y_pred < p.y),
    "is right except where y_pred > y": lambda p: only_where(p, p.y_pred > p.y),
    "is right except where y_pred = 0": lambda p: only_where(p, p.y_pred == 0),
    "is right except where y_pred < 0": lambda p: only_where(p, p.y_pred < 0),
    "is right except where y_pred > 0": lambda p: only_where(p, p.y_pred > 0),
    "is right except where y_pred and y_pred - y differ in sign: is - y missing?": (
        lambda p: only_where(p, np.sign(p.y_pred) != np.sign(p.y_pred - p.y))
    ),
    "is right except where y = 0": lambda p: only_where(p, p.y == 0),
    "is right except where y = 1": lambda p: only_where(p, p.y == 1),
    "is right except where y < 0": lambda p: only_where(p, p.y < 0),
    "is right except where |y_pred - y| is large": lambda p: only_large_residuals(p),
    "is right to three digits: does a small constant differ?": (
        lambda p: (abs(p.ours - p.slope) <= 100 * p.allowed).all()
    ),
}


def multiplied_by(p, factor):
    """Say if the gradient is the slope times this factor, a number or a column."""
    return (abs(p.ours - factor * p.slope) <= abs(factor) * p.allowed).all()


def name_factor(p):
    """Return by which factor the gradient is wrong, in words; none ("") if it isn't a factor."""
    for sign, word in (1, ""), (-1, "has the wrong sign"):
        for words, factor in FACTORS.items():
            if multiplied_by(p, sign * factor(p)):
                return ", and ".join(filter(None, (word, words)))
    largest = {n: np.argmax(abs(p.slope) * (p.n == n) * ~p.kink) for n in np.unique(p.n)}
    ratios = {n: p.ours[i] / p.slope[i] if p.slope[i] else 1 for n, i in largest.items()}
    if not multiplied_by(p, np.array([ratios[n] for n in p.n])):
        return ""
    a, b = (ratios[n] for n in SIZES)
    same = abs(a - b) <= DIGITS * abs(a)
    by_n = "" if same else f" if n = {SIZES[0]}, and {b:.6g} times if n = {SIZES[1]}"
    return f"is {a:.6g} times as large as it should be{by_n}"


def only_where(p, place):
    """Say if the gradient is wrong at each point of this place, and right at all others.

    At a kink it may be right by luck.
    """
    return np.array_equal(p.wrong[~p.kink], place[~p.kink]) and not place.all()


def only_large_residuals(p):
    p = p.some(~p.kink & (p.y_pred != p.y))  # there a gradient may be right by luck
    residual = abs(p.y_pred - p.y)
    wrong, right = residual[p.wrong], residual[~p.wrong]
    return wrong.size and right.size and wrong.min() > right.max()


def in_another_order(p):
    """Say if sorting makes the gradient right, set by set, but for kinks and points not seen."""
    for n in np.unique(p.n):
        some = p.some(p.n == n)
        smooth = some.seen & ~some.kink
        apart = abs(np.sort(some.ours) - np.sort(some.slope)) > some.allowed[smooth].max()
        if apart.sum() > (~smooth).sum():
            return False
    return True


def name_mistake(points):
    """Return what is wrong, as words that follow "the gradient"."""
    p = points.some(points.seen)
    if not np.isfinite(p.ours).all():
        i = np.isfinite(p.ours).argmin()
        return f"is not finite, for example at y_pred = {p.y_pred[i]:.6g}, y = {p.y[i]:.6g}"
    if not p.ours.any():
        return "is 0 everywhere"
    factor = name_factor(p)
    if factor:
        return factor
    for words, found in MISTAKES.items():
        if found(p):
            return words
    if in_another_order(points):
        return "is right, but in another order"
    return "is wrong in another way"


class Verdict(NamedTuple):
    """Whether the gradient is right, what it is ("has the wrong sign"), and the details."""

    right: bool
    finding: str
    detail: str


def judge(points, limits, kinds):
    """Return the Verdict on these Points."""
    p = points.some(points.seen)
    detail = (
        f"Tried: y_pred {limits[0]}..{limits[1]}; y {', '.join(kinds)}; "
        f"{p.n.size} of {points.n.size} points seen, {p.kink.sum()} at a kink."
    )
    hidden = points.some(~points.seen)
    if hidden.n.size:
        first = ", ".join(f"({a:.6g}, {b:.6g})" for a, b in list(zip(hidden.y_pred, hidden.y))[:3])
        detail += f"\nNot seen, (y_pred, y): {first}" + ", ..." * (hidden.n.size > 3)
    if not p.wrong.any():
        return Verdict(True, "is the derivative of the loss", detail)
    i = np.nan_to_num(abs(p.ours - p.slope) / p.allowed, nan=np.inf).argmax()
    numbers = (
        f"Wrong points: {p.wrong.sum()}. The farthest, of {p.n[i]} in its set: at y_pred = "
        f"{p.y_pred[i]:.6g}, y = {p.y[i]:.6g}\nit is {p.ours[i]:.9g}, but should be "
        f"{p.slope[i]:.9g} (+- {p.room[i]:.1e}).\n"
    )
    return Verdict(False, name_mistake(points), numbers + detail)


def check(loss, gradient):
    """Return the Verdict: is gradient(y_pred, y) the derivative of loss(y_pred, y)?

    Raises ValueError for a result of another shape, and for a loss that isn't finite, doesn't
    change, or is too rough to be checked. What the two functions raise everywhere is passed on.
    """
    first = labels_first(loss), labels_first(gradient)
    unclear = first == (None, None)
    swap = [own if own is not None else other for own, other in (first, first[::-1])]
    with np.errstate(all="ignore"):
        verdict = check_in_order(loss, gradient, *swap)
        if unclear and not verdict.right and check_in_order(loss, gradient, True, True).right:
            raise ValueError(
                "the gradient is right if labels go first, and wrong if predictions do: name the "
                "parameters y_pred and y"
            )
    note = "\nPredictions go first: the parameters' names don't say more." if unclear else ""
    if any(swap):
        names = " and ".join(name for name, own in zip(("loss", "gradient"), swap) if own)
        note = f"\nLabels go first, by the parameters' names: in {names}."
    return verdict._replace(detail=verdict.detail + note)


def check_in_order(loss, gradient, loss_swap, gradient_swap):
    """Return the Verdict, with labels first where so ordered."""
    loss = calling(loss, "loss", loss_swap)
    gradient = calling(gradient, "gradient", gradient_swap)
    verdicts = []
    ranges = find_ranges(loss, gradient)
    for labels in KINDS:
        for limits in ranges:
            try:
                if labels == ONE_HOT and not has_softmax(loss, limits):
                    break
                points, tried = sample(loss, gradient, limits, labels)
            except Exception as caught:
                error = caught
                continue
            verdicts.append(judge(points, limits, tried))
            break
        if verdicts and (verdicts[-1].right or not labels_excuse(points, limits)):
            break
    if not verdicts:
        raise error
    if verdicts[-1].right and verdicts[1:]:
        other = f"But where y is not so: {sentence(verdicts[0])}"
        return verdicts[-1]._replace(detail=f"{verdicts[-1].detail}\n{other}")
    return verdicts[-1] if verdicts[-1].right else verdicts[0]


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

            def changed(y_pred, y, gradient=gradient, change=change):
                return change(gradient(y_pred, y))

            print(f"{loss_name}, {name:<11}{sentence(check(loss, changed))}")


def with_progress(loss):
    """Return loss as a function that tells on stderr how often it was called, if it is slow."""
    start, calls = time.monotonic(), 0

    @functools.wraps(loss)
    def told(*arguments):
        nonlocal calls
        calls += 1
        seconds = time.monotonic() - start
        if seconds > PATIENCE:
            text = f"loss was called {calls} times in {seconds:.0f} s; a check takes 250 to 1000"
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
        if here and here[0].name != "<module>" and isinstance(error, TypeError | AttributeError):
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
