"""The step past one process: the same gradients, over several processes or machines.

    torchrun --standalone --nproc-per-node 2 -m manual_grad.data_parallel

The loss and its gradients are sums over the points, divided by their number. So each process makes
and keeps a shard of the points, computes its partial sums, `all_reduce` adds the processes' sums,
and everyone takes the same step from the same parameters. Nothing else is ever sent: four numbers
an epoch, however many points there are. Nothing about the gradient changes.

DistributedDataParallel (DDP) does it inside `backward`, for any model. But it averages the
processes' gradients, each of which comes from the mean loss of a shard, and where shards differ in
size, a mean of means is not the mean: 40 points over 3 processes are 14, 13 and 13, and each of the
14 would count less than each of the 13. With k processes, the loss of a shard of m points is scaled
by k m / n, and the average is right:

    1/k sum over shards of (k m / n) (1/m sum_i l_i)  =  1/n sum_i l_i

The default trains the tutorial's model on its 40 points, both ways, and holds both against one
process (numpy_closed_form). `--points 10000000` is the demonstration of scale: memory per process
and time per epoch. gloo connects CPUs; nccl is used where each process has a GPU of its own.
"""

import argparse
import ctypes
import os
import sys
import time
from datetime import timedelta
from importlib import import_module

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from manual_grad import numpy_closed_form
from manual_grad.numpy_closed_form import START
from manual_grad.trajectory import as_trajectory

tutorial = import_module("02_model")

TUTORIAL_POINTS = 40
LR = 0.01
EPOCHS = 100
EPOCHS_AT_SCALE = 10

M_MMAP_THRESHOLD = -3  # its number in glibc's malloc.h

# A process that hears nothing from the others for so long gives up.
TIMEOUT = timedelta(seconds=30)

# Largest difference from the single process that counts as the same training. The sums of 40 terms
# of at most 1 are added up in another order, which costs one float32 step at 1, 1.2e-7. A mean of
# means, over 3 processes, is off by 0.07.
TOLERANCE = 2.0**-22


def by_hand(X, y, weight, bias, *, lr, epochs):
    """Train on all processes' shards (X, y of shape (m, 1)) with MAE; return the Trajectory."""
    weight, bias = X.new_tensor(weight), X.new_tensor(bias)
    rows = []

    for _ in range(epochs):
        # 1. Forward pass
        y_pred = weight * X + bias

        # 2. Loss
        residual = y_pred - y
        loss_sum = residual.abs().sum()

        # 3. Zero gradients: nothing to do, step 4 makes new ones

        # 4. Backpropagation: this shard's sums, then those of all shards
        sign = residual.sign()
        count = sign.new_tensor(len(X))
        sums = torch.stack([loss_sum, (sign * X).sum(), sign.sum(), count]).double()
        dist.all_reduce(sums)
        loss, weight_grad, bias_grad = (sums[:3] / sums[3]).to(X.dtype)

        # 5. Gradient descent
        weight -= lr * weight_grad
        bias -= lr * bias_grad

        rows.append([number.item() for number in (loss, weight_grad, bias_grad, weight, bias)])

    return as_trajectory(rows, np.float32)


def with_ddp(X, y, weight, bias, *, lr, epochs, scaled=True):
    """Train as by_hand does, under DistributedDataParallel; the step stays by hand.

    With scaled=False, DDP averages the shards' mean losses as they are: wrong for unequal shards.
    """
    line = tutorial.LinearRegressionModel().to(X.device)
    nn.init.constant_(line.weights, weight)
    nn.init.constant_(line.bias, bias)
    model = DistributedDataParallel(line)
    points = X.new_tensor(len(X), dtype=torch.float64)
    dist.all_reduce(points)
    scale = dist.get_world_size() * len(X) / points.item() if scaled else 1.0
    rows = []

    for _ in range(epochs):
        # 1. Forward pass
        y_pred = model(X)

        # 2. Loss
        loss = scale * nn.functional.l1_loss(y_pred, y)

        # 3. Zero gradients
        model.zero_grad()

        # 4. Backpropagation: DDP averages the gradients before it returns
        loss.backward()

        # 5. Gradient descent
        with torch.no_grad():
            line.weights -= lr * line.weights.grad
            line.bias -= lr * line.bias.grad

        mean_loss = loss.detach() / dist.get_world_size()
        dist.all_reduce(mean_loss)
        row = (mean_loss, line.weights.grad, line.bias.grad, line.weights, line.bias)
        rows.append([number.item() for number in row])

    return as_trajectory(rows, np.float32)


