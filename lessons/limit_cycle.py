"""What the published table hides: a cycle of exactly two states, and the schedule that ends it.

The question. From epoch 120 on, the tutorial's 1000-epoch table stands still: train loss 0.0012645,
test loss 0.0138018. Has the model converged? Does it do ten times worse on unseen data?

No, twice. Each epoch uses all data, no momentum. So a state (weight, bias) determines the next.
The first state that comes back closes a cycle for good. Here there are two states, A and B. The
table shows only even epochs, so it always catches the jump at the same moment. A row's train loss
is measured before the step (state A), its test loss after it (state B): two different models.

Why it can't end. The MAE's gradient knows the residuals' signs, not their sizes. In section 6, all
predictions are too high at A: every sign is 1, and the gradient is (mean of x, 1). All are too low
at B, and the gradient is minus that. So A - lr (mean of x, 1) = B, and B + lr (mean of x, 1) = A.
Both steps have the same length: the states lie lr * |(mean of x, 1)| apart.

The way out. A falling lr (a schedule), or MSE with a larger lr: schedules.py tells of both.
"""

import sys
from pathlib import Path

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import matplotlib.pyplot as plt
import numpy as np

from lessons import schedules
from lessons.schedules import loss_at
from manual_grad import numpy_closed_form, program, torch_optim
from manual_grad.losses import mae_gradient
from manual_grad.published_runs import published_runs

# The tutorials print a row every so many epochs.
EVERY = {"section 3": 10, "section 6": 10, "exercise": 20, "exercise, author's": 20}


def mae_runs():
    """Return the published MAE runs by name, each continued to 1000 epochs."""
    return {name: published_runs()[name]._replace(epochs=1000) for name in EVERY}


def find_cycle(trajectory):
    """Return (first, period): the epoch after which the states repeat, and how many there are.

    The states (weight, bias) after epochs first to first + period - 1 all differ. The next state is
    the first one again, to the bit. Raises ValueError if no state comes back.
    """
    seen = {}
    for epoch, state in enumerate(zip(trajectory.weight.tolist(), trajectory.bias.tolist())):
        if state in seen:
            return seen[state], epoch - seen[state]
        seen[state] = epoch
    raise ValueError(f"trajectory has no cycle: in {len(seen)} epochs no state came back")


