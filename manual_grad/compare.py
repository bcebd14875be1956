"""All trainers side by side, on all the published runs: a table, an explanation, a picture.

Trains the notebook's two models, the exercise and the second tutorial's last two models with each
of the four trainers, and holds three of them against torch.optim, epoch by epoch: how many numbers
are equal to the bit, how far apart the others are, and why. Then the optimizers by hand against
torch.optim's. Saves figures/manual_grad.png.
"""

from importlib import import_module
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import torch

from manual_grad import numpy_autograd, numpy_closed_form, optimizers, tensor_updates, torch_optim
from manual_grad.losses import mae, mse
from manual_grad.training_pipeline import CUSTOM_START, LINEAR_START

data = import_module("01_data")
model = import_module("02_model")
all_together = import_module("06_all_together")

LR = 0.01  # of all published runs
TRAINERS = {
    "numpy_closed_form": numpy_closed_form.train,
    "numpy_autograd": numpy_autograd.train,
    "tensor_updates": tensor_updates.train,
    "torch_optim": torch_optim.train,
}
COLUMNS = {
    "loss": ["loss"],
    "gradients": ["weight_grad", "bias_grad"],
    "parameters": ["weight", "bias"],
}


class Run(NamedTuple):
    """A published training run: data of shape (n, 1), start, loss, epochs; lr is LR."""

    X: torch.Tensor
    y: torch.Tensor
    weight: float
    bias: float
    loss: str
    epochs: int

    def train(self, trainer):
        """Return the Trajectory of this run with one of the trainers."""
        X, y, weight, bias, loss, epochs = self
        return trainer(X, y, weight, bias, loss=loss, lr=LR, epochs=epochs)


def published_runs():
    """Return the five runs by name, the first three from the start that seed 42 draws."""

    def seeded(model_class):
        torch.manual_seed(42)
        return [parameter.item() for parameter in model_class().parameters()]

    with torch.random.fork_rng(devices=[]):
        start_0 = seeded(model.LinearRegressionModel)
        start_1 = seeded(all_together.LinearRegressionModelV2)
    X, y, *_ = data.split(*data.make_line())
    X_exercise, y_exercise, *_ = data.split(*data.make_line(0.3, 0.9, step=0.01))
    X_pipeline = torch.tensor([[1], [2], [3], [4]], dtype=torch.float32)
    pipeline = X_pipeline, 2 * X_pipeline
    return {
        "section 3": Run(X, y, *start_0, "mae", 100),
        "section 6": Run(X, y, *start_1, "mae", 1000),
        "exercise": Run(X_exercise, y_exercise, *start_1, "mae", 300),
        "pipeline, nn.Linear": Run(*pipeline, **LINEAR_START, loss="mse", epochs=100),
        "pipeline, custom": Run(*pipeline, **CUSTOM_START, loss="mse", epochs=100),
    }


def stack(trajectory, columns):
    """Return some columns of a Trajectory as one array (number of columns, epochs)."""
    return np.stack([getattr(trajectory, name) for name in columns])


def verdict(run, trajectory, reference, columns):
    """Say in words why these columns of a Trajectory are, or are not, those of torch.optim.

    The reason is looked for in the numbers, and only said where they bear it out: as long as all
    parameters were equal, a loss or gradient can differ by nothing but the rounding of its sum; and
    where a parameter was the first to differ, rounding its step twice must give ours, and once
    torch's.
    """
    ours, theirs = stack(trajectory, columns), stack(reference, columns)
    if (ours == theirs).all():
        return "equal to the bit"
    parameters, reference_parameters = (
        np.hstack([[[run.weight], [run.bias]], stack(t, COLUMNS["parameters"])])
        for t in (trajectory, reference)
    )
    if (parameters == reference_parameters).all():
        # A sum of n terms in another order: at most n roundings, of half a float32 step each.
        bound = len(run.y) * 2**-24 * max(1, np.abs(theirs).max())
        if np.abs(ours - theirs).max() <= bound:
            return "last bits: same parameters, a mean added up in another order"
        return "NOT EXPLAINED: same parameters, but more than rounding"
    epoch = int(np.argmin((parameters == reference_parameters).all(axis=0))) - 1
    gradient = stack(trajectory, COLUMNS["gradients"])[:, epoch].astype(np.float64)
    product = np.float64(np.float32(LR)) * gradient  # exact: float64 has room for all its digits
    once = np.float32(parameters[:, epoch] - product)
    twice = np.float32(parameters[:, epoch] - np.float32(product))
    rounded_twice = (twice == parameters[:, epoch + 1]).all()
    if rounded_twice and (once == reference_parameters[:, epoch + 1]).all():
        return f"since epoch {epoch}, whose step was rounded twice; once would give torch's"
    return f"NOT EXPLAINED: parted in epoch {epoch}"


