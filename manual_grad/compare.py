"""All trainers side by side, on all the published runs: one table, and one picture.

Each trainer is compared with torch_optim in every epoch of a run. The columns of the table:

    params     in how many epochs weight and bias are torch_optim's to the bit
    grads      in how many epochs both gradients are
    loss       in how many epochs the loss is
    apart      the farthest that weight or bias ever is from torch_optim's
    checksum   CRC-32 of all numbers of all epochs
    last       weight, bias and loss of the last epoch, in 9 digits, which make out any float32

Below a trainer stands the first of its numbers that rounding can't explain (rounding.py), if there
is one. figures/manual_grad.png shows the paths of all trainers over the loss.

The text is the same in every run on one machine, so that `diff` of two texts, of an old and a new
PyTorch for example, shows which runs have changed, even by one bit. (The tests name each printed
number that has.) For a trainer of your own there is `python -m check.trainer mine.py`.
"""

import sys
from pathlib import Path
from zlib import crc32

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import matplotlib.pyplot as plt
import numpy as np
import torch

from manual_grad import numpy_autograd, numpy_closed_form, program, tensor_updates, torch_optim
from manual_grad.loss_map import draw_map, path
from manual_grad.pictures import ORANGE, SKY, SLIDE, YELLOW, save_figure, show_figures, write
from manual_grad.published_runs import published_runs
from manual_grad.rounding import first_fault

TRAINERS = {
    "numpy_closed_form": numpy_closed_form.train,
    "numpy_autograd": numpy_autograd.train,
    "tensor_updates": tensor_updates.train,
    "torch_optim": torch_optim.train,
}


def train_all(run):
    """Return the Trajectory of each trainer by name."""
    return {name: run.train(train) for name, train in TRAINERS.items()}


def apart(ours, theirs):
    """Return the farthest that weight or bias ever is from the other Trajectory's."""
    return np.abs(np.subtract(ours[3:], theirs[3:])).max()


def checksum(trajectory):
    """Return CRC-32 of all numbers, in which -0 counts as the 0 that it is equal to."""
    return f"{crc32(np.stack(trajectory).astype(float) + 0.0):08x}"


def print_run(name, run, trajectories):
    """Print the table of a run: a row for each Trajectory, torch_optim's among them."""
    print(f"\n# {name}: {len(run.X)} points, {run.loss}, lr {run.lr}, {run.epochs} epochs")
    print(f"start: weight {run.weight:.9g}, bias {run.bias:.9g}")
    layout = "{:<17}{:>7}{:>6}{:>6}{:>8}{:>10}{:>14}{:>14}{:>14}"
    head = "params", "grads", "loss", "apart", "checksum", "last weight", "bias", "loss"
    print(layout.format("", *head))
    theirs = trajectories["torch_optim"]
    for trainer, ours in trajectories.items():
        equal = np.equal(ours, theirs)  # of shape (5, epochs)
        counts = (rows.all(axis=0).sum() for rows in (equal[3:], equal[1:3], equal[:1]))
        last = (f"{column[-1]:.9g}" for column in (ours.weight, ours.bias, ours.loss))
        farthest = f"{apart(ours, theirs):.2g}"
        print(layout.format(trainer, *counts, farthest, checksum(ours), *last))
        if fault := first_fault(run, ours):
            print(f"    NOT EXPLAINED: {fault}")


# Each trainer's line is thinner than those below it, so that all can be seen on one path.
LINES = {
    "numpy_closed_form": dict(color=YELLOW, lw=16),
    "numpy_autograd": dict(color=SKY, lw=11),
    "tensor_updates": dict(color=ORANGE, lw=6),
    "torch_optim": dict(color="black", lw=2, ls="--"),
}


@plt.rc_context(SLIDE)
def plot_paths(runs):
    """Draw the paths over the MAE of the tutorial's line, from both its starts; return the Figure.

    `runs` holds (name, run, trajectories) of the two.
    """
    figure, axes = plt.subplots()
    _, run, _ = runs[0]
    weights, biases = np.linspace(0.05, 0.85, 81), np.linspace(0.05, 0.9, 86)
    levels = np.arange(0.1, 0.6, 0.1)
    data = run.X.numpy(), run.y.numpy()
    lines = draw_map(axes, "mae", *data, weights, biases, levels, fill=False)
    axes.clabel(lines, fontsize=14, manual=[(0.8, 0.27 + level) for level in levels])
    for name, run, trajectories in runs:
        for trainer, trajectory in trajectories.items():
            points = path(run, trajectory)
            axes.plot(*points, **LINES[trainer], solid_capstyle="round", label=trainer)
        axes.plot(*points[:, -1:], "X", color="black", mec="white", ms=14, zorder=3, label="end")
        write(axes, f"start, {name}", points[:, 0], (-16, -5)).set(ha="right")
        write(axes, f"end, {name}", points[:, -1], (0, -35)).set(ha="center")
    largest = max(apart(ours, of["torch_optim"]) for *_, of in runs for ours in of.values())
    words = f"at most {largest:.0e} apart" if largest else "the same"
    axes.set_title(f"Paths of {len(TRAINERS)} trainers over the MAE from two starts: {words}")
    handles = {label: handle for handle, label in zip(*axes.get_legend_handles_labels())}
    axes.legend(handles.values(), handles, loc="upper left")
    return figure


def main():
    kernels = torch.backends.cpu.get_cpu_capability()
    print(f"torch {torch.__version__} with its kernels for {kernels}, NumPy {np.__version__}")
    runs = [(name, run, train_all(run)) for name, run in published_runs().items()]
    for name, run, trajectories in runs:
        print_run(name, run, trajectories)

    print("\n# The comparison as a picture")
    save_figure(plot_paths(runs[:2]), "manual_grad")
    show_figures()


if __name__ == "__main__":
    program.run(main, __doc__)
