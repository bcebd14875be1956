"""check.gradient: a right gradient is never called WRONG, and a wrong one never RIGHT."""

import itertools
import sys

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from check import gradient as check_gradient
from check.gradient import LABELS, PREDICTIONS, check, judge, measure, points
from manual_grad.derivative import STEP
from manual_grad.losses import LOSSES, sigmoid

INSIDE, OUTSIDE = 0.99, 1.01  # of a tolerance: rounding moves an answer by 1e-3 of it, or less
APPARENT = 1e-4  # of the largest slope: a mistake that changes a gradient by more must be seen

MAE, MSE, BCE = LOSSES.values()


@pytest.fixture
def reported(capsys):
    """Return a function that gives the exit status, the table's first letters, and the text."""

    def report(loss, gradient):
        status = check_gradient.report(loss, gradient, PREDICTIONS, [*LABELS])
        text = capsys.readouterr().out
        rows = [line.split()[-4:] for line in text.splitlines()[1:4]]
        return status, " ".join("".join(word[0] for word in row) for row in rows), text

    return report


def bce(p, y):
    return -y * p.log() - (1 - y) * (1 - p).log()


def probability(p):
    assert ((p >= 0) & (p <= 1)).all()
    return p


# Losses of any prediction, then of a probability or a positive number. Each is averaged.
ANYWHERE = """
abs(p - y); exp(-y * p); (p - y) ** 2; (p - y).var(); exp(p) - y * p; F.relu(-y * p)
abs(p - y) ** 3; log(cosh(p - y)); abs(p - y) ** 1.5; 1000 + abs(p - y); log1p(abs(p - y))
F.relu(1 - y * p); F.huber_loss(p, y); F.softplus(-y * p); log1p((p - y) ** 2)
((p - y) ** 2).sum(); (p.sigmoid() - y) ** 2; F.relu(1 - y * p) ** 2; F.relu(abs(p - y) - 0.1)
exp(p - y) - (p - y) - 1; sqrt(1e-6 + (p - y) ** 2); (1 + y**2) * (p - y) ** 2
log(((p - y) ** 2).mean()); sqrt(((p - y) ** 2).mean()); F.relu(1 - (2 * y - 1) * p)
1 - exp(-((p - y) ** 2) / 2); F.huber_loss(p, y, delta=5.0); F.relu(abs(p - y) - 0.1) ** 2
-F.relu(1 - (p - y) ** 2) ** 3; abs(p - y) - log1p(abs(p - y)); F.smooth_l1_loss(p, y, beta=0.1)
-(y * F.log_softmax(p, 0)).sum(); (p - y) ** 2 / (1 + (p - y) ** 2)
(p - y) ** 2 + 0.1 * (p**2).sum(); abs(p - y) / abs(y).clamp(min=1e-10)
maximum(0.9 * (y - p), 0.1 * (p - y)); where(y > p, 0.8, 0.2) * (p - y) ** 2
abs(p - y) / (abs(p) + abs(y) + 1e-8); -F.relu(1 - ((p - y) / 4.685) ** 2) ** 3
F.binary_cross_entropy_with_logits(p, y); 1 - (p * y).sum() / (p.norm() * y.norm())
bce(p.sigmoid().clamp(1e-15, 1 - 1e-15), y); where(y == 1, F.softplus(-p), F.softplus(p))
F.binary_cross_entropy_with_logits(p, 0.9 * y + 0.05)
where(abs(p - y) < 1, log1p(2 * abs(p - y)), abs(p - y) + 0.0986)
"""
PROBABILITIES = """
bce(p, y); y * log(y / p); exp(8 * p) - y * p; p - y * log(p.clamp(1e-7)); log(p / y) + y / p - 1
-y * log(p.clamp(1e-15)); (sqrt(p) - sqrt(y)) ** 2; (log1p(p) - log1p(y)) ** 2
(log(p / (1 - p)) - y) ** 2; F.binary_cross_entropy(p, y); bce(p.clamp(1e-7, 1 - 1e-7), y)
bce(p.clamp(1e-15, 1 - 1e-15), y); (1 - where(y == 1, p, 1 - p) ** 0.7) / 0.7
-y * log(p + 1e-8) - (1 - y) * log(1 - p + 1e-8); where(y == 1, -log(p.clamp(1e-15)), -log(1 - p))
-y * (1 - p) ** 2 * log(p) - (1 - y) * p**2 * log(1 - p)
(p - y) ** 2 - (1 - y) * log((1 - p).clamp(1e-9)) - y * log(p.clamp(1e-9))
1 - 2 * (p.clamp(0, 1) * y).sum() / (p.clamp(0, 1) + y).sum()
1 - (probability(p) * y).sum() / (y + 0.3 * p * (1 - y)).sum()
F.kl_div(log(p.clamp(1e-7, 1)), y.clamp(1e-7), reduction="sum")
"""


