"""check.gradient: a right gradient is never called WRONG, and a wrong one never RIGHT."""

import contextlib
import itertools
import re

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from check import gradient as check_gradient
from check.exercise import value_and_gradient as by_torch
from check.gradient import LABELS, PREDICTIONS, check, points
from manual_grad.derivative import STEP
from manual_grad.losses import LOSSES

INSIDE, OUTSIDE = 0.99, 1.01  # of a tolerance: rounding moves an answer by 1e-3 of it, or less

MSE, MSE_GRADIENT = LOSSES["mse"]
FORMULAS = """
from numpy import *
def loss(p, y): return mean({})
def gradient(p, y, factor=1): return factor * ({}) / y.size
"""


@pytest.fixture
def judged(checked):
    """Return a function that checks a file's source, or formulas of the loss and n times its slope.

    It gives the exit status, the table's first letters, and all that is printed.
    """

    def judge(source, *options):
        source = FORMULAS.format(*source.split(" | ")) if " | " in source else source
        status, text, error = checked(lambda file: check_gradient.main(file, *options), source)
        assert error.count("\n") == (status == 2)
        rows = [line.split()[-4:] for line in text.splitlines()[3:6]]
        return status, " ".join("".join(word[0] for word in row) for row in rows), text + error

    return judge


# A loss for each point, whose mean is taken; n times its gradient; and the answers for three kinds
# of predictions, with four kinds of labels each. The last two have kinks nearer than the step.
CASES = """
(p.clip(0, 1) - y) ** 2         | 2 * (p.clip(0, 1) - y)                     | WWWW WWWW RRRR
maximum(0, 1 - y * p)           | -y * (p < 1)                               | WRWR WRWR RRRR
log1p(exp(-y * p))              | -y / (1 + exp(p))                          | WRWR WRWR WRWR
(1 - y * p).clip(0, 1)          | where(y * p < 1, -y, 0)                    | WWW- RRWR RRWR
y * (log(exp(p).sum()) - p)     | exp(p) / exp(p).sum() - y                  | WWWR WWWR WWWR
-log(p + 1e-7)                  | -1 / p                                     | ---- RRRR RRRR
abs(p - y)                      | sign(p - y) - (p == y)                     | RRRR RRRR RRRR
abs(p - y)                      | sign(p - y) + 1.001 * (p == y)             | WWWW WWWR WRRR
square(subtract(p, y, out=p))   | 2 * subtract(p, y, out=y)                  | RRRR RRRR RRRR
(p - y) ** 2                    | (2 * (p - y)).clip(-9, 9)                  | WRRR RRRR RRRR
(p - y) ** 2 + (p - y).clip(-1e-5, 1e-5) | 2 * (p - y) + (abs(p - y) < 1e-5) | RRRR RRRR RRRR
(p - y) ** 2 + (p - y).clip(-1e-5, 1e-5) | p - y                             | WWWW WWWW WWWW
"""


def test_each_kind_of_points_gets_its_answer(judged):
    for line in CASES.strip().splitlines():
        formulas, answers = line.rsplit(" | ", 1)
        status, found, text = judged(formulas)
        assert (found, status) == (answers, "W" in answers), line
        assert ("kinds that are RIGHT" in text) == ("W" in answers and "R" in answers), line


# The same, and what is said of it below the table. Of the two whose residuals reach 6.876, the loss
# of one isn't finite farther out, and the gradient of the other.
SOFTMAX = "exp(p) / exp(p).sum(axis=1, keepdims=True)"
TOLD = f"""
(p - y) ** 2 | 2 * (p - y) | Residuals reach 1,000 where it is RIGHT
exp(p - y) | exp(p - y) | Residuals reach 6.876 where it is RIGHT
logaddexp(0, p - y) | exp(p - y) / (1 + exp(p - y)) | Residuals reach 6.876 where it is RIGHT
exp(p - 2 * y) | -exp(p - 2 * y) | At all points of this kind its sign is wrong.
(p - y) ** 2 | 2 * (y - p) | its sign is wrong, or the arguments are exchanged: nobody can tell.
exp(y - 2 * p) | exp(y - 2 * p) | RIGHT with the arguments swapped. Take y_pred first, and y second.
-p * log(y) | -p / y | RIGHT with the arguments swapped. Take y_pred first, and y second.
(p - y) ** 2 | 2 * (p - y) * y.shape[1] | real: RIGHT in shape (19, 1), WRONG in shape (1, 19): it
(p - y) ** 2 | 2 * (p - y) * y.shape[0] | real: WRONG in shape (19, 1), RIGHT in shape (1, 19): it
-y * log({SOFTMAX}) | {SOFTMAX} - y | one-hot: - in shape (19, 1), RIGHT in shape (1, 19)
"""


