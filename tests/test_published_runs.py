"""The published runs are the tutorials': their data, starts, settings and printed losses."""

import itertools

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from published_numbers import PUBLISHED

from manual_grad.numpy_closed_form import START
from manual_grad.published_runs import CUSTOM_START, LINEAR_START, published_runs

RUNS = published_runs()
# For each run: the file and the section that print it; slope, bias and step of its data.
WHERE = {
    "section 3": ("workflow_notebook", "3_training", 0.7, 0.3, 0.02),
    "section 6": ("workflow_notebook", "6_training", 0.7, 0.3, 0.02),
    "exercise": ("exercise_solutions", "3_training", 0.3, 0.9, 0.01),
    "exercise, author's": ("author_solutions", "3_training", 0.3, 0.9, 0.01),
    "pipeline, nn.Linear": ("training_pipeline", "3_nn_linear", 2.0, 0.0, 1.0),
    "pipeline, custom": ("training_pipeline", "4_custom_module", 2.0, 0.0, 1.0),
}


def published(name):
    """Return what a tutorial prints of a run."""
    tutorial, section, *_ = WHERE[name]
    return PUBLISHED[tutorial][section]


@pytest.mark.parametrize("name", RUNS)
def test_a_run_by_torch_optim_has_the_published_losses(name, reference):
    run, printed = RUNS[name], published(name)
    assert (run.lr, run.epochs) == (printed["lr"], printed["epochs"])
    first = 0 if run.loss == "mae" else 1  # the second tutorial counts from 1, after the weight
    for epoch, *row in printed["rows"]:
        digits = len(row[first].split(".")[1])
        half_a_digit = 0.5 * 10.0**-digits
        # 4e-6 and 2e-5: what any order of a float32 mean can change, see test_trainers.py.
        tolerance = half_a_digit + {"mae": 4e-6, "mse": 2e-5}[run.loss]
        ours = reference[name].loss[epoch - first]
        assert_allclose(ours, float(row[first]), rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", RUNS)
def test_the_data_are_a_line_split_80_to_20(name):
    run, (*_, slope, bias, step) = RUNS[name], WHERE[name]
    assert {part.dtype for part in run[:4]} == {torch.float32}
    X, y = (torch.cat(parts) for parts in ((run.X, run.X_test), (run.y, run.y_test)))
    n, first = {0.02: (50, 0), 0.01: (100, 0), 1.0: (5, 1)}[step]
    assert (len(run.X), X.shape, y.shape) == (n * 4 // 5, (n, 1), (n, 1))
    expected = step * np.arange(first, first + n).reshape(-1, 1)
    assert_allclose(X, expected, rtol=3e-7)  # arange rounds its step on some CPUs
    assert_allclose(y, slope * expected + bias, rtol=3e-7)


def test_the_starts_are_the_seeds_and_the_random_state_stays():
    state = torch.random.get_rng_state()
    published_runs()
    assert_array_equal(torch.random.get_rng_state(), state)
    torch.manual_seed(42)
    of_section_3 = torch.randn(1).item(), torch.randn(1).item()
    torch.manual_seed(42)
    of_section_6 = tuple(parameter.item() for parameter in torch.nn.Linear(1, 1).parameters())
    torch.random.set_rng_state(state)
    assert of_section_3 == START
    for name in ("section 3", "exercise, author's"):
        assert (RUNS[name].weight, RUNS[name].bias) == of_section_3
    for name in ("section 6", "exercise"):
        assert (RUNS[name].weight, RUNS[name].bias) == of_section_6


@pytest.mark.parametrize(
    ("name", "start"), [("pipeline, nn.Linear", LINEAR_START), ("pipeline, custom", CUSTOM_START)]
)
def test_a_start_without_a_seed_follows_from_the_printed_losses(name, start):
    """Under MSE, the loss of epoch k is a sum of two terms that shrink by constant factors.

    With the Hessian H, the error e = theta - theta* becomes (I - lr H) e in each epoch, and the
    loss is e^T H e / 2. Along an eigenvector of H with the eigenvalue h, e shrinks by 1 - lr h.
    """
    run, printed = RUNS[name], published(name)
    assert (run.weight, run.bias) == (start["weight"], start["bias"])
    A = np.array([[1.0, 1], [2, 1], [3, 1], [4, 1]])
    h, vectors = np.linalg.eigh(2 / 4 * A.T @ A)
    epochs = np.array([row[0] - 1 for row in printed["rows"]])
    losses = np.array([float(row[2]) for row in printed["rows"]])
    terms = (1 - run.lr * h) ** (2 * epochs[:, None]) * h / 2
    system = terms / losses[:, None]
    squares = np.linalg.lstsq(system, np.ones_like(losses), rcond=None)[0]
    # Two unknown signs give four starts. What f(5) is before training tells which.
    four = [
        np.array([2.0, 0.0]) + vectors @ (np.sqrt(squares) * signs)
        for signs in itertools.product((1, -1), repeat=2)
    ]
    [found] = [s for s in four if abs(s @ [5, 1] - float(printed["before f(5)"])) < 1e-3]
    assert_allclose(found, [run.weight, run.bias], rtol=0, atol=2e-3)  # losses of 8 decimals