def formulas(text):
    """Return the formulas as functions of two tensors, by their own text."""
    names = vars(torch) | {"F": F, "bce": bce, "probability": probability}
    parts = text.strip().replace("\n", "; ").split("; ")
    return {part: eval(f"lambda p, y: {part}", names) for part in parts}


def pair(formula):
    """Return loss and gradient by torch's autograd, as functions of NumPy arrays."""

    def value(y_pred, y):
        return formula(y_pred, torch.from_numpy(y)).mean()

    def gradient(y_pred, y):
        y_pred = torch.from_numpy(y_pred).requires_grad_()
        value(y_pred, y).backward()
        return y_pred.grad.numpy()

    return lambda y_pred, y: value(torch.from_numpy(y_pred), y).item(), gradient


MISTAKES = [
    lambda g, p, y: -g,
    lambda g, p, y: 2 * g,
    lambda g, p, y: g / 2,
    lambda g, p, y: 17 * g,  # a popular check passed it
    lambda g, p, y: y.size * g,
    lambda g, p, y: g / y.size,
    lambda g, p, y: g[::-1],
    lambda g, p, y: g * p,
    lambda g, p, y: g * p * (1 - p),
    lambda g, p, y: (g * p**2).sum() + 0 * g,
]


def test_65_losses_are_right_in_float32_too_and_each_mistake_is_wrong():
    """For each kind of points where a loss is defined. 12 points are enough for these mistakes."""
    anywhere, probabilities = formulas(ANYWHERE), formulas(PROBABILITIES)
    assert len(anywhere | probabilities) == 65
    for name, formula in (anywhere | probabilities).items():
        (loss, gradient), defined, seen = pair(formula), set(), set()
        for kind in itertools.product(PREDICTIONS, LABELS):
            y_pred, y = points(12, PREDICTIONS[kind[0]], kind[1])
            try:
                slope, allowed = measure(loss, y_pred, y)
            except (ValueError, AssertionError, RuntimeError):
                continue
            defined.add(kind)
            right = gradient(y_pred, y)
            assert judge(right.astype(np.float32), slope, allowed).right, (name, kind)
            wrong = [change(right, y_pred, y) for change in MISTAKES] + [gradient(y_pred, 0 * y)]
            apparent = APPARENT * abs(right).max()
            for number, changed in enumerate(wrong):
                off = abs(changed - right)[allowed < apparent]  # at kinks more is allowed
                if not (off <= apparent).all():
                    assert not judge(changed, slope, allowed).right, (name, kind, number)
                    seen.add(number)
        assert len(seen) == len(wrong), name
        assert (("any number", "01") if name in anywhere else ("probabilities", "real")) in defined


def softmax_loss(z, y):
    return (y * (np.log(np.exp(z).sum()) - z)).sum()


def softmax(z):
    return np.exp(z) / np.exp(z).sum()


def mean(formula):
    """Return the mean of a formula of y_pred and y, or what it is divided by n."""
    return lambda p, y: formula(p, y).mean()


