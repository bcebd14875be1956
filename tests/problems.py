"""What test modules share: random problems, the checks on them, and modules with a mistake."""

import importlib
import sys
import types
from pathlib import Path

import numpy as np
import torch
from tolerances import GRADIENT_FLOAT64, TRAJECTORY_FLOAT64
from torch import nn

from manual_grad import torch_optim

ROOT = Path(__file__).parent.parent
LOSSES = ["mae", "mse", "bce"]


def random_problem(seed, loss):
    """Return X, y, weight, bias: one of several kinds of data, of 1 to 1000 points, in float64."""
    rng = np.random.default_rng([seed, LOSSES.index(loss)])
    n = int(rng.choice([1, 2, 3, 10, 40, 100, 333, 1000]))
    weight, bias = rng.normal(size=2)
    X = rng.uniform(-1, 1, size=(n, 1))
    if seed % 4 == 1:
        X = X[rng.integers(0, max(1, n // 3), size=n)]  # repeated points
    y = 0.7 * X + 0.3 + rng.normal(scale=0.3, size=X.shape)
    if seed % 4 == 2:
        y[rng.random(y.shape) < 0.1] += 1000.0  # outliers
    if loss == "bce":
        y = (y > 0.5).astype(float) if seed % 2 else rng.random(y.shape)
    some = rng.random(X.shape) < 0.5
    if seed % 4 == 3:
        if loss == "bce":
            weight = bias = 0.0  # every logit exactly zero
        else:
            y[some] = (weight * X + bias)[some]  # residuals that are exactly zero
    return X, y, weight, bias


def noisy_line(n, dtype, loss="mae", seed=0):
    """Return X, y, weight, bias: a noisy line of n points, and a start beside it."""
    rng = np.random.default_rng(seed)
    X = rng.random((n, 1), np.float32)
    y = np.float32(0.7) * X + np.float32(0.3) + rng.standard_normal((n, 1), np.float32)
    if loss == "bce":
        y = (y > 0.6).astype(np.float32)
    return X.astype(dtype), y.astype(dtype), 0.25, 0.5


def gradients_by_torch(X, y, weight, bias, loss):
    """Return torch's two gradients, and the mean size of the terms that each is the mean of."""
    start = torch.tensor([weight, bias], dtype=torch.float64, requires_grad=True)
    X, y = torch.as_tensor(X), torch.as_tensor(y)
    y_pred = start[0] * X + start[1]
    y_pred.retain_grad()
    loss_fn = {"mae": nn.L1Loss(), "mse": nn.MSELoss(), "bce": nn.BCEWithLogitsLoss()}[loss]
    loss_fn(y_pred, y).backward()
    sizes = (y_pred.grad * X).abs().sum().item(), y_pred.grad.abs().sum().item()
    return start.grad.tolist(), sizes


def check_gradients(train, problem, loss):
    """Assert that a trainer's first gradients are torch's."""
    gradients, sizes = gradients_by_torch(*problem, loss)
    one = train(*problem, loss=loss, epochs=1)
    for ours, theirs, size in zip((one.weight_grad[0], one.bias_grad[0]), gradients, sizes):
        assert abs(ours - theirs) <= GRADIENT_FLOAT64 * size


def check_trajectory(train, problem, loss):
    """Assert that a trainer's whole run is torch.optim's."""
    ours = train(*problem, loss=loss, lr=0.05, epochs=30)
    theirs = torch_optim.train(*problem, loss=loss, lr=0.05, epochs=30)
    for a, b in zip(ours, theirs):
        assert np.abs(a - b).max() <= TRAJECTORY_FLOAT64 * max(1, np.abs(b).max())


def state(model):
    """Return a copy of a model's parameters, by name."""
    return {name: value.clone() for name, value in model.state_dict().items()}


def mutant(package, name, source, monkeypatch):
    """Execute `source` as <package>.<name>, in place of the module of that name; return it."""
    module = types.ModuleType(f"{package}.{name}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(importlib.import_module(package), name, module, raising=False)
    exec(compile(source, f"{name}.py", "exec"), module.__dict__)
    return module
