"""What the learning rate does: each number of the program found in another way."""

import numpy as np
import pytest
import torch
from tolerances import LOSS_FLOAT64, PATHS_FLOAT64
from torch import nn

from manual_grad import learning_rate, torch_optim
from manual_grad.published_runs import published_runs

LOSS_FNS = {"mae": nn.L1Loss(), "mse": nn.MSELoss()}


def run_with(loss):
    """Return section 3's run in float64, with this loss."""
    run = published_runs()["section 3"]
    return run._replace(X=run.X.double(), y=run.y.double(), loss=loss)


MSE, MAE = run_with("mse"), run_with("mae")
X = MSE.X.numpy()
CASES = [
    pytest.param(run, rate, id=f"{run.loss}, lr = {rate:.3g}")
    for run, rates in ((MSE, learning_rate.mse_rates(X)), (MAE, learning_rate.MAE_RATES))
    for rate in rates
]


def largest(points):
    return max(1, np.abs(points).max())


@pytest.mark.parametrize(("run", "rate"), CASES)
def test_each_path_is_torchs(run, rate):
    (points,) = learning_rate.paths_with([rate], run)
    reference = run._replace(lr=rate).train(torch_optim.train)
    start = [[run.weight], [run.bias]]
    expected = np.hstack([start, [reference.weight, reference.bias]])
    assert points.shape == (2, 101)
    assert np.abs(points - expected).max() <= PATHS_FLOAT64 * largest(expected)


@pytest.mark.parametrize(("run", "rate"), CASES)
def test_each_loss_along_a_path_is_torchs(run, rate):
    (points,) = learning_rate.paths_with([rate], run)
    losses = learning_rate.losses_along(run, points)
    for (weight, bias), value in zip(points.T, losses, strict=True):
        y_pred = weight * run.X + bias
        expected = LOSS_FNS[run.loss](y_pred, run.y).item()
        # A residual is rounded at the size of the prediction, and MSE doubles what is relative.
        size = max(1, y_pred.abs().max().item()) ** (2 if run.loss == "mse" else 1)
        assert abs(value - expected) <= LOSS_FLOAT64 * size


@pytest.mark.parametrize("rate", learning_rate.mse_rates(X))
def test_an_mse_path_is_the_power_of_one_step(rate):
    """Gradient descent on a bowl, solved: e_t = (1 - lr h)^t e_0 along each axis."""
    (points,) = learning_rate.paths_with([rate], MSE)
    features = np.hstack([X, np.ones_like(X)])
    optimum = np.linalg.lstsq(features, MSE.y.numpy(), rcond=None)[0].ravel()
    curvatures, axes = np.linalg.eigh(learning_rate.hessian(X))
    errors = axes.T @ (np.array([MSE.weight, MSE.bias]) - optimum)
    factors = (1 - rate * curvatures[:, None]) ** np.arange(101)
    solved = optimum[:, None] + axes @ (factors * errors[:, None])
    assert np.abs(points - solved).max() <= PATHS_FLOAT64 * largest(solved)


def test_the_hessian_is_torchs():
    def loss(params):
        return LOSS_FNS["mse"](params[0] * MSE.X + params[1], MSE.y)

    start = torch.tensor([MSE.weight, MSE.bias], dtype=torch.float64)
    expected = torch.autograd.functional.hessian(loss, start).numpy()
    assert np.abs(learning_rate.hessian(X) - expected).max() <= LOSS_FLOAT64
    limit = learning_rate.largest_stable_rate(X)
    assert abs(limit * np.linalg.eigvals(expected).max() - 2) <= LOSS_FLOAT64


@pytest.mark.parametrize(("part", "ends"), [(0.99, "lower"), (1.01, "higher")])
def test_mse_diverges_beyond_the_largest_stable_rate_and_not_below(part, ends):
    rate = part * learning_rate.largest_stable_rate(X)
    (points,) = learning_rate.paths_with([rate], MSE._replace(epochs=300))
    losses = learning_rate.losses_along(MSE, points)
    assert (losses[-1] > 2 * losses[0]) if ends == "higher" else (losses[-1] < losses[0] / 20)


def test_the_five_mse_rates_go_from_too_small_to_diverging():
    rates = learning_rate.mse_rates(X)
    losses = [learning_rate.losses_along(MSE, p)[-1] for p in learning_rate.paths_with(rates, MSE)]
    assert rates == sorted(rates)
    assert len(rates) == 5
    start = learning_rate.losses_along(MSE, np.array([[MSE.weight], [MSE.bias]]))[0]
    assert start / 2 < losses[0] < start, "too small"
    assert losses[0] > losses[1] > losses[2] > losses[3]
    assert losses[4] > start


@pytest.mark.parametrize("rate", [0.03, 0.1, 1])
def test_mae_ends_in_a_jump_to_and_fro_as_wide_as_the_rate_is_large(rate):
    (points,) = learning_rate.paths_with([rate], MAE)
    assert np.abs(points[:, -1] - points[:, -3]).max() <= PATHS_FLOAT64
    width = np.linalg.norm(points[:, -1] - points[:, -2])
    # A step is lr times the means of sign * x and of sign: at most lr times the length of their
    # largest values.
    assert 0.5 * rate < width <= np.hypot(X.mean(), 1) * rate * (1 + PATHS_FLOAT64)


@pytest.mark.parametrize("rate", [0.35, 0.5, 1, 10, 1000])
def test_mae_with_far_too_large_a_rate_learns_the_start(rate):
    (points,) = learning_rate.paths_with([rate], MAE)
    assert np.abs(points[:, -1] - points[:, 0]).max() <= PATHS_FLOAT64 * largest(points)
    assert np.linalg.norm(points[:, -2] - points[:, 0]) > rate


def test_below_that_mae_learns_something_else():
    (points,) = learning_rate.paths_with([0.34], MAE)
    assert np.abs(points[:, -1] - points[:, 0]).max() > 0.01


def test_mae_never_gets_farther_from_the_line_than_one_step_leads():
    (points,) = learning_rate.paths_with([1000], MAE._replace(epochs=500))
    distances = np.linalg.norm(points - [[0.7], [0.3]], axis=0)
    assert distances.max() <= distances[0] + 1000 * np.hypot(X.mean(), 1)


@pytest.mark.parametrize("run", [MSE, MAE], ids=["mse", "mae"])
def test_the_table_holds_the_losses_and_the_ends(run, capsys):
    rates = learning_rate.mse_rates(X) if run is MSE else learning_rate.MAE_RATES
    learning_rate.print_table(run, rates, learning_rate.paths_with(rates, run))
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == "lr loss at start after 99 after 100 weight bias".split()
    for row, rate in zip(rows, rates, strict=True):
        # The loss of a Trajectory's row is from before its step.
        reference = run._replace(lr=rate, epochs=101).train(torch_optim.train)
        losses = reference.loss[[0, 99, 100]]
        expected = [rate, *losses, reference.weight[99], reference.bias[99]]
        assert row.split() == [f"{number:.4g}" for number in expected]
