"""gradient_check: a right gradient is never called wrong, a wrong one never right, and is named.

Also finite_differences: the room of a difference holds its error, and the V has its three powers.
"""

import functools
import sys

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lessons import finite_differences
from manual_grad import gradient_check
from manual_grad.gradient_check import STEP, check, derivative
from manual_grad.losses import LOSSES, sigmoid

ROUNDED = 1e-15  # gradients of about 0.1, computed in three orders: a few roundings of 2^-56
DIFFERENCE = 1e-10  # the central difference's error at its best step, measured 6e-12
POWER = 0.1  # the fitted power of h: truncation is a pure power to 0.01, rounding is random


@pytest.fixture(autouse=True)
def own_path(monkeypatch):
    """Undo what a checked file changes in sys."""
    monkeypatch.setattr(sys, "argv", ["gradient_check"])
    monkeypatch.setattr(sys, "path", sys.path.copy())


def test_slopes_of_a_parabola_on_paper():
    left, right = gradient_check.slopes(lambda x: (x**2).sum(), np.array([[3.0], [-1.0]]), 0.5)
    np.testing.assert_array_equal(left, [[5.5], [-2.5]])  # 2 x - h
    np.testing.assert_array_equal(right, [[6.5], [-1.5]])  # 2 x + h


def test_a_kink_within_reach_of_the_step_makes_no_right_slope_wrong():
    for curve in 0, 1, 20:
        for beside in np.linspace(-1.2, 1.2, 49):
            x = np.array([beside * STEP])
            slope, room, _ = derivative(lambda x, c=curve: (abs(x) + c * x**2 + 1).sum(), x)
            assert abs(np.sign(x) + 2 * curve * x - slope) <= room


def test_the_room_holds_the_error_and_little_more():
    """The sums of sin and tanh are 0 here. Their rounding comes from the terms."""
    x = np.linspace(-3, 3, 101).reshape(-1, 1)
    for f, exact in (np.exp, np.exp(x)), (np.sin, np.cos(x)), (np.tanh, np.cosh(x) ** -2):
        slope, room, kink = derivative(lambda x, f=f: f(x).sum(), x)
        assert (abs(slope - exact) <= room).all()
        size = abs(f(x)).sum() + abs(exact * x).sum()
        assert 1e-9 * abs(exact * x).sum() <= room.min() <= room.max() <= 1e-8 * size
        assert not kink.any()


def test_the_points_meet_what_is_special():
    for limits, kinds in gradient_check.TRIALS:
        for labels in kinds:
            y_pred, y = gradient_check.points(12, limits, labels)
            assert (y_pred * 2**20 % 1 == 0).all()
            assert limits[0] <= y_pred.min() <= y_pred.max() <= limits[1] + 2**-20
            assert (y_pred == 0).any() == (limits[0] < 0)
            if labels == gradient_check.AWAY:
                assert 0.009 <= abs(y_pred - y).min() <= 0.011
                assert 7.9 <= abs(y_pred - y).max() <= 8
                assert (y > y_pred).any()
                assert (y < y_pred).any() == (limits[0] < 0)
            elif limits[0] < 0:
                assert (y_pred[:2] == y[:2]).all()


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


NO_Y = "does not depend on y: is - y missing?"
WEIGHT = "is one number for all predictions: is it for a weight?"
WRONG = {
    "has the wrong sign": lambda g, p, y: -g,
    "is twice as large as it should be": lambda g, p, y: 2 * g,
    "is half as large as it should be": lambda g, p, y: g / 2,
    "is 17 times as large as it should be": lambda g, p, y: 17 * g,  # a popular check passed it
    "is n times as large as it should be: is 1/n missing?": lambda g, p, y: y.size * g,
    "is 1/n of what it should be: is it divided by n once too often?": lambda g, p, y: g / y.size,
    "is right, but in another order": lambda g, p, y: g[::-1],
    "is multiplied by y_pred: is it for a weight?": lambda g, p, y: g * p,
    "is multiplied by y_pred (1 - y_pred): is it for the logit?": lambda g, p, y: g * p * (1 - p),
    WEIGHT: lambda g, p, y: (g * p**2).sum() + 0 * g,
}


