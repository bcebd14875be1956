"""Mini-batches: what is stochastic about stochastic gradient descent, and what validation is for.

Each step of the tutorial looks at all points. Real data are often so many that this takes too long.
So training goes through them in mini-batches: a step takes the gradient of a few points, drawn at
random, and an epoch is over when each point has had its turn. The gradient of a mini-batch is the
full one on average, but every draw adds an error of its own, larger the fewer points there are.

The points here are y = 0.7 x + 0.3 plus a random number, the noise, which nobody can predict. Even
the true line therefore has a loss, its MAE, and this is the floor: on new points no line can expect
less. On the points that it was trained on a line can, because it fits their noise too.

The data are split in three. The training set moves the parameters. The validation set chooses the
learning rate, because its loss says how each rate does on points that training hasn't seen. That
makes the loss of the chosen rate look a little better than it is, as some rate is lucky on these
very points; so the test set, used once at the very end, is the only fair judge.

A Dataset holds the points; a DataLoader shuffles them anew in each epoch and hands them out in
batches. The same batches train by hand, with the closed form, and by torch.optim. The program
prints how both do, and saves figures/minibatches.png.
"""

import sys
from pathlib import Path

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from manual_grad import numpy_closed_form, pictures, program
from manual_grad.loss_map import losses_at
from manual_grad.numpy_closed_form import START
from manual_grad.pictures import BLUE, ORANGE
from manual_grad.published_runs import TRUE_BIAS, TRUE_WEIGHT

TRUE_LINE = TRUE_WEIGHT, TRUE_BIAS
NOISE = 0.1  # the standard deviation of what is added to each label
EPOCHS = {120: 150, 8: 20, 1: 10}  # by batch size; 120 is the full batch
RATES = [0.003, 0.01, 0.03, 0.1, 0.3]


def noisy_line(seed=1):
    """Return three TensorDatasets, float64: 120 points to train on, 40 to choose by, 40 to test."""
    generator = torch.Generator().manual_seed(seed)
    X = torch.rand(200, 1, generator=generator, dtype=torch.float64)
    noise = torch.randn(200, 1, generator=generator, dtype=torch.float64)
    y = TRUE_WEIGHT * X + TRUE_BIAS + NOISE * noise
    parts = slice(120), slice(120, 160), slice(160, 200)
    return [TensorDataset(X[part], y[part]) for part in parts]


def batches(points, batch_size, seed=1):
    """Return a DataLoader, whose batches and their order are the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    return DataLoader(points, batch_size, shuffle=True, generator=generator)


def train_by_hand(loader, lr, epochs):
    """Train with MAE in NumPy; return weight and bias, from the start on: (steps + 1, 2).

    A step on a mini-batch is an epoch of numpy_closed_form.train that sees these points only.
    """
    states = [START]
    for _ in range(epochs):
        for X, y in loader:
            step = numpy_closed_form.train(X, y, *states[-1], lr=lr, epochs=1)
            states.append((step.weight.item(), step.bias.item()))
    return np.array(states)


def train_by_torch(loader, lr, epochs):
    """Do the same with torch's gradients and torch.optim."""
    weight, bias = (torch.tensor(s, dtype=torch.float64, requires_grad=True) for s in START)
    optimizer = torch.optim.SGD([weight, bias], lr=lr)
    loss_fn = nn.L1Loss()
    states = [START]
    for _ in range(epochs):
        for X, y in loader:
            # 1. Forward pass
            y_pred = weight * X + bias

            # 2. Loss
            loss_value = loss_fn(y_pred, y)

            # 3. Zero gradients
            optimizer.zero_grad()

            # 4. Backpropagation
            loss_value.backward()

            # 5. Gradient descent
            optimizer.step()

            states.append((weight.item(), bias.item()))
    return np.array(states)


def losses(states, points):
    """Return the MAE on all of the points, of one state (weight, bias) or of each of several."""
    X, y = (tensor.numpy() for tensor in points.tensors)
    return losses_at("mae", X, y, *np.transpose(states))