def shares(formula):
    return lambda p, y: formula(p, y) / y.size


def indexed(p, y):
    return -np.log(p[np.arange(len(p)), y.astype(int).ravel()]).mean()


def indexed_gradient(p, y):
    gradient = np.zeros(p.shape)
    chosen = np.arange(len(p)), y.astype(int).ravel()
    gradient[chosen] = -1 / p[chosen] / len(p)
    return gradient


CLIPPED = mean(lambda p, y: (p.clip(0, 1) - y) ** 2)
HINGE = mean(lambda p, y: np.maximum(0, 1 - y * p))
HINGE_2 = mean(lambda p, y: np.maximum(0, 1 - y * p) ** 2)
LOGISTIC = mean(lambda p, y: np.log1p(np.exp(-y * p)))
EXPONENTIAL = mean(lambda p, y: np.exp(-y * p))
MAPE = mean(lambda p, y: abs(p - y) / abs(y))
RAMP = mean(lambda p, y: np.clip(1 - y * p, 0, 1))
ALL = "RRRR RRRR RRRR"
# A loss, n times its gradient, and the answers: three kinds of predictions, with four of labels.
CASES = [
    (CLIPPED, lambda p, y: 2 * (p.clip(0, 1) - y) * (p > 0) * (p < 1), ALL),
    (CLIPPED, lambda p, y: 2 * (p.clip(0, 1) - y), "WWWW WWWW RRRR"),
    (CLIPPED, lambda p, y: 2 * (p - y**2), "WWWW WWWW WRWR"),
    (HINGE, lambda p, y: -y * (y * p < 1), ALL),
    (HINGE, lambda p, y: -y * (p < 1), "WRWR WRWR RRRR"),
    (HINGE_2, lambda p, y: -2 * y * np.maximum(0, 1 - y * p), ALL),
    (HINGE_2, lambda p, y: -2 * y * np.maximum(0, 1 - p), "WRWR WRWR WRWR"),
    (LOGISTIC, lambda p, y: -y * sigmoid(-y * p), ALL),
    (LOGISTIC, lambda p, y: -y * sigmoid(-p), "WRWR WRWR WRWR"),
    (LOGISTIC, lambda p, y: sigmoid(p) - (y + 1) / 2, "WWRW WWRW WWRW"),
    (EXPONENTIAL, lambda p, y: -y * np.exp(-y * p), ALL),
    (EXPONENTIAL, lambda p, y: -y * np.exp(-p), "WRWR WRWR WRWR"),
    (RAMP, lambda p, y: np.where(y * p < 1, -y, 0), "WWW- RRWR RRWR"),
    (indexed, lambda p, y: indexed_gradient(p, y) * y.size, "---- ---- R---"),
    (BCE[0], lambda z, y: sigmoid(z) - (y == 1), "WRWR WRWR WRWR"),
    (softmax_loss, lambda z, y: (softmax(z) - y) * y.size, "WWWR WWWR WWWR"),
    (pair(bce)[0], lambda p, y: 1 / (1 - p - (y == 1)), "---- ---- WRWR"),
    (MAE[0], lambda p, y: (p - y) / abs(p - y), "WWWW WWWR WRRR"),  # nan where both are equal
    (MAE[0], lambda p, y: ((p - y) / 0.05).clip(-1, 1), "WRRR WRRR WRRR"),
    (MSE[0], lambda p, y: (2 * (p - y)).clip(-9, 9), "WRRR RRRR RRRR"),
    (MAPE, lambda p, y: np.sign(p - y) / y, "W-W- R-W- R-W-"),
    (MSE[0], lambda p, y: 2 * (p - y) + (p == y), "WWWW WWWR WRRR"),
    (MSE[0], lambda p, y: 2 * (p - y) + (p == 0), "WWWW RRRR RRRR"),
    (MSE[0], lambda p, y: 2 * (p - y) + (p < 0), "WWWW RRRR RRRR"),
]