def test_a_right_gradient_is_never_wrong_even_in_float32():
    for text, lowest in (ANYWHERE, "-3"), (PROBABILITIES, "0.05"):
        for name, formula in formulas(text).items():
            loss, gradient = pair(formula)
            verdict = check(loss, lambda p, y, g=gradient: g(p, y).astype(np.float32))
            assert verdict.right, (name, verdict)
            assert verdict.detail.startswith(f"Tried: predictions {lowest} to "), (name, verdict)
            assert (" for y_pred from " in verdict.finding) == (lowest != "-3"), (name, verdict)
            assert "Labels 0.05 to 0.95" in verdict.detail, (name, verdict)
            assert "go first" not in verdict.detail, name


def once(function):
    """Return a function that computes each result once."""
    results = {}

    @functools.wraps(function)
    def remembered(y_pred, y):
        key = y_pred.tobytes() + y.tobytes()
        if key not in results:
            results[key] = function(y_pred, y)
        return results[key]

    return remembered


def assert_all_named(name, formula):
    """Assert that each mistake in the gradient of a loss is named."""
    loss, right = map(once, pair(formula))
    assert check(loss, right).right, name
    for finding, change in WRONG.items():
        verdict = check(loss, lambda p, y, change=change: change(right(p, y), p, y))
        assert verdict[:2] == (False, finding), (name, verdict)
    verdict = check(loss, lambda p, y: right(p, 0 * y))
    assert not verdict.right, name
    assert verdict.finding.startswith((NO_Y, "is 0", "is not finite")), (name, verdict)


def test_each_mistake_gets_its_name():
    for text in ANYWHERE, PROBABILITIES:
        for name, formula in list(formulas(text).items())[:2]:
            assert_all_named(name, formula)


def mape(p, y):
    return (abs(p - y) / abs(y)).mean()


def softmax_loss(z, y):
    return (y * (np.log(np.exp(z).sum()) - z)).sum()


def softmax(z):  # times n
    return z.size * np.exp(z) / np.exp(z).sum()


def hinge(p, y):
    return np.maximum(0, 1 - y * p).mean()


def ramp(p, y):  # each of its ends changes for some labels only
    return np.minimum(1, np.maximum(0, 1 - y * p)).mean()


def perceptron(p, y):
    return np.maximum(0, -y * p).mean()


MAE, MSE, BCE = LOSSES.values()
OTHER = "is wrong in another way"
# A loss, what is wrong with n times its gradient, and what is said.
MORE_WRONG = [
    (MSE[0], lambda p, y: 0 * p, "is 0 everywhere"),
    (MAE[0], lambda p, y: np.sign(p), NO_Y),
    (MAE[0], lambda p, y: (p - y) / abs(p - y), "is not finite, for example at y_pred = 0.14616"),
    (MAE[0], lambda p, y: np.sign(p - y) + 2 * (p == y), "is right except at a kink, a corner"),
    (MSE[0], lambda p, y: (2 * p - 2 * y).clip(-9, 9), "is right except where |y_pred - y| is"),
    (mape, lambda p, y: np.sign(p - y) / y, "is right except where y < 0"),
    (mape, lambda p, y: np.sign(p) / abs(y), "is right except where y_pred and y_pred - y diff"),
    (mape, lambda p, y: np.sign(p - y), OTHER),  # but for labels -1 and 1
    (MSE[0], lambda p, y: 2 * (p - y**2), OTHER),  # but for labels 0 and 1
    (MSE[0], lambda p, y: (p - y) * abs(p - y), OTHER),  # but where y_pred = y
    (hinge, lambda p, y: -y, OTHER),  # but for labels 0 and 1 in 0..1
    (hinge, lambda p, y: np.where(y * p < 1, -y, 0)[::-1], "is right, but in another order"),
    (hinge, lambda p, y: np.where(y * p < 1, -(y**2), 0)[::-1], OTHER),
    (ramp, lambda p, y: np.where(y * p < 1, -y, 0), OTHER),
    (softmax_loss, lambda z, y: softmax(z), NO_Y),
    (MSE[0], lambda p, y: 2.0001 * (p - y), "is 1.00005 times as large as it should be"),
    (MSE[0], lambda p, y: (y - p) * y.size, "is -6 times as large as it should be if n = 12, an"),
    (MSE[0], lambda p, y: 2 * (y - p) * y.size, "has the wrong sign, and is n times as large as"),
    (MAE[0], lambda p, y: ((p - y) / 0.05).clip(-1, 1), "is right except where |y_pred - y| is s"),
    (BCE[0], lambda z, y: (z > 0) - y, OTHER),
    (MSE[0], lambda p, y: 0 * p + 1 if y.size < 19 else 2 * (p - y) * np.cos(p), OTHER),
    (MSE[0], lambda p, y: 2 * (p - y)[::-1] * (1 if y.size < 19 else np.cos(p)), OTHER),
    (MAE[0], lambda p, y: np.sign(p - y) * np.cos(9 * p), OTHER),
]


