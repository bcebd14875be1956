"""data_parallel: the training of one process over several; ends in order, and blames the cause."""

import os
import re
import signal
import socket
import subprocess
import sys
import weakref
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.distributed as dist

from beyond import data_parallel
from manual_grad import numpy_closed_form, program

RUN = data_parallel.TUTORIAL


class Twins(data_parallel.Group):
    """Two processes, as one of them sees them, that have the same shard."""

    def add_up(self, numbers):
        return 2 * torch.as_tensor(numbers).double().expand(3)


@pytest.fixture
def alone():
    """The group of this process; it has ended after the test, whatever fails."""
    yield data_parallel.join()
    dist.destroy_process_group()


@pytest.mark.parametrize("train", [data_parallel.by_hand, data_parallel.with_ddp])
def test_each_epoch_is_that_of_one_process(train, alone):
    for group in (alone, Twins(*alone)._replace(size=2)):
        ours = train(*RUN[:2], RUN.weight, RUN.bias, group, lr=RUN.lr, epochs=RUN.epochs)
        assert data_parallel.farthest(ours) <= data_parallel.TOLERANCE
    half = data_parallel.with_ddp(*RUN[:2], RUN.weight, RUN.bias, Twins(*alone), lr=0.01, epochs=1)
    assert half.weight_grad[0] == ours.weight_grad[0] / 2, "half of all points count half"


