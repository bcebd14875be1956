"""processes: a group ends in order, an error is blamed on what it is, and progress is told."""

import sys
import weakref
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
from programs import call

from beyond import data_parallel, processes


def test_tensors_that_are_sent_live_until_the_group_has_ended(monkeypatch, capsys):
    sent, all_reduce, destroy = [], dist.all_reduce, dist.destroy_process_group

    def reduce(tensor, *arguments):
        sent.append((tensor.dtype, weakref.ref(tensor)))
        return all_reduce(tensor, *arguments)

    def end():
        destroy()
        assert all(tensor() is not None for _, tensor in sent)
        sent.append("ended")

    monkeypatch.setattr(dist, "all_reduce", reduce)
    monkeypatch.setattr(dist, "destroy_process_group", end)
    data_parallel.main(points=3, epochs=5)
    assert sent.pop() == "ended"
    once, each_epoch = torch.int64, torch.float64
    first_use = [once, each_epoch]
    training = [once] + [each_epoch] * 5
    assert [dtype for dtype, _ in sent] == first_use * 2 + training * 2


def two_hundred_groups():
    for _ in range(200):
        data_parallel.main(points=1, epochs=2)
    print("ended")


@pytest.mark.slow
def test_two_hundred_groups_one_after_the_other_all_end(tmp_path):
    """They would not, with torch 2.2, if a tensor that is sent were gone before its group."""
    run = call(two_hundred_groups, folder=tmp_path)
    assert run.returncode == 0, run.stderr
    assert run.stdout.endswith("ended\n")


def test_out_of_memory_is_blamed_on_memory():
    with pytest.raises(SystemExit, match=r"^process 0 of 1 is out of memory: .*allocat"):
        data_parallel.main(points=2**50, epochs=1)
    assert not dist.is_initialized()


def test_another_error_stays_what_it_is(monkeypatch):
    def report(points, epochs, group):
        torch.zeros(2) + torch.zeros(3)

    monkeypatch.setattr(data_parallel, "report", report)
    with pytest.raises(RuntimeError, match=r"size of tensor a \(2\) must match"):
        data_parallel.main(points=40, epochs=1)
    assert not dist.is_initialized()


def test_gpus_without_nccl_are_left_alone(monkeypatch):
    monkeypatch.setattr(dist, "is_nccl_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    with processes.joined() as group:
        assert group.device == torch.device("cpu")
        assert dist.get_backend() == "gloo"


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "no terminal"])
@pytest.mark.parametrize("rank", [0, 1])
def test_progress_is_told_once_and_to_a_terminal_only(terminal, rank, monkeypatch, capsys):
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(processes, "time", clock)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    group = processes.Group(rank, 2, device=None, count=None, sums=None)
    epochs = []
    for epoch in processes.progress(6, group):
        clock.now += 0.9
        epochs.append(epoch)
    assert epochs == list(range(6))
    told = "\repoch 3 of 6\repoch 5 of 6\r            \r"
    assert capsys.readouterr().out == (told if terminal and rank == 0 else "")