def test_what_is_wrong_is_said():
    for loss, wrong, finding in MORE_WRONG:
        verdict = check(loss, lambda p, y, wrong=wrong: wrong(p, y) / y.size)
        assert not verdict.right, finding
        assert verdict.finding.startswith(finding), verdict
        assert "Tried: predictions -3 to 3. Labels 0.05 to 0.95, " in verdict.detail


def test_where_a_gradient_is_wrong_is_said():
    def wrong(y_pred, y):
        return (2 * (y_pred - y) + eval(place)) / y.size

    places = "y_pred == y, y_pred < y, y_pred > y, y_pred == 0, y_pred < 0, y_pred > 0"
    for place in places.split(", "):
        assert check(MSE[0], wrong).finding == f"is right except where {place}".replace("==", "=")


def test_the_worst_prediction_is_told_with_its_numbers():
    y_pred, labels = gradient_check.points(12, (-3, 3), gradient_check.REAL)

    def wrong(p, y):
        off = np.zeros(p.shape)
        off[[3, 7]] = [[2e-4], [1e-4]] * np.array([np.array_equal(y, labels)])
        return MSE[1](p, y) + off

    right = MSE[1](y_pred, labels)[3, 0]
    assert check(MSE[0], wrong).detail.startswith(
        f"Wrong points: 2. The farthest: at y_pred = {y_pred[3, 0]:.6g}, y = {labels[3, 0]:.6g}, "
        f"one of n = 12 points,\nit is {right + 2e-4:.9g}, but should be {right:.6g}"
    )


def test_at_a_kink_every_slope_between_the_two_sides_is_right():
    for extra in -1.001, -1, -0.5, 0, 0.5, 1, 1.001:
        verdict = check(MAE[0], lambda p, y, e=extra: MAE[1](p, y) + e * (p == y) / y.size)
        assert verdict.right == (abs(extra) <= 1)


def test_kinks_nearer_than_the_step_hide_a_point_and_make_nothing_wrong():
    def loss(p, y):
        return ((p - y) ** 2 + np.clip(p - y, -1e-5, 1e-5)).mean()

    verdict = check(loss, lambda p, y: (2 * (p - y) + (abs(p - y) < 1e-5)) / y.size)
    assert verdict.right
    words = "\nNot judged: 14 of 124 points, where the loss is too rough. (y_pred, y):\n"
    assert f"{words}(0.146166, 0.146166), (0.28216, 0.28216), (" in verdict.detail
    assert verdict.detail.endswith("), ...")
    assert max(map(len, verdict.detail.split("\n"))) <= 100
    assert check(loss, lambda p, y: (p - y) / y.size).finding == "is half as large as it should be"


def test_a_formula_may_hold_for_labels_of_classes_alone():
    def logistic(z, y):
        return BCE[0](-y * z, 0 * y)

    for loss, right, tried in (
        (BCE[0], lambda z, y: sigmoid(z) - (y == 1), "-3 to 3. Labels 0 or 1."),
        (logistic, lambda z, y: sigmoid(z) - y / 2 - 0.5, "-3 to 3. Labels -1 or 1."),
        (perceptron, lambda p, y: -y * (np.sign(p) != y), "-3 to 3. Labels 0 or 1, -1 or 1."),
        (softmax_loss, lambda z, y: softmax(z) - y * y.size, "-3 to 3. Labels a single 1, else 0."),
        (pair(bce)[0], lambda p, y: 1 / (1 - p - (y == 1)), "0.05 to 0.95. Labels 0 or 1."),
    ):
        verdict = check(loss, lambda p, y, right=right: right(p, y) / y.size)
        assert verdict.right, tried
        assert verdict.detail.startswith(
            f"Tried: predictions {tried}\nBut with other labels: WRONG: "
        )