def test_what_follows_from_the_table_is_said_below_it(judged):
    for line in TOLD.strip().splitlines():
        formulas, told = line.rsplit(" | ", 1)
        text = judged(formulas)[2]
        assert told in text, text
        for words in "arguments swapped", " in shape ":
            assert (words in text) == (words in told), line


def test_why_a_kind_has_no_answer_is_said_and_only_a_refused_domain_keeps_the_status_0(judged):
    m = "p.shape[1] * p.size"  # flat arrays raise an IndexError
    for kind in "ValueError", "OverflowError", "ZeroDivisionError", "RuntimeError", "TypeError":
        refused = kind in ("ValueError", "OverflowError", "ZeroDivisionError")
        domain = f"log(p) / {m} if p.min() > 0 else exec('raise {kind}(1)') | 1 / p / {m}"
        status, answers, text = judged(domain)
        assert (status, answers) == (0 if refused else 2, "---- RRRR RRRR")
        assert text.count(f"\n- mine.py, line 3: {kind}: 1\n") == 1
        assert ("--predictions 0.05 3 --labels real\n" in text) != refused


FLAT = "mean((p - y) ** 2, axis=-1) | 2 * (p - y)"
LOGS_OF_LISTS = """
import math
def loss(p, y): return sum(map(math.log, p + [])) / len(p)
def gradient(p, y): return [1 / a / len(p) for a in p]
"""
HUBER_WHOSE_TAIL_LACKS_1_OVER_N = """
def loss(p, y):
    sizes = [abs(a - b) for a, b in zip(p, y)]
    return sum(r * r / 2 if r <= 1 else r - 1 / 2 for r in sizes) / len(p)

def gradient(p, y):
    residuals = [a - b for a, b in zip(p, y)]
    return [r / len(p) if abs(r) <= 1 else (1.0 if r > 0 else -1.0) for r in residuals]
"""


def test_only_what_cant_be_computed_in_columns_is_tried_flat_and_in_lists(judged):
    assert "flat" not in judged("(p - y) ** 2 * (p.ndim == 2 or print('flat')) | 2 * (p - y)")[2]
    assert judged(FLAT)[:2] == (0, "RRRR RRRR RRRR")
    assert judged(HUBER_WHOSE_TAIL_LACKS_1_OVER_N)[:2] == (1, "WWWW WWWW RRWR")
    status, answers, text = judged(LOGS_OF_LISTS)
    assert (status, answers) == (0, "---- RRRR RRRR")
    assert "\n- mine.py, line 3: ValueError: " in text


def test_the_options_for_what_is_right_and_the_farthest_point_are_shown(judged):
    y_pred, y = (array[18, 0] for array in points(19, (-3, 3), "real"))  # the farthest apart
    numbers = [y_pred, y, 24 * (y_pred - y) / 19, 2 * (y_pred - y) / 19, 12]
    assert judged("(p - y) ** 2 | 24 * (p - y)")[2].splitlines()[-3:] == [
        "WRONG for any number with labels real. The farthest of n = 19 points:",
        "       y_pred            y        it is    should be        ratio",
        "".join(f"{number:>13.6g}" for number in numbers),
    ]
    assert " nan " in judged("(p - y) ** 2 | 2 * (p - y) * (p != y) / (p != y)")[2]
    _, mixed, farthest = judged("(p.clip(0, 1) - y) ** 2 | 2 * (p.clip(0, 1) - y)")[2].split("\n\n")
    assert mixed.splitlines() == [
        "If the loss is made for one of the kinds that are RIGHT, choose it:",
        *(f"    --predictions 0.05 0.95 --labels {labels}" for labels in LABELS),
    ]
    assert farthest.endswith("            0            -\n")  # no ratio to 0


