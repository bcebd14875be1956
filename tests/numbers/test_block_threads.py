"""numpy_blocks on several threads: the same bits, as many threads as help, little memory."""

import os
import threading
import tracemalloc

import numpy as np
import pytest
from problems import LOSSES, noisy_line

from beyond import numpy_blocks
from manual_grad import numpy_closed_form

BLOCK = numpy_blocks.BLOCK
MEGABYTE = 1e6


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("block", [97, pytest.param(BLOCK, marks=pytest.mark.slow)])
def test_the_bits_are_the_same_whatever_the_number_of_threads(block, loss, monkeypatch):
    monkeypatch.setattr(numpy_blocks, "BLOCK", block)
    problem = noisy_line(10 * block + 3, np.float32, loss)
    one = numpy_blocks.train(*problem, loss=loss, epochs=5, threads=1)
    for threads in (2, 3, 5, 100, None):
        np.testing.assert_array_equal(
            one, numpy_blocks.train(*problem, loss=loss, epochs=5, threads=threads)
        )


@pytest.mark.parametrize(
    ("blocks", "threads", "expected"), [(8, None, 3), (8, 2, 2), (2, None, 2), (8, 1, 1)]
)
def test_a_thread_for_each_core_and_at_least_a_block_for_each(
    blocks, threads, expected, monkeypatch
):
    monkeypatch.setattr(numpy_blocks, "BLOCK", 97)
    monkeypatch.setattr(numpy_blocks, "cores", lambda: 3)
    meeting, at_work, add_up = threading.Barrier(expected, timeout=60), [], numpy_blocks.add_up

    def meet(*arguments):
        meeting.wait()  # for ever, unless `expected` threads are at work at the same time
        at_work.append(threading.get_ident())
        return add_up(*arguments)

    monkeypatch.setattr(numpy_blocks, "add_up", meet)
    numpy_blocks.train(*noisy_line(blocks * 97, np.float32), epochs=2, threads=threads)
    assert len(at_work) == 2 * expected
    assert len(set(at_work)) == expected


def test_few_points_start_no_thread(monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", lambda self: pytest.fail("a thread started"))
    numpy_blocks.train(*noisy_line(BLOCK, np.float32), epochs=2, threads=8)


@pytest.mark.parametrize("n", [1, 40, 1025, BLOCK, BLOCK + 1, 2 * BLOCK + 1, 10 * BLOCK + 17])
def test_the_shares_hold_each_point_once_and_are_of_nearly_one_size(n):
    X, long_blocks = np.arange(n), max(1, -(-(n - n % numpy_blocks.ROWS) // BLOCK))
    for threads in (1, 2, 3, 5, 11):
        shares = numpy_blocks.shares(X, -X, threads)
        blocks = [block for share in shares for block in share]
        np.testing.assert_array_equal(np.concatenate([block[0] for block in blocks]), X)
        np.testing.assert_array_equal(np.concatenate([block[1] for block in blocks]), -X)
        assert max(len(block[0]) for block in blocks) <= BLOCK
        assert len(shares) == min(threads, long_blocks), "a few points are no share"
        sizes = [sum(len(block[0]) for block in share) for share in shares]
        assert max(sizes) <= min(sizes) + BLOCK + 16 * len(blocks)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("threads", [1, 2])
def test_no_longer_finite_is_said_as_by_the_other_trainers(threads, dtype, monkeypatch):
    monkeypatch.setattr(numpy_blocks, "BLOCK", 97)
    X, y, *start = noisy_line(1000, dtype)
    X[:500] *= -1  # so that infinities of both signs are added up
    for lr in (1e30, 1e200)[: 2 if dtype == np.float64 else 1]:
        with pytest.raises(FloatingPointError, match="no longer finite in epoch"):
            numpy_blocks.train(X, y, *start, loss="mse", lr=lr, threads=threads)


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2"])
def test_a_number_of_threads_that_is_none_is_refused(threads):
    with pytest.raises(ValueError, match="threads must be a whole number, 1 or more, or None"):
        numpy_blocks.train(*noisy_line(40, np.float32), threads=threads)


def test_the_cores_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "process_cpu_count", lambda: 7, raising=False)
    assert numpy_blocks.cores() == 7
    monkeypatch.delattr(os, "process_cpu_count")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 2, 5}, raising=False)
    assert numpy_blocks.cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert numpy_blocks.cores() == 5
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert numpy_blocks.cores() == 1


def peak_of_arrays(train, n, loss="mae", **settings):
    """Return how many bytes of arrays a trainer has at most, beside its inputs."""
    X, y, *start = noisy_line(n, np.float32, loss)
    tracemalloc.start()
    try:
        train(X, y, *start, loss=loss, epochs=2, **settings)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_blocks_make_no_array_of_size_n():
    n = 2_000_003
    assert peak_of_arrays(numpy_closed_form.train, n) > 4 * n, "the check sees an array of size n"
    for threads, loss in [(1, "mae"), (3, "mae"), (1, "mse"), (1, "bce")]:
        peak = peak_of_arrays(numpy_blocks.train, n, loss, threads=threads)
        assert peak < 2 * MEGABYTE * threads, loss
