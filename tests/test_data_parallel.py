"""data_parallel with real processes: the same trajectory over 1 to 4, and an end when one dies."""

import os
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch
from conftest import ENVIRONMENT, ROOT, run_python
from tolerances import SEVERAL_PROCESSES

from manual_grad import data_parallel, numpy_closed_form

TORCHRUN = "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"
PROGRAM = "-m", "manual_grad.data_parallel"
SECONDS_TO_END = 20


def start(*arguments, folder):
    return run_python(*arguments, folder=folder, PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1")


def differences(output):
    """Return how far from the single process the trajectories were, in the order printed."""
    return [float(found) for found in re.findall(r"at most (\S+) from one process", output)]


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2, 4])
def test_any_number_of_processes_follows_the_single_one(processes, tmp_path):
    launcher = (*TORCHRUN, str(processes)) if processes > 1 else ()  # one needs no launcher
    run = start(*launcher, *PROGRAM, folder=tmp_path)
    assert run.returncode == 0, run.stderr
    assert f"40 points over {processes} processes (gloo), 100 epochs" in run.stdout
    shards = re.findall(r"process (\d): (\d+) points", run.stdout)
    assert shards == [(str(i), str(40 // processes)) for i in range(processes)]

    data = (array[:40] for array in numpy_closed_form.tutorial_data())
    reference = numpy_closed_form.train(*data, *data_parallel.START)
    learned = re.findall(r"learned weight ([\d.]+), bias ([\d.]+)", run.stdout)
    assert len(learned) == len(differences(run.stdout)) == 2, "by hand, and under DDP"
    for weight, bias in learned:
        assert float(weight) == pytest.approx(reference.weight[-1], abs=SEVERAL_PROCESSES)
        assert float(bias) == pytest.approx(reference.bias[-1], abs=SEVERAL_PROCESSES)
    assert max(differences(run.stdout)) <= SEVERAL_PROCESSES == data_parallel.TOLERANCE
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_unequal_shards_follow_too_but_not_by_a_mean_of_means(tmp_path):
    """Over 14, 13 and 13 points, both ways are right; DDP without the scale is seen to be wrong."""
    program = tmp_path / "twice.py"
    program.write_text(
        "from functools import partial\n"
        "from manual_grad import data_parallel as d\n"
        "device = d.connect()\n"
        "group = d.dist.get_rank(), d.dist.get_world_size()\n"
        "d.run(40, *group, device)\n"
        "d.with_ddp = partial(d.with_ddp, scaled=False)\n"
        "d.run(40, *group, device)\n"
    )
    run = start(*TORCHRUN, "3", str(program), folder=tmp_path)
    shards = re.findall(r"process \d: (\d+) points", run.stdout)
    assert shards == ["14", "13", "13"] * 2
    *right, mean_of_means = differences(run.stdout)
    assert len(right) == 3
    assert max(right) <= SEVERAL_PROCESSES
    assert mean_of_means > 1000 * SEVERAL_PROCESSES
    assert run.returncode != 0
    assert "DDP does not follow the trajectory of a single process" in run.stderr


@pytest.mark.slow
def test_when_a_process_is_killed_the_run_ends_and_says_so(tmp_path):
    program = tmp_path / "endless.py"  # prints a line in one piece, as two processes print
    program.write_text(
        "import os\n"
        "from manual_grad import data_parallel\n"
        "from manual_grad.trajectory import as_trajectory\n"
        "def warm(rows, dtype):\n"
        "    print(f'process {os.getpid()}\\n', end='', flush=True)\n"
        "    return as_trajectory(rows, dtype)\n"
        "data_parallel.as_trajectory = warm\n"
        "data_parallel.EPOCHS = 10**9\n"
        "data_parallel.main()\n"
    )
    run = subprocess.Popen(
        [sys.executable, *TORCHRUN, "2", str(program)],
        cwd=tmp_path,
        env=ENVIRONMENT | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    give_up = threading.Timer(60, run.kill)
    give_up.start()
    # Two runs of one epoch go before the endless one, in each of the two processes.
    processes = {int(run.stdout.readline().split()[1]) for _ in range(4)}
    time.sleep(0.5)
    assert run.poll() is None, run.stderr.read()
    victim = min(processes)
    os.kill(victim, signal.SIGKILL)
    killed = time.monotonic()
    _, messages = run.communicate()
    give_up.cancel()
    assert time.monotonic() - killed < SECONDS_TO_END
    assert run.returncode == 1
    assert f"Signal 9 (SIGKILL) received by PID {victim}" in messages
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere more memory is kept")
def test_each_process_holds_its_shard_alone(tmp_path):
    run = start(*TORCHRUN, "2", *PROGRAM, "--points", "3_000_000", folder=tmp_path)
    assert run.returncode == 0, run.stderr
    lines = re.findall(r"process \d: (\d+) points, ([\d.]+) MB for data and training", run.stdout)
    assert len(lines) == 2
    for points, megabytes in lines:
        assert int(points) == 1_500_000
        # X, y and up to five arrays that an epoch makes, each of 1.5 million float32 numbers. All
        # of the data would be two more.
        assert 4 * 6 < float(megabytes) < 8 * 6


def test_more_processes_than_points_are_refused(tmp_path):
    with pytest.raises(ValueError, match="40 points for 41 processes: each needs a point or more"):
        data_parallel.make_shard(40, 0, 41)
    run = start(*PROGRAM, "--points", "0", folder=tmp_path)
    assert run.returncode == 1
    assert run.stderr == "data_parallel: 0 points for 1 processes: each needs a point or more\n"


@pytest.mark.parametrize("points", [40, 1000, 1001])
@pytest.mark.parametrize("world_size", [1, 2, 3, 4, 7])
def test_the_shards_are_all_of_the_data_and_nothing_twice(points, world_size):
    X, y = data_parallel.make_shard(points, 0, 1)
    shards = [data_parallel.make_shard(points, rank, world_size) for rank in range(world_size)]
    assert torch.equal(torch.cat([shard for shard, _ in shards]), X)
    assert torch.equal(torch.cat([labels for _, labels in shards]), y)
    assert X.dtype == y.dtype == torch.float32
    assert X.shape == y.shape == (points, 1)
    lengths = [len(shard) for shard, _ in shards]
    assert max(lengths) - min(lengths) <= 1
    if points == 40:
        tutorial = numpy_closed_form.tutorial_data()
        np.testing.assert_array_equal(X, tutorial[0][:40])
        np.testing.assert_array_equal(y, tutorial[1][:40])