def test_each_tolerance_has_an_answer_just_inside_and_one_just_outside():
    """The slopes of 100 times the loss are 1. A third derivative 6 c gives a room of 1.5 c h^2."""
    y_pred, y = np.ones((9, 1)), np.zeros((9, 1))

    def checked(room, gradient=1.0, rough=9):
        c = room / 1.5 / STEP**2 * (np.arange(9) < rough)[:, None]
        loss = lambda p, y: (p + c * (p - 1) ** 3).sum() / 100  # noqa: E731
        return check(loss, lambda p, y: np.full(p.shape, gradient / 100), y_pred, y).right

    for sign in 1, -1:  # DIGITS of the slope, and of a typical one
        assert checked(0, 1 + sign * 2e-5 * INSIDE)
        assert not checked(0, 1 + sign * 2e-5 * OUTSIDE)
    assert checked(1e-2 * INSIDE, 1.01)  # SHARP
    with pytest.raises(ValueError, match="differences show its slope at 0 of 9 points only"):
        checked(1e-2 * OUTSIDE)
    assert checked(1e-2 * OUTSIDE, rough=3)  # SEEN: at least 6 of 9 points
    with pytest.raises(ValueError, match="differences show its slope at 5 of 9 points only"):
        checked(1e-2 * OUTSIDE, rough=4)


def test_a_loss_is_taken_for_one_in_float64_if_it_shows_a_change_of_2_to_the_minus_36():
    """A prediction p is nudged by 2^-36 p cos(p). This loss is p, to multiples of 2^-37."""
    p = np.linspace(0.5, 0.7, 201)
    refused = pytest.raises(ValueError, match="doesn't change when predictions change by 1e-11")
    for share, answer in (INSIDE, contextlib.nullcontext()), (OUTSIDE, refused):
        start = np.interp(0.5 / share, p * np.cos(p), p).reshape(1)
        loss = lambda p, y, start=start: np.floor((p - start) * 2.0**37) / 2.0**37  # noqa: E731
        with answer:
            assert check(loss, lambda p, y: [1.0], start, start).right


def test_points_may_have_any_shape_and_labels_may_be_class_numbers():
    z, y = np.random.default_rng(0).uniform(1, 3, (8, 3)), np.arange(8) % 3
    loss = lambda z, y: (z[np.arange(8), y] ** 2).sum()  # noqa: E731
    gradient = lambda *both: 2 * both[0] * np.eye(3)[both[1]]  # noqa: E731
    assert check(loss, gradient, z.tolist(), y.tolist()).right
    off = check(loss, lambda z, y: 2.02 * z * np.eye(3)[y], z, y).off
    assert ((off > 0) == np.eye(3)[y]).all()


REFUSED = [
    (lambda p, y: p - y, MSE_GRADIENT, r"loss must return one finite number, not shape \(12, 1\)"),
    (lambda p, y: round(MSE(p, y), 4), MSE_GRADIENT, "be computed in float64, and not be rounded"),
    (lambda p, y: None, MSE_GRADIENT, "^loss returns None: end it with `return` and the loss alo"),
    (MSE, lambda p, y: (p - y).sum(), r"shape \(12, 1\), and none for .*, not one number"),
    (MSE, lambda p, y: (p - y).ravel(), r"shape \(12, 1\), and none for weights, not \(12,\)"),
    (MSE, lambda p, y: (p - y, 2.0), "^gradient returns a tuple: end it with `return` and"),
]


def test_what_cant_be_checked_is_refused():
    for loss, gradient, message in REFUSED:
        with pytest.raises(TypeError if " returns " in message else ValueError, match=message):
            check(loss, gradient, *points(12, (-3, 3), "real"))


def test_of_predictions_that_are_0_the_differences_alone_show_whether_a_loss_depends_on_them():
    assert check(MSE, MSE_GRADIENT, [0, 0], [1, 2]).right
    with pytest.raises(ValueError, match="differences show its slope at 0 of 2 points only"):
        check(lambda p, y: 0, MSE_GRADIENT, [0, 0], [1, 2])


def test_the_points_lie_in_their_range_and_a_step_away_is_exact():
    for (low, high), column in itertools.product(PREDICTIONS.values(), LABELS):
        y_pred, y = points(12, (low, high), column)
        assert (np.append(y_pred, y) * 2**20 % 1 == 0).all()
        assert low <= y_pred.min() <= y_pred.max() <= high
        if column == "real":
            widest = 2 if low < 0 else 1
            assert widest * low <= y.min() < y.max() <= widest * high
            assert 0 < np.sort(abs(y_pred - y), axis=None)[2] < 0.02


