"""data_parallel: the training of one process over several, until one of them is killed."""

import multiprocessing
import os
import re
import runpy
import signal
import sys
import time

import numpy as np
import pytest
import torch
import torch.distributed as dist
from programs import ROOT, begin, finished, run_python
from tolerances import LEARNED_IN_ANOTHER_ORDER

from beyond import data_parallel
from manual_grad import numpy_closed_form, program
from manual_grad.published_runs import published_runs

RUN = published_runs()["section 3"]
LAST_RESORT = 150  # seconds; a worker ends then, even if all else hangs

forks = pytest.mark.skipif(
    sys.platform != "linux", reason="forks a process that has loaded torch: safe on Linux alone"
)
several_processes = pytest.mark.skipif(
    sys.platform == "win32", reason="ends its processes by signals, which Windows doesn't have"
)

# Each worker runs this first. A worker ends even if its test and torchrun are gone.
PROLOGUE = f"""
import os, signal, sys, weakref
signal.alarm({LAST_RESORT})
sys.path.insert(0, {str(ROOT)!r})
sys.stdout.reconfigure(line_buffering=True)
import torch
import torch.distributed as dist
from beyond import data_parallel, processes

def say(*words):  # in one piece, so that lines of two processes don't mix
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())
"""

THEN_ENDLESS = """
train_and_print = data_parallel.report

def report(points, epochs, group):
    global connection
    connection = weakref.ref(dist.group.WORLD)
    train_and_print(points, epochs, group)
    shard = data_parallel.make_shard(points, group.rank, group.size)
    start = 0.25, 0.5, group
    mean_of_means = data_parallel.with_ddp(*shard, *start, lr=0.01, epochs=2, scaled=False)
    length, total = len(shard[0]), group.total([2**24, 1, 0][group.rank])
    say("shard", length, "total", total, "mean of means", data_parallel.farthest(mean_of_means))
    say("ready", group.rank, os.getpid())
    data_parallel.with_ddp(*shard, *start, lr=0.01, epochs=10**9)

data_parallel.report = report
try:
    data_parallel.main(points=40, epochs=100)
finally:
    say("connection", connection())
"""

THEN_KILLED = """
train_and_print = data_parallel.report

def report(points, epochs, group):
    train_and_print(points, epochs, group)
    dist.barrier()
    if group.rank == 1:
        say("killed", os.getpid())
        os.kill(os.getpid(), signal.SIGKILL)
    group.total(1)

data_parallel.report = report
data_parallel.main(points=40, epochs=100)
"""


def launch(size, script):
    """Be torchrun: start `script` in several processes, forked from this one, which has torch."""
    context, workers = multiprocessing.get_context("fork"), []
    for rank in range(size):
        receiver, sender = context.Pipe(duplex=False)
        worker = context.Process(target=be_worker, args=(rank, size, script, receiver))
        worker.start()
        workers.append((worker, sender))
    store = dist.TCPStore("localhost", 0, is_master=True, wait_for_workers=False)  # has a thread
    for _, sender in workers:
        sender.send(store.port)
    for worker, _ in workers:
        worker.join()
    sys.exit(any(worker.exitcode for worker, _ in workers))


def be_worker(rank, size, script, receiver):
    """Run `script` as process `rank` of several."""
    names = "RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_PORT"
    values = rank, rank, size, size, receiver.recv()
    os.environ.update(dict(zip(names, map(str, values))), MASTER_ADDR="localhost")
    os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "True"  # the store is there already
    os.environ["TORCHELASTIC_RESTART_COUNT"] = "0"  # torch 2.2 asks for it
    runpy.run_path(script)


def start(size, script, folder):
    """Start `script` in several processes; return the path that its output's paths begin with."""
    file, log = folder / "script.py", folder / "log"
    file.write_text(PROLOGUE + script, encoding="utf-8")
    begin(launch, size, str(file), folder=folder, log=log)
    return log


def check_output(output, size, epochs=100):
    """Assert that both ways have learned on the 40 points what one process learns."""
    several = "1 process" if size == 1 else f"{size} processes"
    assert f"# 40 points over {several} (gloo), {epochs} epochs\n" in output
    alone = numpy_closed_form.train(RUN.X, RUN.y, RUN.weight, RUN.bias, epochs=epochs)
    learned = re.findall(r"learned weight ([\d.]+), bias ([\d.]+)", output)
    assert len(learned) == 2, "by hand, and under DDP"
    for weight, bias in learned:
        assert abs(float(weight) - alone.weight[-1]) <= LEARNED_IN_ANOTHER_ORDER
        assert abs(float(bias) - alone.bias[-1]) <= LEARNED_IN_ANOTHER_ORDER
    assert output.count(f", {data_parallel.TOLERANCE:.1e} allowed\n") == 2


