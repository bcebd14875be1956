"""What the published table hides: the run has ended in a cycle of exactly two states.

From epoch 120 on, each row of the tutorial's 1000-epoch table is the same. Has the model converged?
No. Each epoch uses all data and remembers no earlier step, so that a state (weight, bias) alone
determines the next one, and the first state that comes back closes a cycle for good. Here there are
two states, and so two models, A and B. A row takes its train loss from the model before the step,
which is A, and its test loss from the model after it, which is B, so that it describes neither.

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

from manual_grad import numpy_closed_form, pictures, program, torch_optim
from manual_grad.loss_map import losses_at
from manual_grad.pictures import BLUE, ORANGE, write
from manual_grad.published_runs import published_runs
from manual_grad.trajectory import find_cycle

# The tutorials print a row every so many epochs.
EVERY = {"section 3": 10, "section 6": 10, "exercise": 20, "exercise, author's": 20}


def cycle_of(trajectory, every):
    """Return the cycle's first epoch and period, and its first epoch whose row the table prints.

    State A is the one before that epoch's step, state B the one after it.
    """
    first, period = find_cycle(zip(trajectory.weight.tolist(), trajectory.bias.tolist()))
    return first, period, (first // every + 1) * every


def both_losses(run, weight, bias):
    """Return the MAE on a run's training data and on its test data, arrays of weight's shape."""
    data = (run.X, run.y), (run.X_test, run.y_test)
    return [losses_at("mae", X.numpy(), y.numpy(), weight, bias) for X, y in data]


def print_cycle(name, run, trajectory):
    """Print a run's states A and B, a step by hand from each, and the row that the table prints."""
    first, period, epoch = cycle_of(trajectory, EVERY[name])
    print(f"\n# The cycle, {name}: from epoch {first} on, {period} states")
    print(f"state{'epoch':>7}{'weight':>20}{'bias':>20}{'train loss':>23}{'test loss':>23}")
    states = np.array([trajectory.weight, trajectory.bias])[:, [epoch - 1, epoch]]
    losses = both_losses(run, *states)
    for letter, after, *numbers in zip("AB", (epoch - 1, epoch), *states, *losses):
        print("{:>5}{:>7}{:>20}{:>20}{:>23}{:>23}".format(letter, after, *numbers))
    for letter, other, (weight, bias), target in zip("AB", "BA", states.T, states.T[::-1]):
        start = run._replace(weight=weight.item(), bias=bias.item(), epochs=1)
        _, *gradient, new_weight, new_bias = np.ravel(start.train(numpy_closed_form.train))
        high = (start.weight * run.X + start.bias > run.y).sum()
        off = np.abs(target - [new_weight, new_bias]).max()
        print(f"At {letter} {high} of {len(run.y)} predictions are too high: gradient ", end="")
        print("({:+.4f}, {:+.4f}). A step leads to {}, {:.0g} off.".format(*gradient, other, off))
    (train_a, _), (_, test_b) = losses
    print("The table's row takes its train loss from A, before the step, its test loss from B:")
    print(f"Epoch: {epoch} | Train loss: {train_a} | Test loss: {test_b}")


@plt.rc_context(pictures.SLIDE)
def plot(run, trajectory, every):
    """Draw both models' losses beside the row's, and those of each epoch; return the Figure."""
    _, _, epoch = cycle_of(trajectory, every)
    shown = np.arange(epoch - 2, epoch + every + 2)
    states = trajectory.weight[shown], trajectory.bias[shown]
    train, test = both_losses(run, *states)
    (train_a, train_b), (test_a, test_b) = train[1:3], test[1:3]
    figure, (left, right) = plt.subplots(1, 2, sharey=True)
    names = [
        f"model {letter}:\nweight {weight:.4f},\nbias {bias:.4f}"
        for letter, weight, bias in zip("AB", *np.array(states)[:, 1:3])
    ]
    hatched = dict(color=ORANGE, hatch="//", ec="white")
    x = np.arange(3)
    left.bar(x - 0.21, (train_a, train_b, train_a), 0.4, color=BLUE, label="train loss")
    left.bar(x + 0.21, (test_a, test_b, test_b), 0.4, **hatched, label="test loss")
    for bars in left.containers:
        left.bar_label(bars, fmt="%.4f", padding=3, fontsize=13)
    left.axvspan(1.5, 2.5, color="0.9", zorder=0)
    left.set(xlim=(-0.5, 2.5), ylim=(0, 0.02), ylabel="loss (MAE, no unit)")
    left.set_xticks(x, [*names, "printed row:\ntrain loss of A,\ntest loss of B"])
    left.set_title("The printed row looks like neither model")
    left.legend(loc="upper left")

    right.plot(shown, train, "s-", color=BLUE, lw=1, label="train loss of the model")
    right.plot(shown, test, "o--", color=ORANGE, lw=1, label="test loss of the model")
    rings = dict(color="black", marker="o", mfc="none", ms=24, mew=2.5)
    rings |= dict(label="a printed row: train loss of A,\ntest loss of B")
    for row in (epoch, epoch + every):
        right.plot([row - 1, row], [train_a, test_b], **rings)
        write(right, f"row {row}", (row, test_b), (0, 18)).set(ha="center")
    ticks = [f"{n}\n{'BA'[i % 2]}" for i, n in enumerate(shown)]
    right.set_xticks(shown, ticks, fontsize=13)
    right.set(xlabel="the model after epoch", title="The models take turns, in every epoch")
    right.legend(handles=right.lines[:3], loc="upper right")
    figure.suptitle(
        f"Section 6 from epoch {epoch} on: each printed row takes one loss from each of two models"
    )
    return figure


def main():
    published = published_runs()
    for name in EVERY:
        run = published[name]._replace(epochs=500)  # these close all the cycles
        trajectory = run.train(torch_optim.train)
        print_cycle(name, run, trajectory)
        if name == "section 6":
            figure = plot(run, trajectory, EVERY[name])

    print("\n# The picture")
    pictures.save_figure(figure, "limit_cycle")
    pictures.show_figures()


if __name__ == "__main__":
    program.run(main, __doc__)
