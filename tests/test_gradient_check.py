"""gradient_check: a right gradient is never called wrong, a wrong one never right, and is named.

Also finite_differences: the room of a difference holds its error, and the V has its three powers.
"""

import functools
import sys

import numpy as np
import pytest
import torch
from torch import cosh, exp, log, log1p, sigmoid, sqrt, where
from torch.nn import functional as F

from lessons import finite_differences
from manual_grad import gradient_check
from manual_grad.gradient_check import STEP, check, derivative, sentence
from manual_grad.losses import LOSSES

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


@pytest.mark.parametrize("name", ["exp", "sin", "tanh"])
def test_the_room_holds_the_error_and_little_more(name):
    """The sums of sin and tanh are 0 here. Their rounding comes from the terms."""
    function = getattr(np, name)
    exact = {"exp": np.exp, "sin": np.cos, "tanh": lambda x: 1 / np.cosh(x) ** 2}[name]
    x = np.linspace(-3, 3, 101).reshape(-1, 1)
    slope, room, kink = derivative(lambda x: function(x).sum(), x)
    assert (abs(slope - exact(x)) <= room).all()
    assert room.max() <= 1e-8 * (abs(function(x)).sum() + abs(exact(x) * x).sum())
    assert not kink.any()


def bce(p, y):
    return -y * log(p) - (1 - y) * log(1 - p)


def clip(p, epsilon):
    return p.clamp(epsilon, 1 - epsilon)


def probability(p):
    assert ((p >= 0) & (p <= 1)).all()
    return p


def tukey(r, c):
    return where(abs(r) < c, 1 - (1 - (r / c) ** 2) ** 3, 1.0)


# Losses of any prediction, then of a probability or a positive number. Each is averaged.
ANYWHERE = {
    "mae": lambda p, y: abs(p - y),
    "mse": lambda p, y: (p - y) ** 2,
    "sum of squares": lambda p, y: ((p - y) ** 2).sum(),
    "cubic": lambda p, y: abs(p - y) ** 3,
    "power 1.5": lambda p, y: abs(p - y) ** 1.5,
    "shifted": lambda p, y: 1000 + abs(p - y),
    "smooth l1": lambda p, y: F.smooth_l1_loss(p, y, beta=0.1),
    "huber 1": lambda p, y: F.huber_loss(p, y),
    "huber 5": lambda p, y: F.huber_loss(p, y, delta=5.0),
    "tukey": lambda p, y: tukey(p - y, 4.685),
    "narrow tukey": lambda p, y: tukey(p - y, 1),
    "log cosh": lambda p, y: log(cosh(p - y)),
    "quantile": lambda p, y: torch.maximum(0.9 * (y - p), 0.1 * (p - y)),
    "expectile": lambda p, y: where(y > p, 0.8, 0.2) * (p - y) ** 2,
    "epsilon-insensitive": lambda p, y: F.relu(abs(p - y) - 0.1),
    "its square": lambda p, y: F.relu(abs(p - y) - 0.1) ** 2,
    "cauchy": lambda p, y: log1p((p - y) ** 2),
    "geman": lambda p, y: (p - y) ** 2 / (1 + (p - y) ** 2),
    "welsch": lambda p, y: 1 - exp(-((p - y) ** 2) / 2),
    "fair": lambda p, y: abs(p - y) - log1p(abs(p - y)),
    "charbonnier": lambda p, y: sqrt(1e-6 + (p - y) ** 2),
    "linex": lambda p, y: exp(p - y) - (p - y) - 1,
    "log of 1 + |r|": lambda p, y: log1p(abs(p - y)),
    "mape": lambda p, y: abs(p - y) / abs(y).clamp(min=1e-10),
    "smape": lambda p, y: abs(p - y) / (abs(p) + abs(y) + 1e-8),
    "weighted": lambda p, y: (1 + y**2) * (p - y) ** 2,
    "wing": lambda p, y: where(abs(p - y) < 1, log1p(2 * abs(p - y)), abs(p - y) + 0.0986),
    "rmse": lambda p, y: sqrt(((p - y) ** 2).mean()),
    "log of mse": lambda p, y: log(((p - y) ** 2).mean()),
    "variance": lambda p, y: (p - y).var(),
    "cosine": lambda p, y: 1 - (p * y).sum() / (p.norm() * y.norm()),
    "decay": lambda p, y: (p - y) ** 2 + 0.1 * (p**2).sum(),
    "softmax": lambda p, y: -(y * F.log_softmax(p, 0)).sum(),
    "logits": lambda p, y: F.binary_cross_entropy_with_logits(p, y),
    "clipped sigmoid": lambda p, y: bce(clip(sigmoid(p), 1e-15), y),
    "smoothed labels": lambda p, y: F.binary_cross_entropy_with_logits(p, 0.9 * y + 0.05),
    "logits of two classes": lambda p, y: where(y == 1, F.softplus(-p), F.softplus(p)),
    "brier": lambda p, y: (sigmoid(p) - y) ** 2,
    "poisson": lambda p, y: exp(p) - y * p,
    "steep poisson": lambda p, y: exp(8 * p) - y * p,
    "hinge": lambda p, y: F.relu(1 - y * p),
    "hinge of 0 and 1": lambda p, y: F.relu(1 - (2 * y - 1) * p),
    "squared hinge": lambda p, y: F.relu(1 - y * p) ** 2,
    "logistic": lambda p, y: F.softplus(-y * p),
    "exponential": lambda p, y: exp(-y * p),
    "perceptron": lambda p, y: F.relu(-y * p),
}
PROBABILITIES = {
    "bce": bce,
    "bce, 1e-15": lambda p, y: bce(clip(p, 1e-15), y),
    "bce, 1e-7": lambda p, y: bce(clip(p, 1e-7), y),
    "bce, each log": lambda p, y: -y * log(p.clamp(1e-9)) - (1 - y) * log((1 - p).clamp(1e-9)),
    "bce, added": lambda p, y: -y * log(p + 1e-8) - (1 - y) * log(1 - p + 1e-8),
    "bce, raises": lambda p, y: F.binary_cross_entropy(p, y),
    "bce of two classes": lambda p, y: where(y == 1, -log(clip(p, 1e-15)), -log(1 - p)),
    "focal": lambda p, y: -y * (1 - p) ** 2 * log(p) - (1 - y) * p**2 * log(1 - p),
    "generalized": lambda p, y: (1 - where(y == 1, p, 1 - p) ** 0.7) / 0.7,
    "kl": lambda p, y: y * log(y / p),
    "kl, clipped": lambda p, y: clip(y, 1e-7) * log(clip(y, 1e-7) / clip(p, 1e-7)),
    "cross-entropy": lambda p, y: -y * log(p.clamp(1e-15)),
    "poisson rate": lambda p, y: p - y * log(p + 1e-7),
    "gamma": lambda p, y: log(p / y) + y / p - 1,
    "msle": lambda p, y: (log1p(p) - log1p(y)) ** 2,
    "hellinger": lambda p, y: (sqrt(p) - sqrt(y)) ** 2,
    "dice": lambda p, y: 1 - (2 * (clip(p, 0) * y).sum() + 1) / (clip(p, 0).sum() + y.sum() + 1),
    "tversky": lambda p, y: 1 - (probability(p) * y).sum() / (y + 0.3 * p * (1 - y)).sum(),
    "of the logit": lambda p, y: (log(p / (1 - p)) - y) ** 2,
}


