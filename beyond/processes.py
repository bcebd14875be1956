"""Several processes that join, add up their numbers, and part: torch.distributed, in order.

gloo connects CPUs. nccl connects GPUs, where it is built in and each process has a GPU of its own.
Two rules make every program end. Both are about gloo's threads, which may need the interpreter's
lock once more after a collective operation has returned:

- A tensor that is sent lives until the processes part. A thread holds it for a moment longer than
  all_reduce does. Where nobody else holds it, the thread frees it, under the interpreter's lock.
  torch 2.2 keeps that lock while it waits for the thread to end: both wait for ever.
- Nothing else holds the process group then, so that destroy_process_group ends the threads. A
  thread that is left meets the end of the interpreter, and the process aborts.
"""

import os
import sys
import tempfile
import time
import traceback
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple

import torch
import torch.distributed as dist

# Import this before any group exists. Its default arguments keep the group that exists at import,
# for good. DDP would import it later, after the processes have joined.
import torch.distributed.nn  # noqa: F401

# A process that hears nothing from the others for so long gives up.
TIMEOUT = timedelta(minutes=5)


class Group(NamedTuple):
    """The processes, as one of them sees them, and the two tensors in which their numbers meet."""

    rank: int
    size: int
    device: torch.device
    count: torch.Tensor  # int64, shape ()
    sums: torch.Tensor  # float64, shape (3,)

    def total(self, number):
        """Return the sum of the processes' whole numbers, in int64: exact."""
        self.count.fill_(number)
        dist.all_reduce(self.count)
        return self.count.item()

    def add_up(self, numbers):
        """Return the sums over the processes of three numbers (or of one, three times): float64."""
        self.sums.copy_(numbers)
        dist.all_reduce(self.sums)
        return self.sums


@contextmanager
def joined():
    """Join the processes that torchrun started, or be the only one; part at the end.

        with joined() as group:

    In the block, an error whose cause is known ends the program with one line about it.
    """
    group = join()
    try:
        yield group
    except Exception as error:
        # The functions that it has passed through hold what they worked with: DDP holds the group.
        traceback.clear_frames(error.__traceback__)
        line = cause(error, group.rank, group.size)
        if line is None:
            raise
        sys.exit(line)
    finally:
        dist.destroy_process_group()


def join():
    """Start torch's process group, and return the Group."""
    local_rank = int(os.environ.get("LOCAL_RANK", 0))
    local_size = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    gpu = dist.is_nccl_available() and torch.cuda.device_count() >= local_size
    device = torch.device("cuda", local_rank) if gpu else torch.device("cpu")
    if gpu:
        torch.cuda.set_device(device)

    alone = {}
    if "RANK" not in os.environ:  # no torchrun; a file as meeting point works on every platform
        file, path = tempfile.mkstemp()  # the store removes it at its end
        os.close(file)
        alone = dict(store=dist.FileStore(path, 1), rank=0, world_size=1)
    dist.init_process_group("nccl" if gpu else "gloo", timeout=TIMEOUT, **alone)
    return Group(
        dist.get_rank(),
        dist.get_world_size(),
        device,
        count=torch.zeros((), dtype=torch.int64, device=device),
        sums=torch.zeros(3, dtype=torch.float64, device=device),
    )


def cause(error, rank, size):
    """Return in one line what has ended process `rank`; None where only the traceback can tell."""
    process = f"process {rank} of {size}"
    message = str(error)
    if isinstance(error, ValueError):
        return message
    if isinstance(error, torch.cuda.OutOfMemoryError) or "DefaultCPUAllocator" in message:
        return f"{process} is out of memory: {message}"
    if isinstance(error, dist.DistBackendError) or "gloo" in message:
        others = " or ".join(str(other) for other in range(size) if other != rank)
        return f"{process} has lost process {others}: {message}"
    return None


def progress(epochs, group):
    """Yield each epoch; after two seconds, the first process tells a terminal how far it is."""
    due, line = time.monotonic() + 2, ""
    for epoch in range(epochs):
        if time.monotonic() >= due and group.rank == 0 and sys.stdout.isatty():
            due, line = time.monotonic() + 1, f"epoch {epoch} of {epochs}"
            print(f"\r{line}", end="", flush=True)
        yield epoch
    if line:
        print("\r" + " " * len(line), end="\r")
