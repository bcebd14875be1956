"""What the published table hides: the run has ended in a cycle of exactly two states.

The question. From epoch 120 on, each row of the tutorial's 1000-epoch table is the same. Has the
model converged? No. Each epoch uses all data, no momentum. So a state (weight, bias) determines the
next, and the first state that comes back closes a cycle for good. Here there are two states, A and
B. A row's train loss is measured before the step (state A), its test loss after it (state B).

Why it can't end. The MAE's gradient knows the residuals' signs, not their sizes. In section 6, all
predictions are too high at A: every sign is 1, and the gradient is (mean of x, 1). All are too low
at B, and the gradient is minus that. So A - lr (mean of x, 1) = B, and B + lr (mean of x, 1) = A.
Both steps have the same length: the states lie lr times the length of (mean of x, 1) apart.

The way out. A falling lr (a schedule) shrinks the jumps, and MSE's gradient fades by itself:
schedules.py tells of both. Saves figures/limit_cycle.png.
"""

import sys
from pathlib import Path

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import matplotlib.pyplot as plt
import numpy as np

from lessons.schedules import both_losses, loss_at, train_by_hand
from manual_grad import numpy_closed_form, program, torch_optim
from manual_grad.losses import mae_gradient
from manual_grad.program import BLUE, ORANGE, YELLOW
from manual_grad.published_runs import published_runs
from manual_grad.trajectory import find_cycle

# The tutorials print a row every so many epochs.
EVERY = {"section 3": 10, "section 6": 10, "exercise": 20, "exercise, author's": 20}
SCHEDULE = "lr times 0.1 every 150 epochs"  # of the picture


def mae_runs():
    """Return the published MAE runs by name, each continued to 1000 epochs."""
    return {name: published_runs()[name]._replace(epochs=1000) for name in EVERY}