def print_comparison(name, run, trajectories):
    """Print for each trainer and group of columns how it compares with torch_optim."""
    reference = trajectories["torch_optim"]
    epochs = len(reference.loss)
    print(f"\n# {name}, {epochs} epochs: against torch_optim")
    print(f"{'trainer':<19}{'column':<12}{'equal epochs':>13}{'largest diff':>14}  verdict")
    for trainer, trajectory in trajectories.items():
        if trainer == "torch_optim":
            continue
        for group, columns in COLUMNS.items():
            ours, theirs = stack(trajectory, columns), stack(reference, columns)
            equal = int((ours == theirs).all(axis=0).sum())
            largest = np.abs(ours - theirs).max()
            words = verdict(run, trajectory, reference, columns)
            print(f"{trainer:<19}{group:<12}{equal:>6} of {epochs:>4}{largest:>13.1e}  {words}")


def print_epochs(name, trajectories, every):
    """Print the losses of all trainers side by side."""
    print(f"\n# {name}: loss before the step, in each trainer")
    print("epoch" + "".join(f"{trainer:>24}" for trainer in trajectories))
    losses = [trajectory.loss.tolist() for trajectory in trajectories.values()]
    for epoch in range(0, len(losses[0]), every):
        print(f"{epoch:>5}" + "".join(f"{column[epoch]:>24}" for column in losses))


OPTIMIZERS = [
    ("SGD", dict(lr=0.01)),
    ("SGD", dict(lr=0.01, momentum=0.9)),
    ("SGD", dict(lr=0.01, momentum=0.9, dampening=0.5, weight_decay=0.01)),
    ("SGD", dict(lr=0.01, momentum=0.9, nesterov=True)),
    ("Adam", dict(lr=0.01)),
    ("Adam", dict(lr=0.01, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.01)),
]


def optimizer_paths(name, options, steps=1000):
    """Return both parameters after each step, by hand and by torch.optim: two arrays (steps, 2).

    MSE on the tutorial's 40 points in float64, from the start (0, 0); both sides get the gradients
    of the closed form, at their own parameters, so that only the optimizers differ.
    """
    X, y = (part.double().numpy() for part in data.split(*data.make_line())[:2])

    def gradients(weight, bias):
        _, y_pred_grad = mse(weight * X + bias, y)
        return (y_pred_grad * X).sum(), y_pred_grad.sum()

    by_hand, by_torch = np.zeros((2, steps, 2))
    params = [np.zeros(()), np.zeros(())]
    optimizer = getattr(optimizers, name)(params, **options)
    for step in range(steps):
        optimizer.step(gradients(*params))
        by_hand[step] = params

    params = [torch.zeros((), dtype=torch.float64, requires_grad=True) for _ in range(2)]
    optimizer = getattr(torch.optim, name)(params, **options)
    for step in range(steps):
        for param, grad in zip(params, gradients(*(param.item() for param in params))):
            param.grad = torch.tensor(grad)
        optimizer.step()
        by_torch[step] = [param.item() for param in params]
    return by_hand, by_torch


def print_optimizers():
    """Print the optimizers by hand beside those of torch.optim."""
    print("\n# Optimizers by hand: against torch.optim, 1000 steps in float64")
    print(f"{'equal steps':>13}{'largest diff':>14}{'weight':>10}{'bias':>10}  optimizer")
    for name, options in OPTIMIZERS:
        by_hand, by_torch = optimizer_paths(name, options)
        equal = int((by_hand == by_torch).all(axis=1).sum())
        largest = np.abs(by_hand - by_torch).max()
        weight, bias = by_hand[-1]
        arguments = ", ".join(f"{key}={value}" for key, value in options.items())
        print(
            f"{equal:>5} of 1000{largest:>14.1e}{weight:>10.6f}{bias:>10.6f}  {name}({arguments})"
        )


