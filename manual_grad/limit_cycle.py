"""What the published table hides: a cycle of exactly two states, and the schedule that ends it.

The question. From epoch 120 on, the tutorial's 1000-epoch table stands still: train loss 0.0012645,
test loss 0.0138018. Has the model converged, and does it do ten times worse on unseen data?

Neither. With all data in each step and no momentum, an epoch is a function of the parameters alone,
so the first state that comes back closes a cycle for good. Here there are two states, A and B. A
table with a row every 10 epochs sees even epochs only, and each row takes its train loss from
before the step, at A, and its test loss from after it, at B: no model has both.

Why it can't end. The MAE's gradient knows the residuals' signs, not their sizes. At A all
predictions are too high: every sign is 1, the gradient is (mean of x, 1). At B all are too low, and
it is minus that. So A - lr (mean x, 1) = B and B + lr (mean x, 1) = A: however near the optimum,
the step is as long as ever. The states lie lr * |(mean x, 1)| apart, and only a smaller lr brings
them closer.

The way out. A learning-rate schedule: lr falls from epoch to epoch, slowly enough to arrive, and
far enough to settle. MSE needs none, as its gradient shrinks with the residuals; that is also why
it is so slow in the end.
"""

from importlib import import_module

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

from manual_grad import numpy_closed_form, torch_optim
from manual_grad.compare import LR, published_runs
from manual_grad.losses import mae
from manual_grad.trajectory import Trajectory

data = import_module("01_data")


def find_cycle(trajectory):
    """Return (first, period): the epoch after which the states repeat, and how many there are.

    The states (weight, bias) after the epochs first, ..., first + period - 1 are all different, and
    that after first + period equals the first to the bit. None if no state comes back.
    """
    seen = {}
    for epoch, state in enumerate(zip(trajectory.weight.tolist(), trajectory.bias.tolist())):
        if state in seen:
            return seen[state], epoch - seen[state]
        seen[state] = epoch
    return None


def state_after(trajectory, epoch):
    """Return the parameters (weight, bias) after an epoch, in the dtype of the run."""
    return trajectory.weight[epoch], trajectory.bias[epoch]


def loss_at(state, X, y):
    """Return the MAE of a state on tensors X, y, as torch computes it."""
    weight, bias = map(torch.as_tensor, state)
    return nn.L1Loss()(weight * X + bias, y).item()


def gradient_at(state, X, y):
    """Return the closed-form gradient of the MAE at a state, and the signs of the residuals."""
    weight, bias = state
    y_pred = weight * X + bias
    _, slope = mae(y_pred, y)
    return np.array([(slope * X).sum(), slope.sum()]), np.sign(y_pred - y)


# Schedules, each as its rates: an array (epochs,). Sources: the classes of torch.optim.lr_scheduler
# that are named beside them in SCHEDULES.


