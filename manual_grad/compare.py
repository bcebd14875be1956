"""All trainers side by side, on all the published runs: a table, an explanation, a picture.

Each trainer is compared with torch_optim, epoch by epoch: how many of its numbers are equal to the
bit, how far apart the others are, and why. verdict.py computes each number again to find the
reason. Where it finds none, it says NOT EXPLAINED. Saves figures/manual_grad.png.

A trainer of your own joins in like this:

    from manual_grad import compare
    compare.TRAINERS["mine"] = train
    compare.main()
"""

import sys
from itertools import cycle
from pathlib import Path
from textwrap import fill

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import matplotlib.pyplot as plt
import numpy as np

from manual_grad import numpy_autograd, numpy_closed_form, program, tensor_updates, torch_optim
from manual_grad.losses import mae
from manual_grad.published_runs import print_runs, published_runs
from manual_grad.trajectory import COLUMNS, by_hand, in_words, parameters_apart, stack
from manual_grad.verdict import explain, in_float64, in_short, share_of_bound

TRAINERS = {
    "numpy_closed_form": numpy_closed_form.train,
    "numpy_autograd": numpy_autograd.train,
    "tensor_updates": tensor_updates.train,
    "torch_optim": torch_optim.train,
}


def train_all(runs):
    """Return results[run][trainer], Trajectories. A trainer that diverges is named and left out."""
    results = {}
    for name, run in runs.items():
        results[name] = {}
        for trainer, train in TRAINERS.items():
            try:
                results[name][trainer] = run.train(train)
            except FloatingPointError as error:
                print(f"NOT EXPLAINED: {trainer} on {name}: {error}")
    return results


def print_summary(runs, results):
    """Print what the tables below come to, and how to read them."""
    print("\n# In short")
    trainers = {}
    for trainer in dict.fromkeys(key for trained in results.values() for key in by_hand(trained)):
        trainers.setdefault(in_short(runs, results, trainer), []).append(trainer)
    for words, names in trainers.items():
        print(f"{', '.join(names)}:\n{words}\n")
    print(
        "`apart`: the largest difference from torch_optim. `of bound`: the error against an exact\n"
        "computation, divided by the largest error that rounding can cause. Below 1: only rounding."
    )


def print_comparison(name, run, trajectories):
    """Print for each trainer and group of columns how it compares with torch_optim, and why."""
    reference = trajectories["torch_optim"]
    print(f"\n# {name}: against torch_optim")
    print(f"{'trainer':<19}{'column':<12}{'equal epochs':>14}{'apart':>9}{'of bound':>10}  verdict")
    for trainer, trajectory in by_hand(trajectories).items():
        for group, columns in COLUMNS.items():
            ours, theirs = (stack(t, columns) for t in (trajectory, reference))
            equal = f"{(ours == theirs).all(axis=0).sum()} of {run.epochs}"
            apart = f"{np.abs(ours - theirs).max():.1e}"
            share = "" if group == "parameters" else share_of_bound(run, trajectory, columns)
            words = explain(run, trajectory, reference, group)
            print(f"{trainer:<19}{group:<12}{equal:>14}{apart:>9}{share:>10.4}  {words}")


def print_losses(name, trajectories, every=10):
    """Print the losses of all trainers side by side."""
    print(f"\n# {name}: train loss before the step, in each trainer")
    print("epoch" + "".join(f"{trainer:>24}" for trainer in trajectories))
    losses = [trajectory.loss.tolist() for trajectory in trajectories.values()]
    for epoch in range(0, len(losses[0]), every):
        print(f"{epoch:>5}" + "".join(f"{column[epoch]:>24}" for column in losses))


LEVELS = [0.1, 0.2, 0.3, 0.4, 0.5]  # of the MAE
# From the widest and palest line to the thinnest: where all take one path, all can be seen.
LOOKS = [("#F0E442", "o", 13), ("#56B4E9", "s", 9), ("#D55E00", "D", 5), ("#009E73", "^", 3)]


def looks(trainers):
    """Return for each trainer how its line looks. torch_optim's is black and lies on the others."""
    styles = {
        trainer: dict(color=color, marker=marker, lw=width, ms=width)
        for trainer, (color, marker, width) in zip(by_hand(trainers), cycle(LOOKS))
    }
    return styles | {"torch_optim": dict(color="black", marker=".", lw=2, ms=5, ls="--", zorder=3)}


