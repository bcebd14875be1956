"""What the published table hides: the run has ended in a cycle of exactly two states.

The question. From epoch 120 on, each row of the tutorial's 1000-epoch table is the same. Has the
model converged? No. Each epoch uses all data and no momentum, so that a state (weight, bias) alone
determines the next one, and the first state that comes back closes a cycle for good. Here there are
two states, and so two models, A and B. A row takes its train loss from the model before the step,
which is A, and its test loss from the model after it, which is B: the row describes neither.

Why it can't end. MAE's gradient knows the signs of the residuals but not their sizes. In section 6
all predictions are too high at A, so that every sign is 1 and the gradient is (mean of x, 1). All
are too low at B, where the gradient is minus that. Hence A - lr (mean of x, 1) = B, and
B + lr (mean of x, 1) = A: both steps have the same length, and the states lie lr times the length
of (mean of x, 1) apart. Only a smaller rate brings them closer together.

Prints the states of all four published MAE runs, and saves figures/limit_cycle.png. The next lesson
is schedules.py, in which the rate falls.
"""

import sys
from pathlib import Path

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import matplotlib.pyplot as plt
import numpy as np
from torch import nn

from manual_grad import numpy_closed_form, program, torch_optim
from manual_grad.losses import mae_gradient
from manual_grad.program import BLUE, ORANGE
from manual_grad.published_runs import published_runs
from manual_grad.trajectory import find_cycle

# The tutorials print a row every so many epochs.
EVERY = {"section 3": 10, "section 6": 10, "exercise": 20, "exercise, author's": 20}


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


def both_losses(run, trajectory, epoch=-1):
    """Return torch's MAE after an epoch, on the training data and on the test data of a run."""
    weight, bias = map(float, state_after(trajectory, epoch))
    data = (run.X, run.y), (run.X_test, run.y_test)
    return [nn.L1Loss()(weight * X + bias, y).item() for X, y in data]


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
def plot(run, trajectory, every):
    """Draw both models' losses beside the row's, and those of each epoch; return the Figure."""
    figure, (models, epochs) = plt.subplots(1, 2)
    row = next_row(trajectory, every)
    (train_a, test_a), (train_b, test_b) = (
        both_losses(run, trajectory, epoch) for epoch in (row - 1, row)
    )
    names = [
        "model {}:\nweight {:.4f},\nbias {:.4f}".format(letter, *state_after(trajectory, epoch))
        for letter, epoch in (("A", row - 1), ("B", row))
    ]
    looks = dict(color=BLUE), dict(color=ORANGE, hatch="//", ec="white")
    labels = "train loss", "test loss"
    both = (train_a, train_b, train_a), (test_a, test_b, test_b)
    for heights, look, label, left in zip(both, looks, labels, (-0.2, 0.2)):
        bars = models.bar(np.arange(3) + left, heights, 0.4, **look, label=label)
        models.bar_label(bars, fmt="%.4f", padding=3)
    models.axvspan(1.5, 2.5, color="0.9", zorder=0)
    models.set(xlim=(-0.5, 2.5))
    models.set_xticks(range(3), [*names, "printed row:\ntrain loss of A,\ntest loss of B"])
    models.set_title("The printed row looks like neither model")

    shown = np.arange(row - 2, row + every + 2)
    losses = np.transpose([both_losses(run, trajectory, epoch) for epoch in shown])
    for values, look, label, style in zip(losses, (BLUE, ORANGE), labels, ("s-", "o--")):
        epochs.plot(shown, values, style, color=look, label=f"{label} of the model")
    ring = dict(color="black", lw=2.5, marker="o", mfc="none", ms=24, mew=2.5)
    for printed in (row, row + every):
        epochs.plot([printed - 1, printed], [train_a, test_b], **ring, label="a printed row")
    ticks = [f"{epoch}\n{'AB'[(epoch - row + 1) % 2]}" for epoch in shown]
    epochs.set_xticks(shown, ticks, fontsize=13)
    epochs.set(xlabel="the model after epoch", title="The models take turns, in every epoch")
    epochs.legend(epochs.lines[:3], [line.get_label() for line in epochs.lines[:3]])
    models.legend(loc="upper left")
    for axes in (models, epochs):
        axes.set(ylabel="loss (MAE, no unit)", ylim=(0, 0.0175))
    figure.suptitle(
        f"Section 6 from epoch {row} on: each printed row takes one loss from each of two models"
    )
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
    figure = plot(run, trajectories["section 6"], EVERY["section 6"])
    program.save_figure(figure, "limit_cycle")
    program.show_figures()


if __name__ == "__main__":
    program.run(main, __doc__)
