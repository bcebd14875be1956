"""The bounds for other platforms hold for a worst platform, and see a wrong run."""

import functools

import numpy as np
import pytest
from platform_runs import (
    LINES,
    PIPELINE_STARTS,
    TRAINED_WITH_MAE,
    agree,
    bounds_of,
    path_on,
    pipeline_bounds,
    pipeline_problem,
)
from platform_tolerance import loss_tolerances, mae_bounds
from published_numbers import SECTIONS
from tolerances import ROUNDING

from manual_grad.published_runs import published_runs

PIPELINE = [s for s in SECTIONS if s.key in PIPELINE_STARTS]
MAE = [s for s in SECTIONS if (s.tutorial, s.key) in TRAINED_WITH_MAE and "training" in s.key]
ROUNDINGS = ["to nearest", "up", "either way"]


def rounded(values, way, rng):
    """Round float64 to float32; but for "to nearest", an error is up to twice a correct one's."""
    nearest = np.float32(values)
    up = np.where(nearest < values, np.nextafter(nearest, np.float32(np.inf)), nearest)
    down = np.where(nearest > values, np.nextafter(nearest, np.float32(-np.inf)), nearest)
    either = np.where(rng.random(np.shape(values)) < 0.5, up, down)
    ways = {"exact": values, "to nearest": nearest, "up": up, "either way": either}
    return np.asarray(ways[way], np.float64)


def arithmetic(way):
    """Return two functions: an operation's result, rounded in this way, and a sum, term by term."""
    rng = np.random.default_rng(0)

    def q(values):
        return rounded(np.asarray(values, np.float64), way, rng)

    return q, lambda terms: functools.reduce(lambda a, b: q(a + b), terms)


def mse_run(section, way="exact", factor=1.0):
    """Return the losses before each step, (epochs,), with every operation rounded in this way."""
    A, y, start, lr, epochs = pipeline_problem(section)
    q, total = arithmetic(way)
    t, lr, losses = np.array(start), q(lr * factor), []
    for _ in range(epochs):
        r = q(total(q(A * t).T) - y)
        losses.append(float(q(total(q(r * r)) / len(y))))
        slope = q(q(2 * r) / len(y))
        t = q(t - q(lr * total(q(A * slope[:, None]))))
    return np.array(losses)


def rounded_mae_run(name, way, epochs):
    """Return train losses, (epochs,), and parameters, (epochs, 2), every operation rounded so."""
    run, (weight, bias, distance) = published_runs()[name], LINES[name]
    n = len(run.X)
    q, total = arithmetic(way)
    x = q(np.arange(n) * q(distance))
    y = q(q(q(weight) * x) + q(bias))
    t, losses, path = np.array([run.weight, run.bias]), [], []
    for _ in range(epochs):
        r = q(q(q(t[0] * x) + t[1]) - y)
        losses.append(float(q(total(np.abs(r)) / n)))
        slope = q(np.sign(r) / n)
        gradient = np.array([total(q(slope * x)), total(slope)])
        t = q(t - q(q(run.lr) * gradient))
        path.append(t)
    return np.array(losses), np.array(path)


def mae_run(name, factor=1.0):
    """Return the train losses in float64, at the parameters of the path that is rounded once."""
    run, (weight, bias, distance) = published_runs()[name], LINES[name]
    start = run.weight, run.bias
    path = mae_bounds(LINES[name], start, run.lr * factor, run.epochs).path
    before = np.vstack([[start], path[:-1]])
    x = np.arange(len(run.X)) * distance
    r = before[:, :1] * x + before[:, 1:] - (weight * x + bias)
    return np.abs(r).mean(axis=1)


def which_agree(section, factor=1.0):
    """Return for each published train loss whether a run with lr * factor has it."""
    if section in PIPELINE:
        losses, bounds = mse_run(section, factor=factor), pipeline_bounds(section)[0]
    else:
        name = TRAINED_WITH_MAE[section.tutorial, section.key]
        losses, bounds = mae_run(name, factor), bounds_of(name).same[:, 0]
    agreeing = []
    for (at, column), expected in zip(section.places(), section.published(), strict=True):
        if column in ("loss", "train loss"):
            epoch = int(at.split()[1]) - (section in PIPELINE)  # the second tutorial counts from 1
            digits = len(expected.split(".")[1])
            got = f"{losses[epoch]:.{digits}f}"
            agreeing.append(agree(got, expected, bounds[epoch]))
    return agreeing


