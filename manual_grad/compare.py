"""All trainers side by side, on all the published runs: tables, and two pictures.

Each trainer is compared with torch_optim, epoch by epoch: how many of its numbers are equal to the
bit, how far apart the others are, and why. verdict.py computes each number again to find the
reason. Where it finds none, it says NOT EXPLAINED. Saves figures/manual_grad.png, the paths of all
trainers, and figures/rounding.png, what rounding leaves.

The text is the same in every run on one machine. So `diff` of two texts, of an old and a new
PyTorch for example, shows which runs have changed, even by one bit. (The tests name each printed
number that has.)

A trainer of your own joins in like this, in a file in the project's folder:

    from manual_grad import compare
    compare.TRAINERS["mine"] = train
    compare.main()

It is called as train(X, y, weight, bias, loss=..., lr=..., epochs=...) with float32 tensors, and
returns a Trajectory of manual_grad.trajectory. Whatever else it does becomes a line of the table.
"""

import sys
import traceback
from itertools import cycle
from pathlib import Path
from textwrap import fill, shorten
from zlib import crc32

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import matplotlib.pyplot as plt
import numpy as np
import torch

from manual_grad import numpy_autograd, numpy_closed_form, program, tensor_updates, torch_optim
from manual_grad.losses import mae
from manual_grad.published_runs import TRUE_BIAS, TRUE_WEIGHT, published_runs
from manual_grad.trajectory import Trajectory
from manual_grad.verdict import COLUMNS, explain, in_float64, in_words, share_of_bound, stack

TRAINERS = {
    "numpy_closed_form": numpy_closed_form.train,
    "numpy_autograd": numpy_autograd.train,
    "tensor_updates": tensor_updates.train,
    "torch_optim": torch_optim.train,
}
WIDTH = 100  # of what is printed


# --- Train


def train_all(runs):
    """Return results[run][trainer]: a Trajectory, or a sentence on why there is none."""
    return {
        name: {trainer: result(run, train) for trainer, train in TRAINERS.items()}
        for name, run in runs.items()
    }


def result(run, train):
    """Return the Trajectory of a run, or, as text, what its trainer raised or returned instead."""
    data = run._replace(X=run.X.clone(), y=run.y.clone())  # a reader's trainer may write into them
    try:
        return checked(data.train(train), run.epochs)
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        theirs = [f for f in frames if Path(f.filename).parent != Path(__file__).parent]
        where = f" ({Path(theirs[0].filename).name}, line {theirs[0].lineno})" if theirs else ""
        return shorten(f"{type(error).__name__}: {error}", 240) + where


def checked(returned, epochs):
    """Return a Trajectory with arrays of finite floats, (epochs,). Raise if it can't be one."""
    if not isinstance(returned, Trajectory):
        kind = type(returned).__name__
        raise TypeError(f"train must return a Trajectory of manual_grad.trajectory, not {kind}")
    columns = {name: np.asarray(values) for name, values in returned._asdict().items()}
    for name, values in columns.items():
        if values.shape != (epochs,):
            wanted = f"({epochs},), one number for each epoch"
            raise ValueError(f"{name} must have shape {wanted}, not {values.shape}")
        if values.dtype.kind != "f":
            raise TypeError(f"{name} must hold floats, not {values.dtype}")
        finite = np.abs(values.astype(float)) <= np.finfo(np.float32).max
        if not finite.all():
            epoch = int(finite.argmin())
            raise ValueError(f"{name} is {values[epoch]} in epoch {epoch}")
    return Trajectory(**columns)


def trained(results):
    """Return the Trajectories among the results of a run."""
    return {trainer: t for trainer, t in results.items() if isinstance(t, Trajectory)}


def by_hand(results):
    """Return all results of a run but that of torch_optim."""
    return {trainer: result for trainer, result in results.items() if trainer != "torch_optim"}


def parameters_apart(ours, theirs):
    """Return how far weight or bias is from the other trainer's: (epochs,)."""
    ours, theirs = (stack(trajectory, COLUMNS["parameters"]) for trajectory in (ours, theirs))
    return np.abs(ours - theirs).max(axis=0)


# --- Print


def print_summary(runs, results):
    """Print what the tables below come to, and how to read them."""
    print("\n# In short")
    trainers = {}
    for trainer in by_hand(TRAINERS):
        trainers.setdefault(in_short(runs, results, trainer), []).append(trainer)
    for words, names in trainers.items():
        print(f"{fill(', '.join(names), WIDTH - 1)}:\n{words}\n")
    print("How to read the tables. `equal`: the epochs in which a trainer's numbers are those of")
    print("torch_optim, to the bit. `apart`: the largest difference. `of bound`: the largest error")
    print("against an exact computation, as a share of what rounding can cause: up to 1, rounding")
    print("can explain it. `checksum`: CRC-32 of all numbers. 9 digits make out any float32.")


