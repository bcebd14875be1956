"""What the published table hides: the run has ended in a cycle of exactly two states.

From epoch 120 on, each row of the tutorial's 1000-epoch table is the same. Has the model converged?
No. Each epoch uses all data and no momentum, so that a state (weight, bias) alone determines the
next one, and the first state that comes back closes a cycle for good. Here there are two states,
and so two models, A and B. A row takes its train loss from the model before the step, which is A,
and its test loss from the model after it, which is B, so that it describes neither.

The cycle can't end, because MAE's gradient knows the signs of the residuals but not their sizes. In
section 6 all predictions are too high at A, so that every sign is 1 and the gradient is
(mean of x, 1). All are too low at B, where the gradient is minus that. Hence
A - lr (mean of x, 1) = B, and B + lr (mean of x, 1) = A: the states lie one step apart, and only a
smaller rate brings them closer together, as schedules.py shows.

Prints the states of all four published MAE runs, and saves figures/limit_cycle.png.
"""

import sys
from pathlib import Path

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import matplotlib.pyplot as plt
import numpy as np
from torch import nn

from manual_grad import numpy_closed_form, pictures, program, torch_optim
from manual_grad.pictures import BLUE, ORANGE
from manual_grad.published_runs import published_runs
from manual_grad.trajectory import find_cycle

# The tutorials print a row every so many epochs.
EVERY = {"section 3": 10, "section 6": 10, "exercise": 20, "exercise, author's": 20}


def mae_runs():
    """Return the published MAE runs by name, each of 500 epochs, which close all their cycles."""
    return {name: published_runs()[name]._replace(epochs=500) for name in EVERY}


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


def print_cycle(name, run, trajectory):
    """Print a run's states A and B, a step by hand from each, and the row that the table prints."""
    first, period = find_cycle(trajectory)
    row = next_row(trajectory, EVERY[name])
    print(f"\n# The cycle, {name}: from epoch {first} on, {period} states")
    print(f"state{'epoch':>7}{'weight':>20}{'bias':>20}{'train loss':>23}{'test loss':>23}")
    losses = []
    for letter, epoch in (("A", row - 1), ("B", row)):
        weight, bias = map(float, state_after(trajectory, epoch))
        losses.append(both_losses(run, trajectory, epoch))
        train_loss, test_loss = losses[-1]
        print(f"{letter:>5}{epoch:>7}{weight:>20}{bias:>20}{train_loss:>23}{test_loss:>23}")
    for letter, other, epoch in (("A", "B", row - 1), ("B", "A", row)):
        weight, bias = map(float, state_after(trajectory, epoch))
        step = run._replace(weight=weight, bias=bias, epochs=1).train(numpy_closed_form.train)
        high = (weight * run.X + bias > run.y).sum()
        gradient = f"({step.weight_grad[0]:+.4f}, {step.bias_grad[0]:+.4f})"
        arrived = np.subtract(state_after(step, 0), state_after(trajectory, epoch + 1))
        print(f"At {letter} {high} of {len(run.y)} predictions are too high: ", end="")
        print(f"gradient {gradient}. A step leads to {other}, {np.abs(arrived).max():.0g} off.")
    print("The table's row takes its train loss from A, before the step, its test loss from B:")
    print(f"Epoch: {row} | Train loss: {losses[0][0]} | Test loss: {losses[1][1]}")


@plt.rc_context(pictures.SLIDE)
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

    print("\n# The picture")
    figure = plot(runs["section 6"], trajectories["section 6"], EVERY["section 6"])
    pictures.save_figure(figure, "limit_cycle")
    pictures.show_figures()


if __name__ == "__main__":
    program.run(main, __doc__)
