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
from manual_grad.losses import LOSSES

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


def formula(text, **names):
    """Return a function of two arrays, or two tensors, by its text."""
    return eval(f"lambda p, y: {text}", names)


def pair(function):
    """Return loss and gradient by torch's autograd, as functions of NumPy arrays."""

    def value(y_pred, y):
        return function(y_pred, torch.from_numpy(y)).mean()

    def gradient(y_pred, y):
        y_pred = torch.from_numpy(y_pred).requires_grad_()
        value(y_pred, y).backward()
        return y_pred.grad.numpy()

    return lambda y_pred, y: value(torch.from_numpy(y_pred), y).item(), gradient


ALL = "RRRR RRRR RRRR"
# A loss for each point, whose mean is taken; n times its gradient; and the answers for three kinds
# of predictions, with four kinds of labels each.
CASES = """
(p.clip(0, 1) - y) ** 2         | 2 * (p.clip(0, 1) - y) * (p > 0) * (p < 1) | RRRR RRRR RRRR
(p.clip(0, 1) - y) ** 2         | 2 * (p.clip(0, 1) - y)                     | WWWW WWWW RRRR
(p.clip(0, 1) - y) ** 2         | 2 * (p - y**2)                             | WWWW WWWW WRWR
maximum(0, 1 - y * p)           | -y * (y * p < 1)                           | RRRR RRRR RRRR
maximum(0, 1 - y * p)           | -y * (p < 1)                               | WRWR WRWR RRRR
maximum(0, 1 - y * p) ** 2      | -2 * y * maximum(0, 1 - y * p)             | RRRR RRRR RRRR
maximum(0, 1 - y * p) ** 2      | -2 * y * maximum(0, 1 - p)                 | WRWR WRWR WRWR
log1p(exp(-y * p))              | -y / (1 + exp(y * p))                      | RRRR RRRR RRRR
log1p(exp(-y * p))              | -y / (1 + exp(p))                          | WRWR WRWR WRWR
log1p(exp(-y * p))              | 1 / (1 + exp(-p)) - (y + 1) / 2            | WWRW WWRW WWRW
exp(-y * p)                     | -y * exp(-y * p)                           | RRRR RRRR RRRR
exp(-y * p)                     | -y * exp(-p)                               | WRWR WRWR WRWR
(1 - y * p).clip(0, 1)          | where(y * p < 1, -y, 0)                    | WWW- RRWR RRWR
log1p(exp(p)) - y * p           | 1 / (1 + exp(-p)) - (y == 1)               | WRWR WRWR WRWR
y * (log(exp(p).sum()) - p)     | exp(p) / exp(p).sum() - y                  | WWWR WWWR WWWR
y * (exp(-p) - exp(p)) + exp(p) | where(y == 1, -exp(-p), exp(p))            | WRWR WRWR WRWR
-log(p[:, y.astype(int)[:, 0]]) | -1 / p                                     | ---- ---- R---
-log(p + 1e-7)                  | -1 / p                                     | ---- RRRR RRRR
-log(p + 1e-5)                  | -1 / p                                     | ---- WWWW WWWW
abs(p - y)                      | sign(p - y) - (p == y)                     | RRRR RRRR RRRR
abs(p - y)                      | sign(p - y) + (p == y)                     | RRRR RRRR RRRR
abs(p - y)                      | sign(p - y) + 1.001 * (p == y)             | WWWW WWWR WRRR
abs(p - y)                      | (p - y) / abs(p - y)                       | WWWW WWWR WRRR
abs(p - y)                      | ((p - y) / 0.05).clip(-1, 1)               | WRRR WRRR WRRR
abs(p - y) / abs(y)             | sign(p - y) / y                            | W-W- R-W- R-W-
square(subtract(p, y, out=p))   | 2 * subtract(p, y, out=y)                  | RRRR RRRR RRRR
(p - y) ** 2                    | (2 * (p - y)).clip(-9, 9)                  | WRRR RRRR RRRR
(p - y) ** 2                    | 2 * (p - y) + (p == y)                     | WWWW WWWR WRRR
(p - y) ** 2                    | 2 * (p - y) + (p == 0)                     | WWWW RRRR RRRR
(p - y) ** 2                    | 2 * (p - y) + (p < 0)                      | WWWW RRRR RRRR
"""


