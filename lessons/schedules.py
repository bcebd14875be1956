"""What ends the cycle: a learning rate that falls, or a loss whose gradient shrinks.

A schedule gives each epoch its own learning rate. It must fall slowly enough to arrive at the
optimum, and then far enough to settle there. Each formula here has a class of the same behaviour
in torch.optim.lr_scheduler; SCHEDULES names it.

MSE needs no schedule. Its gradient is the curvature times the distance from the optimum, so a step
of gradient descent multiplies the distance by a constant factor, 1 - lr h, for a direction with
curvature h. The directions are the eigenvectors, and the curvatures the eigenvalues, of

    H = 2 [[mean of x^2, mean of x],
           [mean of x,   1        ]]

The flattest direction is the slowest. Its factor is near 1 if lr is small: such a run is slow from
its first epoch to its last. The steepest direction sets the limit: its factor is -1 at lr = 2 / h,
and above that every step leads farther away. Source: S. Boyd and L. Vandenberghe, Convex
Optimization, section 9.3 (gradient descent on a quadratic function).
"""

import numpy as np
import torch
from torch import nn

from manual_grad import numpy_closed_form
from manual_grad.losses import mae
from manual_grad.published_runs import TRUE_BIAS, TRUE_WEIGHT
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


def train_with_rates(run, rates):
    """Train a published run in NumPy, with one rate for each epoch; return the Trajectory."""
    epochs = []
    for rate in rates:
        epoch = run._replace(lr=rate, epochs=1).train(numpy_closed_form.train)
        run = run._replace(weight=epoch.weight[0], bias=epoch.bias[0])
        epochs.append(epoch)
    return Trajectory(*np.concatenate(epochs, axis=1))


def train_with_scheduler(run, name, options):
    """Train a published MAE run with a torch scheduler; return the states and rates.

    The states (weight, bias) after each epoch have shape (epochs, 2), the rates (epochs,).
    """
    weight, bias = (run.X.new_tensor(start, requires_grad=True) for start in (run.weight, run.bias))
    optimizer = torch.optim.SGD([weight, bias], lr=run.lr)
    scheduler = getattr(torch.optim.lr_scheduler, name)(optimizer, **options)
    loss_fn = nn.L1Loss()
    states, rates = [], []
    for _ in range(run.epochs):
        rates.append(scheduler.get_last_lr()[0])

        # 1. Forward pass
        y_pred = weight * run.X + bias

        # 2. Loss
        loss = loss_fn(y_pred, run.y)

        # 3. Zero gradients
        optimizer.zero_grad()

        # 4. Backpropagation
        loss.backward()

        # 5. Gradient descent, and the next epoch's learning rate
        optimizer.step()
        scheduler.step()

        states.append((weight.item(), bias.item()))
    return np.array(states), np.array(rates)


def loss_at(state, X, y):
    """Return the MAE of a state on tensors X, y, as torch computes it."""
    weight, bias = map(torch.as_tensor, state)
    return nn.L1Loss()(weight * X + bias, y).item()


def both_losses(run, weight, bias):
    """Return the MAE on the training data and on the test data of a run."""
    X, y, X_test, y_test = (part.numpy() for part in run[:4])
    return tuple(
        mae(features * X.dtype.type(weight) + X.dtype.type(bias), labels)
        for features, labels in ((X, y), (X_test, y_test))
    )


def compare_schedules(run):
    """Return {schedule: (train loss, test loss, torch's train loss, Trajectory by hand)}."""
    rows = {}
    for name, (formula, scheduler, options) in SCHEDULES.items():
        by_hand = train_with_rates(run, formula(run.lr, run.epochs, **options))
        states, _ = train_with_scheduler(run, scheduler, options)
        torchs, _ = both_losses(run, *states[-1])
        rows[name] = *both_losses(run, by_hand.weight[-1], by_hand.bias[-1]), torchs, by_hand
    return rows


