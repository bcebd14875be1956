"""What ends the cycle of limit_cycle.py: a learning rate that falls, or a gradient that fades.

A schedule gives each epoch its own learning rate. It shrinks the jumps. It must fall slowly enough
to arrive at the optimum, and then far enough to settle there. Each formula here is checked against
a class of torch.optim.lr_scheduler; SCHEDULES names it.

MSE needs no schedule. Its gradient is the curvature times the distance from the optimum, so a step
of gradient descent multiplies the distance by a constant factor, 1 - lr h, for a direction with
curvature h. `curvatures` finds the flattest direction and the steepest.

The factor nearest 1 or -1 decides how long training takes. With a small lr that is the flattest
direction's: such a run is slow from its first epoch to its last. At the fastest fixed rate,
lr = 2 / (h_flattest + h_steepest), both factors have one size. Beyond it the steepest direction is
the slower one. At lr = 2 / h_steepest its factor is -1, and above that every step leads farther
away. Source: S. Boyd and L. Vandenberghe, Convex Optimization, section 9.3 (gradient descent on a
quadratic function).
"""

import sys
from pathlib import Path

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from torch import nn

from manual_grad import numpy_closed_form, program, torch_optim
from manual_grad.published_runs import TRUE_BIAS, TRUE_WEIGHT, published_runs
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
    formula, _, options = SCHEDULES[schedule]
    return train(run, formula(run.lr, run.epochs, **options), numpy_closed_form.train)


def loss_at(state, X, y):
    """Return the MAE of a state (weight, bias) on tensors X, y, as torch computes it."""
    weight, bias = map(float, state)
    return nn.L1Loss()(weight * X + bias, y).item()


def both_losses(run, trajectory, epoch=-1):
    """Return the MAE after an epoch, on the training data and on the test data of a run."""
    state = trajectory.weight[epoch], trajectory.bias[epoch]
    return loss_at(state, run.X, run.y), loss_at(state, run.X_test, run.y_test)


def curvatures(X):
    """Return MSE's two curvatures, flattest first, and their directions.

    They are the eigenvalues, shape (2,), and the eigenvectors, the columns of shape (2, 2), of the
    Hessian. These are the second derivatives of the mean of (weight x + bias - y)^2:

        H = 2 [[mean of x^2, mean of x],
               [mean of x,   1        ]]

    X is an array or a tensor of shape (n, 1). All is computed in float64. The largest stable
    learning rate is 2 / curvatures(X)[0][1].
    """
    x = np.asarray(X, float)
    return np.linalg.eigh(2 * np.array([[(x * x).mean(), x.mean()], [x.mean(), 1]]))


def flattest_kept(run, trajectory):
    """Return an MSE run's last error divided by its first, both along the flattest direction."""
    _, directions = curvatures(run.X)
    before, after = (
        directions[:, 0] @ (np.array(state, float) - (TRUE_WEIGHT, TRUE_BIAS))
        for state in ((run.weight, run.bias), (trajectory.weight[-1], trajectory.bias[-1]))
    )
    return after / before


def print_schedules(run):
    print(f"\n# 1. Schedules (section 6): losses after {run.epochs} epochs")
    print(f"{'schedule':<36}{'train loss':>14}{'the same, torch':>18}{'test loss':>14}")
    constant = run.train(numpy_closed_form.train)
    for epochs in (run.epochs - 1, run.epochs):
        losses = both_losses(run, constant, epochs - 1)
        name = f"constant, {run.lr}, {epochs} epochs"
        print(f"{name:<36}{losses[0]:>14.1e}{'-':>18}{losses[1]:>14.1e}")
    ends = {}
    for name in SCHEDULES:
        train_loss, test_loss = both_losses(run, train_by_hand(run, name))
        torchs = train(run, rates_by_torch(run, name), torch_optim.train)
        by_torch, _ = both_losses(run, torchs)
        print(f"{name:<36}{train_loss:>14.1e}{by_torch:>18.1e}{test_loss:>14.1e}")
        ends[name] = train_loss  # the test loss has no say: what chose can't judge the choice
    chosen = min(ends, key=ends.get)
    print(f"The smallest train loss chooses: {chosen}. Its test loss is only reported.")
    spacing = np.spacing(run.y_test.numpy().max())
    print(f"Float32 labels near 1 are {spacing:.0e} apart: a loss of that size is rounding.")
    print("A train loss above the constant rate's smaller one: the rate fell too soon to arrive.")


def print_mse(run):
    """Print how MSE runs end at several rates, beside what the curvatures say beforehand."""
    flattest, steepest = curvatures(run.X)[0]
    fastest, limit = 2 / (flattest + steepest), 2 / steepest
    print("\n# 2. MSE (section 6): the error shrinks by a constant factor each epoch, 1 - lr h")
    print("curvature h: how fast the slope changes along a direction of the bowl, the loss surface")
    print(f"{flattest:.4f} in the flattest direction, {steepest:.4f} in the steepest")
    print("factor: what an epoch multiplies the error along a direction by; beyond -1, it diverges")
    print(f"the fastest rate, 2 / (sum of both): {fastest:.4f}")
    print(f"the largest stable rate, 2 / h of the steepest: {limit:.4f}")
    print(f"{'':>8}{'factor each epoch':>22}   {f'flattest, {run.epochs} epochs':>22}{'MAE':>10}")
    heads = f"{'flattest':>11}{'steepest':>11}   {'expected':>11}{'measured':>11}"
    print(f"{'lr':>8}{heads}{'train':>10}{'test':>10}")
    for lr in (0.01, 0.1, fastest, 1.01 * limit):
        trajectory = run._replace(loss="mse", lr=lr).train(numpy_closed_form.train)
        factors = "".join(f"{1 - lr * h:>11.5f}" for h in (flattest, steepest))
        expected = (1 - lr * flattest) ** run.epochs
        shares = f"{expected:>11.1e}{flattest_kept(run, trajectory):>11.1e}"
        losses = both_losses(run, trajectory)
        print(f"{lr:>8.4f}{factors}   {shares}" + "".join(f"{loss:>10.1e}" for loss in losses))
    print("At the fastest rate only float32's rounding is left. The last rate is too large: it")
    print("diverges. The steepest direction gets so large that its rounding swamps the flattest.")


def main():
    run = published_runs()["section 6"]
    print_schedules(run)
    print_mse(run)


if __name__ == "__main__":
    program.run(main, __doc__)