def test_labels_go_first_if_the_names_say_so():
    def judged(first, second):
        names = f"{first}, {second}"
        loss = eval(f"lambda {names}: np.exp({second} - {first}).mean()", {"np": np})
        gradient = eval(f"lambda {names}: np.exp({second} - {first}) / len({first})", {"np": np})
        return check(loss, gradient)

    pairs = "y_true y_pred, y y_hat, Y A, t y, y p, p q, target input, labels predicted_labels"
    for names in map(str.split, (pairs + ", expected_output output").split(",")):
        verdict = judged(*names)
        assert verdict.right, names
        assert "\nLabels go first, by the parameters' names: in loss and gradient" in verdict.detail
        assert judged(*names[::-1]).finding == "has the wrong sign", names
    with pytest.raises(ValueError, match="right if labels go first, and wrong if predictions do"):
        judged("u", "v")
    assert check(lambda u, v: MSE[0](u, v), lambda u, v: MSE[1](u, v)).right
    assert check(MSE[0], lambda *data: MSE[1](*data)).right
    assert check(MSE[0], lambda y_pred=None, y=None: MSE[1](y_pred, y)).right


def test_loss_and_gradient_may_have_different_orders():
    def loss(y_true, y_pred, rate=2):
        return np.exp(y_pred - rate * y_true).mean()

    for gradient, names in (
        (lambda y_pred, y_true: np.exp(y_pred - 2 * y_true) / len(y_pred), "loss"),
        (lambda u, v: np.exp(v - 2 * u) / len(u), "loss and gradient"),
    ):
        verdict = check(loss, gradient)
        assert verdict.right
        assert verdict.detail.endswith(f"\nLabels go first, by the parameters' names: in {names}.")


FLOAT64 = "it must depend on them, be computed in float64, and not be rounded"
REFUSED = [
    (lambda p, y: p - y, MSE[1], r"loss returns shape \(19, 1\), but must return one number"),
    (lambda p, y: None, MSE[1], "loss returns None, but must return one number"),
    (lambda p, y: np.nan, MSE[1], "loss is nan, but must be finite if all y_pred and y lie in"),
    (lambda p, y: 1.0, MSE[1], FLOAT64),
    (lambda p, y: round(MSE[0](p, y), 4), MSE[1], FLOAT64),
    (lambda p, y: MSE[0](np.float32(p), y), MSE[1], FLOAT64),
    (lambda p, y: np.float32(MSE[0](p, y)), MSE[1], FLOAT64),
    (lambda p, y: np.exp(99 * p).mean(), MSE[1], "too rough to check: differences show its slope"),
    (MSE[0], lambda p, y: (p - y).ravel(), r"gradient returns shape \(12,\), but .*\(12, 1\)"),
    (MSE[0], lambda p, y: p.T @ (p - y), r"shape \(1, 1\), .*: one derivative for each prediction"),
    (MSE[0], lambda p, y: None, "gradient returns None"),
    (MSE[0], lambda p, y: 1 / 0, "division by zero"),
]


def test_what_cant_be_checked_is_refused():
    for loss, gradient, message in REFUSED:
        with pytest.raises((ValueError, ZeroDivisionError), match=message):
            check(loss, gradient)


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
TENSORS = " (y_pred and y are NumPy arrays; make tensors of them here: Tensor(y_pred))"


FILES = [
    (MINE.format(ABS, SIGN), 0, "RIGHT: the gradient is the derivative of the loss.\nTried: "),
    (MINE.format(ABS, "-" + SIGN), 1, "WRONG: the gradient has the wrong sign.\nWrong points: 1"),
    (MINE.format(ABS, "np.sign(y_pred)"), 1, "does not depend on y: is - y missing?\n"),
    (MINE.format(f"[{ABS}]", SIGN), 0, "RIGHT"),
    (CACHED, 0, "RIGHT"),
    (CACHED.replace("2 * self.residual", "self.residual ** 2"), 1, "is wrong in another way"),
    (ENGINE.format(PARSED, SIGN), 0, "RIGHT"),
    ("x = (", 2, "SyntaxError: "),
    ("def loss(y_pred, y): return 1", 2, "it must define the function gradient(y_pred, y)"),
    ("loss = gradient = 3", 2, "ValueError: it must define the function loss(y_pred, y)"),
    (MINE.format(ABS, "1 / 0"), 2, ", line 8: ZeroDivisionError: division by zero"),
    (MINE.format("y.abs()", "y"), 2, ", line 5: AttributeError: 'numpy.ndarray' object has"),
    (MINE.format("y.abs()", "y"), 2, TENSORS),
    (MINE.format(ABS, SIGN).replace("t(y_", "t(X, y_"), 2, "are called with (y_pred, y)"),
    ("1 + ''", 2, ", line 1: TypeError: unsupported operand type(s) for +: 'int' and 'str'\n"),
    ("import sys\nsys.exit()", 2, ", line 2: SystemExit"),
]


