"""numpy_blocks: its definition, the published runs, the accuracy of its sums."""

import inspect

import numpy as np
import pytest
from problems import (
    LOSSES,
    check_gradients,
    check_trajectory,
    mutant,
    noisy_line,
    random_problem,
)
from published_numbers import X86
from tolerances import TRAJECTORY_FLOAT64
from trained import by_torch

from beyond import numpy_blocks
from manual_grad import numpy_closed_form
from manual_grad.published_runs import published_runs

BLOCK = numpy_blocks.BLOCK
RUNS = {name: run for name, run in published_runs().items() if run.loss == "mae"}


@pytest.mark.skipif(not X86, reason="measured on x86-64 CPUs, promised nowhere")
@pytest.mark.parametrize("name", RUNS)
def test_blocks_follow_the_published_runs_to_the_bit(name):
    """Weight and bias. test_trainers_published.py checks each loss and gradient, on any CPU."""
    ours, reference = RUNS[name].train(numpy_blocks.train), by_torch(name)
    for column in ("weight", "bias"):
        a, b = getattr(ours, column), getattr(reference, column)
        np.testing.assert_array_equal(a, b, err_msg=column)


# 40 random problems for each loss, the first of them without `slow`.
some_seeds = pytest.mark.parametrize(
    "seeds",
    [range(12), pytest.param(range(12, 40), marks=pytest.mark.slow)],
    ids=["0 to 11", "12 to 39"],
)


@some_seeds
@pytest.mark.parametrize("loss", LOSSES)
def test_random_problems_in_blocks_of_97(loss, seeds, monkeypatch):
    monkeypatch.setattr(numpy_blocks, "BLOCK", 97)
    for seed in seeds:
        problem = random_problem(seed, loss)
        check_gradients(numpy_blocks.train, problem, loss)
        check_trajectory(numpy_blocks.train, problem, loss)


def check_definition(X, y, weight, bias, loss):
    """Assert that some epochs in float64 are numpy_closed_form's."""
    ours = numpy_blocks.train(X, y, weight, bias, loss=loss, epochs=3)
    definition = numpy_closed_form.train(X, y, weight, bias, loss=loss, epochs=3)
    np.testing.assert_allclose(ours, definition, rtol=0, atol=TRAJECTORY_FLOAT64)


ROWS, SHORT = numpy_blocks.ROWS, numpy_blocks.SHORT
EDGES = [1, 2, SHORT, SHORT + 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("n", EDGES)
def test_blocks_equal_their_definition_at_the_edges_of_a_block(n, loss):
    check_definition(*noisy_line(n, np.float64, loss), loss)


@pytest.mark.parametrize("step", [2, -1])
def test_blocks_take_rows_that_lie_apart_or_backwards_in_memory(step):
    X, y, *start = noisy_line(3 * BLOCK, np.float64)
    check_definition(X[::step], y[::step], *start, "mae")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("n", [SHORT, SHORT + 1, 3 * SHORT])
def test_the_sign_is_numpys(n, dtype):
    info = np.finfo(dtype)
    edges = [0, info.smallest_subnormal, info.tiny, 1, info.max, np.inf]
    values = np.resize(np.array(edges + [-edge for edge in edges[1:]], dtype), n)
    signs = np.empty_like(values)
    numpy_blocks.sign(values, signs)
    np.testing.assert_array_equal(signs, np.sign(values))


def test_a_residual_of_0_has_slope_0_whatever_the_zeros_are():
    n = 2 * SHORT
    X = np.zeros((n, 1), np.float32)
    for zero in (0.0, -0.0):
        one = numpy_blocks.train(X, np.full_like(X, zero), -1.0, -0.0, epochs=2)
        assert not np.any([one.loss, one.weight_grad, one.bias_grad])


# --- mistakes

MUTATIONS = [
    ("pairwise([*starts, whole, n])", "pairwise([*starts, whole])"),
    ("[*starts, whole, n])", "[*starts, whole - 1, n])"),
    ("X[start:stop], y[start:stop]", "X[start - 1 : stop - 1], y[start:stop]"),
    ("X[start:stop], y[start:stop]", "X[start:stop], y[: stop - start]"),
    ("whole = n - n % ROWS if n > SHORT else n", "whole = n"),
    ("else rows\n", "else rows[:, 1:]\n"),
    ("* thread // threads", "* thread // (threads + 1)"),
    ("np.multiply(y_pred_grad, X,", "np.multiply(y_pred_grad, y,"),
    ("np.add.reduce(terms, 1).tolist()", "np.add.reduce(terms[:, 1:], 1).tolist()"),
    ("sums += future.result()", "future.result()"),
    ("n = len(X)\n    own", "n = BLOCK\n    own"),
    ("    sign(residual,", "    np.copysign(1.0, residual,"),
    ("np.abs(residual,", "np.positive(residual,"),
    ("np.add(residual, residual,", "np.add(residual, 0,"),
    ("np.multiply(residual, residual,", "np.multiply(residual, 1,"),
    ("y[part] * z, z)", "y[part], z)"),
    ("range(0, len(y), SHORT)", "range(SHORT, len(y), SHORT)"),
    ("sigmoid(z), y[part],", "sigmoid(z), 0,"),
    ("weight -= lr * weight_grad", "weight -= lr * bias_grad"),
    ("bias -= lr * bias_grad", "bias += lr * bias_grad"),
    ("np.add(y_pred, bias,", "np.add(y_pred, 0,"),
]


@pytest.mark.parametrize(("old", "new"), MUTATIONS, ids=[new for _, new in MUTATIONS])
def test_a_mistake_in_the_blocks_is_caught(old, new, monkeypatch):
    source = inspect.getsource(numpy_blocks)
    assert old in source, "this mutation changes nothing"
    wrong = mutant("beyond", "numpy_blocks", source.replace(old, new), monkeypatch)
    wrong.BLOCK, wrong.SHORT = 7, 3

    def check():
        for loss in LOSSES:
            for seed in range(8):
                check_gradients(wrong.train, random_problem(seed, loss), loss)
                check_trajectory(wrong.train, random_problem(seed, loss), loss)

    with pytest.raises((AssertionError, LookupError, ValueError, FloatingPointError)):
        check()


def test_data_of_the_other_byte_order_trains_alike():
    X, y, *start = noisy_line(3 * SHORT, np.float32)
    ours = numpy_blocks.train(X, y, *start, epochs=3)
    swapped = (values.astype(values.dtype.newbyteorder()) for values in (X, y))
    np.testing.assert_array_equal(ours, numpy_blocks.train(*swapped, *start, epochs=3))


def test_each_loss_leaves_the_data_as_it_was():
    for loss in LOSSES:
        X, y, *start = noisy_line(BLOCK + 1, np.float32, loss)
        before = X.copy(), y.copy()
        numpy_blocks.train(X, y, *start, loss=loss, epochs=2, threads=2)
        np.testing.assert_array_equal((X, y), before)
