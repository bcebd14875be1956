"""What the learning rate does: five rates for MSE and five for MAE, from too small to too large.

A step is -lr * gradient. All runs take the tutorial's data and start, and 100 epochs.

MSE has a largest stable rate, 2 / h_max. Its surface is a bowl, and h_max is the curvature of the
bowl's steepest axis. Beyond that rate each step overshoots farther than the one before, and
training diverges: schedules.py says why.

MAE never diverges. The length of its gradient g is bounded, so each step is, by lr |g|. And MAE is
convex: where it exceeds its minimum by more than lr |g|^2 / 2, a step leads nearer to the optimum.
But the gradient doesn't fade out near the optimum. So training ends in jumps to and fro, and a
larger lr makes them wider. From about lr = 0.35 on it jumps between two points, and one of them is
the start. Then nothing is learned. Source: S. Boyd, L. Xiao and A. Mutapcic, Subgradient Methods.

Prints the losses and parameters, and saves figures/learning_rate.png for MSE and
figures/learning_rate_mae.png for MAE.
"""

import sys
from pathlib import Path

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import matplotlib.pyplot as plt
import numpy as np

from lessons.loss_surface import LABELS, draw_map, losses_at, path
from lessons.schedules import curvatures
from manual_grad import numpy_closed_form, program
from manual_grad.program import BLUE, GREEN, ORANGE, PINK
from manual_grad.published_runs import published_runs

MAE_RATES = [0.001, 0.01, 0.03, 0.1, 1]
MAP = np.linspace(0.2, 0.9, 36), np.linspace(-0.1, 1.2, 66), np.arange(0, 1.5, 0.08)
LOOKS = [
    dict(color="black", marker="o"),
    dict(color=BLUE, marker="s"),
    dict(color=GREEN, marker="^"),
    dict(color=PINK, marker="D"),
    dict(color=ORANGE, marker="X"),
]


def mse_rates(h_max):
    """Return five rates: too small, the tutorial's, a good one, one below the limit, one above."""
    return [0.001, 0.01, 0.1, 0.95 * 2 / h_max, 1.05 * 2 / h_max]


def losses_along(run, points):
    """Return the loss at each point of a path, an array (epochs + 1,)."""
    X, y = run.X.numpy(), run.y.numpy()
    return np.array([losses_at(run.loss, X, y, [w], [b]).item() for w, b in points.T])


def print_table(run, rates, paths):
    """Print for each rate the losses after the last two epochs, and where the run ends."""
    print(f"{'lr':>8}{'loss at start':>16}{'after 99':>12}{'after 100':>12}", end="")
    print(f"{'weight':>12}{'bias':>12}")
    for rate, points in zip(rates, paths):
        losses = losses_along(run, points)
        numbers = *losses[[0, -2, -1]], *points[:, -1]
        print(f"{rate:>8.4g}{'':>4}" + "".join(f"{number:>12.4g}" for number in numbers))


@plt.rc_context(program.SLIDE)
def plot(run, rates, paths, title):
    """Draw each rate's losses, and each path over the loss surface; return the Figure."""
    figure = plt.figure()
    left, right = figure.subfigures(1, 2, width_ratios=[2, 3])
    losses = left.subplots()
    epochs = np.arange(run.epochs + 1)
    *panels, key = right.subplots(2, 3, sharex=True, sharey=True).flat
    for panel, rate, points, look in zip(panels, rates, paths, LOOKS):
        label = f"lr = {rate:.3g}"
        values = losses_along(run, points)
        low, high = np.minimum(values[1:], values[:-1]), np.maximum(values[1:], values[:-1])
        losses.fill_between(epochs[1:], low, high, color=look["color"], alpha=0.5, lw=2.5)
        # Every 9 epochs: an even number would show one edge of a band only.
        losses.plot(epochs[::9], values[::9], **look, lw=0, label=label)
        draw_map(panel, run.loss, run.X.numpy(), run.y.numpy(), *MAP)
        panel.plot(*points, color=look["color"], lw=2)
        panel.plot(*points[:, 0], "o", color="white", mec="black", mew=2, ms=13)
        panel.plot(*points[:, -1:], **look)
        panel.set(title=label, xlabel="", ylabel="")
        panel.set(xlim=MAP[0][[0, -1]], ylim=MAP[1][[0, -1]], xticks=[0.3, 0.5, 0.7])
    losses.set(yscale="log", xlabel="epoch", ylabel=LABELS[run.loss], title="The losses")
    panels[2].tick_params(labelbottom=True)  # below it stands the key, no map
    key.axis("off")
    key.plot([], [], "o", color="white", mec="black", mew=2, ms=13, label="start")
    key.plot([], [], "k*", ms=16, label="true parameters")
    handles = [*losses.lines, *key.lines]
    key.legend(handles, [handle.get_label() for handle in handles], loc="lower center")
    right.supxlabel("weight (no unit)", fontsize=16)
    right.supylabel("bias (no unit)", fontsize=16)
    figure.suptitle(title)
    return figure


def main():
    run = published_runs()["section 3"]
    # In float64: rounding then plays no part, not even where a run jumps back to its start.
    run = run._replace(X=run.X.double(), y=run.y.double())
    h_max = curvatures(run.X)[0].max()
    print("\n# MSE: the largest stable rate")
    print(f"h_max = {h_max:.4f}, the largest stable rate 2 / h_max = {2 / h_max:.4f}")
    mse_title = f"MSE: too small a rate crawls, and beyond {2 / h_max:.3f} training diverges"
    mae_title = "MAE: two rates are still on their way, the others jump between a band's edges"
    for loss, rates, name, title in (
        ("mse", mse_rates(h_max), "learning_rate", mse_title),
        ("mae", MAE_RATES, "learning_rate_mae", mae_title),
    ):
        run = run._replace(loss=loss)
        runs = [run._replace(lr=rate) for rate in rates]
        paths = [path(one, one.train(numpy_closed_form.train)) for one in runs]
        print(f"\n# {loss.upper()}: five rates, {run.epochs} epochs")
        print_table(run, rates, paths)
        program.save_figure(plot(run, rates, paths, title), name)
    program.show_figures()


if __name__ == "__main__":
    program.run(main, __doc__)