@pytest.mark.parametrize("section", PIPELINE + MAE, ids=str)
def test_float64_has_the_published_losses_within_the_bounds(section):
    agreeing = which_agree(section)
    assert len(agreeing) >= 10
    assert all(agreeing)


@pytest.mark.parametrize("section", PIPELINE + MAE, ids=str)
def test_a_learning_rate_that_is_wrong_by_1e_5_is_seen(section):
    """Where only three decimals are printed, one that is wrong by 5 %."""
    assert not all(which_agree(section, 1.05 if "solutions" in section.tutorial else 1 + 1e-5))


@pytest.mark.parametrize("way", ROUNDINGS)
@pytest.mark.parametrize("section", PIPELINE, ids=str)
def test_the_bound_of_mse_holds_however_a_platform_rounds(section, way):
    """The bound is that of two runs, twice one's. So it also holds for roundings of 2 u."""
    losses, _ = pipeline_bounds(section)
    difference = np.abs(mse_run(section, way) - mse_run(section))
    assert (difference <= losses).all()
    if way == "up":
        assert difference.max() > losses.max() / 100


@pytest.mark.parametrize("way", ROUNDINGS)
@pytest.mark.parametrize("name", ["section 3", "section 6"])
def test_the_bound_of_mae_holds_however_a_platform_rounds(name, way):
    """Until a sign may flip, for two runs that err alike: between one and the path rounded once."""
    bounds = bounds_of(name)
    epochs = int(np.argmin(bounds.sure))
    losses, path = rounded_mae_run(name, way, epochs)
    assert epochs >= 50
    assert (np.abs(path - bounds.path[:epochs]) <= bounds.error[:epochs]).all()
    difference = np.abs(losses - mae_run(name)[:epochs])
    assert (difference <= (bounds.same + bounds.apart)[:epochs, 0]).all()
    if way == "up":
        assert (difference > bounds.same[:epochs, 0] / 10).any()


@pytest.mark.parametrize("section", PIPELINE, ids=str)
def test_weight_bias_and_prediction_are_off_by_less_than_half_a_unit(section):
    _, parameters = pipeline_bounds(section)
    at_5 = parameters @ [5, 1][: parameters.shape[1]]
    assert at_5.max() < 0.5e-3


@pytest.mark.parametrize("name", LINES)
def test_learned_parameters_and_predictions_are_off_by_less_than_a_unit(name):
    assert bounds_of(name).error[-1].sum() < 1e-4


@pytest.mark.parametrize("name", LINES)
def test_the_path_rounded_once_is_float64s_up_to_its_roundings(name):
    run, bounds = published_runs()[name], bounds_of(name)
    steps = np.vstack([[run.weight, run.bias], bounds.path])
    exact = steps[:-1] - run.lr * bounds.gradients
    np.testing.assert_array_equal(np.float32(exact), bounds.path)
    assert (bounds.same > 0).all()
    assert not bounds.sure.all(), "in some epoch a correct run may flip a sign"
    assert bounds.sure[:50].all()


@pytest.mark.parametrize("name", LINES)
def test_a_flipped_sign_ends_the_comparison_only_where_roundings_allow_it(name):
    bounds = bounds_of(name)
    allowed = int(np.argmin(bounds.sure))
    for epoch in (10, allowed):
        path, gradients = bounds.path.copy(), bounds.gradients.copy()
        gradients[epoch] += 2 / 80
        path[epoch:] -= 0.01 * 2 / 80
        found = np.isfinite(loss_tolerances(bounds, path, gradients))
        expected = np.ones_like(found)
        if epoch == allowed:
            expected[epoch + 1 :, 0] = expected[epoch:, 1] = False
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", LINES)
def test_another_path_has_the_wider_bound(name):
    bounds = bounds_of(name)
    path, gradients = bounds.path.copy(), bounds.gradients
    np.testing.assert_array_equal(loss_tolerances(bounds, path, gradients), bounds.same)
    path[-1, 0] += 1e-7
    wider = loss_tolerances(bounds, path, gradients)
    np.testing.assert_array_equal(wider, bounds.same + bounds.apart)
    assert (wider[1:] > bounds.same[1:]).all()


def test_the_path_here_is_a_step_of_lr_times_gradient_in_each_epoch():
    run = published_runs()["section 3"]
    path, gradients = path_on("cpu", "section 3")
    assert path.shape == gradients.shape == (100, 2)
    before = np.vstack([[[run.weight, run.bias]], path[:-1]])
    assert np.abs(before - run.lr * gradients - path).max() <= ROUNDING
