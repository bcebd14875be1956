"""checkpoints.py: a process that is killed while it saves, or whose disk is full."""

import os
import signal
import sys
from importlib import import_module

import pytest
import torch

from beyond import checkpoints

LinearRegressionModel = import_module("02_model").LinearRegressionModel


def forks(test):
    """Mark a test that forks a process."""
    test = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")(test)
    reason = "forks a process that has loaded torch, which is safe on Linux alone"
    return pytest.mark.skipif(sys.platform != "linux", reason=reason)(test)


def in_child(work, limit=None, at_the_limit=None):
    """Run `work` in a forked process and return its status, negative if a signal killed it.

    Its files are limited to `limit` bytes. The byte after that raises a signal, which by default
    kills: an event, and not a time.
    """
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    try:
        import resource

        torch.set_num_threads(1)  # the parent's threads are not there any more
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if limit is not None:
            signal.signal(signal.SIGXFSZ, at_the_limit)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        work()
        os._exit(0)
    except BaseException:
        os._exit(1)


def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)


@forks
@pytest.mark.parametrize("torn", [False, True], ids=["save_model", "torch.save"])
@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.9])
def test_a_save_that_is_killed_while_it_writes_leaves_the_old_file(share, torn, path, whole):
    """That the moments are bad ones shows in the plain torch.save: it leaves a torn file."""
    new = LinearRegressionModel()

    def save():
        if torn:
            torch.save(new.state_dict(), path)
        else:
            checkpoints.save_model(new, path)

    status = in_child(save, limit=int(share * len(whole)), at_the_limit=signal.SIG_DFL)
    assert status == -signal.SIGXFSZ
    if torn:
        with pytest.raises(ValueError, match="no checkpoint"):
            checkpoints.load_model(new, path)
    else:
        assert path.read_bytes() == whole
        assert [name for name in os.listdir(path.parent) if name[0] != "."] == ["model.pth"]


@forks
@pytest.mark.parametrize("step", ["fsync", "replace", None])
def test_a_save_that_is_killed_later_leaves_the_old_file_or_the_new_one(step, path, whole):
    new = LinearRegressionModel()

    def save():
        if step:
            setattr(os, step, kill)
        checkpoints.save_model(new, path)
        kill()

    assert in_child(save) == -signal.SIGKILL
    if step:
        assert path.read_bytes() == whole
    else:
        loaded = checkpoints.load_model(LinearRegressionModel(), path)
        assert loaded.state_dict() == new.state_dict()


@forks
def test_a_disk_that_fills_up_leaves_the_old_file_and_nothing_else(path, whole):
    """The limit stands for the disk: here it is no signal that kills, but an OSError."""

    def save():
        with pytest.raises(OSError, match="File too large"):
            checkpoints.save_model(LinearRegressionModel(), path)

    assert in_child(save, limit=len(whole) // 2, at_the_limit=signal.SIG_IGN) == 0
    assert path.read_bytes() == whole
    assert os.listdir(path.parent) == ["model.pth"]