def in_short(runs, results, trainer):
    """Return in a few lines how a trainer compares with torch_optim over all runs."""
    wrong, differ, reasons = {}, [], {}
    for name, run in runs.items():
        ours, theirs = results[name][trainer], results[name]["torch_optim"]
        if isinstance(ours, str):
            wrong[name] = ours
            continue
        verdicts = {group: explain(run, ours, theirs, group) for group in COLUMNS}
        faults = [str(verdict) for verdict in verdicts.values() if verdict.fault]
        if faults:
            wrong[name] = faults[0]
            continue
        apart = parameters_apart(ours, theirs)
        if apart.any():
            epochs = f"{(apart > 0).sum()} of {run.epochs} epochs"
            differ.append(f"In {name!r} they differ in {epochs}, by {apart.max():.1e} at most.")
        reasons |= verdicts["gradients"].reasons | verdicts["loss"].reasons
    if wrong:
        name, words = next(iter(wrong.items()))
        lines = [f"Not as torch_optim in {len(wrong)} of {len(runs)} runs. In {name!r}: {words}"]
    else:
        equal = f"in every epoch of {len(runs) - len(differ)} of {len(runs)} runs."
        lines = [f"weight and bias are equal to torch_optim's, to the bit, {equal}", *differ]
        why = f"Where losses or gradients differ: {'; '.join(reasons)}."
        lines.append(why if reasons else "Losses and gradients are equal to the bit.")
    return "\n".join(fill(line, WIDTH) for line in lines)


def print_comparison(name, run, results):
    """Print for each trainer where it ends, how it compares with torch_optim, and why."""
    print(f"\n# {name}: {len(run.X)} points, {run.loss}, lr {run.lr}, {run.epochs} epochs")
    print(f"start: weight {run.weight:.9g}, bias {run.bias:.9g}")
    print(fill(f"torch_optim: {last_epoch(results['torch_optim'])}", WIDTH))
    print(f"{'':<12}{'equal':>14}{'apart':>9}{'of bound':>10}  why they differ")
    for trainer, ours in by_hand(results).items():
        words = ours if isinstance(ours, str) else last_epoch(ours)
        print(fill(f"{trainer}: {words}", WIDTH))
        if not isinstance(ours, str):
            print_columns(run, ours, results["torch_optim"])


def last_epoch(trajectory):
    """Return where a run ends, and a checksum of all its numbers."""
    loss, _, _, weight, bias = (column[-1] for column in trajectory)
    checksum = crc32(np.stack(trajectory).astype(float) + 0.0)  # -0 is equal to 0: + 0 makes it 0
    return f"weight {weight:.9g}, bias {bias:.9g}, last loss {loss:.9g}, checksum {checksum:08x}"


def print_columns(run, ours, theirs):
    """Print for each group of columns how it compares with torch_optim's, and why."""
    for group, columns in COLUMNS.items():
        a, b = stack(ours, columns), stack(theirs, columns)
        equal = f"{(a == b).all(axis=0).sum()} of {run.epochs}"
        share = "" if group == "parameters" else f"{share_of_bound(run, ours, columns):.2g}"
        apart = f"{np.abs(a - b).max():.1e}" if (a != b).any() else "0"
        row = f"  {group:<10}{equal:>14}{apart:>9}{share:>10}  "
        words = str(explain(run, ours, theirs, group))
        print(fill(words, WIDTH, initial_indent=row, subsequent_indent=" " * len(row)))


def print_losses(name, results, every=10):
    """Print the losses of all trainers side by side, five trainers to a table."""
    print(f"\n# {name}: train loss before the step, in each trainer")
    losses = {trainer: trajectory.loss for trainer, trajectory in trained(results).items()}
    for first in range(0, len(losses), 5):
        some = list(losses)[first : first + 5]
        print("epoch" + "".join(f"{trainer[:17]:>19}" for trainer in some))
        for epoch in range(0, len(losses["torch_optim"]), every):
            print(f"{epoch:>5}" + "".join(f"{losses[trainer][epoch]:>19.9g}" for trainer in some))


# --- Draw

LEVELS = [0.1, 0.2, 0.3, 0.4, 0.5]  # of the MAE
# From the widest and palest line to the thinnest: where all take one path, all can be seen.
LOOKS = [
    (program.YELLOW, "o", 16),
    (program.SKY, "s", 11),
    (program.ORANGE, "D", 6),
    (program.GREEN, "^", 4),
]
MARKS = dict(ls="", mec="black", mew=0.7)  # without a line; the edge shows the shape in grey too


def looks(trainers):
    """Return for each trainer how its line looks. torch_optim's is black and lies on the others."""
    styles = {
        trainer: dict(color=color, marker=marker, lw=width, ms=width)
        for trainer, (color, marker, width) in zip(by_hand(trainers), cycle(LOOKS))
    }
    return styles | {"torch_optim": dict(color="black", marker=".", lw=2, ms=5, ls="--", zorder=3)}