def make_shard(points, rank, world_size, device="cpu"):
    """Return X and y, of shape (m, 1) and float32, of the points that process `rank` keeps.

    The shards follow one another, and the first ones are a point longer where the points don't
    divide. 40 points are the tutorial's training data; another number lies evenly in the same
    range, from 0 to 0.8. Raises ValueError if there are not enough points for all.
    """
    if points < world_size:
        raise ValueError(f"{points} points for {world_size} processes: each needs a point or more")
    length, longer = divmod(points, world_size)
    first = rank * length + min(rank, longer)
    last = first + length + (rank < longer)
    if points == TUTORIAL_POINTS:
        X, _ = numpy_closed_form.tutorial_data()
        X = torch.from_numpy(X[first:last]).to(device)
    else:
        X = torch.arange(first, last, dtype=torch.float32, device=device)
        X = X.mul_(0.8 / points).unsqueeze(dim=1)
    return X, (0.7 * X).add_(0.3)


def connect():
    """Join the other processes that torchrun started; alone, be the only one. Return the device."""
    local_rank, local_size = (
        int(os.environ.get(name, default))
        for name, default in (("LOCAL_RANK", 0), ("LOCAL_WORLD_SIZE", 1))
    )
    gpu = torch.cuda.device_count() >= local_size
    if gpu:
        torch.cuda.set_device(local_rank)
    alone = {} if "RANK" in os.environ else dict(store=dist.HashStore(), rank=0, world_size=1)
    dist.init_process_group("nccl" if gpu else "gloo", timeout=TIMEOUT, **alone)
    return torch.device("cuda", local_rank) if gpu else torch.device("cpu")


def return_freed_memory():
    """Have glibc give large freed tensors back at once, where it is the C library.

    It would keep those below 32 MB, which a shard's are earlier than the whole data's, in a heap
    that splinters and grows. Memory and time of one process and of two can then be compared.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        mallopt(M_MMAP_THRESHOLD, 1_000_000)


def peak_memory(device):
    """Return the most memory that this process has used so far, in MB; nan where it is unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    try:
        import resource  # Unix alone has it
    except ImportError:
        return float("nan")
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, others KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def main():
    parser = argparse.ArgumentParser(description="Data-parallel training by hand and with DDP.")
    parser.add_argument(
        "--points",
        type=int,
        default=TUTORIAL_POINTS,
        metavar="N",
        help="points on the line, over all processes; 40 are the tutorial's (default: %(default)s)",
    )
    points = parser.parse_args().points
    return_freed_memory()
    device = connect()
    rank, world_size = dist.get_rank(), dist.get_world_size()
    try:
        run(points, rank, world_size, device)
    except ValueError as error:
        sys.exit(f"data_parallel: {error}")
    except RuntimeError as error:  # what torch.distributed raises when a connection ends
        sys.exit(f"data_parallel: process {rank} of {world_size} has lost the others: {error}")
    dist.destroy_process_group()


def run(points, rank, world_size, device):
    """Train both ways, and let the first process print how long, how large and how far off."""
    say = print if rank == 0 else lambda *_: None
    trainers = {"by hand": by_hand, "DDP": with_ddp}
    for train in trainers.values():  # once on a point each: what is loaded on first use
        train(*make_shard(world_size, rank, world_size, device), *START, lr=LR, epochs=1)
    before = peak_memory(device)
    X, y = make_shard(points, rank, world_size, device)
    epochs = EPOCHS if points == TUTORIAL_POINTS else EPOCHS_AT_SCALE

    trajectories, seconds = {}, {}
    for name, train in trainers.items():
        dist.barrier()
        started = time.perf_counter()
        trajectories[name] = train(X, y, *START, lr=LR, epochs=epochs)
        seconds[name] = (time.perf_counter() - started) / epochs
    mine = torch.tensor([len(X), peak_memory(device) - before], device=device)
    shards = [torch.empty_like(mine) for _ in range(world_size)]
    dist.all_gather(shards, mine)

    say(f"{points} points over {world_size} processes ({dist.get_backend()}), {epochs} epochs")
    for process, (length, megabytes) in enumerate(torch.stack(shards).tolist()):
        memory = f"{megabytes:.1f} MB for data and training"
        say(f"process {process}: {length:.0f} points, {memory}, threads: {torch.get_num_threads()}")
    for name, trajectory in trajectories.items():
        weight, bias = trajectory.weight[-1].item(), trajectory.bias[-1].item()
        milliseconds = f"{seconds[name] * 1e3:.2f} ms an epoch"
        say(f"{name:<8} {milliseconds}, learned weight {weight}, bias {bias}")

    if points == TUTORIAL_POINTS:
        X, y = (array[:points] for array in numpy_closed_form.tutorial_data())
        alone = numpy_closed_form.train(X, y, *START, lr=LR, epochs=epochs)
        for name, trajectory in trajectories.items():
            difference = np.abs(np.subtract(trajectory, alone)).max()
            say(f"{name:<8} at most {difference:.1e} from one process, {TOLERANCE:.1e} allowed")
            if not difference <= TOLERANCE:
                raise ValueError(f"{name} does not follow the trajectory of a single process")


if __name__ == "__main__":
    main()
    # DDP keeps gloo's threads alive after destroy_process_group. Where one of them still lets go of
    # a tensor while the interpreter is taken down, the process aborts (seen in 1 run of 20, with
    # torch 2.13.0), so it ends without that.
    sys.stdout.flush()
    os._exit(0)