def plot_paths(axes, runs, results):
    """Draw the path of each trainer over the MAE of the tutorial's line, from both its starts."""
    X, y = runs["section 6"].X.numpy(), runs["section 6"].y.numpy()
    weights, biases = np.linspace(0.05, 0.85, 81), np.linspace(0.05, 0.9, 86)
    surface = [[mae(w * X + b, y) for w in weights] for b in biases]
    levels = axes.contour(weights, biases, surface, levels=LEVELS, colors="0.6", linewidths=1)
    axes.clabel(levels, fontsize=14, manual=[(0.8, 0.27 + level) for level in LEVELS])
    axes.plot(0.7, 0.3, "*", color="white", mec="black", ms=26, label="true parameters")
    largest = 0
    for name in ("section 3", "section 6"):
        run, trajectories = runs[name], results[name]
        for trainer, trajectory in trajectories.items():
            path = np.append(run.weight, trajectory.weight), np.append(run.bias, trajectory.bias)
            look = looks(trajectories)[trainer] | dict(markevery=[0], solid_capstyle="round")
            axes.plot(*path, **look, label=trainer)
            end = [column[-1] for column in path]
            axes.plot(*end, "X", color="black", mec="white", ms=14, label="end", zorder=4)
        left, down = (0.03, 0.16) if name == "section 3" else (0, 0.05)
        place, line = (end[0] - left, end[1] - down), dict(arrowstyle="-", lw=2)
        axes.annotate(f"end, {name}", end, place, ha="center", va="top", arrowprops=line)
        axes.text(run.weight - 0.02, run.bias, f"start, {name}", ha="right")
        largest = max(largest, *(apart.max() for apart in parameters_apart(trajectories).values()))
    words = "all on one path" if largest == 0 else f"at most {largest:.0e} apart"
    axes.set_title(f"Over the MAE, from two starts: {words}")
    axes.set(xlabel="weight (no unit)", ylabel="bias (no unit)")
    axes.set(xlim=weights[[0, -1]], ylim=biases[[0, -1]])  # whatever path a wrong trainer takes


def plot_losses(axes, name, run, trajectories):
    """Draw how far each loss is from float64 at the same parameters, and how far it may be."""
    within = True
    for trainer, trajectory in trajectories.items():
        right, bound = in_float64(run, trajectory)["loss"]
        error = np.abs(trajectory.loss - right)
        axes.plot(error, **looks(trajectories)[trainer] | dict(ls=""))
        within = within and (error <= bound).all()
    axes.plot(bound, color="0.5", label="most that rounding can cause")
    axes.set_yscale("log")
    below, beyond = "all errors below what rounding can cause", "a loss wrong by more than rounding"
    axes.set_title(f"{name}:\n{below if within else beyond}")
    axes.set(xlabel="epoch", ylabel="error of the loss\n(no unit)")


def plot_steps(axes, name, run, trajectories):
    """Draw how far each trainer's parameters are from torch_optim's, and say why."""
    apart = parameters_apart(trajectories)
    for trainer, difference in apart.items():
        axes.plot(difference * 1e8, **looks(trajectories)[trainer] | dict(ls=""))
    differ = np.any(list(apart.values()), axis=0)
    words = f"{in_words(differ)} differ" if differ.any() else "all epochs equal"
    axes.set_title(f"{name}:\n{words}")
    axes.set(xlabel="epoch", ylabel="off torch_optim\n(1e-8, no unit)")
    first = next(iter(apart))
    reason = explain(run, trajectories[first], trajectories["torch_optim"], "parameters")
    axes.text(0.97, 0.6, fill(f"{first}: {reason}", 42), ha="right", transform=axes.transAxes)


@plt.rc_context(program.SLIDE)
def plot_comparison(runs, results):
    """Draw the paths, the losses of section 3 and the parameters of the last run."""
    figure, axes = plt.subplot_mosaic([["paths", "losses"], ["paths", "steps"]])
    plot_paths(axes["paths"], runs, results)
    plot_losses(axes["losses"], "section 3", runs["section 3"], results["section 3"])
    custom = "pipeline, custom"
    plot_steps(axes["steps"], custom, runs[custom], results[custom])
    handles = {}
    for panel in axes.values():
        for handle, label in zip(*panel.get_legend_handles_labels()):
            handles.setdefault(label, handle)
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=4)
    return figure


def main():
    runs = published_runs()
    results = train_all(runs)
    print_summary(runs, results)
    print_runs(runs)
    for name, trajectories in results.items():
        print_comparison(name, runs[name], trajectories)
    print_losses("section 3", results["section 3"])

    print("\n# The comparison as a picture")
    program.save_figure(plot_comparison(runs, results), "manual_grad")
    program.show_figures()


if __name__ == "__main__":
    program.run(main, __doc__)
