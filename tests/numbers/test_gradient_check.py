"""gradient_check: a right gradient is never called wrong, a wrong one gets its mistake named."""

import numpy as np
import pytest

from manual_grad import gradient_check
from manual_grad.gradient_check import FLOAT32, check
from manual_grad.losses import LOSSES, sigmoid


def mean(function):
    return lambda y_pred, y: function(y_pred, y).mean()


def one_nth(function):
    return lambda y_pred, y: function(y_pred, y) / y.size


def subtract_in_place(y_pred, y):
    y_pred -= y
    return y_pred


RIGHT = LOSSES | {
    "sum": (lambda p, y: ((p - y) ** 2).sum(), lambda p, y: 2 * (p - y)),
    "shifted": (lambda p, y: 1000 + abs(p - y).mean(), LOSSES["mae"][1]),
    "expanded": (mean(lambda p, y: y * y - 2 * y * p + p * p), LOSSES["mse"][1]),
    "in place": (lambda p, y: abs(subtract_in_place(p, y)).mean(), LOSSES["mae"][1]),
    "root": (
        lambda p, y: np.sqrt(((p - y) ** 2).mean()),
        lambda p, y: (p - y) / y.size / np.sqrt(((p - y) ** 2).mean()),
    ),
    "huber": (
        mean(lambda p, y: np.where(abs(p - y) < 1, (p - y) ** 2 / 2, abs(p - y) - 0.5)),
        one_nth(lambda p, y: np.clip(p - y, -1, 1)),
    ),
    "quantile": (
        mean(lambda p, y: np.maximum(0.9 * (y - p), 0.1 * (p - y))),
        one_nth(lambda p, y: np.where(p > y, 0.1, -0.9)),
    ),
    "concave sides": (
        mean(lambda p, y: np.log1p(abs(p - y))),
        one_nth(lambda p, y: np.where(p >= y, 1, -1) / (1 + abs(p - y))),
    ),
    "almost a kink": (
        mean(lambda p, y: np.logaddexp(100 * (p - y), 100 * (y - p))),
        one_nth(lambda p, y: 100 * np.tanh(100 * (p - y))),
    ),
    "poisson": (mean(lambda p, y: np.exp(p) - y * p), one_nth(lambda p, y: np.exp(p) - y)),
    "bce, first form": (
        mean(lambda z, y: -y * np.log(sigmoid(z)) - (1 - y) * np.log(1 - sigmoid(z))),
        LOSSES["bce"][1],
    ),
    "bce of probabilities": (
        mean(lambda p, y: -y * np.log(p) - (1 - y) * np.log(1 - p)),
        one_nth(lambda p, y: (p - y) / (p * (1 - p))),
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_gradient_is_right(name):
    verdict = check(*RIGHT[name])
    assert verdict.right, verdict
    assert verdict.finding == "right"


@pytest.mark.parametrize("sizes", [(n, n + 1) for n in range(6, 200, 10)], ids=str)
def test_no_data_make_a_right_gradient_wrong(sizes, monkeypatch):
    monkeypatch.setattr(gradient_check, "SIZES", sizes)
    for loss, gradient in LOSSES.values():
        assert check(loss, gradient).right


@pytest.mark.parametrize("slope", [-1, -0.5, 0, 0.5, 1])
def test_at_the_kink_every_subgradient_is_right(slope):
    loss, gradient = LOSSES["mae"]
    verdict = check(loss, lambda p, y: gradient(p, y) + slope * (p == y) / y.size)
    assert verdict.right
    assert "4 at a kink" in verdict.detail


@pytest.mark.parametrize("slope", [-1.0001, 1.0001, 2, 1000])
def test_at_the_kink_everything_beyond_is_wrong(slope):
    loss, gradient = LOSSES["mae"]
    verdict = check(loss, lambda p, y: gradient(p, y) + slope * (p == y) / y.size)
    assert verdict[:2] == (False, "right except at the kink")


# What is wrong, as the check says it; the wrong gradient from the right one.
MISTAKES = {
    "wrong sign": lambda g, p, y: -g,
    "twice as large": lambda g, p, y: 2 * g,
    "half as large": lambda g, p, y: g / 2,
    "not divided by n": lambda g, p, y: y.size * g,
    "divided by n twice (once, if the loss is a sum)": lambda g, p, y: g / y.size,
    "divided by n - 1": lambda g, p, y: g * y.size / (y.size - 1),
    "wrong sign, not divided by n": lambda g, p, y: -y.size * g,
    "half as large, not divided by n": lambda g, p, y: y.size / 2 * g,
    "3 times as large": lambda g, p, y: 3 * g,
    "-0.7 times as large": lambda g, p, y: -0.7 * g,
    "1.00001 times as large": lambda g, p, y: 1.00001 * g,
    "17 times as large": lambda g, p, y: 17 * g,  # what a popular check let pass
    "20 times as large": lambda g, p, y: 20 * g,  # not n, although n is 20
    "0.0025 times as large with n = 20, 0.000918274 times as large with n = 33": (
        lambda g, p, y: g / y.size**2
    ),
    "zero everywhere": lambda g, p, y: 0 * g,
    "not finite": lambda g, p, y: np.where(p == p.max(), np.nan, g),
    "right, but in another order": lambda g, p, y: np.roll(g, 1),
    "right except where y_pred < y": lambda g, p, y: np.where(p < y, 3 * g, g),
    "right except where y_pred > 0": lambda g, p, y: g + (p > 0),
    "right except where |y_pred - y| > 1": lambda g, p, y: np.where(abs(p - y) > 1, 9, g),
    "right to 6 digits: is it computed in float32?": lambda g, p, y: g + FLOAT32 * abs(g).max() / 2,
    "wrong in another way": lambda g, p, y: g + np.random.default_rng(0).normal(size=g.shape) / 1e4,
}
AT_ONE_PLACE = {
    "mae": ("right except at the kink", lambda g, p, y: np.where(p == y, 2 / y.size, g)),
    "mse": ("right except where y_pred = y", lambda g, p, y: np.where(p == y, 2 / y.size, g)),
    "bce": ("right except where y_pred = 0", lambda g, p, y: np.where(p == 0, -y / y.size, g)),
}


def wrong_gradient(name, mistake):
    """Return the gradient of a loss with a mistake in it."""
    return lambda y_pred, y: mistake(LOSSES[name][1](y_pred, y), y_pred, y)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("finding", MISTAKES)
def test_a_mistake_gets_its_name(name, finding):
    verdict = check(LOSSES[name][0], wrong_gradient(name, MISTAKES[finding]))
    assert verdict[:2] == (False, finding)


@pytest.mark.parametrize("name", LOSSES)
def test_a_mistake_at_one_place_gets_its_name(name):
    finding, mistake = AT_ONE_PLACE[name]
    assert check(LOSSES[name][0], wrong_gradient(name, mistake))[:2] == (False, finding)


@pytest.mark.parametrize("name", LOSSES)
def test_one_wrong_element_is_named_with_its_numbers(name):
    loss, gradient = LOSSES[name]
    n = gradient_check.SIZES[0]
    y_pred, y = gradient_check.points(n, -3, 3)

    def wrong(y_pred, y):
        result = gradient(y_pred, y)
        result[7] += 1e-4 * (y.size == n)
        return result

    verdict = check(loss, wrong)
    assert verdict[:2] == (False, "wrong in another way")
    right = gradient(y_pred, y)[7, 0]
    assert "1 of 53 test points are wrong (two sets, of 20 and 33)" in verdict.detail
    assert (
        f"in the set of {n}: at y_pred = {y_pred[7, 0]:.6g} and y = {y[7, 0]:.6g}" in verdict.detail
    )
    assert f"it is {right + 1e-4:.9g}, but should be {right:.5g}" in verdict.detail


def test_a_bce_of_relu_and_abs_is_wrong_at_logit_zero():
    def gradient(z, y):
        small = np.exp(-abs(z))
        return ((z > 0) - y - np.sign(z) * small / (1 + small)) / y.size

    assert check(LOSSES["bce"][0], gradient).finding == "right except where y_pred = 0"


def in_float32(y_pred, y):
    return LOSSES["mse"][0](y_pred.astype(np.float32), y.astype(np.float32))


@pytest.mark.parametrize(
    ("loss", "gradient", "message"),
    [
        (lambda p, y: p - y, None, r"loss returns shape \(20, 1\), but must return one number"),
        (lambda p, y: None, None, "loss returns None, but must return one number"),
        (lambda p, y: np.nan, None, "loss must be finite for predictions and labels between 0"),
        (lambda p, y: 1.0, None, "loss is too flat or too rough to check"),
        (in_float32, None, "too rough to check: is it computed in float32"),
        (None, lambda p, y: (p - y).ravel(), r"gradient returns shape \(20,\), but .*\(20, 1\)"),
        (None, lambda p, y: 0.5, r"gradient returns shape \(\), but must return the shape of y_p"),
        (None, lambda p, y: None, "gradient returns None"),
    ],
)
def test_what_cant_be_checked_is_refused(loss, gradient, message):
    right = LOSSES["mse"]
    with pytest.raises(ValueError, match=message):
        check(loss or right[0], gradient or right[1])


def test_what_the_functions_raise_is_passed_on():
    with pytest.raises(ZeroDivisionError):
        check(LOSSES["mse"][0], lambda y_pred, y: 1 / 0)


SENTENCES = {
    "wrong sign": "WRONG: the gradient has the wrong sign.",
    "wrong sign, not divided by n": (
        "WRONG: the gradient has the wrong sign, and is not divided by n."
    ),
    "half as large, not divided by n": (
        "WRONG: the gradient is half as large as it should be, not divided by n."
    ),
    "right, but in another order": "WRONG: the gradient is right, but in another order.",
    "right to 6 digits: is it computed in float32?": (
        "WRONG: the gradient is right to 6 digits: is it computed in float32?"
    ),
}


@pytest.mark.parametrize("finding", SENTENCES)
def test_a_finding_becomes_a_sentence(finding):
    assert finding in MISTAKES
    said = gradient_check.sentence(gradient_check.Verdict(False, finding, ""))
    assert said == SENTENCES[finding]
