"""The trainers: against torch.optim, finite differences, and the analytic solution."""

import inspect
import math

import numpy as np
import pytest
import torch
from problems import LOSSES, check_gradients, check_trajectory, random_problem
from tolerances import (
    BCE_ROUNDINGS,
    CENTRAL_DIFFERENCE,
    CENTRAL_STEP,
    GRADIENT_FLOAT64,
    TRAJECTORY_FLOAT64,
)
from torch import nn

from beyond import numpy_blocks
from manual_grad import compare, losses, tensor_updates
from manual_grad.published_runs import published_runs

BY_HAND = [name for name in compare.TRAINERS if name != "torch_optim"]
EVERY_TRAINER = compare.TRAINERS | {"numpy_blocks": numpy_blocks.train}
every_trainer = pytest.mark.parametrize("trainer", EVERY_TRAINER.values(), ids=EVERY_TRAINER)


# --- random problems in float64


# 40 random problems for each loss, the first of them without `slow`.
some_seeds = pytest.mark.parametrize(
    "seeds",
    [range(12), pytest.param(range(12, 40), marks=pytest.mark.slow)],
    ids=["0 to 11", "12 to 39"],
)


@some_seeds
@pytest.mark.parametrize("trainer", BY_HAND)
@pytest.mark.parametrize("loss", LOSSES)
def test_random_problems_against_torch_in_float64(trainer, loss, seeds):
    for seed in seeds:
        problem = random_problem(seed, loss)
        check_gradients(compare.TRAINERS[trainer], problem, loss)
        check_trajectory(compare.TRAINERS[trainer], problem, loss)


def test_the_random_problems_hold_what_they_should():
    problems = {loss: [random_problem(seed, loss) for seed in range(70)] for loss in LOSSES}
    assert {len(X) for X, *_ in problems["mae"]} >= {1, 1000}
    zeros = [int((w * X + b == y).sum()) for X, y, w, b in problems["mae"]]
    assert sum(count > 0 for count in zeros) > 10
    assert any((w * X + b == 0).all() for X, y, w, b in problems["bce"])
    assert any(np.abs(y).max() > 900 for X, y, w, b in problems["mse"])


# --- oracles that share no code with either side


def loss_on_paper(X, y, weight, bias, loss):
    """Return the loss in Python floats, point by point, exactly summed."""

    def of_point(x, label):
        z = weight * x + bias
        if loss == "bce":
            return max(z, 0) + math.log1p(math.exp(-abs(z))) - label * z
        return abs(z - label) if loss == "mae" else (z - label) ** 2

    return math.fsum(map(of_point, X.ravel().tolist(), y.ravel().tolist())) / len(X)


@every_trainer
@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_against_central_differences(trainer, loss):
    h = CENTRAL_STEP
    for seed in (0, 4, 8, 12, 16):
        X, y, weight, bias = random_problem(seed, loss)
        if loss == "mae":
            assert np.abs(weight * X + bias - y).min() > h, "no kink within reach of the step"
        one = trainer(X, y, weight, bias, loss=loss, epochs=1)
        for gradient, (dw, db) in ((one.weight_grad[0], (h, 0)), (one.bias_grad[0], (0, h))):
            ahead = loss_on_paper(X, y, weight + dw, bias + db, loss)
            behind = loss_on_paper(X, y, weight - dw, bias - db, loss)
            difference = (ahead - behind) / (2 * h)
            assert gradient == pytest.approx(difference, abs=CENTRAL_DIFFERENCE)
        assert one.loss[0] == pytest.approx(
            loss_on_paper(X, y, weight, bias, loss), rel=GRADIENT_FLOAT64
        )


