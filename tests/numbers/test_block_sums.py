"""The sums of numpy_blocks: as near to exact as its docstring says, the same on every processor."""

import inspect
from math import fsum, log2

import numpy as np
import pytest
from problems import LOSSES, mutant, noisy_line
from programs import run_python
from tolerances import BCE_TERM_FLOAT32, FLOAT32_ROUNDING

from beyond import numpy_blocks

BLOCK, ROWS, SHORT = numpy_blocks.BLOCK, numpy_blocks.ROWS, numpy_blocks.SHORT


def alike(n, loss):
    """Return n points that are all the same: the roundings of a sum don't average out."""
    X = np.full((n, 1), 0.3, np.float32)
    return X, np.full((n, 1), 1 if loss == "bce" else 0.1, np.float32), 0.25, 0.5


def check_sums(train, problem, loss, chain=numpy_blocks.LONGEST_CHAIN):
    """Assert that a first epoch's loss and gradients are as near to exact as `chain` promises.

    The exact numbers start from the predictions in float32, which are the same in any order.
    """
    X, y, weight, bias = problem
    trained = train(X, y, weight, bias, loss=loss, epochs=1)
    y_pred = (np.float32(weight) * X + np.float32(bias)).astype(np.float64)
    residual = (y_pred - y).astype(np.float32).astype(np.float64)
    if loss == "bce":
        g = 1 / (1 + np.exp(-y_pred)) - y
        terms = [np.logaddexp(0, y_pred) - y * y_pred, g * X, g]
        sizes = [1 + np.abs(y_pred), np.abs(X), np.ones(X.shape)]
        off = [BCE_TERM_FLOAT32 * fsum(size.flat) for size in sizes]
    else:
        g = np.sign(residual) if loss == "mae" else 2 * residual
        terms = [np.abs(residual) if loss == "mae" else residual**2, g * X, g]
        off = [0, 0, 0]
    for column, terms_of_sum, terms_off in zip(trained[:3], terms, off):
        exact = fsum(terms_of_sum.flat) / len(X)
        rounded = (chain + 1) * fsum(np.abs(terms_of_sum).flat) / len(X) + abs(exact)
        error = abs(float(column[0]) - exact)
        assert error <= FLOAT32_ROUNDING * rounded + terms_off / len(X), (exact, error)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    "n", [1, 40, 1_000, SHORT + 1, BLOCK, pytest.param(3 * BLOCK + 7, marks=pytest.mark.slow)]
)
def test_a_sum_is_as_near_to_exact_as_the_docstring_says(n, loss):
    for seed in range(3):
        check_sums(numpy_blocks.train, noisy_line(n, np.float32, loss, seed), loss)
    check_sums(numpy_blocks.train, alike(n, loss), loss)


@pytest.mark.slow
def test_a_sum_of_three_million_terms_is_no_farther_from_exact():
    check_sums(numpy_blocks.train, noisy_line(3_000_000, np.float32), "mae")


def test_the_longest_chain_is_counted_right():
    pairs = {columns: 15 + 3 + 7 + log2(columns / 128) for columns in (BLOCK // ROWS, SHORT)}
    assert numpy_blocks.LONGEST_CHAIN == ROWS - 1 + pairs[BLOCK // ROWS] > pairs[SHORT]


ONE_BY_ONE = {  # a place where float32 numbers are added one by one, and the length of its blocks
    "in a block": ("np.add.reduce(terms, 1).tol", "np.add.accumulate(terms, 1)[:, -1].tol", BLOCK),
    "over the blocks": ("map(sum,", "map(lambda c: float(np.cumsum(c, dtype=dtype)[-1]),", 16),
}


@pytest.mark.parametrize(("old", "new", "block"), ONE_BY_ONE.values(), ids=ONE_BY_ONE)
def test_the_check_of_the_sums_sees_one_long_chain(old, new, block, monkeypatch):
    source = inspect.getsource(numpy_blocks)
    assert old in source, "this mutation changes nothing"
    slow = mutant("beyond", "numpy_blocks", source.replace(old, new), monkeypatch)
    slow.BLOCK = block
    with pytest.raises(AssertionError):
        check_sums(slow.train, alike(300_000, "mae"), "mae")


def test_the_bits_are_the_same_on_every_kind_of_processor(tmp_path):
    code = (
        "import numpy as np; from beyond import numpy_blocks\n"
        "X = np.random.default_rng(0).random((50_000, 1), np.float32); y = X[::-1] * X\n"
        "for loss in ('mae', 'mse'):\n"
        "    print(np.array(numpy_blocks.train(X, y, 0.25, 0.5, loss=loss, epochs=9)).tobytes())"
    )
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    outputs = set()
    for disabled in ("", " ".join(found)):
        run = run_python("-c", code, folder=tmp_path, NPY_DISABLE_CPU_FEATURES=disabled)
        assert run.returncode == 0, run.stderr
        outputs.add(run.stdout)
    assert len(outputs) == 1
