"""numpy_blocks: the closed form, block by block; as exact as its docstring says, on any threads."""

import os
import threading
import tracemalloc
from math import fsum, log2

import numpy as np
import pytest
from published_numbers import BOUND

from beyond import numpy_blocks
from beyond.numpy_blocks import BLOCK, ROWS, SHORT
from manual_grad import numpy_closed_form
from manual_grad.losses import LOSSES
from manual_grad.published_runs import published_runs

# In float64, two orders of adding up numbers of size 1: some 100 roundings of 2^-53 are 1e-14.
FLOAT64 = 1e-12
ROUNDING = 2.0**-24  # the largest relative rounding error of a float32 number
LONGEST_CHAIN = 61  # additions one after the other, as the docstring says


def noisy_line(n, dtype=np.float32, loss="mae", seed=0):
    """Return X, y, weight and bias: n points, above and below the line that they start from."""
    random = np.random.default_rng(seed)
    X = random.random((n, 1), np.float32)
    y = np.float32(0.7) * X + np.float32(0.3) + random.standard_normal((n, 1), np.float32)
    return X.astype(dtype), (y > 0.6 if loss == "bce" else y).astype(dtype), 0.25, 0.5


def test_the_published_runs_are_those_of_torch_optim(reference):
    runs = published_runs()
    by_default = numpy_blocks.train(*runs["section 3"][:2], *runs["section 3"][4:6])
    np.testing.assert_array_equal(by_default, runs["section 3"].train(numpy_blocks.train))
    for name, run in runs.items():
        ours, bound = run.train(numpy_blocks.train), BOUND[run.loss]
        np.testing.assert_allclose(ours, reference[name], rtol=0, atol=bound, err_msg=name)
        assert {column.dtype for column in ours} == {np.dtype(np.float32)}


@pytest.mark.parametrize("loss", LOSSES)
def test_blocks_equal_the_closed_form_at_every_edge(loss, monkeypatch):
    def check(problem):
        both = (t.train(*problem, loss=loss, epochs=3) for t in (numpy_blocks, numpy_closed_form))
        np.testing.assert_allclose(*both, rtol=0, atol=FLOAT64)

    for n in (1, 2, SHORT, SHORT + 1, BLOCK, BLOCK + 1, 2 * BLOCK + 33):
        check(noisy_line(n, np.float64, loss))
    X, y, *start = noisy_line(BLOCK + 100, np.float64, loss)
    check((X[::-2], y[::-2].astype(np.float32), *start))  # apart and backwards in memory
    monkeypatch.setattr(numpy_blocks, "BLOCK", 97)
    for seed in range(12):
        check(noisy_line(100 * seed + 1, np.float64, loss, seed))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_sign_is_numpys(dtype):
    info = np.finfo(dtype)
    edges = [0, info.smallest_subnormal, info.tiny, 1, info.max, np.inf]
    for n in (SHORT, SHORT + 1):
        values = np.resize(np.array(edges + [-edge for edge in edges[1:]], dtype), n)
        signs = np.empty_like(values)
        numpy_blocks.sign(values, signs)
        np.testing.assert_array_equal(signs, np.sign(values))
    X = np.zeros((2 * SHORT, 1), dtype)
    for zero in (0.0, -0.0):  # a residual of 0 has slope 0, whichever zeros it comes from
        one = numpy_blocks.train(X, np.full_like(X, zero), -1.0, -0.0, epochs=2)
        assert not np.any([one.loss, one.weight_grad, one.bias_grad])


def terms_of(X, y, loss):
    """Return the terms of the three sums in the first epoch of `noisy_line`: loss, weight, bias."""
    residual = np.float32(0.25) * X + np.float32(0.5) - y
    slope = np.sign(residual) if loss == "mae" else 2 * residual
    return np.abs(residual) if loss == "mae" else residual**2, slope * X, slope