def over_n(loss, gradient):
    """Return the mean of one formula, and n-th parts of another."""
    loss, gradient = (formula(text, **vars(np)) for text in (loss, gradient))
    return lambda p, y: np.mean(loss(p, y)), lambda p, y: gradient(p, y) / y.size


def test_each_kind_of_points_gets_its_answer(reported):
    for line in CASES.strip().splitlines():
        *formulas, answers = line.split(" | ")
        status, found, text = reported(*over_n(*formulas))
        assert (found, status) == (answers, "W" in answers), line
        assert ("\nRIGHT for " in text) == ("W" in answers and "R" in answers), line


def test_kinds_that_are_right_are_named_and_the_way_to_choose_one(reported):
    for wrong, words in (
        ("2 * (p - y**2)", "probabilities (0 or 1, one-hot)"),
        ("2 * (p.clip(0, 1) - y)", "probabilities (real, 0 or 1, -1 or 1, one-hot)"),
    ):
        text = reported(*over_n("(p.clip(0, 1) - y) ** 2", wrong))[2].replace("\n", " ")
        told = (
            f" RIGHT for {words}. If the loss is made for one of these alone, choose it, such as "
        )
        choice = "--predictions 0.05 0.95" + " --labels 01" * ("real" not in words)
        assert f"{told}{choice}  WRONG" in text


def test_arguments_are_told_by_their_order_alone_and_swapped_ones_are_noticed(reported):
    def loss(y, y_train):
        return np.exp(y - 2 * y_train).mean()

    def gradient(y, y_train):
        return np.exp(y - 2 * y_train) / y.size

    def swap(function):
        return lambda y, y_pred: function(y_pred, y)

    told = "\nIt is RIGHT with the arguments swapped. Take y_pred first, and y second.\n"
    assert reported(loss, gradient)[:2] == (0, ALL)
    for functions in (loss, gradient), pair(bce), (swap(MSE[0]), MSE[1]):
        status, answers, text = reported(*map(swap, functions))
        assert (status, "R" in answers, told in text) == (1, False, True)
    assert told not in reported(loss, lambda y, y_train: 2 * gradient(y, y_train))[2]


def test_the_farthest_point_is_shown_with_its_numbers_and_the_factor(reported):
    y_pred, y = points(19, (-3, 3), "real")

    def wrong(p, labels):
        off = np.zeros(p.shape)
        off[[3, 7]] = [[2e-3], [-1e-3]] * np.array([np.array_equal(labels, y)])
        return MSE[1](p, labels) + off

    right = MSE[1](y_pred, y)[3, 0]
    numbers = y_pred[3, 0], y[3, 0], right + 2e-3, right, (right + 2e-3) / right
    lines = reported(MSE[0], wrong)[2].splitlines()
    assert lines[-3] == "WRONG for any number with labels real. The farthest of n = 19 points:"
    assert lines[-1].split() == [f"{number:.6g}" for number in numbers]
    for factor, words in (
        ("-1", "its sign is wrong"), ("1 / y.size", "it is 1/n of what"),
        ("12", "        12\n"), ("1 / 19", " 0.0526316\n"), ("(p != y) / (p != y)", " nan "),
        ("(abs(p - y) < 1)", "           0\n"),
    ):  # fmt: skip
        text = reported(*over_n("(p - y) ** 2", f"2 * (p - y) * {factor}"))[2]
        assert words in text
        assert ("At all points of this kind" in text) == ("it" in words), factor
    flat = reported(*over_n("(p.clip(0, 1) - y) ** 2", "2 * (p.clip(0, 1) - y)"))[2]
    assert flat.endswith("            0            -\n")  # no ratio to 0


