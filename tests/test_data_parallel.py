"""data_parallel: the training of one process over several; ends in order, and says the cause."""

import os
import re
import signal
import socket
import sys
from multiprocessing import get_context
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.distributed as dist

from beyond import data_parallel
from manual_grad import numpy_closed_form

RUN = data_parallel.TUTORIAL
WAYS = [data_parallel.by_hand, data_parallel.with_ddp]


@pytest.fixture
def no_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)  # of no use without nccl
    monkeypatch.setattr(dist, "is_nccl_available", lambda: False)


@pytest.fixture
def alone(no_gpus):
    """The sums of this process alone; its group has ended after the test, whatever fails."""
    yield data_parallel.join()
    dist.destroy_process_group()


@pytest.mark.parametrize("train", WAYS)
def test_what_is_sent_is_exact_and_lives_as_long_as_the_group(train, alone, monkeypatch):
    assert data_parallel.add_up(2**53 - 1, alone)[0].item() == 2**53 - 1, "float32 would say 2^53"
    sent, all_reduce = [], dist.all_reduce
    note = lambda tensor: (sent.append(tensor is alone), all_reduce(tensor))  # noqa: E731
    monkeypatch.setattr(dist, "all_reduce", note)
    train(*RUN[:2], RUN.weight, RUN.bias, alone, lr=RUN.lr, epochs=3)
    assert sent == [True] * 4, "the number of points, and three epochs' sums"


@pytest.mark.parametrize("points", [40, 1000, 1001])
def test_the_shards_are_all_of_the_data_and_nothing_twice(points):
    X = RUN.X if points == 40 else 0.8 * torch.arange(points).unsqueeze(dim=1) / points
    for size in (1, 2, 3, 7):
        Xs, ys = zip(*(data_parallel.make_shard(points, rank, size) for rank in range(size)))
        torch.testing.assert_close(torch.cat(Xs), X, rtol=0, atol=1e-7)
        torch.testing.assert_close(torch.cat(ys), 0.7 * torch.cat(Xs) + 0.3, rtol=0, atol=0)
        assert -(-points // size) == len(Xs[0]) <= len(Xs[-1]) + 1
        for part in Xs + ys:
            assert part.untyped_storage().nbytes() == 4 * len(part), "a shard, no view of all"


def test_one_process_needs_no_launcher_and_prints_what_it_has_learned(capsys, no_gpus):
    data_parallel.main(points=40)
    assert not dist.is_initialized()
    printed = capsys.readouterr().out
    assert "\n# 40 points. Processes: 1 (gloo).\nThe first process keeps 40 points." in printed
    assert printed.count(" from one process's, 5.0e-06 allowed\n") == 2
    learned = np.array(re.findall(r"learned weight ([\d.]+), bias ([\d.]+)\n", printed), float)
    one = RUN.train(numpy_closed_form.train)
    np.testing.assert_allclose(learned, [[one.weight[-1], one.bias[-1]]] * 2, rtol=0, atol=1e-6)


def test_an_epochs_milliseconds_are_printed(capsys, no_gpus, monkeypatch):
    clock = SimpleNamespace(perf_counter=iter([5, 6, 10, 13]).__next__)
    monkeypatch.setattr(data_parallel, "time", clock)
    data_parallel.main(points=3)
    printed = capsys.readouterr().out
    assert "\n# by hand: 10.00 ms an epoch\n" in printed  # 100 epochs
    assert "\n# DDP: 30.00 ms an epoch\n" in printed


def test_only_the_tutorials_points_are_compared_with_one_process(capsys, no_gpus):
    data_parallel.main(points=41)
    assert "from one process's" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("points", "message"), [(0, "--points must be 1 or more, one for each"), (2**50, ".*allocat")]
)
def test_points_that_are_too_few_or_too_many_are_refused(points, message, no_gpus):
    with pytest.raises(SystemExit, match=f"^process 0 of 1: {message}"):
        data_parallel.main(points)
    assert not dist.is_initialized()


def test_a_wrong_training_is_refused(monkeypatch, no_gpus):
    wrong = lambda *args, lr, epochs: WAYS[0](*args, lr=1.001 * lr, epochs=epochs)  # noqa: E731
    monkeypatch.setattr(data_parallel, "by_hand", wrong)
    with pytest.raises(SystemExit, match="by hand does not follow the training of one process$"):
        data_parallel.main(points=40)


@pytest.mark.skipif(sys.platform != "linux", reason="forks a process that has loaded torch")
def test_two_processes_train_on_unequal_shards_until_one_is_killed(monkeypatch, no_gpus):
    """This process and a copy of it, joined as torchrun joins the processes that it starts."""

    def report(points, sums):
        shard = slice(13) if dist.get_rank() == 0 else slice(13, 40)
        data = RUN.X[shard].clone(), RUN.y[shard].clone(), RUN.weight, RUN.bias
        for train in WAYS:
            found.append(data_parallel.farthest(train(*data, sums, lr=RUN.lr, epochs=20)))
        data_parallel.add_up(0, sums)  # both have trained
        if dist.get_rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        data_parallel.add_up(0, sums)

    found = []
    monkeypatch.setattr(data_parallel, "report", report)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for name, value in dict(MASTER_ADDR="127.0.0.1", MASTER_PORT=port, WORLD_SIZE=2).items():
        monkeypatch.setenv(name, str(value))
    other = get_context("fork").Process(target=data_parallel.main, args=[40])
    monkeypatch.setenv("RANK", "1")
    other.start()
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(SystemExit, match="^process 0 of 2: "):
        data_parallel.main(points=40)
    other.join()
    assert other.exitcode == -signal.SIGKILL
    assert len(found) == 2
    assert max(found) <= data_parallel.TOLERANCE
