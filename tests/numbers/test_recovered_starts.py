"""The second tutorial's two runs without a seed: where they began follows from what they print."""

import itertools

import numpy as np
import pytest
import torch
from programs import ROOT
from published_numbers import PUBLISHED, X86, flatten
from tolerances import HALF_A_UNIT_OF_8_DECIMALS, ROUNDING, THREE_DIGITS
from torch import nn

from manual_grad.published_runs import CUSTOM_START, LINEAR_START

KEYS = ["3_nn_linear", "4_custom_module"]
STARTS = dict(zip(KEYS, (LINEAR_START, CUSTOM_START)))
STEPS = 3  # float32 steps around a start, in which the search below looks


@pytest.mark.parametrize("key", KEYS)
def test_least_squares_on_the_printed_losses_finds_the_start_to_some_digits(key):
    """Under MSE, the loss of epoch k is a sum of two terms that shrink by constant factors.

    With the Hessian H, the error e = theta - theta* becomes (I - lr H) e in each epoch, and the
    loss is e^T H e / 2. Along an eigenvector of H with the eigenvalue h, e shrinks by 1 - lr h.
    """
    printed = PUBLISHED["training_pipeline"][key]
    A = np.array([[1.0, 1], [2, 1], [3, 1], [4, 1]])
    h, vectors = np.linalg.eigh(2 / 4 * A.T @ A)
    epochs = np.array([row[0] - 1 for row in printed["rows"]])
    losses = np.array([float(row[2]) for row in printed["rows"]])
    terms = (1 - printed["lr"] * h) ** (2 * epochs[:, None]) * h / 2
    system = terms / losses[:, None]
    squares = np.linalg.lstsq(system, np.ones_like(losses), rcond=None)[0]
    optimum = np.array([2.0, 0.0])
    starts = [
        optimum + vectors @ (np.sqrt(squares) * signs)
        for signs in itertools.product((1, -1), repeat=2)
    ]
    [start] = [s for s in starts if abs(s @ [5, 1] - float(printed["before f(5)"])) < 1e-3]

    # How far off may it be? A loss is printed to 8 decimals. In float32, a residual is off by the
    # 3 roundings of a prediction of up to 10, and by those of a parameter of up to 2.7, times an x
    # of up to 4, in all 100 steps. That goes through the least squares, and through the root.
    residual = ROUNDING * (3 * 10 + 100 * 2.7 * (4 + 1))
    relative = (HALF_A_UNIT_OF_8_DECIMALS + 2 * np.sqrt(losses) * residual) / losses
    off = np.abs(np.linalg.pinv(system)) @ relative / (2 * np.sqrt(squares))
    assert (np.abs(start - list(STARTS[key].values())) <= np.abs(vectors) @ off).all()
    assert (np.abs(vectors) @ off < 2 * THREE_DIGITS).all()


def prints(weight, bias):
    """Return the 22 numbers that the tutorial's third and fourth step print from a start."""
    X = torch.tensor([[1], [2], [3], [4]], dtype=torch.float32)
    model = nn.Linear(1, 1)
    with torch.no_grad():
        model.weight.fill_(weight)
        model.bias.fill_(bias)
    x_test, loss_fn = torch.tensor([5], dtype=torch.float32), nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    numbers = [f"{model(x_test).item():.3f}"]
    for epoch in range(100):
        loss = loss_fn(model(X), 2 * X)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if epoch % 10 == 0:
            numbers += [epoch + 1, f"{model.weight.item():.3f}", f"{loss:.8f}"]
    return [*numbers, f"{model(x_test).item():.3f}"]


def neighbours(number):
    """Yield the float32 numbers up to STEPS steps from a positive or negative one."""
    bits = np.float32(number).view(np.int32)
    yield from (bits + np.arange(-STEPS, STEPS + 1, dtype=np.int32)).view(np.float32).tolist()


@pytest.mark.slow
@pytest.mark.skipif(not X86, reason="on another platform a start prints other last digits")
@pytest.mark.parametrize("key", KEYS)
def test_a_search_nearby_finds_several_starts_that_print_every_digit(key):
    published = list(flatten(PUBLISHED["training_pipeline"][key]))
    weight, bias = STARTS[key].values()
    found = [
        pair
        for pair in itertools.product(neighbours(weight), neighbours(bias))
        if prints(*pair) == published
    ]
    assert (weight, bias) in found
    assert len(found) > 1


def test_the_script_starts_there():
    source = (ROOT / "08_training_pipeline.py").read_text(encoding="utf-8")
    for start in STARTS.values():
        for value in start.values():
            assert f".fill_({value})" in source