def test_kinks_nearer_than_the_step_hide_a_point_and_make_nothing_wrong(reported):
    loss, gradient = over_n(
        "(p - y) ** 2 + (p - y).clip(-1e-5, 1e-5)", "2 * (p - y) + (abs(p - y) < 1e-5)"
    )
    assert reported(loss, gradient)[:2] == (0, ALL)
    assert reported(loss, lambda p, y: gradient(p, y) / 2)[0] == 1


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
    assert check(*MSE, [0, 0], [1, 2]).right


def test_a_function_without_needed_parameters_is_called_without_arguments():
    data = points(12, (-3, 3), "real")
    right = MSE[1](*data)
    for function in (
        lambda: right,
        lambda scale=1: right,
        lambda y_pred=None, y=None: MSE[1](y_pred, y),
        lambda *data: MSE[1](*data),
        lambda y_pred, *others: MSE[1](y_pred, *others),
    ):
        assert check(MSE[0], function, *data).right


FLOAT64 = "it must depend on them, be computed in float64, and not be rounded"
REFUSED = [
    (lambda p, y: p - y, MSE[1], r"loss returns shape \(12, 1\), but must return one number"),
    (lambda p, y: np.nan, MSE[1], "loss returns nan, but must return a finite number"),
    (lambda p, y: 1.0, MSE[1], FLOAT64),
    (lambda p, y: round(MSE[0](p, y), 4), MSE[1], FLOAT64),
    (lambda p, y: MSE[0](np.float32(p), y), MSE[1], FLOAT64),
    (lambda p, y: np.float32(MSE[0](p, y)), MSE[1], FLOAT64),
    (lambda p, y: np.sin(1e5 * p).sum(), MSE[1], "too rough to be checked: differences show its"),
    (MSE[0], lambda p, y: (p - y).ravel(), r"gradient returns shape \(12,\), but .*\(12, 1\)"),
    (MSE[0], lambda p, y: p.T @ (p - y), r"shape \(1, 1\), .*: one derivative for each prediction"),
    (MSE[0], lambda p, y: 1 / 0, "division by zero"),
]


def test_what_cant_be_checked_is_refused():
    for loss, gradient, message in REFUSED:
        with pytest.raises((ValueError, ZeroDivisionError), match=message):
            check(loss, gradient, *points(12, (-3, 3), "real"))


