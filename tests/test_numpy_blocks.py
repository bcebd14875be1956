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


def noisy_line(n, dtype=np.float32, loss="mae"):
    """Return X, y, weight and bias: n points, above and below the line that they start from."""
    random = np.random.default_rng(n)
    X = random.random((n, 1), np.float32)
    y = np.float32(0.7) * X + np.float32(0.3) + random.standard_normal((n, 1), np.float32)
    return X.astype(dtype), (y > 0.6 if loss == "bce" else y).astype(dtype), 0.25, 0.5


def test_the_published_runs_are_those_of_torch_optim_and_the_first_is_the_default(reference):
    runs = published_runs()
    ours = {name: run.train(numpy_blocks.train) for name, run in runs.items()}
    ours["section 3"] = numpy_blocks.train(*runs["section 3"][:2], *runs["section 3"][4:6])
    for name, run in runs.items():
        bound = BOUND[run.loss]
        np.testing.assert_allclose(ours[name], reference[name], rtol=0, atol=bound, err_msg=name)
        assert {column.dtype for column in ours[name]} == {np.dtype(np.float32)}


@pytest.mark.parametrize("loss", LOSSES)
def test_blocks_equal_the_closed_form_at_every_edge(loss, monkeypatch):
    problems = [noisy_line(n, np.float64, loss) for n in (1, 2, SHORT, SHORT + 1, BLOCK + 33)]
    short = [noisy_line(n, np.float64, loss) for n in range(1, 1200, 100)]
    for block, some in ((BLOCK, problems), (97, short)):
        monkeypatch.setattr(numpy_blocks, "BLOCK", block)
        for problem in some:
            trainers = numpy_blocks.train, numpy_closed_form.train
            both = (train(*problem, loss=loss, epochs=3) for train in trainers)
            np.testing.assert_allclose(*both, rtol=0, atol=FLOAT64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_sign_is_numpys(dtype):
    info = np.finfo(dtype)
    edges = [0, info.smallest_subnormal, info.tiny, 1, info.max, np.inf]
    values = np.resize(np.array(edges + [-edge for edge in edges[1:]], dtype), SHORT + 1)
    signs = np.empty_like(values)
    numpy_blocks.sign(values, signs)
    np.testing.assert_array_equal(signs, np.sign(values))


def test_a_residual_of_0_has_slope_0_whichever_zeros_it_comes_from():
    X = np.zeros((2 * SHORT, 1))
    for zero in (0.0, -0.0):
        one = numpy_blocks.train(X, np.full_like(X, zero), -1.0, -0.0, epochs=2)
        assert not np.any([one.loss, one.weight_grad, one.bias_grad])


def test_a_sum_is_as_near_to_exact_as_the_docstring_says():
    for n in (1, 40, SHORT + 1, BLOCK, 2 * BLOCK + 7):
        alike = np.full((n, 1), 0.3, np.float32), np.full((n, 1), 0.1, np.float32)
        for X, y in (noisy_line(n)[:2], alike):  # where all are alike, roundings don't cancel
            first = numpy_blocks.train(X, y, 0.25, 0.5, loss="mse", epochs=1)
            residual = np.float32(0.25) * X + np.float32(0.5) - y
            for mean, terms in zip(first, (residual**2, 2 * residual * X, 2 * residual)):
                exact, size = (fsum(some.flat) / n for some in (terms, np.abs(terms)))
                bound = ROUNDING * (LONGEST_CHAIN * size + abs(exact))
                assert abs(float(mean[0]) - exact) <= bound, n
    assert LONGEST_CHAIN == ROWS - 1 + 25 + log2(BLOCK / ROWS / 128)


def test_the_bits_are_the_same_whatever_the_number_of_threads(monkeypatch):
    monkeypatch.setattr(numpy_blocks, "BLOCK", 97)
    problem = noisy_line(1973)
    one = numpy_blocks.train(*problem, loss="mse", epochs=5, threads=1)
    for threads in (2, 5, 100):
        again = numpy_blocks.train(*problem, loss="mse", epochs=5, threads=threads)
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


@pytest.mark.parametrize(("dtype", "threads"), [(np.float32, 1), (np.float32, 2), (np.float64, 1)])
def test_no_array_is_as_long_as_the_data(dtype, threads):
    problem = noisy_line(1_000_003, dtype)
    tracemalloc.start()
    try:
        numpy_blocks.train(*problem, epochs=2, threads=threads)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 1e6 < peak < 5e5 * np.dtype(dtype).itemsize * threads, "2 MB a thread at float32"


def test_points_that_fit_into_a_block_start_no_thread(monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", lambda self: pytest.fail("a thread started"))
    numpy_blocks.train(*noisy_line(BLOCK), epochs=2, threads=8)


@pytest.mark.parametrize(("name", "value"), [("threads", 0), ("threads", 1.5), ("loss", "l1")])
def test_a_bad_option_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"^{name} must be .*, not {value!r}$"):
        numpy_blocks.train(*noisy_line(5), **{name: value})


@pytest.mark.parametrize("threads", [1, 2])
def test_an_overflow_is_named_with_its_epoch_and_warns_in_no_thread(threads, monkeypatch):
    monkeypatch.setattr(numpy_blocks, "BLOCK", 97)
    X, y, *start = noisy_line(1000)
    X[:500] *= -1  # so that infinities of both signs are added up
    with pytest.raises(FloatingPointError, match="no longer finite in epoch"):
        numpy_blocks.train(X, y, *start, loss="mse", lr=1e30, threads=threads)


def test_the_cores_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", {0: {0, 2, 5}}.get, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert numpy_blocks.cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    assert numpy_blocks.cores() == 1