def test_each_kind_of_points_gets_its_answer(reported):
    for number, (loss, gradient, answers) in enumerate(CASES):
        status, found, _ = reported(loss, shares(gradient))
        assert (found, status) == (answers, "W" in answers), number


def test_kinds_that_are_right_among_wrong_ones_are_named_with_the_way_to_choose_one(reported):
    text = reported(CLIPPED, shares(lambda p, y: 2 * (p - y**2)))[2]
    assert (
        """
RIGHT for probabilities with 0 or 1, probabilities with one-hot. If the loss is made for one of
these alone, choose it, such as --predictions 0.05 0.95 --labels 01

WRONG for any number with labels real. The farthest point, one of n = """
        in text
    )
    assert "RIGHT for" not in reported(*MSE)[2]


def test_arguments_are_told_by_their_order_alone_and_swapped_ones_are_noticed(reported):
    """The parameters' names mean nothing: (y, y_train) are predictions and labels."""
    swapped = "\nIt is RIGHT with the arguments swapped. Take y_pred first, and y second.\n"

    def loss(y, y_train):
        return np.exp(y - 2 * y_train).mean()

    def gradient(y, y_train):
        return np.exp(y - 2 * y_train) / y.size

    assert reported(loss, gradient)[:2] == (0, ALL)
    for first, second in (
        (MSE[0], lambda y, y_pred: MSE[1](y_pred, y)),
        (lambda y, y_pred: loss(y_pred, y), lambda y, y_pred: gradient(y_pred, y)),
        (lambda y, p: pair(bce)[0](p, y), lambda y, p: pair(bce)[1](p, y)),
    ):
        status, answers, text = reported(first, second)
        assert (status, "R" in answers, swapped in text) == (1, False, True)
    for factor in -1, 2:
        assert swapped not in reported(loss, lambda p, y: factor * gradient(p, y))[2]  # noqa: B023


def test_the_farthest_point_is_shown_with_its_numbers_and_the_factor(reported):
    y_pred, y = points(19, (-3, 3), "real")

    def wrong(p, labels):
        off = np.zeros(p.shape)
        off[[3, 7]] = [[2e-3], [-1e-3]] * np.array([np.array_equal(labels, y)])
        return MSE[1](p, labels) + off

    right = MSE[1](y_pred, y)[3, 0]
    numbers = y_pred[3, 0], y[3, 0], right + 2e-3, right, (right + 2e-3) / right
    lines = reported(MSE[0], wrong)[2].splitlines()
    assert "WRONG for any number with labels real. The farthest point, one of n = 19:" in lines
    assert lines[-1].split() == [f"{number:.6g}" for number in numbers]
    told = [
        (lambda g: -g, "its sign is wrong"),
        (lambda g: g / 2, "it is half as large as it should be"),
        (lambda g: g.size * g, "it is n times as large as it should be"),
        (lambda g: g / g.size, "it is 1/n of what it should be"),
    ]
    for change, words in told:
        text = reported(MSE[0], lambda p, y, change=change: change(MSE[1](p, y)))[2]
        assert f"\nAt all points of this kind {words}" in text
    for twelve in 12, 1 / 12, 17:
        text = reported(MSE[0], lambda p, y, factor=twelve: factor * MSE[1](p, y))[2]
        assert text.endswith(f" {twelve:.6g}\n")
    flat = reported(CLIPPED, shares(lambda p, y: 2 * (p.clip(0, 1) - y)))[2]
    assert flat.split()[-1] == "-"  # no ratio to 0
    assert " nan " in reported(MAE[0], lambda p, y: MAE[1](p, y) / (p != y))[2]


def test_at_a_kink_every_slope_between_the_two_sides_is_right():
    y_pred, y = points(12, (-3, 3), "real")
    for extra in -1.001, -1, -0.5, 0, 0.5, 1, 1.001:
        verdict = check(
            MAE[0], lambda p, y, e=extra: MAE[1](p, y) + e * (p == y) / y.size, y_pred, y
        )
        assert verdict.right == (abs(extra) <= 1)


