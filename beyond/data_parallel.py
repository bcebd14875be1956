"""The step past one process: the same gradients, over several processes or machines.

    torchrun --standalone --nproc-per-node 2 -m beyond.data_parallel

The loss and its gradients are sums over the points, divided by their number. So each process keeps
a shard of the points and computes its partial sums, `all_reduce` adds up the processes' sums, and
everyone takes the same step from the same parameters. Three numbers an epoch are sent, however many
points there are.

DistributedDataParallel (DDP) does it inside `backward`, for any model. But it averages the
processes' gradients, each of them from the mean loss of a shard, and where shards differ in size a
mean of means is not the mean: 40 points over 3 processes are 14, 13 and 13, and each of the 14
would count less than each of the 13. So with k processes, the loss of a shard of m points is scaled
by k m / n, and the average is right:

    1/k sum over shards of (k m / n) (1/m sum_i l_i)  =  1/n sum_i l_i

The default trains the tutorial's model on its 40 points, both ways, and compares every epoch with
one process's (numpy_closed_form). `--points 10000000` is the demonstration of scale.
"""

import os
import sys
import time
from datetime import timedelta
from pathlib import Path

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
import torch.distributed as dist
import torch.distributed.nn  # noqa: F401, as it keeps a group that is there when it is imported
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from manual_grad import numpy_closed_form, program
from manual_grad.published_runs import published_runs
from manual_grad.trajectory import as_trajectory

# How far an epoch may be from one process's from the same parameters. Their float32 terms are the
# same, 40 of 1 or less on average, and each side adds them up in an order of its own: at most 42
# roundings of 2^-24 on each side, the division included.
TOLERANCE = 2 * 42 * 2.0**-24

TUTORIAL = published_runs()["section 3"]


def join():
    """Join the processes that torchrun started, or be the only one; return the tensor of sums.

    gloo connects CPUs. nccl connects GPUs, where it is built in and each process has its own. A
    process that hears nothing from the others for five minutes gives up. Nothing may keep the group
    of processes beyond its end in `main`, because gloo aborts if it meets the interpreter's end.
    """
    local_rank = int(os.environ.get("LOCAL_RANK", 0))
    local_size = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    gpu = dist.is_nccl_available() and torch.cuda.device_count() >= local_size
    device = torch.device("cuda", local_rank) if gpu else torch.device("cpu")
    if gpu:
        torch.cuda.set_device(device)
    alone = {} if "RANK" in os.environ else dict(store=dist.HashStore(), rank=0, world_size=1)
    dist.init_process_group("nccl" if gpu else "gloo", timeout=timedelta(minutes=5), **alone)
    return torch.zeros(3, dtype=torch.float64, device=device)


def add_up(numbers, sums):
    """Return the sums of three numbers over all processes, float64; of one number, thrice.

    They meet in `sums`, from `join`, which lives as long as the group of processes, because gloo
    hangs (torch 2.2) if it alone holds what was sent.
    """
    sums.copy_(torch.as_tensor(numbers))
    dist.all_reduce(sums)
    return sums


def make_shard(points, rank, size, device="cpu"):
    """Return X and y, of shape (m, 1) and float32, of the points that process `rank` keeps.

    The shards follow one another, and where the points don't divide, the first ones are a point
    longer. 40 points are the tutorial's training data; another number lies evenly in the same
    range, from 0 to 0.8. Raises ValueError if there are not enough points for all.
    """
    if points < size:
        raise ValueError(f"--points must be {size} or more, one for each process, not {points}")
    X = TUTORIAL.X
    if points != len(X):
        X = torch.arange(points, dtype=torch.float32).mul_(0.8 / points).unsqueeze(dim=1)
    X = X.tensor_split(size)[rank].to(device, copy=True)  # without the points of the others
    return X, (0.7 * X).add_(0.3)


def by_hand(X, y, weight, bias, sums, *, lr, epochs):
    """Train on all processes' shards (X, y of shape (m, 1)) with MAE; return the Trajectory."""
    weight, bias = X.new_tensor(weight), X.new_tensor(bias)
    points = add_up(len(X), sums)[0].item()
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
        add_up(torch.stack([loss_sum, (sign * X).sum(), sign.sum()]), sums)
        loss, weight_grad, bias_grad = (sums / points).to(X.dtype)

        # 5. Gradient descent
        weight -= lr * weight_grad
        bias -= lr * bias_grad

        rows.append([number.item() for number in (loss, weight_grad, bias_grad, weight, bias)])

    return as_trajectory(rows, np.float32)