def print_sizes(train, floor, lr=0.01):
    """Print how each batch size does, by hand and by torch; return its losses by size."""
    print(f"\n# Three batch sizes, lr = {lr}: when is the train loss within 10 % of the floor?")
    print("steps up: of the first 150 steps, those that raised the train loss")
    print("apart: the largest difference of weight or bias in any step, by hand from torch.optim\n")
    print("batch size   steps an epoch   steps   points seen   steps up     apart")
    curves = {}
    for size, epochs in EPOCHS.items():
        states = train_by_hand(batches(train, size), lr, epochs)
        apart = np.abs(states - train_by_torch(batches(train, size), lr, epochs)).max()
        curves[size] = curve = losses(states, train)
        steps = np.flatnonzero(curve < 1.1 * floor)[0]
        up = (np.diff(curve[:151]) > 0).mean()
        row = size, len(train) // size, steps, steps * size, up, apart
        print("{:>10}{:>17}{:>8}{:>14}{:>11.0%}{:>10.0e}".format(*row))
    print("\nAll need about as many steps, but a step costs as many points as its batch has.")
    print("The price: the gradient of one point alone often leads in a wrong direction.")
    return curves


def choose_rate(train, validation, test, size=8):
    """Print how five rates do; choose one by the validation loss, and test that one alone."""
    print(f"\n# Five rates, batch size {size}, {EPOCHS[size]} epochs: which one?")
    print(f"{'lr':>8}{'train loss':>14}{'validation loss':>18}")
    ends = np.array([train_by_hand(batches(train, size), lr, EPOCHS[size])[-1] for lr in RATES])
    validation_losses = losses(ends, validation)
    for row in zip(RATES, losses(ends, train), validation_losses):
        print("{:>8}{:>14.4f}{:>18.4f}".format(*row))
    best = validation_losses.argmin()
    print(f"The validation loss chooses lr = {RATES[best]}. ", end="")
    print("Only now the test set is used, and once:")
    test_loss, floor = losses([ends[best], TRUE_LINE], test)
    print(f"test loss {test_loss:.4f}, the true line's {floor:.4f}")


@plt.rc_context(pictures.SLIDE)
def plot(curves, floor):
    """Draw the losses over steps and over points seen; return the Figure."""
    looks = dict(color="black"), dict(color=BLUE, ls="--"), dict(color=ORANGE, lw=1.2)
    figure, (left, right) = plt.subplots(1, 2, sharey=True)
    for (size, curve), look in zip(curves.items(), looks):
        steps = np.arange(len(curve))
        left.plot(steps, curve, **look, label=f"steps of {size} point{'s' * (size > 1)}")
        right.plot(steps * size, curve, **look)
    for axes in (left, right):
        label = "MAE of the true line\n(a fit to the noise can have less)"
        axes.axhline(floor, color="0.5", ls=":", label=label)
    left.set(xlim=(0, 150), xlabel="steps", title="Over steps")
    left.set(ylabel="train loss (MAE, no unit)", ylim=(0, None))
    left.legend()
    right.set(xlim=(0, 1200), xlabel="points seen", title="Over points seen")
    figure.suptitle(
        "All sizes need about as many steps, small ones far fewer points; one point is noisy"
    )
    return figure


def main():
    train, validation, test = noisy_line()
    floor, other_floor = (losses(TRUE_LINE, points) for points in (train, validation))
    print("\n# y = {} x + {} plus noise: the floor is the MAE of the true line".format(*TRUE_LINE))
    print(f"training  {len(train):>5} points{floor:>10.4f}")
    print(f"validation{len(validation):>5} points{other_floor:>10.4f}")
    curves = print_sizes(train, floor)
    choose_rate(train, validation, test)
    pictures.save_figure(plot(curves, floor), "minibatches")
    pictures.show_figures()


if __name__ == "__main__":
    program.run(main, __doc__)