def test_kinks_nearer_than_the_step_hide_a_point_and_make_nothing_wrong(reported):
    loss = mean(lambda p, y: (p - y) ** 2 + np.clip(p - y, -1e-5, 1e-5))
    gradient = shares(lambda p, y: 2 * (p - y) + (abs(p - y) < 1e-5))
    assert reported(loss, gradient)[:2] == (0, ALL)
    assert reported(loss, lambda p, y: gradient(p, y) / 2)[0] == 1


def test_each_tolerance_has_an_answer_just_inside_and_one_just_outside():
    """A loss whose nine slopes are 1. Its third derivative, 6 c, gives them a room of 1.5 c h^2."""
    y_pred, y = np.ones((9, 1)), np.zeros((9, 1))

    def checked(room, gradient=1.0, rough=9):
        c = room / 1.5 / STEP**2 * (np.arange(9) < rough)[:, None]
        loss = lambda p, y: (p + c * (p - 1) ** 3).sum()  # noqa: E731
        return check(loss, lambda p, y: np.full(p.shape, gradient), y_pred, y).right

    for sign in 1, -1:  # DIGITS of the slope, and of a typical one
        assert checked(0, 1 + sign * 2e-5 * INSIDE)
        assert not checked(0, 1 + sign * 2e-5 * OUTSIDE)
    assert checked(1e-2 * INSIDE, 1.01)  # SHARP
    with pytest.raises(ValueError, match="differences show its slope at 0 of 9 points only"):
        checked(1e-2 * OUTSIDE)
    assert checked(1e-2 * OUTSIDE, rough=3)  # SEEN: at least 6 of 9 points
    with pytest.raises(ValueError, match="differences show its slope at 5 of 9 points only"):
        checked(1e-2 * OUTSIDE, rough=4)


def test_points_may_have_any_shape_and_labels_may_be_class_numbers():
    """Cross entropy of three classes, by logits of shape (n, 3) and class numbers of shape (n,)."""
    z, y = np.random.default_rng(0).uniform(-3, 3, (8, 3)), np.arange(8) % 3

    def loss(z, y):
        return (np.log(np.exp(z).sum(1)) - z[np.arange(len(y)), y]).mean()

    def gradient(z, y, label=1):
        z = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        z[np.arange(len(y)), y] -= label
        return z / len(y)

    assert check(loss, gradient, z.tolist(), y.tolist()).right
    verdict = check(loss, lambda z, y: gradient(z, y, 1.01), z, y)
    assert not verdict.right
    assert ((verdict.off > 0).sum(1) == 1).all()  # at each label


def test_functions_may_work_in_place(reported):
    def loss(p, y):
        p -= y
        p **= 2
        return p.mean()

    def gradient(p, y):
        y -= p
        y *= -2 / p.size
        return y

    assert reported(loss, gradient)[:2] == (0, ALL)


FLOAT64 = "it must depend on them, be computed in float64, and not be rounded"
REFUSED = [
    (lambda p, y: p - y, MSE[1], r"loss returns shape \(12, 1\), but must return one number"),
    (lambda p, y: None, MSE[1], "loss returns None, but must return one number"),
    (lambda p, y: np.nan, MSE[1], "loss returns nan, but must return a finite number"),
    (lambda p, y: 1.0, MSE[1], FLOAT64),
    (lambda p, y: round(MSE[0](p, y), 4), MSE[1], FLOAT64),
    (lambda p, y: MSE[0](np.float32(p), y), MSE[1], FLOAT64),
    (lambda p, y: np.float32(MSE[0](p, y)), MSE[1], FLOAT64),
    (lambda p, y: np.sin(1e5 * p).sum(), MSE[1], "too rough to be checked: differences show its"),
    (MSE[0], lambda p, y: (p - y).ravel(), r"gradient returns shape \(12,\), but .*\(12, 1\)"),
    (MSE[0], lambda p, y: p.T @ (p - y), r"shape \(1, 1\), .*: one derivative for each prediction"),
    (MSE[0], lambda p, y: None, "gradient returns None"),
    (MSE[0], lambda p, y: 1 / 0, "division by zero"),
]


