"""What ends the jumps of an MAE run: a learning rate that falls, or another loss.

At a fixed rate the tutorial's section 6 ends in jumps between two models, which limit_cycle.py
shows, because MAE's gradient keeps its length however near the optimum is. Their width is
proportional to the learning rate. A schedule gives each epoch a rate of its own, and one that falls
shrinks the jumps: it must fall slowly enough for the run to arrive at the optimum, and then far
enough for it to settle there. Each formula here is checked against a class of
torch.optim.lr_scheduler, which SCHEDULES names.

MSE needs no schedule, because its gradient fades with the residuals. Given the best fixed rate, it
comes to rest within float32's rounding; learning_rate.py finds that rate.

Prints how each run ends, and saves figures/schedules.png.
"""

import sys
from pathlib import Path

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import matplotlib.pyplot as plt
import numpy as np
import torch

from lessons.learning_rate import curvatures
from lessons.limit_cycle import both_losses
from manual_grad import numpy_closed_form, program, torch_optim
from manual_grad.loss_map import draw_band
from manual_grad.program import BLUE, GREEN, ORANGE, SKY
from manual_grad.published_runs import published_runs
from manual_grad.trajectory import Trajectory


def step_decay(lr, epochs, step_size, gamma):
    """Return the rates, shape (epochs,): lr * gamma^k, with k the whole step_sizes that passed."""
    return lr * gamma ** (np.arange(epochs) // step_size)


def exponential(lr, epochs, gamma):
    """Return the rates, shape (epochs,): lr * gamma^epoch."""
    return lr * gamma ** np.arange(epochs)


def cosine(lr, epochs, T_max):
    """Return the rates, shape (epochs,): lr * (1 + cos(pi * epoch / T_max)) / 2, from lr to 0."""
    return lr * (1 + np.cos(np.pi * np.arange(epochs) / T_max)) / 2


SCHEDULES = {
    "lr times 0.1 every 150 epochs": (step_decay, "StepLR", dict(step_size=150, gamma=0.1)),
    "lr times 0.1 every 100 epochs": (step_decay, "StepLR", dict(step_size=100, gamma=0.1)),
    "lr times 0.5 every 150 epochs": (step_decay, "StepLR", dict(step_size=150, gamma=0.5)),
    "exponential, 0.992": (exponential, "ExponentialLR", dict(gamma=0.992)),
    "exponential, 0.98": (exponential, "ExponentialLR", dict(gamma=0.98)),
    "cosine": (cosine, "CosineAnnealingLR", dict(T_max=1000)),
}
FIXED = "fixed"
LOOKS = {  # what the picture draws
    FIXED: dict(color=SKY),
    "lr times 0.1 every 100 epochs": dict(color=ORANGE, ls="--"),
    "cosine": dict(color=GREEN, ls=":"),
    "lr times 0.1 every 150 epochs": dict(color=BLUE),
}


def rates_by_torch(run, schedule):
    """Return the rates of torch's scheduler, shape (epochs,)."""
    _, name, options = SCHEDULES[schedule]
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=run.lr)
    scheduler = getattr(torch.optim.lr_scheduler, name)(optimizer, **options)
    rates = []
    for _ in range(run.epochs):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return np.array(rates)


def rates_by_hand(run, schedule):
    """Return the rates of one of the SCHEDULES, or the fixed one, by its formula: (epochs,)."""
    if schedule == FIXED:
        return np.full(run.epochs, run.lr)
    formula, _, options = SCHEDULES[schedule]
    return formula(run.lr, run.epochs, **options)


def train(run, rates, trainer):
    """Train a published run by one of the trainers, an epoch for each rate; return Trajectory."""
    epochs = []
    for rate in rates:
        epoch = run._replace(lr=rate, epochs=1).train(trainer)
        run = run._replace(weight=epoch.weight.item(), bias=epoch.bias.item())
        epochs.append(epoch)
    return Trajectory(*np.concatenate(epochs, axis=1))


def train_by_hand(run, schedule):
    """Train a published run in NumPy under one of the SCHEDULES; return the Trajectory."""
    return train(run, rates_by_hand(run, schedule), numpy_closed_form.train)


def train_by_torch(run, schedule):
    """Train a published run by torch.optim at the rates of one of torch's schedulers."""
    rates = iter(rates_by_torch(run, schedule))

    def falling(parameters, lr):
        optimizer = torch.optim.SGD(parameters, lr=lr)
        optimizer.register_step_pre_hook(
            lambda *_: optimizer.param_groups[0].update(lr=next(rates))
        )
        return optimizer

    return run.train(torch_optim.train, optim=falling)


def print_table(run, runs):
    """Print how each run ends, by hand and by torch, and which of the schedules is chosen."""
    print(f"\n# Section 6, {run.epochs} epochs: the MAE at the end")
    print(f"{'schedule':<36}{'train loss':>14}{'the same, torch':>18}{'test loss':>14}")
    for epochs in (run.epochs - 1, run.epochs):
        train_loss, test_loss = both_losses(run, runs[FIXED], epochs - 1)
        name = f"fixed, {run.lr}, {epochs} epochs"
        print(f"{name:<36}{train_loss:>14.1e}{'-':>18}{test_loss:>14.1e}")
    ends = {}
    for name in SCHEDULES:
        train_loss, test_loss = both_losses(run, runs[name])
        by_torch, _ = both_losses(run, train_by_torch(run, name))
        print(f"{name:<36}{train_loss:>14.1e}{by_torch:>18.1e}{test_loss:>14.1e}")
        ends[name] = train_loss  # the test loss has no say: what chose can't judge the choice
    mse = run._replace(loss="mse", lr=2 / curvatures(run.X).sum())
    ways = numpy_closed_form.train, torch_optim.train
    (train_loss, test_loss), (by_torch, _) = (both_losses(run, mse.train(way)) for way in ways)
    name = f"trained with MSE, fixed, {mse.lr:.4f}"
    print(f"{name:<36}{train_loss:>14.1e}{by_torch:>18.1e}{test_loss:>14.1e}")
    print(f"The smallest train loss chooses a schedule: {min(ends, key=ends.get)}.")
    print("Its test loss is only reported.")
    spacing = np.spacing(run.y_test.numpy().max())
    print(f"Float32 labels near 1 are {spacing:.0e} apart: a loss of that size is rounding.")
    print("A train loss above the fixed rate's smaller one: the rate fell too soon to arrive.")


@plt.rc_context(program.SLIDE)
def plot(run, runs):
    """Draw the rates and the train losses of some runs over the epochs; return the Figure."""
    figure, (rates, losses) = plt.subplots(1, 2, width_ratios=[2, 3])
    for name, look in LOOKS.items():
        rates.plot(rates_by_hand(run, name), **look)
        draw_band(losses, runs[name].loss, color=look["color"], lw=2.5, label=name)
    rates.set(yscale="log", xlabel="epoch", ylabel="learning rate (no unit)", title="The rates")
    losses.set(yscale="log", xlabel="epoch", ylabel="train loss (MAE, no unit)")
    losses.set_title("The losses (bands: jumps in each epoch)")
    losses.legend()
    figure.suptitle("A falling rate shrinks the jumps. One that falls too soon never arrives")
    return figure


def main():
    run = published_runs()["section 6"]
    runs = {name: train_by_hand(run, name) for name in [FIXED, *SCHEDULES]}
    print_table(run, runs)

    print("\n# The picture")
    program.save_figure(plot(run, runs), "schedules")
    program.show_figures()


if __name__ == "__main__":
    program.run(main, __doc__)