def next_row(trajectory, every):
    """Return the first epoch in the cycle whose row the table prints.

    State A is the one before this epoch's step, state B the one after it. If the cycle has two
    states, these are all.
    """
    first, _ = find_cycle(trajectory)
    return (first // every + 1) * every


def state_after(trajectory, epoch):
    """Return the parameters (weight, bias) after an epoch, in the dtype of the run."""
    return trajectory.weight[epoch], trajectory.bias[epoch]


def gradient_at(state, X, y):
    """Return the closed-form gradient of the MAE at a state, and the signs of the residuals."""
    weight, bias = state
    y_pred = weight * X + bias
    y_pred_grad = mae_gradient(y_pred, y)
    return np.array([(y_pred_grad * X).sum(), y_pred_grad.sum()]), np.sign(y_pred - y)


def print_cycle(name, run, trajectory):
    """Print the cycle of a run, its states A and B, and the row that the table makes of them."""
    first, period = find_cycle(trajectory)
    row = next_row(trajectory, EVERY[name])
    print(f"\n# 1. The cycle, {name}: from epoch {first} on, {period} states")
    print(f"state{'epoch':>7}{'weight':>20}{'bias':>20}{'train loss':>23}{'test loss':>23}")
    losses = []
    for letter, epoch in (("A", row - 1), ("B", row)):
        weight, bias = map(float, state_after(trajectory, epoch))
        losses.append(both_losses(run, trajectory, epoch))
        train_loss, test_loss = losses[-1]
        print(f"{letter:>5}{epoch:>7}{weight:>20}{bias:>20}{train_loss:>23}{test_loss:>23}")
    print("The table's row takes its train loss from state A and its test loss from state B:")
    print(f"Epoch: {row} | Train loss: {losses[0][0]} | Test loss: {losses[1][1]}")


def print_explanation(runs, trajectories):
    """Print that one closed-form step leads from each state of the cycles to the other."""
    print("\n# 2. Why it can't end: one step by hand from each state")
    print(f"{'':<18}{'mean of x':>10}{'state':>7}{'too high':>10}{'too low':>9}", end="")
    print(f"{'gradient (weight, bias)':>25}{'leads to':>18}")
    for name, run in runs.items():
        X, y = run.X.numpy(), run.y.numpy()
        row = next_row(trajectories[name], EVERY[name])
        for letter, other, epoch in (("A", "B", row - 1), ("B", "A", row)):
            state, after = (state_after(trajectories[name], one) for one in (epoch, epoch + 1))
            gradient, signs = gradient_at(state, X, y)
            off = np.abs(state - X.dtype.type(run.lr) * gradient - after).max()
            arrives = f"{other}, to the bit" if off == 0 else f"{other}, within {off:.0e}"
            signs = f"{(signs > 0).sum():>10}{(signs < 0).sum():>9}"
            step = f"({gradient[0]:+.4f}, {gradient[1]:+.4f})"
            print(f"{name:<18}{X.mean():>10.4f}{letter:>7}{signs}{step:>25}{arrives:>18}")


def amplitudes(run, rates=(0.04, 0.02, 0.01, 0.005, 0.0025)):
    """Return (rate, first, period, distance of the cycle's first and last state) for each rate."""
    rows = []
    for rate in rates:
        trajectory = run._replace(lr=rate, epochs=int(20 / rate)).train(numpy_closed_form.train)
        first, period = find_cycle(trajectory)
        ends = [state_after(trajectory, epoch) for epoch in (first, first + period - 1)]
        rows.append((rate, first, period, np.hypot(*np.subtract(*ends, dtype=float))))
    return rows


def print_amplitudes(run):
    print("\n# 3. The distance of the states is proportional to lr (section 6)")
    print(f"{'lr':>8}{'from epoch':>12}{'states':>8}{'distance':>12}{'distance / lr':>15}")
    for rate, first, period, distance in amplitudes(run):
        print(f"{rate:>8}{first:>12}{period:>8}{distance:>12.6f}{distance / rate:>15.4f}")
    print(f"by hand, the length of (mean of x, 1):{np.hypot(run.X.mean().item(), 1):>17.4f}")


@plt.rc_context(program.SLIDE)
def plot(run, trajectory, scheduled):
    """Draw section 6's loss curves, near and whole, and return the Figure.

    `scheduled` is the Trajectory of the same run under SCHEDULE.
    """
    figure, (near, whole) = plt.subplots(1, 2, width_ratios=[4, 5])
    epochs, row = np.arange(run.epochs), next_row(trajectory, EVERY["section 6"])
    rows = epochs[:: EVERY["section 6"]]
    test, quiet = (
        np.array([loss_at(state, run.X_test, run.y_test) for state in zip(t.weight, t.bias)])
        for t in (trajectory, scheduled)
    )
    for losses, state, height, look, marker, label in (
        (trajectory.loss, "A", 1.5e-4, dict(color=BLUE), "s", "train loss, before the step"),
        (test, "B", 0.04, dict(color=ORANGE, ls="--"), "o", "test loss, after the step"),
    ):
        near.plot(epochs, losses, **look, label=label)
        marks = dict(color="black", mfc=look["color"], ms=14, label="the same, in a printed row")
        near.plot(rows, losses[rows], marker, **marks)
        point, arrow = (row, losses[row]), dict(arrowstyle="-|>", lw=2.5, shrinkB=9)
        near.annotate(f"state {state}", point, (row, height), ha="center", arrowprops=arrow)
    dip = row - 1, test[row - 1]  # in no printed row
    near.annotate("A's test loss", dip, (row - 2.2, 6e-5), ha="center", arrowprops=arrow)
    near.set(xlim=(row - 4.5, row + 11.5), ylim=(5e-5, 0.6), title="Near: a row mixes two models")

    for losses, look, label in (
        (test, dict(color=YELLOW), "test loss"),
        (trajectory.loss, dict(color=BLUE, hatch="//", fc="none"), "train loss"),
        (quiet, dict(color=ORANGE), f"test loss, {SCHEDULE}"),
    ):
        low, high = np.minimum(losses[1:], losses[:-1]), np.maximum(losses[1:], losses[:-1])
        whole.fill_between(epochs[1:], low, high, **look, lw=2.5, label=label)
    whole.text(330, 0.018, "bands: each epoch jumps\nfrom A to B or back")
    whole.text(20, 2e-7, "blocks: the same jumps,\nshorter as lr falls")
    whole.text(20, 5e-8, "spikes: the line crosses the test data")
    whole.text(20, 2e-8, "flat end: steps too small for float32")
    whole.set(ylim=(1e-8, 30))
    whole.set_title("Fixed learning rate: the jumps stay.\nFalling one: they shrink")
    for axes in (near, whole):
        axes.set(xlabel="epoch", ylabel="loss (MAE, no unit), log scale", yscale="log")
        axes.legend(loc="upper right")
    return figure


def main():
    runs = mae_runs()
    trajectories = {name: run.train(torch_optim.train) for name, run in runs.items()}
    for name, run in runs.items():
        print_cycle(name, run, trajectories[name])
    print_explanation(runs, trajectories)
    run = runs["section 6"]
    print_amplitudes(run)

    print("\n# 4. The picture")
    figure = plot(run, trajectories["section 6"], train_by_hand(run, SCHEDULE))
    program.save_figure(figure, "limit_cycle")
    program.show_figures()


if __name__ == "__main__":
    program.run(main, __doc__)