def test_what_cant_be_checked_is_refused():
    for loss, gradient, message in REFUSED:
        with pytest.raises((ValueError, ZeroDivisionError), match=message):
            check(loss, gradient, *points(12, (-3, 3), "real"))


def test_the_points_meet_what_is_special():
    for limits, column in itertools.product(PREDICTIONS.values(), LABELS):
        y_pred, y = points(12, limits, column)
        assert y_pred.shape == y.shape == (12, 1)
        assert (np.append(y_pred, y) * 2**20 % 1 == 0).all()
        assert limits[0] <= y_pred.min() <= y_pred.max() <= limits[1]
        assert (y_pred == 0).any() == (limits[0] < 0)
        if column == "real":
            low, high = np.multiply(limits, 2 if limits[0] < 0 else 1)
            assert low <= y.min() <= y.max() <= high
            off = np.sort(abs(y_pred - y), axis=None)
            assert 0 == off[1] < off[2] < 0.02  # both equal, and near
            assert off[-1] > (high - low) / 3  # far
            assert min(y) < y_pred[2] < max(y)
        else:
            assert abs(y_pred - y.clip(*limits))[:2].max() <= 2**-21
            sorts = {"01": [0, 1] * 6, "signs": [-1, 1] * 6, "onehot": [0] * 3 + [1] + [0] * 8}
            assert y.ravel().tolist() == sorts[column]


MINE = """
import numpy as np

def loss(y_pred, y):
    return {}

def gradient(y_pred, y):
    return {}
"""
ABS = "np.abs(y_pred - y).mean()"
SIGN = "np.sign(y_pred - y) / len(y)"
CACHED = """
class Square:
    def forward(self, y_pred, y):
        self.residual = y_pred - y
        return (self.residual.T @ self.residual) / y.size

    def backward(self):
        return 2 * self.residual / self.residual.size

loss, gradient = (square := Square()).forward, square.backward
"""
ENGINE = "import argparse, helper\nfrom manual_grad.engine import Tensor\n" + MINE
PARSED = "argparse.ArgumentParser().parse_args() and (Tensor(y_pred) - y).abs().mean()"
TORCH = """
import torch

def loss(y_pred, y):
    loss.leaf = torch.from_numpy(y_pred).requires_grad_()
    return torch.nn.L1Loss()(loss.leaf, torch.from_numpy(y))

def gradient(y_pred, y):
    value = loss(y_pred, y)
    value.backward()
    return loss.leaf.grad
"""
ARRAYS = " (both functions get two NumPy arrays, y_pred and y)"
RIGHT_ROW = "\nprobabilities, 0.05 to 0.95         RIGHT    RIGHT    RIGHT    RIGHT"
FILES = [  # the source, the exit status, what is printed, to stderr if the status is 2
    (MINE.format(ABS, SIGN), 0, RIGHT_ROW),
    (MINE.format(ABS, "-" + SIGN), 1, "At all points of this kind its sign is wrong."),
    (MINE.format(ABS, "np.sign(y_pred)"), 1, RIGHT_ROW.replace("RIGHT", "WRONG")),
    (MINE.format(f"[{ABS}]", SIGN), 0, RIGHT_ROW),
    (CACHED, 0, RIGHT_ROW),
    (CACHED.replace("self):", "self, scale=1):"), 0, RIGHT_ROW),
    (CACHED.replace("2 * self.residual", "self.residual ** 2"), 1, "The farthest point, one of n"),
    (ENGINE.format(PARSED, SIGN), 0, RIGHT_ROW),
    (TORCH, 0, RIGHT_ROW),
    (TORCH.replace("leaf.grad", "leaf"), 2, ": RuntimeError: Can't call numpy() on Tensor"),
    (MINE.format("np.log(y_pred).mean()", "1 / y_pred / len(y)"), 0, "\n-: the loss isn't finite"),
    ("x = (", 2, "SyntaxError: "),
    ("def loss(y_pred, y): return 1", 2, "it must define the function gradient"),
    ("loss = gradient = 3", 2, "ValueError: it must define the function loss"),
    (MINE.format("None", SIGN), 2, "ValueError: loss returns None, but must return one number"),
    (MINE.format("y_pred.mean() ** 0.5", "None"), 2, "ValueError: gradient returns None, but must"),
    (MINE.format(ABS, "1 / 0"), 2, ", line 8: ZeroDivisionError: division by zero"),
    (MINE.format("y.abs()", "y"), 2, ", line 5: AttributeError: 'numpy.ndarray' object has"),
    (MINE.format("y.abs()", "y"), 2, ARRAYS),
    (MINE.format(ABS, SIGN).replace("t(y_", "t(X, y_"), 2, ARRAYS),
    ("1 + ''", 2, ", line 1: TypeError: unsupported operand type(s) for +: 'int' and 'str'\n"),
    ("import sys\nsys.exit()", 2, ", line 2: SystemExit"),
]