CACHED = """
def loss(p, y):
    global residual
    residual = p - y
    return (residual.T @ residual) / y.size

def gradient(dout=1, **more): return dout * 2 * residual / residual.size
"""
ENGINE = "import helper; from manual_grad.engine import Tensor" + FORMULAS.replace("mean", "")
TORCH = "import torch" + FORMULAS.replace("mean(", "torch.mean(torch.tensor(p)")
FILES = {  # the source, and what is printed of it
    CACHED: "\nprobabilities, 0.05 to 0.95         RIGHT    RIGHT    RIGHT    RIGHT",
    ENGINE.format("(Tensor(p) ** 2).mean()", "2 * p"): "\nResiduals reach 1,000 where",
    TORCH.format(" ** 2", "2 * p"): "\nResiduals reach 1,000 where",
    "log(y / (1 - p)) | None": "\nmine.py, line 4: TypeError: unsupported operand",
}


def test_a_file_may_store_what_gradient_needs_and_import_neighbours_the_engine_and_torch(
    judged, tmp_path
):
    (tmp_path / "helper.py").touch()
    for source, told in FILES.items():
        status, _, text = judged(source)
        assert told in text, source
        assert (status == 2) == ("Error" in told)
        assert text.startswith("\n# mine.py: is gradient the derivative of loss?\n")


def test_one_range_and_one_kind_of_labels_can_be_chosen(judged, start, tmp_path):
    source = "(p.clip(0, 2) - y) ** 2 | 2 * (p - y**2)"
    assert judged(source, [0.1, 1.9], "01")[2].splitlines()[2:] == [
        "predictions                 labels: 0 or 1   ",
        "chosen, 0.1 to 1.9                  RIGHT    ",
        "Residuals reach 1.771 where it is RIGHT",
    ]
    for wrong in [1.0, 1.0], [np.nan, 1.0]:
        assert "LOW must be less than HIGH\n" in judged(source, wrong)[2]
    options = "mine.py", "--predictions", -2.5, 3, "--labels", "onehot"
    with pytest.raises(SystemExit) as end:
        start("check/gradient.py", *options, folder=tmp_path)
    assert end.value.code == 1


# Losses for labels 0 and 1, each of which is averaged.
AVERAGED = {
    "any number": """
abs(p - y); exp(-y * p); (p - y) ** 2; (p - y).var(); F.relu(1 - y * p); F.huber_loss(p, y)
1000 + abs(p - y); abs(p - y) / abs(y).clamp(min=1e-10); -F.relu(1 - (p - y) ** 2) ** 3
-(y * F.log_softmax(p, 0)).sum(); 1 - (p * y).sum() / (p.norm() * y.norm())""",
    "probabilities": """
-y * log(p) - (1 - y) * log(1 - p); exp(8 * p) - y * p; F.binary_cross_entropy(p, y)
1 - 2 * (p.clamp(0, 1) * y).sum() / (p.clamp(0, 1) + y).sum()
F.kl_div(log(p.clamp(1e-7, 1)), y.clamp(1e-7), reduction="sum")""",
}
FACTORS = (-1, 2, 1 / 2, 17, 12, 1 / 12)  # a popular check passed 17, and n is 12
MISTAKES = [lambda g, p, factor=factor: factor * g for factor in FACTORS] + [
    lambda g, p: g[::-1],
    lambda g, p: g * p,
    lambda g, p: g * p * (1 - p),
    lambda g, p: (g * p**2).sum() + 0 * g,
]


@pytest.mark.parametrize("predictions", AVERAGED)
def test_16_losses_are_right_in_float32_too_and_each_mistake_is_wrong(predictions):
    """12 points are enough for these mistakes."""
    y_pred, y = points(12, PREDICTIONS[predictions], "01")
    for name in re.split("; |\n", AVERAGED[predictions].strip()):
        function = eval(f"lambda p, y: {name}", {**vars(torch), "F": F})
        mean = lambda p, y, f=function: f(p, y).mean()  # noqa: E731
        loss = lambda p, y, f=mean: f(*map(torch.from_numpy, (p, y))).item()  # noqa: E731
        right = by_torch(mean, y_pred, y)[1]
        verdict = check(loss, lambda p, y, g=right: np.float32(g), y_pred, y)
        assert verdict.right, name
        wrong = [change(right, y_pred) for change in MISTAKES]
        for number, gradient in enumerate([*wrong, by_torch(mean, y_pred, 0 * y)[1]]):
            assert not verdict._replace(gradient=gradient).right, (name, number)
