"""data_parallel: the training of one process over several; ends in order, and blames the cause."""

import json
import os
import re
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


SCRIPT = """
import json, os, signal, torch
from pathlib import Path
from beyond.data_parallel import TUTORIAL, Group, by_hand, farthest, main, with_ddp
from beyond import data_parallel

class MeanOfMeans(Group):
    def add_up(self, numbers):  # as if the other shard were as long
        if isinstance(numbers, int):
            return torch.tensor([self.size * numbers])
        return super().add_up(numbers)

def report(points, epochs, group):
    shard = slice(13) if group.rank == 0 else slice(13, 40)
    data = TUTORIAL.X[shard].clone(), TUTORIAL.y[shard].clone(), TUTORIAL.weight, TUTORIAL.bias
    found = [
        farthest(by_hand(*data, group, lr=0.01, epochs=epochs)),
        farthest(with_ddp(*data, group, lr=0.01, epochs=epochs)),
        farthest(with_ddp(*data, MeanOfMeans(*group), lr=0.01, epochs=epochs)),
        group.add_up([2**53 - 3, 2][group.rank])[0],
    ]
    Path(f"{group.rank}.json").write_text(json.dumps([float(number) for number in found]))
    group.add_up(0)  # both have written
    if group.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    group.add_up(0)

data_parallel.report = report
main(points=40, epochs=100)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills a process by a signal")
def test_torchrun_trains_on_unequal_shards_until_a_process_is_killed(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    torchrun = "-m torch.distributed.run --standalone --nproc-per-node 2 --monitor-interval 2"
    run = subprocess.run(
        [sys.executable, *torchrun.split(), "script.py"], cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    for rank in (0, 1):
        found = json.loads((tmp_path / f"{rank}.json").read_text(encoding="utf-8"))
        by_hand, with_ddp, mean_of_means, total = found
        assert max(by_hand, with_ddp) <= data_parallel.TOLERANCE
        assert mean_of_means > 1000 * data_parallel.TOLERANCE
        assert total == 2**53 - 1, "exact; float32 would say 2^53"
    assert run.returncode == 1
    assert "process 0 of 2 has lost process 1: " in run.stderr
    assert "Signal 9 (SIGKILL) received by PID " in run.stderr
