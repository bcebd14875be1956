"""What ends the jumps of an MAE run: a learning rate that falls.

At a fixed rate the tutorial's section 6 ends in jumps between two models, which limit_cycle.py
shows, because MAE's gradient keeps its length however near the optimum is. Their width is
proportional to the learning rate. A schedule gives each epoch a rate of its own, and one that falls
shrinks the jumps: it must fall slowly enough for the run to arrive at the optimum, and then far
enough for it to settle there. (MSE needs no schedule, because its gradient fades with the
residuals; learning_rate.py shows that.)

Prints how each run ends, by hand and by a class of torch.optim.lr_scheduler, which SCHEDULES names,
and saves figures/schedules.png.
"""

import sys
from pathlib import Path

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import matplotlib.pyplot as plt
import numpy as np
import torch

from lessons.limit_cycle import both_losses
from manual_grad import numpy_closed_form, pictures, program, torch_optim
from manual_grad.pictures import BLUE, GREEN, ORANGE, draw_band
from manual_grad.published_runs import published_runs


def step_decay(lr, epochs, step_size, gamma):
    """Return the rates, shape (epochs,): lr * gamma^k, with k the whole step_sizes that passed."""
    return lr * gamma ** (np.arange(epochs) // step_size)


def cosine(lr, epochs, T_max):
    """Return the rates, shape (epochs,): lr * (1 + cos(pi * epoch / T_max)) / 2, from lr to 0."""
    return lr * (1 + np.cos(np.pi * np.arange(epochs) / T_max)) / 2


SCHEDULES = {
    "fixed": (step_decay, "StepLR", dict(step_size=1000, gamma=1)),
    "lr times 0.1 every 100 epochs": (step_decay, "StepLR", dict(step_size=100, gamma=0.1)),
    "cosine": (cosine, "CosineAnnealingLR", dict(T_max=1000)),
    "lr times 0.1 every 150 epochs": (step_decay, "StepLR", dict(step_size=150, gamma=0.1)),
}
LOOKS = [dict(color=c, marker=m) for c, m in zip(("0.6", ORANGE, GREEN, BLUE), "oX^s")]
EVERY = 101  # epochs from one marker to the next, so that none is where all bands overlap


def rates(run, schedule):
    """Return the rates of one of the SCHEDULES by its formula, shape (epochs,)."""
    formula, _, options = SCHEDULES[schedule]
    return formula(run.lr, run.epochs, **options)


def train_by_torch(run, schedule):
    """Return the Trajectory of a run by torch.optim and the scheduler that SCHEDULES names."""
    _, name, options = SCHEDULES[schedule]

    def scheduled(parameters, lr):
        optimizer = torch.optim.SGD(parameters, lr=lr)
        scheduler = getattr(torch.optim.lr_scheduler, name)(optimizer, **options)
        optimizer.register_step_post_hook(lambda *_: scheduler.step())  # in this order
        return optimizer

    return run.train(torch_optim.train, optim=scheduled)


def print_table(run, runs):
    """Print how each run ends, by hand and by torch, and which of the schedules is chosen."""
    print(f"\n# Section 6, {run.epochs} epochs: the MAE at the end")
    print(f"{'schedule':<32}{'train loss':>14}{'by torch.optim':>18}{'test loss':>14}")
    ends = {}
    for name, by_hand in runs.items():
        by_torch = train_by_torch(run, name)
        ends[name], test_loss = both_losses(run, by_hand.weight[-1], by_hand.bias[-1])
        again, _ = both_losses(run, by_torch.weight[-1], by_torch.bias[-1])
        print(f"{name:<32}{ends[name]:>14.1e}{again:>18.1e}{test_loss:>14.1e}")
    print("Where torch.optim's differs, a rounding has turned a residual's sign.")
    print(f"The smallest train loss chooses a schedule: {min(ends, key=ends.get)}.")
    print("Without noise it may choose; with noise, validation points must (lessons.minibatches).")
    print("The test loss is only reported.")
    spacing = np.spacing(run.y_test.numpy().max())
    print(f"Float32 labels near 1 are {spacing:.0e} apart: a loss of that size is rounding.")


@plt.rc_context(pictures.SLIDE)
def plot(run, runs):
    """Draw the rates and the train losses over the epochs; return the Figure."""
    figure, (left, right) = plt.subplots(1, 2, width_ratios=[2, 3])
    for (name, trajectory), look in zip(runs.items(), LOOKS):
        left.plot(rates(run, name), **look, markevery=EVERY, label=name)
        draw_band(right, trajectory.loss, every=EVERY, **look)
    left.set(yscale="log", xlabel="epoch", ylabel="learning rate (no unit)", title="The rates")
    right.set(yscale="log", xlabel="epoch", ylabel="train loss (MAE, no unit)")
    right.set_title("The losses (bands: jumps in each epoch)")
    _, too_soon, _, chosen = runs.values()
    for text, trajectory in (("too soon: stops short", too_soon), ("rounding", chosen)):
        right.text(1000, trajectory.loss[-1] * 1.4, text, ha="right")
    figure.suptitle("A falling rate shrinks the jumps. One that falls too soon never arrives")
    figure.legend(loc="outside lower center", ncols=len(runs))
    return figure


def main():
    run = published_runs()["section 6"]
    runs = {name: run.train_at(rates(run, name), numpy_closed_form.train) for name in SCHEDULES}
    print_table(run, runs)

    print("\n# The picture")
    pictures.save_figure(plot(run, runs), "schedules")
    pictures.show_figures()


if __name__ == "__main__":
    program.run(main, __doc__)
