"""What the verdict computes with: a step rounded once or twice, and how far rounding can lead."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from tolerances import LOSS_BOUND_AT_THE_START, STEPS_THAT_ROUND_DIFFERENTLY
from trained import by_torch

from manual_grad import torch_optim, verdict
from manual_grad.published_runs import published_runs

RUNS = published_runs()
every_run = pytest.mark.parametrize("name", RUNS)


@pytest.fixture(scope="module")
def reference():
    return {name: by_torch(name) for name in RUNS}


def test_a_step_rounded_once_is_exact():
    """Against fractions, which round nothing; also where float64 hits the middle of two float32."""
    rng = np.random.default_rng(0)
    theta, grad = rng.standard_normal((2, 3000)).astype(np.float32)
    grad[::3] *= np.float32(1e-6)
    lr = np.float32(0.01)
    # 1 + 2^-23 + 2^-24 (1 - 2^-46) and 1 + 2^-24 (1 + 2^-36): float64 keeps neither last term.
    small = np.float32(2**-12)
    middles = [
        (np.float32(1 + 2**-23), -small * np.float32(1 - 2**-23), small * np.float32(1 + 2**-23)),
        (
            np.float32(1),
            -small * np.float32(1 - 2**-12 + 2**-24),
            small * np.float32(1 + 2**-12),
        ),
    ]
    for theta_i, grad_i, lr_i in [*zip(theta, grad, [lr] * len(theta)), *middles]:
        got = verdict.rounded_once(theta_i, grad_i, lr_i)
        exact = Fraction(float(theta_i)) - Fraction(float(lr_i)) * Fraction(float(grad_i))
        around = np.nextafter(got, np.float32(-np.inf)), got, np.nextafter(got, np.float32(np.inf))
        assert min(around, key=lambda number: abs(Fraction(float(number)) - exact)) == got
    for theta_i, grad_i, lr_i in middles:
        in_float64 = np.float64(theta_i) - np.float64(lr_i) * np.float64(grad_i)
        assert verdict.rounded_once(theta_i, grad_i, lr_i) != np.float32(in_float64)


def test_torch_rounds_its_step_in_one_of_the_two_ways_everywhere():
    generator = torch.Generator().manual_seed(0)
    theta, grad = torch.randn(2, 100_000, generator=generator)
    got = theta.clone().add_(grad, alpha=-0.01).numpy()
    once, twice = (
        step(theta.numpy(), grad.numpy(), np.float32(0.01))
        for step in (verdict.rounded_once, verdict.rounded_twice)
    )
    assert (got == once).all() or (got == twice).all()
    np.testing.assert_array_equal((theta - 0.01 * grad).numpy(), twice)
    low, high = STEPS_THAT_ROUND_DIFFERENTLY
    assert low < (once != twice).mean() < high


@every_run
def test_the_bound_on_the_loss_can_fail(name, reference):
    right, bound = verdict.in_float64(RUNS[name], reference[name])["loss"]
    assert bound[0] < LOSS_BOUND_AT_THE_START * right[0]


def test_where_rounding_decides_a_sign_every_slope_is_allowed_and_no_more():
    """At the true parameters some residuals are 0 but for rounding: their signs are by chance."""
    run = RUNS["section 3"]._replace(weight=0.7, bias=0.3, epochs=1)
    one = run.train(torch_optim.train)
    X, y = (values.numpy().astype(np.float64) for values in (run.X, run.y))
    signs = np.sign(np.float32(0.7) * run.X.numpy() + np.float32(0.3) - run.y.numpy())
    exact = np.sign(np.float64(np.float32(0.7)) * X + np.float64(np.float32(0.3)) - y)
    assert (signs != exact).any()
    for column, factor in (("weight_grad", X), ("bias_grad", np.ones_like(X))):
        right, bound = verdict.in_float64(run, one)[column]
        for some in (signs, exact, np.ones_like(X), -np.ones_like(X)):
            assert abs((some * factor).mean() - right[0]) <= bound[0]
        assert bound[0] < 1.001 * factor.mean()


def test_a_sign_that_is_known_is_not_allowed_to_flip(reference):
    """One flipped sign in 40 changes the weight's gradient by at most 2 x 0.78 / 40: it is seen."""
    run, good = RUNS["section 3"], reference["section 3"]
    flipped = good.weight_grad + np.float32(2 * 0.02 / 40)  # of the smallest x but 0
    words = verdict.explain(run, good._replace(weight_grad=flipped), good, "gradients")
    assert words.startswith("NOT EXPLAINED: epoch 0, weight_grad")