class Line(nn.Module):
    """The tutorial's model: y_pred = weights * x + bias.

    It isn't nn.Linear, whose gradient is a matrix product, which can add up float32 numbers one by
    one: on an x86-64 CPU, with 10,000,000 points, that was 1 % off.
    """

    def __init__(self, weight, bias):
        super().__init__()
        self.weights = nn.Parameter(torch.tensor([weight]))
        self.bias = nn.Parameter(torch.tensor([bias]))

    def forward(self, x):
        return self.weights * x + self.bias


def with_ddp(X, y, weight, bias, sums, *, lr, epochs):
    """Train as by_hand does, under DistributedDataParallel; the step stays by hand."""
    line = Line(weight, bias).to(X.device)
    ddp = DistributedDataParallel(line)
    size = dist.get_world_size()
    scale = size * len(X) / add_up(len(X), sums)[0].item()
    rows = []

    for _ in range(epochs):
        # 1. Forward pass
        y_pred = ddp(X)

        # 2. Loss
        loss = scale * nn.functional.l1_loss(y_pred, y)

        # 3. Zero gradients
        ddp.zero_grad()

        # 4. Backpropagation: DDP averages the gradients before it returns
        loss.backward()

        # 5. Gradient descent
        with torch.no_grad():
            line.weights -= lr * line.weights.grad
            line.bias -= lr * line.bias.grad

        mean_loss = add_up(loss.detach(), sums)[0] / size
        row = mean_loss, line.weights.grad, line.bias.grad, line.weights, line.bias
        rows.append([number.item() for number in row])

    return as_trajectory(rows, np.float32)


def farthest(trajectory):
    """Return the largest difference between an epoch and the same epoch in one process."""
    run, alone = TUTORIAL._replace(epochs=1), []
    for weight, bias in zip(trajectory.weight, trajectory.bias):
        alone.append(np.ravel(run.train(numpy_closed_form.train)))
        run = run._replace(weight=weight.item(), bias=bias.item())
    return np.abs(np.transpose(trajectory) - alone).max()


def report(points, sums):
    """Train both ways; the first process prints how long that takes, and how far off it is."""
    rank, size = dist.get_rank(), dist.get_world_size()
    say = print if rank == 0 else lambda *_: None
    start = TUTORIAL.weight, TUTORIAL.bias, sums
    X, y = make_shard(points, rank, size, sums.device)
    say(f"\n# {points} points. Processes: {size} ({dist.get_backend()}).")
    say(f"The first process keeps {len(X)} points. Threads of each: {torch.get_num_threads()}.")

    for name, train in {"by hand": by_hand, "DDP": with_ddp}.items():
        train(X[:1], y[:1], *start, lr=TUTORIAL.lr, epochs=1)  # what is loaded on first use
        started = time.perf_counter()
        trajectory = train(X, y, *start, lr=TUTORIAL.lr, epochs=TUTORIAL.epochs)
        milliseconds = (time.perf_counter() - started) / TUTORIAL.epochs * 1e3
        say(f"\n# {name}: {milliseconds:.2f} ms an epoch")
        say(f"learned weight {trajectory.weight[-1]}, bias {trajectory.bias[-1]}")
        if points == len(TUTORIAL.X):
            difference = farthest(trajectory)
            say(f"an epoch is at most {difference:.1e} from one process's, {TOLERANCE:.1e} allowed")
            if not difference <= TOLERANCE:
                raise ValueError(f"{name} does not follow the training of one process")


def main(points):
    sums, failure = join(), None
    try:
        report(points, sums)
    except (ValueError, RuntimeError) as error:
        # Its words alone: the error has frames, and DDP in one of them keeps the group.
        failure = f"process {dist.get_rank()} of {dist.get_world_size()}: {error}"
    finally:
        dist.destroy_process_group()
    if failure:
        sys.exit(failure)


if __name__ == "__main__":
    option = dict(type=int, default=40, help="over all processes; default: the tutorial's 40")
    program.run(main, __doc__, [("--points", option)])