@plt.rc_context(program.SLIDE)
def plot_paths(runs, results):
    """Draw the path of each trainer over the MAE of the tutorial's line, from both its starts."""
    figure, axes = plt.subplots()
    X, y = runs["section 6"].X.numpy(), runs["section 6"].y.numpy()
    weights, biases = np.linspace(0.05, 0.85, 81), np.linspace(0.05, 0.9, 86)
    surface = [[mae(w * X + b, y) for w in weights] for b in biases]
    levels = axes.contour(weights, biases, surface, levels=LEVELS, colors="0.6", linewidths=1)
    axes.clabel(levels, fontsize=14, manual=[(0.8, 0.27 + level) for level in LEVELS])
    axes.plot(TRUE_WEIGHT, TRUE_BIAS, "*", color="white", mec="black", ms=26)
    axes.annotate("true parameters", (TRUE_WEIGHT, TRUE_BIAS), (0.72, 0.33), va="center")
    largest = 0
    for name in ("section 3", "section 6"):
        run, trajectories = runs[name], trained(results[name])
        for trainer, trajectory in trajectories.items():
            path = np.append(run.weight, trajectory.weight), np.append(run.bias, trajectory.bias)
            look = looks(results[name])[trainer] | dict(markevery=[0], solid_capstyle="round")
            axes.plot(*path, **look, label=trainer)
            axes.plot(*(p[-1] for p in path), "X", color="black", mec="white", ms=14, zorder=4)
            apart = parameters_apart(trajectory, trajectories["torch_optim"])
            largest = max(largest, apart.max())
        end = trajectories["torch_optim"].weight[-1], trajectories["torch_optim"].bias[-1]
        left, down = (0.03, 0.16) if name == "section 3" else (0, 0.05)
        place, line = (end[0] - left, end[1] - down), dict(arrowstyle="-", lw=2)
        axes.annotate(f"end, {name}", end, place, ha="center", va="top", arrowprops=line)
        axes.text(run.weight - 0.02, run.bias, f"start, {name}", ha="right")
    words = "the same in every trainer" if largest == 0 else f"at most {largest:.0e} apart"
    axes.set_title(f"Paths over the MAE from two starts: {words}")
    axes.set(xlabel="weight (no unit)", ylabel="bias (no unit)")
    axes.set(xlim=weights[[0, -1]], ylim=biases[[0, -1]])  # whatever path a wrong trainer takes
    handles = {label: handle for handle, label in zip(*axes.get_legend_handles_labels())}
    axes.legend(handles.values(), handles, loc="upper left", framealpha=1)
    return figure


@plt.rc_context(program.SLIDE)
def plot_rounding(runs, results):
    """Draw what rounding leaves: errors of the losses, and the run in which parameters differ."""
    figure, (losses, steps) = plt.subplots(2)
    name = "section 3"
    within = True
    for trainer, trajectory in trained(results[name]).items():
        right, bound = in_float64(runs[name], trajectory)["loss"]
        error = np.abs(trajectory.loss - right)
        losses.plot(error, **looks(results[name])[trainer] | MARKS, label=trainer)
        within = within and (error <= bound).all()
    _, bound = in_float64(runs[name], results[name]["torch_optim"])["loss"]
    losses.plot(bound, color="0.5", label="most that rounding can cause")
    losses.set_yscale("log")
    words = "all errors below what rounding can cause" if within else "a loss wrong by more"
    losses.set_title(f"{name}: {words}")
    losses.set(xlabel="epoch", ylabel="error of the loss\n(no unit)")

    name = "pipeline, custom"
    trajectories = trained(results[name])
    differ = False
    for trainer, trajectory in by_hand(trajectories).items():
        apart = parameters_apart(trajectory, trajectories["torch_optim"])
        steps.plot(apart * 1e8, **looks(results[name])[trainer] | MARKS)
        differ = differ | (apart > 0)
    words = f"parameters differ in {in_words(differ)}" if np.any(differ) else "all epochs equal"
    steps.set_title(f"{name}: {words}")
    steps.set(xlabel="epoch", ylabel="off torch_optim\n(1e-8, no unit)")
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def main():
    kernels = torch.backends.cpu.get_cpu_capability()
    print(f"torch {torch.__version__} with its kernels for {kernels}, NumPy {np.__version__}")
    runs = published_runs()
    results = train_all(runs)
    print_summary(runs, results)
    for name in runs:
        print_comparison(name, runs[name], results[name])
    print_losses("section 3", results["section 3"])

    print("\n# The comparison as pictures")
    program.save_figure(plot_paths(runs, results), "manual_grad")
    program.save_figure(plot_rounding(runs, results), "rounding")
    program.show_figures()


if __name__ == "__main__":
    program.run(main, __doc__)
