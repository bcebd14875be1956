"""The published runs are the tutorials': their data, starts, settings and printed losses."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from published_numbers import BOUND, PUBLISHED

from manual_grad.numpy_closed_form import START
from manual_grad.published_runs import published_runs

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


@pytest.mark.parametrize("name", RUNS)
def test_a_run_by_torch_optim_has_the_published_losses(name, reference):
    run, (tutorial, section, *_) = RUNS[name], WHERE[name]
    printed = PUBLISHED[tutorial][section]
    assert (run.lr, run.epochs) == (printed["lr"], printed["epochs"])
    first = 0 if run.loss == "mae" else 1  # the second tutorial counts from 1, after the weight
    for epoch, *row in printed["rows"]:
        digits = len(row[first].split(".")[1])
        half_a_digit = 0.5 * 10.0**-digits
        ours = reference[name].loss[epoch - first]
        assert abs(ours - float(row[first])) <= BOUND[run.loss] + half_a_digit


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