def test_a_sum_is_as_near_to_exact_as_the_docstring_says():
    for n in (1, 40, SHORT + 1, BLOCK, 2 * BLOCK + 7):
        alike = np.full((n, 1), 0.3, np.float32), np.full((n, 1), 0.1, np.float32)
        for X, y in (noisy_line(n)[:2], alike):  # where all are alike, roundings don't cancel
            for loss in ("mae", "mse"):
                first = numpy_blocks.train(X, y, 0.25, 0.5, loss=loss, epochs=1)
                for name, mean, terms in zip(first._fields, first, terms_of(X, y, loss)):
                    exact, size = (fsum(some.flat) / n for some in (terms, np.abs(terms)))
                    bound = ROUNDING * (LONGEST_CHAIN * size + abs(exact))
                    assert abs(float(mean[0]) - exact) <= bound, (n, loss, name)
    one_by_one = np.add.accumulate(terms.ravel())[-1] / len(terms)
    assert abs(one_by_one - exact) > 10 * bound, "the check sees one long chain"
    assert LONGEST_CHAIN == ROWS - 1 + 25 + log2(BLOCK / ROWS / 128)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_bits_are_the_same_whatever_the_number_of_threads(loss, monkeypatch):
    monkeypatch.setattr(numpy_blocks, "BLOCK", 97)
    problem = noisy_line(1973, loss=loss)
    one = numpy_blocks.train(*problem, loss=loss, epochs=5, threads=1)
    for threads in (2, 5, 100):
        again = numpy_blocks.train(*problem, loss=loss, epochs=5, threads=threads)
        np.testing.assert_array_equal(one, again)


@pytest.mark.parametrize(
    ("blocks", "threads", "expected"), [(8, None, 3), (8, 2, 2), (2, None, 2), (8, 1, 1)]
)
def test_a_thread_for_each_core_and_a_block_for_each(blocks, threads, expected, monkeypatch):
    monkeypatch.setattr(numpy_blocks, "BLOCK", 96)
    monkeypatch.setattr(numpy_blocks, "cores", lambda: 3)
    meeting, at_work, add_up = threading.Barrier(expected, timeout=60), [], numpy_blocks.add_up

    def meet(*arguments):
        meeting.wait()  # fails after a minute, unless `expected` threads are at work together
        at_work.append(threading.get_ident())
        return add_up(*arguments)

    monkeypatch.setattr(numpy_blocks, "add_up", meet)
    numpy_blocks.train(*noisy_line(blocks * 96), epochs=2, threads=threads)
    assert (len(at_work), len(set(at_work))) == (2 * expected, expected)


def peak_of(train, dtype, **settings):
    """Return how many bytes a training on a million points takes beside them, at most."""
    problem = noisy_line(1_000_003, dtype)
    tracemalloc.start()
    try:
        train(*problem, epochs=2, **settings)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_no_array_is_as_long_as_the_data():
    assert peak_of(numpy_closed_form.train, np.float32) > 4e6, "the check sees a long array"
    for threads in (1, 2):
        assert peak_of(numpy_blocks.train, np.float32, threads=threads) < 2e6 * threads
    assert peak_of(numpy_blocks.train, np.float64, threads=1) < 4e6


def test_points_that_fit_into_a_block_start_no_thread(monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", lambda self: pytest.fail("a thread started"))
    numpy_blocks.train(*noisy_line(BLOCK), epochs=2, threads=8)


def test_what_cannot_be_trained_is_named(monkeypatch):
    monkeypatch.setattr(numpy_blocks, "BLOCK", 97)
    X, y, *start = noisy_line(1000)
    for threads in (0, 1.5):
        with pytest.raises(ValueError, match="threads must be a whole number, 1 or more"):
            numpy_blocks.train(X, y, *start, threads=threads)
    with pytest.raises(ValueError, match="loss must be one of"):
        numpy_blocks.train(X, y, *start, loss="l1")
    X[:500] *= -1  # so that infinities of both signs are added up
    for threads in (1, 2):
        with pytest.raises(FloatingPointError, match="no longer finite in epoch"):
            numpy_blocks.train(X, y, *start, loss="mse", lr=1e30, threads=threads)


def test_the_cores_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", {0: {0, 2, 5}}.get, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert numpy_blocks.cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    assert numpy_blocks.cores() == 1