def cycle_epochs(trajectory, every):
    """Return the epochs after which the states A, B, ... of the cycle are reached.

    B is the first state in the cycle that a row of the table shows; A is the one before it.
    """
    first, period = find_cycle(trajectory)
    row = (first // every + 1) * every
    return range(row - 1, row - 1 + period)


def letter_after(trajectory, epoch, every=EVERY["section 6"]):
    """Return the letter, "A", "B", ..., of the cycle's state after an epoch."""
    epochs = cycle_epochs(trajectory, every)
    return "ABCDEFGH"[(epoch - epochs[0]) % len(epochs)]


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
    """Print the cycle of a run, its states, and the row that the table makes of them."""
    first, period = find_cycle(trajectory)
    print(f"\n# 1. The cycle, {name}: from epoch {first} on, {period} states", end=" ")
    print("(shown: those around the next printed row)")
    print(f"state{'after epoch':>13}{'weight':>21}{'bias':>21}{'train loss':>24}{'test loss':>24}")
    epochs = cycle_epochs(trajectory, EVERY[name])
    for label, epoch in zip("ABCDEFGH", epochs):
        weight, bias = state = state_after(trajectory, epoch)
        losses = loss_at(state, run.X, run.y), loss_at(state, run.X_test, run.y_test)
        numbers = f"{float(weight):>21}{float(bias):>21}{losses[0]:>24}{losses[1]:>24}"
        print(f"{label:>5}{epoch:>13}{numbers}")
    train_loss = loss_at(state_after(trajectory, epochs[0]), run.X, run.y)
    test_loss = loss_at(state_after(trajectory, epochs[0] + 1), run.X_test, run.y_test)
    print("The table's row takes its train loss from state A and its test loss from state B:")
    print(f"Epoch: {epochs[0] + 1} | Train loss: {train_loss} | Test loss: {test_loss}")


def print_explanation(name, run, trajectory):
    """Print that one closed-form step leads from each state of the cycle to the next."""
    X, y = run.X.numpy(), run.y.numpy()
    print(f"\n# 2. Why it can't end, {name}: mean of x = {X.mean():.4f}")
    print("state   too high   too low   gradient (weight, bias)   the step leads to the next state")
    for label, epoch in zip("ABCDEFGH", cycle_epochs(trajectory, EVERY[name])):
        state, after = state_after(trajectory, epoch), state_after(trajectory, epoch + 1)
        gradient, signs = gradient_at(state, X, y)
        step = state - np.float32(run.lr) * gradient
        reached = "to the bit" if (step == after).all() else f"off by {np.abs(step - after).max()}"
        counts = f"{(signs > 0).sum():>11}{(signs < 0).sum():>10}"
        print(f"{label:>5}{counts}   ({gradient[0]:+.4f}, {gradient[1]:+.4f}){reached:>38}")


def amplitudes(run, rates=(0.04, 0.02, 0.01, 0.005, 0.0025)):
    """Return for each rate (rate, first, period, distance between the farthest states)."""
    rows = []
    for rate in rates:
        trajectory = run._replace(lr=rate, epochs=int(20 / rate)).train(numpy_closed_form.train)
        first, period = find_cycle(trajectory)
        states = np.stack([trajectory.weight, trajectory.bias])[:, first : first + period]
        rows.append((rate, first, period, np.linalg.norm(np.ptp(states.astype(float), axis=1))))
    return rows


def print_amplitudes(run):
    """Print how far apart the states are for several learning rates."""
    print("\n# 2. The distance of the states is proportional to lr (section 6)")
    print(f"{'lr':>8}{'from epoch':>12}{'states':>8}{'distance':>12}{'distance / lr':>15}")
    for rate, first, period, distance in amplitudes(run):
        print(f"{rate:>8}{first:>12}{period:>8}{distance:>12.6f}{distance / rate:>15.4f}")
    print(f"by hand, the length of (mean of x, 1):{np.hypot(run.X.mean().item(), 1):>17.4f}")


@plt.rc_context(program.SLIDE)
def plot(run, trajectory, name, scheduled):
    """Draw section 6's loss curves, near and whole, and return the Figure.

    `scheduled` is the Trajectory under the schedule `name`.
    """
    figure, (near, whole) = plt.subplots(1, 2, width_ratios=[4, 5])
    epochs, row = np.arange(run.epochs), cycle_epochs(trajectory, EVERY["section 6"])[0] + 1
    test, quiet = (
        np.array([loss_at(state, run.X_test, run.y_test) for state in zip(t.weight, t.bias)])
        for t in (trajectory, scheduled)
    )
    train_look, test_look = dict(color="#0072B2"), dict(color="#E69F00")
    for losses, state, height, style, look, label in (
        (trajectory.loss, "A", 1.5e-4, "s-", train_look, "train loss, before the step"),
        (test, "B", 0.04, "o--", test_look, "test loss, after the step"),
    ):
        near.plot(epochs, losses, style[1:], **look, label=label)
        rows = epochs[:: EVERY["section 6"]]
        near.plot(rows, losses[rows], style[0], color="black", mfc=look["color"], ms=14)
        point, arrow = (row, losses[row]), dict(arrowstyle="-|>", lw=2.5, shrinkB=9)
        near.annotate(f"state {state}", point, (row, height), ha="center", arrowprops=arrow)
    near.plot([], [], "kD", mfc="white", ms=12, label="in a row of the table")
    near.set(xlim=(row - 4.5, row + 11.5), ylim=(1e-4, 0.3), title="Near: a row mixes two models")

    for losses, look, label in (
        (test, test_look, "test loss"),
        (trajectory.loss, train_look | dict(hatch="//", fc="none"), "train loss"),
        (quiet, dict(color="#D55E00"), f"test loss, {name}"),
    ):
        low, high = np.minimum(losses[1:], losses[:-1]), np.maximum(losses[1:], losses[:-1])
        whole.fill_between(epochs[1:], low, high, **look, lw=2.5, label=label)
    whole.text(330, 0.018, "bands: each epoch jumps\nfrom A to B or back")
    whole.text(20, 2e-7, "blocks: the same jumps,\nshorter as lr falls")
    whole.set(ylim=(1e-8, 30))
    whole.set_title("Fixed learning rate: jumps forever.\nFalling one: they shrink")
    for axes in (near, whole):
        axes.set(xlabel="epoch", ylabel="loss (MAE, no unit), log scale", yscale="log")
        axes.legend(loc="upper right")
    return figure


def main():
    """Go from the question to the proof: the cycle, why it can't end, what ends it, a picture."""
    runs = mae_runs()
    trajectories = {name: run.train(torch_optim.train) for name, run in runs.items()}
    for name, run in runs.items():
        print_cycle(name, run, trajectories[name])
    for name, run in runs.items():
        print_explanation(name, run, trajectories[name])

    run = runs["section 6"]
    print_amplitudes(run)
    rows = schedules.compare_schedules(run)
    schedules.print_schedules(run, rows, letter_after)
    schedules.print_mse(run)

    print("\n# 5. The picture")
    chosen = schedules.choose(rows)
    figure = plot(run, trajectories["section 6"], chosen, rows[chosen][-1])
    program.save_figure(figure, "limit_cycle")
    program.show_figures()


if __name__ == "__main__":
    program.run(main, __doc__)