def step_decay(lr, epochs, step_size, gamma):
    """Return lr * gamma^(number of whole step_sizes that have passed)."""
    return lr * gamma ** (np.arange(epochs) // step_size)


def exponential(lr, epochs, gamma):
    """Return lr * gamma^epoch."""
    return lr * gamma ** np.arange(epochs)


def cosine(lr, epochs, T_max):
    """Return lr * (1 + cos(pi * epoch / T_max)) / 2: half a wave, from lr down to 0."""
    return lr * (1 + np.cos(np.pi * np.arange(epochs) / T_max)) / 2


SCHEDULES = {
    "step, 0.1 every 150": (step_decay, "StepLR", dict(step_size=150, gamma=0.1)),
    "step, 0.1 every 100": (step_decay, "StepLR", dict(step_size=100, gamma=0.1)),
    "step, 0.5 every 150": (step_decay, "StepLR", dict(step_size=150, gamma=0.5)),
    "exponential, 0.992": (exponential, "ExponentialLR", dict(gamma=0.992)),
    "exponential, 0.98": (exponential, "ExponentialLR", dict(gamma=0.98)),
    "cosine": (cosine, "CosineAnnealingLR", dict(T_max=1000)),
}


def train_with_rates(run, rates):
    """Train a published run in NumPy with one rate for each epoch; return the Trajectory."""
    weight, bias = run.weight, run.bias
    epochs = []
    for rate in rates:
        epochs.append(numpy_closed_form.train(run.X, run.y, weight, bias, lr=rate, epochs=1))
        weight, bias = state_after(epochs[-1], 0)
    return Trajectory(*np.concatenate(epochs, axis=1))


def train_with_scheduler(run, name, options, epochs):
    """Train the same with torch.optim.lr_scheduler; return the states (epochs, 2) and the rates."""
    weight, bias = (run.X.new_tensor(p, requires_grad=True) for p in (run.weight, run.bias))
    optimizer = torch.optim.SGD([weight, bias], lr=LR)
    scheduler = getattr(torch.optim.lr_scheduler, name)(optimizer, **options)
    states, rates = [], []
    for _ in range(epochs):
        rates.append(scheduler.get_last_lr()[0])

        # 1. Forward pass
        y_pred = weight * run.X + bias

        # 2. Loss
        loss = nn.L1Loss()(y_pred, run.y)

        # 3. Zero gradients
        optimizer.zero_grad()

        # 4. Backpropagation
        loss.backward()

        # 5. Gradient descent, and the next epoch's learning rate
        optimizer.step()
        scheduler.step()

        states.append((weight.item(), bias.item()))
    return np.array(states), np.array(rates)


def unseen_data():
    """Return the test data (X, y) of the runs that have any."""
    line = data.split(*data.make_line())[2:]
    exercise = data.split(*data.make_line(0.3, 0.9, step=0.01))[2:]
    return {"section 3": line, "section 6": line, "exercise": exercise}


def print_cycle(name, run, trajectory, test_set, every):
    """Print the cycle of a run, its states, and the row that the table makes of them."""
    cycle = find_cycle(trajectory)
    if cycle is None:
        print(f"\n# 1. The cycle, {name}: no state came back in {run.epochs} epochs")
        return
    first, period = cycle
    print(f"\n# 1. The cycle, {name}: from epoch {first} on, {period} states")
    print(f"{'after epoch':>12}{'weight':>21}{'bias':>21}{'train loss':>24}{'test loss':>24}")
    for epoch in range(first, first + period):
        state = state_after(trajectory, epoch)
        numbers = f"{float(state[0]):>21}{float(state[1]):>21}"
        losses = f"{loss_at(state, run.X, run.y):>24}{loss_at(state, *test_set):>24}"
        print(f"{epoch:>12}{numbers}{losses}")
    row = (first // every + 1) * every
    before, after = (state_after(trajectory, epoch) for epoch in (row - 1, row))
    print(f"The table's row takes its train loss after epoch {row - 1}, its test loss after {row}:")
    losses = loss_at(before, run.X, run.y), loss_at(after, *test_set)
    print("Epoch: {} | Train loss: {} | Test loss: {}".format(row, *losses))


def print_explanation(name, run, trajectory):
    """Print that one closed-form step leads from each state of the cycle to the next."""
    cycle = find_cycle(trajectory)
    if cycle is None:
        return
    first, period = cycle
    X, y = run.X.numpy(), run.y.numpy()
    print(f"\n# 2. Why it can't end, {name}: mean of x = {X.mean():.4f}")
    print(
        "state   too high   too low   gradient (weight, bias)   - lr * gradient leads to the next"
    )
    for i in range(period):
        state, after = (state_after(trajectory, first + i + step) for step in (0, 1))
        gradient, signs = gradient_at(state, X, y)
        step = state - np.float32(LR) * gradient
        reached = "to the bit" if (step == after).all() else f"off by {np.abs(step - after).max()}"
        label = chr(ord("A") + i)
        counts = f"{(signs > 0).sum():>11}{(signs < 0).sum():>10}"
        print(f"{label:>5}{counts}   ({gradient[0]:+.4f}, {gradient[1]:+.4f}){reached:>38}")


def amplitudes(run, rates=(0.04, 0.02, 0.01, 0.005, 0.0025)):
    """Return for each rate (rate, first, period, distance between the farthest states)."""
    rows = []
    for rate in rates:
        X, y, weight, bias, loss, _ = run
        epochs = int(20 / rate)
        trajectory = numpy_closed_form.train(X, y, weight, bias, loss=loss, lr=rate, epochs=epochs)
        first, period = find_cycle(trajectory)
        states = np.stack([trajectory.weight, trajectory.bias])[:, first : first + period]
        rows.append((rate, first, period, np.linalg.norm(np.ptp(states.astype(float), axis=1))))
    return rows


def print_amplitudes(run):
    """Print how far apart the states are for several learning rates."""
    print("\n# 2. The amplitude is proportional to lr (section 6)")
    print(f"{'lr':>8}{'from epoch':>12}{'states':>8}{'distance':>12}{'distance / lr':>15}")
    for rate, first, period, distance in amplitudes(run):
        print(f"{rate:>8}{first:>12}{period:>8}{distance:>12.6f}{distance / rate:>15.4f}")
    expected = np.hypot(run.X.mean().item(), 1)
    print(f"by hand, the length of (mean of x, 1):{expected:>17.4f}")


def print_schedules(run, test_set, printed, better):
    """Print what each schedule ends at, by hand and with torch, against both baselines."""
    print("\n# 3. Schedules (section 6): test loss after 1000 epochs")
    print(f"{'schedule':<26}{'by hand':>10}{'torch':>10}{'printed /':>11}{'better state /':>16}")
    constant = run._replace(epochs=1000).train(numpy_closed_form.train)
    last = loss_at(state_after(constant, -1), *test_set)
    print(
        f"{'constant, 0.01':<26}{last:>10.1e}{'':>10}{printed / last:>11.1f}{better / last:>16.1f}"
    )
    for name, (formula, scheduler, options) in SCHEDULES.items():
        by_hand = train_with_rates(run, formula(LR, 1000, **options))
        states, _ = train_with_scheduler(run, scheduler, options, 1000)
        last = loss_at(state_after(by_hand, -1), *test_set)
        torchs = loss_at(states[-1], *test_set)
        print(
            f"{name:<26}{last:>10.1e}{torchs:>10.1e}{printed / last:>11.1f}{better / last:>16.1f}"
        )


def print_mse(run, test_set):
    """Print that MSE has no such cycle, and where it is after the same 1000 epochs."""
    trajectory = run._replace(loss="mse", epochs=1000).train(torch_optim.train)
    lengths = LR * np.hypot(trajectory.weight_grad, trajectory.bias_grad)
    weight, bias = state_after(trajectory, -1)
    print("\n# 3. MSE (section 6): no cycle, and far from the optimum")
    print(f"a state that comes back in 1000 epochs: {find_cycle(trajectory)}")
    print("length of the step in epoch 0, 100, 500, 999: ", end="")
    print(", ".join(f"{lengths[epoch]:.6f}" for epoch in (0, 100, 500, 999)))
    print(f"weight = {weight:.4f}, bias = {bias:.4f}, ", end="")
    print(f"test loss (MAE) = {loss_at((weight, bias), *test_set):.7f}")


def plot(run, trajectory, scheduled, test_set, every=10):
    """Draw the printed test losses, all that they hide, and a schedule's; return the two Axes."""
    figure, (close, whole) = plt.subplots(
        1, 2, figsize=(13, 6), sharey=True, width_ratios=[1, 2], layout="constrained"
    )
    X, y = (part.numpy() for part in test_set)
    every_epoch, quiet = (
        np.abs(t.weight * X + t.bias - y).mean(axis=0) for t in (trajectory, scheduled)
    )
    epochs = np.arange(len(every_epoch))
    for axes in (close, whole):
        axes.plot(epochs, every_epoch, color="#56B4E9", lw=1, label="every epoch, lr = 0.01")
        rows = epochs[::every], every_epoch[::every]
        axes.plot(*rows, "ko", ms=5, label=f"the printed rows: every {every}th epoch")
        axes.set(yscale="log", xlabel="epoch")
    whole.plot(
        epochs, quiet, color="#D55E00", lw=1.5, label="step decay: lr a tenth every 150 epochs"
    )
    close.set(xlim=(100, 150), title="Near: two states, one printed")
    close.set_ylabel("test loss (MAE, unit of y), log scale")
    whole.set(title="Far: a table that stands still, and the schedule that doesn't")
    whole.legend(loc="upper right")
    return close, whole


def main():
    """Go from the question to the proof: the cycle, why it can't end, what ends it, a picture."""
    unseen = unseen_data()
    runs = {name: run for name, run in published_runs().items() if name in unseen}
    runs["section 3"] = runs["section 3"]._replace(epochs=1000)  # on past its 100
    trajectories = {name: run.train(torch_optim.train) for name, run in runs.items()}
    for name, run in runs.items():
        every = 20 if name == "exercise" else 10
        print_cycle(name, run, trajectories[name], unseen[name], every)
    for name, run in runs.items():
        print_explanation(name, run, trajectories[name])

    run, trajectory, test_set = (part["section 6"] for part in (runs, trajectories, unseen))
    print_amplitudes(run)
    first, period = find_cycle(trajectory)
    losses = [
        loss_at(state_after(trajectory, epoch), *test_set) for epoch in range(first, first + period)
    ]
    printed = loss_at(state_after(trajectory, 990), *test_set)
    print_schedules(run, test_set, printed, min(losses))
    print_mse(run, test_set)

    print("\n# 4. The picture")
    formula, _, options = SCHEDULES["step, 0.1 every 150"]
    scheduled = train_with_rates(run, formula(LR, 1000, **options))
    axes, _ = plot(run, trajectory, scheduled, test_set)
    data.save_figure(axes, "limit_cycle")
    data.show_figures()


if __name__ == "__main__":
    main()