LEVELS = [0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]  # of the MAE, in the unit of y
LOOKS = {  # from the widest and palest line to the thinnest and darkest: all four can be seen
    "numpy_closed_form": dict(color="#F0E442", lw=9, ls="-"),
    "numpy_autograd": dict(color="#56B4E9", lw=5.5, ls="-"),
    "tensor_updates": dict(color="#D55E00", lw=3, ls="-"),
    "torch_optim": dict(color="black", lw=1, ls="--"),
}


def plot_comparison(runs, results):
    """Draw the paths over the MAE surface and the differences per epoch; return the three Axes."""
    figure, axes = plt.subplot_mosaic(
        [["plane", "section 6"], ["plane", "pipeline, custom"]],
        figsize=(13, 6.5),
        layout="constrained",
    )
    plane = axes.pop("plane")

    X, y = runs["section 3"].X.numpy(), runs["section 3"].y.numpy()
    weights, biases = np.linspace(0.2, 1.0, 81), np.linspace(0.05, 0.9, 86)
    surface = [[mae(w * X + b, y)[0] for w in weights] for b in biases]
    lines = plane.contour(weights, biases, surface, levels=LEVELS, colors="0.75", linewidths=0.8)
    places = [(0.77, 0.27), (0.9, 0.23), *((0.93, 0.21 + level) for level in LEVELS[2:])]
    plane.clabel(lines, fontsize=7, manual=places)  # clear of the paths
    for name in ("section 3", "section 6"):
        run = runs[name]
        for trainer, trajectory in results[name].items():
            label = trainer if name == "section 3" else None
            path = [
                np.append(start, column)
                for start, column in ((run.weight, trajectory.weight), (run.bias, trajectory.bias))
            ]
            plane.plot(*path, **LOOKS[trainer], label=label, solid_capstyle="round")
        plane.annotate(
            f"start, {name}",
            (run.weight, run.bias),
            (8, 4),
            textcoords="offset points",
            bbox=dict(fc="white", ec="none", pad=1),
        )
    plane.plot(0.7, 0.3, "k*", ms=14, label="true parameters")
    plane.set(title="Four trainers, one path over the MAE surface")
    plane.set(xlabel="weight (no unit)", ylabel="bias (unit of y)")
    plane.legend(loc="upper left")

    for name, panel in axes.items():
        reference = np.stack(results[name]["torch_optim"])
        for trainer, trajectory in list(results[name].items())[:-1]:
            difference = np.abs(np.stack(trajectory) - reference).max(axis=0)
            panel.plot(difference, **LOOKS[trainer], label=trainer)
        panel.set_yscale("symlog", linthresh=1e-8)
        panel.set(ylim=(-2e-9, 1e-5), xlabel="epoch", ylabel="in loss, gradients, parameters")
        panel.set_title(f"{name}: largest difference from torch_optim", fontsize=11)
        panel.axhline(2**-24, color="0.5", lw=0.8, ls=":")
        panel.text(
            0.99,
            2**-24 * 1.15,
            "half a float32 step at 1",
            ha="right",
            fontsize=8,
            transform=panel.get_yaxis_transform(),
        )
        panel.legend(loc="upper right", fontsize=8)
    return plane, *axes.values()


def main():
    """Train all runs with all trainers, print the comparison, and save the picture."""
    runs = published_runs()
    results = {
        name: {trainer: run.train(train) for trainer, train in TRAINERS.items()}
        for name, run in runs.items()
    }
    for name, trajectories in results.items():
        print_comparison(name, runs[name], trajectories)
    for name, trajectories in results.items():
        print_epochs(name, trajectories, every=len(trajectories["torch_optim"].loss) // 10)
    print_optimizers()

    print("\n# The comparison as a picture")
    axes, *_ = plot_comparison(runs, results)
    data.save_figure(axes, "manual_grad")
    data.show_figures()


if __name__ == "__main__":
    main()