def choose(rows):
    """Return the name of the schedule with the smallest train loss.

    The test loss has no say: data that chose something can't also tell how good the choice is.
    """
    return min(rows, key=lambda name: rows[name][0])


def print_schedules(run, rows, letter_after):
    """Print what a constant rate and each schedule end at.

    `letter_after(trajectory, epoch)` names the state of the cycle after an epoch: "A", "B", ...
    """
    print(f"\n# 3. Schedules (section 6): losses after {run.epochs} epochs")
    print(f"{'schedule':<36}{'train loss':>14}{'the same, torch':>18}{'test loss':>14}")
    constant = run.train(numpy_closed_form.train)
    for epoch in (-1, -2):
        train_loss, test_loss = both_losses(run, constant.weight[epoch], constant.bias[epoch])
        state = f"state {letter_after(constant, run.epochs + epoch)}"
        name = f"constant, {run.lr}, epoch {run.epochs + epoch} ({state})"
        print(f"{name:<36}{train_loss:>14.1e}{'-':>18}{test_loss:>14.1e}")
    for name, (train_loss, test_loss, torchs, _) in rows.items():
        print(f"{name:<36}{train_loss:>14.1e}{torchs:>18.1e}{test_loss:>14.1e}")
    chosen = choose(rows)
    print(f"The smallest train loss chooses: {chosen}. Its test loss is only reported.")
    spacing = np.spacing(run.y_test.numpy().max())
    print(f"Float32 labels near 1 are {spacing:.0e} apart: a loss of that size is rounding.")


def curvatures(X):
    """Return MSE's curvatures, flattest first, shape (2,), and their directions, columns (2, 2)."""
    x = np.asarray(X, float)
    return np.linalg.eigh(2 * np.array([[(x * x).mean(), x.mean()], [x.mean(), 1]]))


def flattest_kept(run, trajectory):
    """Return an MSE run's last error divided by its first, both along the flattest direction."""
    _, directions = curvatures(run.X)
    errors = (
        directions[:, 0] @ (np.array(state, float) - (TRUE_WEIGHT, TRUE_BIAS))
        for state in ((run.weight, run.bias), (trajectory.weight[-1], trajectory.bias[-1]))
    )
    before, after = errors
    return after / before


def print_mse(run):
    """Print how MSE runs end at several rates, beside what the curvatures say beforehand."""
    flattest, steepest = curvatures(run.X)[0]
    limit = 2 / steepest
    print("\n# 4. MSE (section 6): the error shrinks by a constant factor each epoch, 1 - lr h")
    print("curvature h: how fast the slope changes along a direction of the bowl, the loss surface")
    print(f"{flattest:.4f} in the flattest direction, {steepest:.4f} in the steepest")
    print("factor: what an epoch multiplies the error along a direction by; beyond -1, it diverges")
    print(f"the largest stable rate, 2 / h of the steepest: {limit:.4f}")
    print(f"{'':>8}{'factor each epoch':>22}   {f'flattest, {run.epochs} epochs':>22}{'MAE':>10}")
    heads = f"{'flattest':>11}{'steepest':>11}   {'expected':>11}{'measured':>11}"
    print(f"{'lr':>8}{heads}{'train':>10}{'test':>10}")
    for lr in (0.01, 0.1, 0.8, 1.01 * limit):
        trajectory = run._replace(loss="mse", lr=lr).train(numpy_closed_form.train)
        factors = "".join(f"{1 - lr * h:>11.5f}" for h in (flattest, steepest))
        expected = (1 - lr * flattest) ** run.epochs
        shares = f"{expected:>11.1e}{flattest_kept(run, trajectory):>11.1e}"
        losses = both_losses(run, trajectory.weight[-1], trajectory.bias[-1])
        print(f"{lr:>8.4f}{factors}   {shares}" + "".join(f"{loss:>10.1e}" for loss in losses))
    print(
        "At 0.8 only float32's rounding is left. The last rate is 1 % above the limit: it diverges."
    )
    print("There the steepest direction gets so large that its rounding swamps the flattest.")