@pytest.fixture
def ended(tmp_path, capsys, monkeypatch):
    """Return a function that checks a file's source; it gives status, output and error output."""
    path = tmp_path / "mine.py"
    (tmp_path / "helper.py").touch()

    def end(source, *options):
        monkeypatch.setattr(sys, "argv", ["gradient"])
        monkeypatch.setattr(sys, "path", sys.path.copy())
        path.write_text(source, encoding="utf-8")
        with pytest.raises(SystemExit) as stop:
            check_gradient.main(str(path), *options)
        return stop.value.code, *(
            text.replace(str(path), "mine.py") for text in capsys.readouterr()
        )

    return end


def test_a_file_gets_its_table_or_one_line(ended):
    for source, status, text in FILES:
        code, output, error = ended(source)
        assert code == status, source
        assert text in (error if status == 2 else output), source
        assert error.count("\n") == (status == 2), source
        assert error.startswith("mine.py" * (status == 2))
        assert output.startswith("\n# mine.py: is gradient the derivative of loss?\n") or error


def test_one_range_and_one_kind_of_labels_can_be_chosen(ended):
    source = MINE.format("((y_pred.clip(0, 2) - y) ** 2).mean()", "2 * (y_pred - y**2) / len(y)")
    assert ended(source)[0] == 1
    status, output, _ = ended(source, [0.1, 1.9], "01")
    assert status == 0
    assert output.splitlines()[2:] == [
        "predictions                 labels: 0 or 1   ",
        "chosen, 0.1 to 1.9                  RIGHT    ",
    ]
    assert ended(source, [0.1, 2.9], "01")[0] == 1
    assert "\nchosen, 0.1 to 1.9                  WRONG    RIGHT" in ended(source, [0.1, 1.9])[1]
    assert len(ended(source, None, "signs")[1].split("WRONG")) == 5  # three rows, and the point
    for wrong in [1.0, 1.0], [1.0, 0.0], [np.nan, 1.0]:
        assert ended(source, wrong)[0] == 2
        assert "--predictions LOW HIGH: LOW must be less than HIGH\n" in ended(source, wrong)[2]


def test_without_a_file_our_losses_are_checked(capsys):
    check_gradient.main()
    lines = capsys.readouterr().out.splitlines()[2:]
    assert len(lines) == 4 * len(LOSSES)
    for name, four in zip(LOSSES, np.reshape(lines, (-1, 4))):
        assert four[0] == f"{name}, as it is    RIGHT"
        assert four[1] == f"{name}, times -1    WRONG   its sign is wrong"
        assert four[2].startswith(
            f"{name}, times n     WRONG   it is n times as large as it should"
        )
        assert four[3] == f"{name}, backwards   WRONG"