@forks
def test_three_processes_with_unequal_shards_until_one_is_killed(tmp_path):
    log, lines = start(3, THEN_ENDLESS, tmp_path), []
    while sum(line.startswith("ready") for line in lines) < 3:
        assert not log.with_suffix(".end").exists(), finished(tmp_path, log).stderr
        time.sleep(0.01)
        if log.with_suffix(".stdout").exists():
            lines = log.with_suffix(".stdout").read_text(encoding="utf-8").splitlines(True)
    check_output("".join(lines), size=3)
    words = [line.split() for line in lines]
    shards = [line for line in words if line and line[0] == "shard"]
    assert sorted(int(line[1]) for line in shards) == [13, 13, 14]
    assert [line[3] for line in shards] == ["16777217"] * 3, "float32 would say 16777216"
    assert all(float(line[-1]) > 1000 * data_parallel.TOLERANCE for line in shards)

    workers = {int(line[1]): int(line[2]) for line in words if line and line[0] == "ready"}
    os.kill(workers[1], signal.SIGKILL)
    run = finished(tmp_path, log)
    assert run.returncode == 1
    assert "process 0 of 3 has lost process 1 or 2: " in run.stderr
    assert "process 2 of 3 has lost process 0 or 1: " in run.stderr
    rest = run.stdout.splitlines()[len(lines) :]
    assert rest == ["connection None"] * 2, "the threads of gloo have ended"
    for worker in workers.values():
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)


@forks
def test_four_processes_with_equal_shards(tmp_path):
    run = finished(tmp_path, start(4, "data_parallel.main(points=40, epochs=100)", tmp_path))
    assert run.returncode == 0, run.stderr
    check_output(run.stdout, size=4)


@several_processes
@pytest.mark.slow
def test_torchrun_starts_the_processes_and_names_the_one_that_is_killed(tmp_path):
    file = tmp_path / "script.py"
    file.write_text(PROLOGUE + THEN_KILLED, encoding="utf-8")
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    run = run_python(*launcher, file, folder=tmp_path, OMP_NUM_THREADS="1")
    check_output(run.stdout, size=2)
    assert run.returncode == 1
    killed = re.search(r"^killed (\d+)$", run.stdout, re.MULTILINE)[1]
    assert f"Signal 9 (SIGKILL) received by PID {killed}" in run.stderr


def test_one_process_needs_no_launcher(capsys):
    data_parallel.main(points=40, epochs=7)
    check_output(capsys.readouterr().out, size=1, epochs=7)
    assert not dist.is_initialized()


def test_a_wrong_training_is_refused(monkeypatch):
    def off(X, y, weight, bias, group, *, lr, epochs):
        return data_parallel.with_ddp(X, y, weight, bias, group, lr=lr * 1.001, epochs=epochs)

    monkeypatch.setattr(data_parallel, "by_hand", off)
    with pytest.raises(SystemExit, match="^by hand does not follow the training of one process$"):
        data_parallel.main(points=40, epochs=3)


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "", str(2**53 + 1)])
@pytest.mark.parametrize("option", ["--points", "--epochs"])
def test_options_ask_for_positive_whole_numbers(option, value, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["data_parallel", f"{option}={value}"])
    with pytest.raises(SystemExit, match="2"):
        program.run(data_parallel.main, data_parallel.__doc__, data_parallel.ARGUMENTS)
    message = f"argument {option}: must be a whole number from 1 to 2^53, not {value!r}\n"
    assert capsys.readouterr().err.endswith(message)


def test_the_heading_counts_as_one_does(capsys):
    data_parallel.main(points=1, epochs=1)
    assert "\n# 1 point over 1 process (gloo), 1 epoch\n" in capsys.readouterr().out


def test_more_processes_than_points_are_refused():
    with pytest.raises(ValueError, match="--points must be 41 or more, one for each process"):
        data_parallel.make_shard(40, 0, 41)


@pytest.mark.parametrize("points", [40, 1000, 1001])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
def test_the_shards_are_all_of_the_data_and_nothing_twice(points, size):
    X, y = data_parallel.make_shard(points, 0, 1)
    shards = [data_parallel.make_shard(points, rank, size) for rank in range(size)]
    assert torch.equal(torch.cat([shard for shard, _ in shards]), X)
    assert torch.equal(torch.cat([labels for _, labels in shards]), y)
    lengths = [len(shard) for shard, _ in shards]
    assert max(lengths) - min(lengths) <= 1
    for tensor in (X, y, *(tensor for shard in shards for tensor in shard)):
        assert tensor.dtype == torch.float32
        assert tensor.shape == (len(tensor), 1)
        assert tensor.untyped_storage().nbytes() == 4 * len(tensor), "a shard, not a view of all"
    if points == 40:
        np.testing.assert_array_equal(X, RUN.X)
        np.testing.assert_array_equal(y, RUN.y)
