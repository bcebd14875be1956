"""Optimizers by hand beside torch.optim's: one training, a table, a picture of five paths.

The tutorial's line is trained from the tutorial's start, with MSE and in float64, by each optimizer
twice. The loop below takes its gradients from the closed form and its steps from optimizers.py;
torch_optim.train takes both from torch. Prints how far apart the two are over 1000 epochs and where
they end. Saves figures/optimizers.png, which shows the first 100 epochs of plain SGD, momentum,
Nesterov's variant, RMSprop and Adam.
"""

import sys
from functools import partial
from pathlib import Path

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import matplotlib.pyplot as plt
import numpy as np
import torch

from manual_grad import optimizers, program, torch_optim
from manual_grad.loss_map import draw_map, losses_at, path
from manual_grad.losses import mse_gradient
from manual_grad.program import BLUE, GREEN, ORANGE, SKY
from manual_grad.published_runs import published_runs

OPTIMIZERS = {
    "plain SGD": ("SGD", {}),
    "momentum": ("SGD", dict(momentum=0.9)),
    "Nesterov": ("SGD", dict(momentum=0.9, nesterov=True)),
    "RMSprop": ("RMSprop", {}),
    "Adam": ("Adam", {}),
    "AdamW": ("AdamW", {}),
    "SGD, more options": ("SGD", dict(momentum=0.9, dampening=0.5, weight_decay=0.01)),
    # With so large an eps its steps get shorter as the gradient does.
    "RMSprop, more options": ("RMSprop", dict(eps=0.1, momentum=0.9, centered=True)),
    "Adam, more options": ("Adam", dict(betas=(0.8, 0.999), eps=1e-6, weight_decay=0.01)),
    "AdamW, more options": ("AdamW", dict(betas=(0.8, 0.999), eps=1e-6, weight_decay=0.1)),
}
LOOKS = {  # the optimizers of the picture
    "plain SGD": dict(color="black", marker="o", zorder=3),
    "momentum": dict(color=BLUE, marker="s", ls="--"),
    "Nesterov": dict(color=SKY, marker="^"),
    "RMSprop": dict(color=GREEN, marker="D", ls=":"),
    "Adam": dict(color=ORANGE, marker="X"),
}
MAP = np.linspace(0.28, 0.78, 51), np.linspace(0.08, 0.52, 45), np.arange(0, 0.2, 0.02)


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


def train_by_torch(run, name, options):
    """Return the same weights and biases by torch's gradients and torch.optim."""
    optim = getattr(torch.optim, name)
    return path(run, run.train(partial(torch_optim.train, optim=optim, **options)))


def print_table(run):
    """Print how far by hand is from torch, and where both end; return the paths by hand."""
    print(f"\n# Optimizers by hand and in torch, {run.epochs} epochs in float64, lr = {run.lr}")
    print(f"{'':<56}{'equal epochs':>12}{'farthest':>11}{'weight':>10}{'bias':>10}")
    paths = {}
    for title, (name, options) in OPTIMIZERS.items():
        paths[title] = by_hand = train_by_hand(run, name, options)
        by_torch = train_by_torch(run, name, options)
        equal = (by_hand == by_torch)[:, 1:].all(axis=0).sum()
        farthest = np.abs(by_hand - by_torch).max()
        weight, bias = by_hand[:, -1]
        call = f"{name}({', '.join(f'{key}={value}' for key, value in options.items())})"
        print(f"{call:<56}{equal:>12}{farthest:>11.1e}{weight:>10.6f}{bias:>10.6f}")
    print("RMSprop() ends in jumps about the optimum: its steps stay long as the gradient fades.")
    print("A last bit decides to which side it jumps first. From there by hand and torch may part.")
    return paths


@plt.rc_context(program.SLIDE)
def plot(run, paths, epochs=100):
    """Draw the paths over the loss surface, and their losses; return the Figure."""
    figure, (left, right) = plt.subplots(1, 2, width_ratios=[3, 2])
    X, y = run.X.numpy(), run.y.numpy()
    draw_map(left, "mse", X, y, *MAP)
    for title, look in LOOKS.items():
        points = paths[title][:, : epochs + 1]
        left.plot(*points, **look, markevery=10, label=title)
        right.plot(losses_at("mse", X, y, *points), **look, markevery=10, label=title)
    left.set_title("Paths over the loss surface")
    left.legend(loc="lower right", title="one marker every 10 epochs")
    right.set(yscale="log", xlabel="epoch", ylabel="MSE (no unit)", title="The losses")
    words = "all go farther than plain SGD. Momentum and Adam overshoot"
    figure.suptitle(f"{epochs} epochs, lr = {run.lr}: {words}")
    return figure


def main():
    run = published_runs()["section 3"]
    run = run._replace(X=run.X.double(), y=run.y.double(), loss="mse", epochs=1000)
    paths = print_table(run)

    print("\n# The picture")
    program.save_figure(plot(run, paths), "optimizers")
    program.show_figures()


if __name__ == "__main__":
    program.run(main, __doc__)