def test_the_points_lie_in_their_range_and_a_step_away_is_exact():
    for limits, column in itertools.product([*PREDICTIONS.values(), (0, 1)], LABELS):
        y_pred, y = points(12, limits, column)
        assert y_pred.shape == y.shape == (12, 1)
        assert (np.append(y_pred, y) * 2**20 % 1 == 0).all()
        assert limits[0] <= y_pred.min() <= y_pred.max() <= limits[1]
        if column == "real":
            low, high = np.multiply(limits, 2 if limits[0] < 0 else 1)
            assert low <= y.min() < (2 * low + high) / 3 < (low + 2 * high) / 3 < y.max() <= high
            assert 0 < np.sort(abs(y_pred - y), axis=None)[2] < 0.02


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
TORCH = "import torch\n" + MINE.replace("return ", "y_pred = torch.tensor(y_pred); return ")
ARRAYS = " (both functions get two NumPy arrays, y_pred and y)"
RIGHT_ROW = "\nprobabilities, 0.05 to 0.95         RIGHT    RIGHT    RIGHT    RIGHT"
FILES = [  # the source, the exit status, what is printed, to stderr if the status is 2
    (MINE.format(ABS, SIGN), 0, RIGHT_ROW),
    (MINE.format(ABS, "-" + SIGN), 1, "At all points of this kind its sign is wrong."),
    (MINE.format(ABS, "np.sign(y_pred)"), 1, RIGHT_ROW.replace("RIGHT", "WRONG")),
    (MINE.format(f"[{ABS}]", SIGN), 0, RIGHT_ROW),
    (CACHED, 0, RIGHT_ROW),
    (ENGINE.format(PARSED, SIGN), 0, RIGHT_ROW),
    (TORCH.format("torch.nn.L1Loss()(y_pred, torch.tensor(y))", "y_pred.sign() / 12"), 1, "WRONG"),
    (TORCH.format("y_pred.square().mean()", "2 * y_pred / len(y)"), 0, RIGHT_ROW),
    (TORCH.format("y_pred.mean()", "y_pred.requires_grad_()"), 2, "Error: Can't call numpy() on"),
    (MINE.format("np.log(y_pred).mean()", "1 / y_pred / len(y)"), 0, "\n-: the loss isn't finite"),
    ("x = (", 2, "SyntaxError: "),
    ("def loss(y_pred, y): return 1", 2, "it must define the function gradient"),
    (MINE.format("None", SIGN), 2, "ValueError: loss returns None, but must return one number"),
    (
        MINE.format("np.log(y / (1 - y_pred)).mean()", "None"),
        2,
        "ValueError: gradient returns None, but must",
    ),
    (MINE.format(ABS, "1 / 0"), 2, ", line 8: ZeroDivisionError: division by zero"),
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
        assert (ARRAYS in error) == (text == ARRAYS), source
        assert error.startswith("mine.py" * (status == 2))
        assert output.startswith("\n# mine.py: is gradient the derivative of loss?\n") or error


def test_one_range_and_one_kind_of_labels_can_be_chosen(ended, start, tmp_path):
    source = MINE.format("((y_pred.clip(0, 2) - y) ** 2).mean()", "2 * (y_pred - y**2) / len(y)")
    assert ended(source, [0.1, 1.9], "01")[1].splitlines()[2:] == [
        "predictions                 labels: 0 or 1   ",
        "chosen, 0.1 to 1.9                  RIGHT    ",
    ]
    assert ended(source, [0.1, 2.9], "01")[0] == 1
    assert "\nchosen, 0.1 to 1.9                  WRONG    RIGHT" in ended(source, [0.1, 1.9])[1]
    for row in "any number, -3 to 3", "positive, 0.05 to 3", "probabilities, 0.05 to 0.95":
        assert f"\n{row:<36}WRONG    \n" in ended(source, None, "signs")[1]
    for wrong in [1.0, 1.0], [1.0, 0.0], [np.nan, 1.0]:
        status, _, error = ended(source, wrong)
        assert status == 2
        assert "--predictions LOW HIGH: LOW must be less than HIGH\n" in error
    options = "mine.py", "--predictions", -2.5, 3, "--labels", "onehot"
    with pytest.raises(SystemExit) as end:
        start("check/gradient.py", *options, folder=tmp_path)
    assert end.value.code == 1


def test_without_a_file_our_losses_are_checked(capsys):
    check_gradient.main()
    lines = capsys.readouterr().out.splitlines()[2:]
    for name, four in zip(LOSSES, np.reshape(lines, (len(LOSSES), 4))):
        assert four[0] == f"{name}, as it is    RIGHT"
        assert four[1] == f"{name}, times -1    WRONG   its sign is wrong"
        assert four[2].startswith(f"{name}, times n     WRONG   it is n times as large as")
        assert four[3] == f"{name}, backwards   WRONG"


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


@pytest.mark.slow
def test_65_losses_are_right_in_float32_too_and_each_mistake_is_wrong():
    """For each kind of points where a loss is defined. 12 points are enough for these mistakes."""
    anywhere = ANYWHERE.strip().replace("\n", "; ").split("; ")
    losses = anywhere + PROBABILITIES.strip().replace("\n", "; ").split("; ")
    assert len(set(losses)) == 65
    for name in losses:
        function = formula(name, **vars(torch), F=F, bce=bce, probability=probability)
        (loss, gradient), defined, seen = pair(function), set(), set()
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
