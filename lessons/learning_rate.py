"""What the learning rate does: five rates for MSE and five for MAE, from too small to too large.

All runs take the tutorial's data and start, and 100 epochs, each of which steps by -lr * gradient.

MSE has a largest stable rate. Its surface is a bowl, and along each of the bowl's two axes the
gradient is the curvature h times the distance from the optimum, so that a step multiplies this
distance by 1 - lr h. The factor nearest to 1 or -1 decides how long training takes. With a small
rate that is the flattest axis's, and at the fastest fixed rate, 2 / (h_flattest + h_steepest), both
factors have one size. At 2 / h_steepest the steepest axis's factor is -1, and beyond it each step
overshoots farther than the one before, so that training diverges. Source: Boyd and Vandenberghe,
Convex Optimization, section 9.3 (gradient descent on a quadratic function).

MAE never diverges, because its gradient g is a mean of signs, whose length is bounded, and so is
that of a step, lr |g|. Because MAE is convex (its surface never lies above the straight line
between two of its points), a step leads nearer to the optimum as long as the MAE is more than
lr |g|^2 / 2 above its smallest value. But the gradient doesn't fade out on the way there, so that
training ends in jumps to and fro, which are the wider the larger lr is. From about lr = 0.35 on it
jumps between two points of which one is the start, and nothing is learned. Source: Boyd, Xiao and
Mutapcic, Subgradient Methods.

Prints the losses and parameters, and saves figures/learning_rate.png for MSE and
figures/learning_rate_mae.png for MAE.
"""

import sys
from pathlib import Path

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import matplotlib.pyplot as plt
import numpy as np

from manual_grad import numpy_closed_form, pictures, program
from manual_grad.loss_map import draw_map, losses_at, path
from manual_grad.pictures import BLUE, GREEN, ORANGE, PINK, draw_band
from manual_grad.published_runs import published_runs

MAP = np.linspace(0.2, 0.9, 21), np.linspace(-0.1, 1.2, 38), np.arange(0, 1.5, 0.08)
LOOKS = [dict(color=c, marker=m) for c, m in zip(("black", BLUE, GREEN, PINK, ORANGE), "os^DX")]


def curvatures(X):
    """Return MSE's two curvatures, the flattest first: an array of shape (2,), in float64.

    They are the eigenvalues of the Hessian, the second derivatives of the mean of
    (weight x + bias - y)^2, and the bowl's axes are its eigenvectors:

        H = 2 [[mean of x^2, mean of x],
               [mean of x,   1        ]]

    X is an array or a tensor of shape (n, 1).
    """
    x = np.asarray(X, float)
    return np.linalg.eigvalsh(2 * np.array([[(x * x).mean(), x.mean()], [x.mean(), 1]]))


def print_table(run, rates, paths, h):
    """Print for each rate the factor of each curvature h, the losses, and where the run ends."""
    factors = "".join(f"{f'1 - lr {number:.4f}':>15}" for number in h)
    print(f"{'lr':>6}{factors}{'loss after 99':>15}{'after 100':>11}{'weight':>10}{'bias':>10}")
    for rate, points in zip(rates, paths):
        losses = losses_at(run.loss, run.X.numpy(), run.y.numpy(), *points)
        factors = "".join(f"{1 - rate * number:>15.5f}" for number in h)
        ends = "{:>15.4g}{:>11.4g}{:>10.4g}{:>10.4g}".format(*losses[-2:], *points[:, -1])
        print(f"{rate:>6.4g}{factors}{ends}")


@plt.rc_context(pictures.SLIDE)
def plot(run, rates, paths, title):
    """Draw each rate's losses, and each path over the loss surface; return the Figure."""
    figure = plt.figure()
    left, right = figure.subfigures(1, 2, width_ratios=[2, 3])
    curves = left.subplots()
    *panels, key = right.subplots(2, 3, sharex=True, sharey=True).flat
    X, y = run.X.numpy(), run.y.numpy()
    for panel, rate, points, look in zip(panels, rates, paths, LOOKS):
        label = f"lr = {rate:.3g}"
        losses = losses_at(run.loss, X, y, *points)
        draw_band(curves, losses, every=9, **look, label=label)
        draw_map(panel, run.loss, X, y, *MAP)
        panel.lines[0].set_zorder(3)  # the star: above a path that crosses it again and again
        on_map = losses < MAP[2][-1]  # else a run that diverges fills its panel
        panel.plot(*points[:, on_map], **look, ms=4, lw=1.5)
        begin = dict(color="white", mec="black", mew=2, ms=13, label="start")
        panel.plot(*points[:, 0], "o", **begin, zorder=4)
        panel.plot(*points[:, -1:], **look, zorder=4)
        panel.set(title=label, xlabel="", ylabel="", xticks=[0.3, 0.5, 0.7])
    curves.set(yscale="log", xlabel="epoch", ylabel=f"{run.loss.upper()} (no unit)")
    curves.set_title("The losses")
    if run.loss == "mae":
        words = "the loss jumps between\nthese two in every epoch"
        curves.text(50, 0.51, words, ha="center", va="center", fontsize=14)
    panels[2].tick_params(labelbottom=True)  # below it stands the key, no map
    key.axis("off")
    star, _, start, _ = panels[0].lines
    key.legend(handles=[*curves.lines, start, star], loc="lower center", title="lr: learning rate")
    right.supxlabel("weight (no unit)", fontsize=16)
    right.supylabel("bias (no unit)", fontsize=16)
    figure.suptitle(title)
    return figure


def main():
    run = published_runs()["section 3"]
    # In float64: rounding then plays no part, not even where a run jumps back to its start.
    run = run._replace(X=run.X.double(), y=run.y.double())
    h = curvatures(run.X)
    fastest = 2 / h.sum()
    limit = 2 / h.max()
    print("\n# MSE: the learning rates that its curvatures allow")
    print(f"h = {h[0]:.4f} along the flattest axis, {h[1]:.4f} along the steepest")
    print(f"the fastest rate, 2 / (sum of both) = {fastest:.4f}")
    print(f"the largest stable rate, 2 / h of the steepest = {limit:.4f}")
    mse_title = f"MSE: too small a rate crawls, and beyond {limit:.4f} training diverges"
    mae_title = "MAE can't diverge, because its slope is bounded. Larger rates end in wider jumps"
    mse_rates = [0.001, 0.01, 0.1, fastest, 1.05 * limit]  # the third is a good one
    for loss, rates, shown, name, title in (
        ("mse", mse_rates, h, "learning_rate", mse_title),
        ("mae", [0.001, 0.01, 0.03, 0.1, 1], [], "learning_rate_mae", mae_title),
    ):
        run = run._replace(loss=loss)
        runs = [run._replace(lr=rate) for rate in rates]
        paths = [path(one, one.train(numpy_closed_form.train)) for one in runs]
        print(f"\n# {loss.upper()}: five rates, {run.epochs} epochs")
        print_table(run, rates, paths, shown)
        pictures.save_figure(plot(run, rates, paths, title), name)
    pictures.show_figures()


if __name__ == "__main__":
    program.run(main, __doc__)