def pair(formula):
    """Return loss and gradient by torch's autograd, as functions of NumPy arrays."""

    def value(y_pred, y):
        return formula(y_pred, torch.from_numpy(y)).mean()

    def gradient(y_pred, y):
        y_pred = torch.from_numpy(y_pred).requires_grad_()
        value(y_pred, y).backward()
        return y_pred.grad.numpy()

    return lambda y_pred, y: value(torch.from_numpy(y_pred), y).item(), gradient


WRONG = {
    "has the wrong sign": lambda g, p, y: -g,
    "is twice as large as it should be": lambda g, p, y: 2 * g,
    "is half as large as it should be": lambda g, p, y: g / 2,
    "is 17 times as large as it should be": lambda g, p, y: 17 * g,  # a popular check passed it
    "is n times as large as it should be: is 1/n missing?": lambda g, p, y: y.size * g,
    "is 1/n of what it should be: is it divided by n once too often?": lambda g, p, y: g / y.size,
    "is divided by n - 1, and not by n": lambda g, p, y: g * y.size / (y.size - 1),
    "has the wrong sign, and is n/2 times as large as it should be: is 2/n missing?": (
        lambda g, p, y: -y.size * g / 2
    ),
    "is right, but in another order": lambda g, p, y: g[::-1],
    "is multiplied by y_pred: is it the gradient for a weight?": lambda g, p, y: g * p,
    "is one number for all predictions: is it the gradient for a weight?": (
        lambda g, p, y: (g * p**2).sum() + 0 * g
    ),
}
NO_Y = "does not depend on y: is - y missing?"


def test_a_right_gradient_is_never_wrong():
    for name, formula in (ANYWHERE | PROBABILITIES).items():
        verdict = check(*pair(formula))
        assert verdict.right, (name, verdict)
        if name != "steep poisson":  # up to exp(24), which hides all else
            assert ("y_pred -3..3" in verdict.detail) == (name in ANYWHERE), name


def once(function):
    """Return a function that computes each result once."""
    results = {}

    @functools.wraps(function)
    def remembered(*arrays):
        key = tuple(array.tobytes() for array in arrays)
        if key not in results:
            results[key] = function(*arrays)
        return results[key]

    return remembered


def assert_all_named(name, formula):
    """Assert that each mistake in the gradient of a loss is named."""
    loss, gradient = map(once, pair(formula))
    assert check(loss, gradient).right, name
    for finding, change in WRONG.items():
        verdict = check(loss, lambda y_pred, y: change(gradient(y_pred, y), y_pred, y))
        assert verdict[:2] == (False, finding), (name, verdict)
    verdict = check(loss, lambda y_pred, y: gradient(y_pred, 0 * y))
    assert not verdict.right, name
    assert verdict.finding.startswith((NO_Y, "is 0", "is not finite")), (name, verdict)


@pytest.mark.parametrize("name", ["mae", "mse", "logits", "bce, 1e-7"])
def test_each_mistake_gets_its_name(name):
    assert_all_named(name, (ANYWHERE | PROBABILITIES)[name])


@pytest.mark.slow
@pytest.mark.parametrize("part", [0, 1, 2, 3])
def test_each_mistake_gets_its_name_in_65_losses_and_in_both_ranges(part):
    losses = ANYWHERE | PROBABILITIES
    assert len(losses) == 65
    for name, formula in list(losses.items())[part::4]:
        assert_all_named(name, formula)
        inside = lambda p, y, formula=formula: formula(probability(p), y)  # noqa: E731
        assert_all_named(name, inside)