@pytest.mark.parametrize("points", [40, 1000, 1001])
def test_the_shards_are_all_of_the_data_and_nothing_twice(points):
    X, y = data_parallel.make_shard(points, 0, 1)
    for size in (2, 3, 4, 7):
        shards = [data_parallel.make_shard(points, rank, size) for rank in range(size)]
        for whole, parts in zip((X, y), zip(*shards)):
            torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=0)
            assert -(-points // size) == len(parts[0]) <= len(parts[-1]) + 1
            for part in parts:
                assert part.untyped_storage().nbytes() == 4 * len(part), "a shard, no view of all"
    expected = RUN.X if points == 40 else 0.8 * torch.arange(points).unsqueeze(dim=1) / points
    torch.testing.assert_close(X, expected, rtol=0, atol=1e-7)
    torch.testing.assert_close(y, 0.7 * X + 0.3, rtol=0, atol=0)
    with pytest.raises(ValueError, match="--points must be 41 or more, one for each process"):
        data_parallel.make_shard(40, 0, 41)


def test_one_process_needs_no_launcher_and_prints_what_it_has_learned(capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)  # of no use without nccl
    monkeypatch.setattr(dist, "is_nccl_available", lambda: False)
    data_parallel.main(points=40, epochs=100)
    assert not dist.is_initialized()
    printed = capsys.readouterr().out
    assert "\n# Points: 40. Processes: 1 (gloo). Epochs: 100.\n" in printed
    assert printed.count(" from one process's, 5.0e-06 allowed\n") == 2
    data_parallel.main(points=250_000, epochs=1)
    assert "\nThe first process keeps 250000 points, 2.0 MB.\n" in capsys.readouterr().out
    learned = np.array(re.findall(r"learned weight ([\d.]+), bias ([\d.]+)\n", printed), float)
    one = RUN.train(numpy_closed_form.train)
    np.testing.assert_allclose(learned, [[one.weight[-1], one.bias[-1]]] * 2, rtol=0, atol=1e-6)


def test_a_wrong_training_is_refused(monkeypatch):
    by_hand = data_parallel.by_hand
    wrong = lambda *args, lr, epochs: by_hand(*args, lr=1.001 * lr, epochs=epochs)  # noqa: E731
    monkeypatch.setattr(data_parallel, "by_hand", wrong)
    with pytest.raises(SystemExit, match="^by hand does not follow the training of one process$"):
        data_parallel.main(points=40, epochs=3)


def test_tensors_that_are_sent_live_until_the_group_has_ended(monkeypatch):
    sent, alive, all_reduce, end = [], [], dist.all_reduce, dist.destroy_process_group
    note = lambda tensor: (sent.append(weakref.ref(tensor)), all_reduce(tensor))  # noqa: E731
    monkeypatch.setattr(dist, "all_reduce", note)
    look = lambda: (end(), alive.extend(tensor() for tensor in sent))  # noqa: E731
    monkeypatch.setattr(dist, "destroy_process_group", look)
    data_parallel.main(points=3, epochs=5)
    assert len(alive) == 2 * (2 + 6), "the number of points and 1 epoch, then and 5 epochs"
    assert not any(tensor is None for tensor in alive)


def test_an_error_is_blamed_on_what_it_is():
    with pytest.raises(SystemExit, match=r"^process 0 of 1 is out of memory: .*allocat"):
        data_parallel.main(points=2**50, epochs=1)
    for error, blame in [
        (RuntimeError("[gloo/transport/tcp/pair.cc]"), "has lost process 0 or 2: [gloo/tr"),
        (dist.DistBackendError("NCCL"), "has lost process 0 or 2: NCCL"),
        (torch.cuda.OutOfMemoryError("CUDA"), "is out of memory: CUDA"),
    ]:
        line = data_parallel.cause(error, SimpleNamespace(rank=1, size=3))
        assert line.startswith(f"process 1 of 3 {blame}")


@pytest.mark.parametrize("kind", [ValueError, RuntimeError])
def test_the_group_has_ended_after_an_error(kind, monkeypatch):
    def stop(*_):
        group.append(weakref.ref(dist.group.WORLD))
        raise kind("stopped")

    group = []
    monkeypatch.setattr(data_parallel, "by_hand", data_parallel.with_ddp)  # DDP holds the group
    monkeypatch.setattr(data_parallel, "as_trajectory", stop)
    with pytest.raises(SystemExit if kind is ValueError else kind, match="^stopped$") as error:
        data_parallel.main(points=40, epochs=1)
    assert group[0]() is None, f"the frames of {error} hold it"
    assert not dist.is_initialized()


def test_options_ask_for_positive_whole_numbers(monkeypatch, capsys):
    assert [data_parallel.whole_number(text) for text in ("1_000", f"{2**53}")] == [1000, 2**53]
    for option, value in product(["--points", "--epochs"], ["0", "-1", "1.5", "", f"{2**53 + 1}"]):
        monkeypatch.setattr(sys, "argv", ["data_parallel", f"{option}={value}"])
        with pytest.raises(SystemExit, match="2"):
            program.run(data_parallel.main, data_parallel.__doc__, data_parallel.ARGUMENTS)
        message = f"argument {option}: must be a whole number from 1 to 2^53, not {value!r}\n"
        assert capsys.readouterr().err.endswith(message)


OTHER = """
import os, signal
import test_data_parallel as test

def report(points, epochs, group):
    test.train_on_unequal_shards(group)
    group.add_up(0)  # both have trained
    os.kill(os.getpid(), signal.SIGKILL)

test.data_parallel.report = report
test.data_parallel.main(points=40, epochs=100)
"""


class MeanOfMeans(data_parallel.Group):
    """Two processes, each of which takes the other's shard to be as long as its own."""

    def add_up(self, numbers):
        if isinstance(numbers, int):
            return torch.tensor([self.size * numbers])
        return super().add_up(numbers)


def train_on_unequal_shards(group):
    """Return how far three trainings are from one process's, and a sum of whole numbers."""
    shard = slice(13) if group.rank == 0 else slice(13, 40)
    data = RUN.X[shard].clone(), RUN.y[shard].clone(), RUN.weight, RUN.bias
    trained = [
        data_parallel.by_hand(*data, group, lr=0.01, epochs=100),
        data_parallel.with_ddp(*data, group, lr=0.01, epochs=100),
        data_parallel.with_ddp(*data, MeanOfMeans(*group), lr=0.01, epochs=100),
    ]
    total = group.add_up([2**53 - 3, 2][group.rank])[0].item()
    return [*map(data_parallel.farthest, trained), total]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills a process by a signal")
def test_two_processes_train_on_unequal_shards_until_one_is_killed(monkeypatch):
    """This process and another one, as torchrun would start them."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for name, value in dict(MASTER_ADDR="127.0.0.1", MASTER_PORT=port, WORLD_SIZE=2).items():
        monkeypatch.setenv(name, str(value))
    path = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(__file__).parent)])
    environment = os.environ | {"RANK": "1", "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    other = subprocess.Popen([sys.executable, "-c", OTHER], env=environment)
    found = []

    def report(points, epochs, group):
        found.extend(train_on_unequal_shards(group))
        for _ in range(2):  # after the first the other one is gone
            group.add_up(0)

    monkeypatch.setenv("RANK", "0")
    monkeypatch.setattr(data_parallel, "report", report)
    with pytest.raises(SystemExit, match="^process 0 of 2 has lost process 1: "):
        data_parallel.main(points=40, epochs=100)
    assert other.wait(timeout=60) == -signal.SIGKILL
    by_hand, with_ddp, mean_of_means, total = found
    assert max(by_hand, with_ddp) <= data_parallel.TOLERANCE
    assert mean_of_means > 1000 * data_parallel.TOLERANCE
    assert total == 2**53 - 1, "exact; float32 would say 2^53"