def test_a_file_gets_its_verdict_or_one_line(tmp_path, capsys):
    path = tmp_path / "mine.py"
    (tmp_path / "helper.py").touch()
    with pytest.raises(SystemExit):
        gradient_check.main(str(path))
    assert f"{path}: FileNotFoundError: " in capsys.readouterr().err
    for source, status, text in FILES:
        path.write_text(source, encoding="utf-8")
        with pytest.raises(SystemExit) as end:
            gradient_check.main(str(path))
        output, error = capsys.readouterr()
        assert end.value.code == status, source
        assert text in (error if status == 2 else output)
        if status == 2:
            assert output == ""
            assert error.startswith(str(path))
            assert error.count("\n") == 1
        else:
            assert output.startswith(f"\n# {path}: is gradient the derivative of loss?\n")
            assert error == ""


def test_a_slow_loss_tells_how_often_it_was_called(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(gradient_check, "PATIENCE", 0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    (tmp_path / "mine.py").write_text(MINE.format(ABS, SIGN), encoding="utf-8")
    with pytest.raises(SystemExit):
        gradient_check.main(str(tmp_path / "mine.py"))
    lines = capsys.readouterr().err.split("\r")
    assert lines[0] == "loss was called 1 times in 0 s; a check takes 300 to 1400"
    assert 300 <= len(lines) <= 1400


def test_without_a_file_our_losses_are_checked(capsys):
    gradient_check.main()
    lines = capsys.readouterr().out.splitlines()[2:]
    assert len(lines) == 4 * len(LOSSES)
    for name, four in zip(LOSSES, np.reshape(lines, (-1, 4))):
        assert four[0] == f"{name}, as it is   RIGHT: the gradient is the derivative of the loss."
        assert four[1] == f"{name}, times -1   WRONG: the gradient has the wrong sign."
        assert four[2].startswith(f"{name}, times n    WRONG: the gradient is n times as large as")
        assert four[3] == f"{name}, backwards  WRONG: the gradient is right, but in another order."


def test_the_lesson_prints_four_gradients_and_two_errors(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    finite_differences.main()
    output = capsys.readouterr().out
    assert (tmp_path / "figures" / "finite_differences.png").exists()
    largest = [line.split()[2:] for line in output.splitlines() if line.startswith("largest")]
    assert len(largest) == len(LOSSES)
    for engine, by_torch, differences in np.array(largest, float):
        assert max(engine, by_torch) <= ROUNDED
        assert 0 < differences <= DIFFERENCE
    steps, *errors = finite_differences.errors()
    rows = [line.split() for line in output.split("central\n")[1].splitlines()[:13]]
    np.testing.assert_allclose(np.array(rows, float)[:, 0], 10.0 ** -np.arange(13))
    np.testing.assert_allclose(np.array(rows, float)[:, 1:], np.transpose(errors)[::-2], rtol=0.06)


def test_the_errors_have_the_powers_of_h_that_the_picture_names():
    figure = finite_differences.plot_errors()
    (axes,) = figure.axes
    steps, forward, central = finite_differences.errors()
    for errors, low, high, power in (
        (forward, -4, -2, 1), (central, -3, -1, 2), (forward, -12, -8, -1), (central, -12, -8, -1)
    ):  # fmt: skip
        some = (steps > 0.9 * 10.0**low) & (steps < 1.1 * 10.0**high)
        fitted = np.polyfit(np.log10(steps[some]), np.log10(errors[some]), 1)[0]
        assert fitted == pytest.approx(power, abs=POWER)
    texts = {text.get_text() for text in axes.texts}
    assert texts == {"rounding, like 1 / h", "truncation, like h", "truncation, like h$^2$"}
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


@pytest.mark.slow
def test_each_mistake_gets_its_name_in_65_losses_and_in_both_ranges():
    anywhere, probabilities = formulas(ANYWHERE), formulas(PROBABILITIES)
    assert len(anywhere | probabilities) == 65
    for name, formula in (anywhere | probabilities).items():
        assert_all_named(name, formula)
    for name, formula in anywhere.items():
        assert_all_named(name, lambda p, y, formula=formula: formula(probability(p), y))
