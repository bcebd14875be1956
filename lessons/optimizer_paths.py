"""Optimizers by hand beside torch.optim's: one training, a table, a picture of five paths.

The tutorial's line is trained from the tutorial's start for 100 epochs, with MSE and in float64, by
each optimizer twice. Plain SGD steps by -lr * gradient; momentum and Nesterov go on in the
direction of earlier steps; RMSprop divides each gradient by its usual size, and Adam does both. The
loop below takes its gradients from the closed form, a formula found on paper, and its steps from
manual_grad/optimizers.py; torch_optim.train takes both from torch. Prints where they end and how
far apart the two were, and saves figures/optimizers.png.
"""

import sys
from pathlib import Path

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import matplotlib.pyplot as plt
import numpy as np
import torch

from manual_grad import optimizers, pictures, program, torch_optim
from manual_grad.loss_map import draw_map, losses_at, name_lines, path
from manual_grad.losses import mse_gradient
from manual_grad.pictures import BLUE, GREEN, ORANGE, PINK
from manual_grad.published_runs import published_runs

OPTIMIZERS = {  # by name: class, options, look
    "plain SGD": ("SGD", {}, dict(color="black", marker="o", zorder=3)),
    "momentum": ("SGD", dict(momentum=0.9), dict(color=BLUE, marker="s", ls="--")),
    "Nesterov": ("SGD", dict(momentum=0.9, nesterov=True), dict(color=PINK, marker="^")),
    "RMSprop": ("RMSprop", {}, dict(color=GREEN, marker="D", ls=":", zorder=3)),
    "Adam": ("Adam", {}, dict(color=ORANGE, marker="X")),
}
MAP = np.linspace(0.28, 0.78, 26), np.linspace(0.08, 0.56, 25), [0, 0.01, 0.04, 0.09, 0.16]
PLACES = [(0.46, 0.31), (0.51, 0.18), (0.4, 0.13)]  # of lines' labels
EVERY = 10  # epochs from one marker to the next


def train_by_hand(run, name, options):
    """Train a run's line with MSE; return weights and biases from the start on, (2, epochs + 1)."""
    X, y = run.X.numpy(), run.y.numpy()
    weight, bias = np.array(run.weight, X.dtype), np.array(run.bias, X.dtype)
    optimizer = getattr(optimizers, name)([weight, bias], lr=run.lr, **options)
    points = [(weight.item(), bias.item())]

    for _ in range(run.epochs):
        # 1. Forward pass
        y_pred = weight * X + bias

        # 2. Loss: MSE, of which step 4 needs the gradient only

        # 3. Zero gradients: nothing to do, step 4 makes new ones

        # 4. Backpropagation
        y_pred_grad = mse_gradient(y_pred, y)
        weight_grad = (y_pred_grad * X).sum()
        bias_grad = y_pred_grad.sum()

        # 5. Gradient descent, in place
        optimizer.step([weight_grad, bias_grad])

        points.append((weight.item(), bias.item()))

    return np.array(points).T


def print_table(run):
    """Print where each optimizer ends, and how far by hand is from torch; return paths by hand."""
    print(f"\n# Optimizers by hand and in torch, {run.epochs} epochs in float64, lr = {run.lr}")
    print("apart: the largest difference of weight or bias in any epoch\n")
    print(f"{'':<12}{'weight':>10}{'bias':>10}{'apart':>11}")
    paths = {}
    for title, (name, options, _) in OPTIMIZERS.items():
        paths[title] = ours = train_by_hand(run, name, options)
        optim = getattr(torch.optim, name)
        theirs = path(run, run.train(torch_optim.train, optim=optim, **options))
        apart = np.abs(ours - theirs).max()
        print(f"{title:<12}{ours[0, -1]:>10.6f}{ours[1, -1]:>10.6f}{apart:>11.1e}")
    print("One learning rate is no ranking.")
    return paths


@plt.rc_context(pictures.SLIDE)
def plot(run, paths):
    """Draw the paths over the MSE, where they end once more enlarged, and their losses."""
    figure, (left, right) = plt.subplots(1, 2, width_ratios=[3, 2])
    X, y = run.X.numpy(), run.y.numpy()
    name_lines(left, draw_map(left, "mse", X, y, *MAP), PLACES)
    inset = left.inset_axes([0.58, 0.655, 0.41, 0.335], xlim=(0.575, 0.65), ylim=(0.322, 0.357))
    inset.set(xticks=[], yticks=[])
    left.indicate_inset_zoom(inset, edgecolor="black", alpha=1)
    for title, (_, _, look) in OPTIMIZERS.items():
        look = dict(look, markevery=EVERY, label=title)
        left.plot(*paths[title], **look)
        inset.plot(*paths[title], **look)
        right.plot(losses_at("mse", X, y, *paths[title]), **look)
    left.set_title("Paths over the lines of equal MSE")
    left.legend(handles=left.lines[1:], loc="lower right", title=f"one marker every {EVERY} epochs")
    right.set(yscale="log", xlabel="epoch", ylabel="MSE (no unit)", title="The losses")
    words = "all go farther than plain SGD. Momentum, Nesterov and Adam overshoot"
    figure.suptitle(f"lr = {run.lr}: {words}")
    return figure


def main():
    run = published_runs()["section 3"]
    run = run._replace(X=run.X.double(), y=run.y.double(), loss="mse")
    paths = print_table(run)

    print("\n# The picture")
    pictures.save_figure(plot(run, paths), "optimizers")
    pictures.show_figures()


if __name__ == "__main__":
    program.run(main, __doc__)