@every_trainer
def test_mse_against_its_analytic_solution(trainer):
    """theta_k = theta* + (I - lr H)^k (theta_0 - theta*), for all k at once, without a loop."""
    X, y, *start = random_problem(4, "mse")
    lr, epochs = 0.1, 500
    A = np.hstack([X, np.ones_like(X)])
    optimum = np.linalg.lstsq(A, y, rcond=None)[0].ravel()
    factors, vectors = np.linalg.eigh(np.eye(2) - lr * 2 / len(X) * A.T @ A)
    powers = factors[:, None] ** np.arange(1, epochs + 1)
    path = optimum[:, None] + vectors @ (powers * (vectors.T @ (start - optimum))[:, None])
    trajectory = trainer(X, y, *start, loss="mse", lr=lr, epochs=epochs)
    np.testing.assert_allclose(trajectory.weight, path[0], rtol=0, atol=TRAJECTORY_FLOAT64)
    np.testing.assert_allclose(trajectory.bias, path[1], rtol=0, atol=TRAJECTORY_FLOAT64)


@every_trainer
def test_the_subgradient_of_mae_at_zero_is_zero(trainer):
    X = np.array([[1.0], [2.0], [3.0]])
    one = trainer(X, 2 * X + np.array([[0.0], [0.0], [1.0]]), 2.0, 0.0, epochs=1)
    assert one.weight_grad[0] == pytest.approx(-1.0, rel=GRADIENT_FLOAT64)
    assert one.bias_grad[0] == pytest.approx(-1 / 3, rel=GRADIENT_FLOAT64)


def test_bce_with_logits_equals_bce_on_the_sigmoid():
    X, y, weight, bias = random_problem(1, "bce")
    z = torch.tensor(weight * X + bias, requires_grad=True)
    expected = nn.BCELoss()(torch.sigmoid(z), torch.as_tensor(y))
    expected.backward()
    logit = z.detach().numpy()
    loss, gradient = losses.bce_with_logits(logit, y), losses.bce_with_logits_gradient(logit, y)
    assert loss == pytest.approx(expected.item(), abs=GRADIENT_FLOAT64)
    np.testing.assert_allclose(gradient, z.grad.numpy(), rtol=0, atol=GRADIENT_FLOAT64)


@every_trainer
@pytest.mark.parametrize("logit", [0.0, 50.0, -50.0, 1e4, -1e4])
@pytest.mark.parametrize("label", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bce_is_stable(trainer, logit, label, dtype):
    X, y = np.ones((1, 1), dtype), np.full((1, 1), label, dtype)
    z = torch.tensor([[logit]], dtype=torch.as_tensor(X).dtype, requires_grad=True)
    expected = nn.BCEWithLogitsLoss()(z, torch.as_tensor(y))
    expected.backward()
    one = trainer(X, y, logit, 0.0, loss="bce", epochs=1)
    tolerance = BCE_ROUNDINGS * float(np.finfo(dtype).eps) / 2
    assert one.loss[0] == pytest.approx(expected.item(), rel=tolerance, abs=tolerance)
    assert one.bias_grad[0] == pytest.approx(z.grad.item(), rel=tolerance, abs=tolerance)


# --- what a reader must get right by hand


def test_without_zeroing_the_gradients_add_up(monkeypatch):
    """Each epoch's gradient is then exactly the sum of all epochs' own gradients so far."""
    source = inspect.getsource(tensor_updates)
    forgotten = source.replace("weight.grad = bias.grad = None", "pass")
    assert forgotten != source
    namespace = {}
    exec(compile(forgotten, "without zeroing", "exec"), namespace)

    run = published_runs()["section 3"]
    X, y = run.X, run.y
    trajectory = namespace["train"](X, y, run.weight, run.bias, epochs=20)
    starts = zip([run.weight, *trajectory.weight[:-1]], [run.bias, *trajectory.bias[:-1]])
    own = [tensor_updates.train(X, y, *map(float, start), epochs=1) for start in starts]
    for name in ("weight_grad", "bias_grad"):
        each = np.concatenate([getattr(one, name) for one in own])
        np.testing.assert_array_equal(getattr(trajectory, name), np.cumsum(each, dtype=np.float32))
