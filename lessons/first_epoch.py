"""One epoch of the tutorial on paper: what `backward` and `step` do, with all the numbers.

For each training point there is a row: the prediction, the residual y_pred - y, its sign (which is
the slope of |residual|), and sign * x. The loss is the mean of |residual|, and its gradients are
the mean of sign * x, for the weight, and the mean of sign, for the bias. A step of lr against them
gives the new parameters. Autograd finds the same two gradients, from the operations alone.

In the first epoch all predictions are too low, so that every sign is -1. In epoch 30 the signs are
mixed, which is all that has changed MAE's gradient.

The last picture is the graph of the loss:

    weight -> weight * X -> y_pred -> residual -> |residual| -> loss
                  X         bias      y

Each arrow is an operation, along which values flow forward and gradients flow back, multiplied by
the operation's slope. What comes out at the parameters is again a mean of sign * x, and of sign.
"""

import sys
from pathlib import Path

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import matplotlib.pyplot as plt
import numpy as np

from manual_grad import numpy_closed_form, pictures, program, torch_optim
from manual_grad.loss_map import draw_map, name_lines, path
from manual_grad.pictures import BLUE, ORANGE, write
from manual_grad.published_runs import published_runs

MIXED = 30  # an epoch whose residuals have both signs


def table(run, weight, bias):
    """Return the columns X, y, y_pred, residual, sign, sign * X: arrays of shape (n, 1)."""
    X, y = run.X.numpy(), run.y.numpy()
    y_pred = weight * X + bias
    residual = y_pred - y
    sign = np.sign(residual)
    return X, y, y_pred, residual, sign, sign * X


def on_paper(run):
    """Return five rows: what it is, how it follows from the table, and the number, in float32."""
    weight, bias, lr = map(np.float32, (run.weight, run.bias, run.lr))
    *_, residual, sign, sign_X = table(run, weight, bias)
    weight_grad, bias_grad = sign_X.mean(), sign.mean()
    return [
        ("loss", "mean of |residual|", np.abs(residual).mean()),
        ("weight gradient", "mean of sign * x", weight_grad),
        ("bias gradient", "mean of sign", bias_grad),
        ("new weight", "weight - lr * its gradient", weight - lr * weight_grad),
        ("new bias", "bias - lr * its gradient", bias - lr * bias_grad),
    ]


def print_table(run, parameters):
    """Print every fourth row of the table at (weight, bias); return the signs of all rows."""
    weight, bias = parameters
    print(f"weight = {weight:.8f}, bias = {bias:.8f}; every fourth of the {len(run.X)} points\n")
    print("   i       x         y      y_pred    residual  sign  sign * x")
    rows = np.hstack(table(run, weight, bias)) + 0.0  # -0 + 0 is 0
    for i in range(0, len(rows), 4):
        print("{:>4}{:>8.2f}{:>10.4f}{:>12.6f}{:>12.6f}{:>6.0f}{:>10.2f}".format(i, *rows[i]))
    return rows[:, 4]


def print_numbers(run):
    """Print loss, gradients and step, on paper and by torch."""
    print("\n# The first epoch: loss, gradients and step, in two ways\n")
    print(f"{'on paper':>59}{'torch':>14}")
    by_torch = np.ravel(run._replace(epochs=1).train(torch_optim.train))
    for row, number in zip(on_paper(run), by_torch):
        print("{:<17}{:<28}{:>14.9f}{:>14.9f}".format(*row, number))
    print(f"\nThe means are those of all {len(run.X)} points. Both columns are float32, which")
    print("keeps about 7 digits: they may differ from the 8th digit on.")


def print_mixed(run):
    """Print an epoch whose signs are mixed, and the gradient that they make."""
    trajectory = run.train(numpy_closed_form.train)
    print(f"\n# Epoch {MIXED}: the signs are mixed, so that the gradient has changed")
    signs = print_table(run, path(run, trajectory)[:, MIXED])
    above, below, n = (signs > 0).sum(), (signs < 0).sum(), len(signs)
    weight_first, weight_grad = trajectory.weight_grad[[0, MIXED]]
    bias_first, bias_grad = trajectory.bias_grad[[0, MIXED]]
    print(f"\nOf all {n} points, {above} have sign 1 and {below} sign -1. The bias gradient is")
    print(f"({above} - {below}) / {n} = {bias_grad:.3f}; in epoch 0 it was {bias_first:.3f}.")
    print(f"The weight gradient, of sign * x, is {weight_grad:.3f}; it was {weight_first:.3f}.")
    print("How far off a point is makes no difference: only a change of sign changes the gradient.")


@plt.rc_context(pictures.SLIDE)
def plot_residuals(run):
    """Draw the residuals before the first epoch and after the last one; return the figure."""
    first, *_, last = path(run, run.train(numpy_closed_form.train)).T
    panels = {"Before the first step": first, f"After {run.epochs} steps": last}
    figure, axes = plt.subplots(1, 2, sharex=True, sharey=True)
    for axis, (when, parameters) in zip(axes, panels.items()):
        X, y, y_pred, residual, sign, sign_X = table(run, *parameters)
        axis.plot(X, y_pred, color="black", label="predictions")
        for value, color, marker, style, words in (
            (-1, BLUE, "^", "-", "below 0 (line must rise)"),
            (1, ORANGE, "v", "--", "above 0 (line must fall)"),
        ):
            some = sign == value
            label = f"data point, residual {words}: {some.sum()}"
            axis.vlines(X[some], y[some], y_pred[some], color, style, lw=2.5)
            axis.plot(X[some], y[some], marker, color=color, label=label)
        gradient = f"weight {sign_X.mean():.3f}, bias {sign.mean():.3f}"
        axis.set(title=f"{when}\ngradient: {gradient}", xlabel="X (no unit)")
        key = axis.legend(loc="upper left", title="stick: residual = y_pred - y")
        key.set_in_layout(False)  # else the panels shrink
    axes[0].set(ylabel="y (no unit)", ylim=(0.05, 1.08))  # room for the legends
    return figure


@plt.rc_context(pictures.SLIDE)
def plot_surface(run):
    """Draw where the first step is on the loss surface, and the step enlarged; return the figure.

    The step is 0.01 long, too short to be seen on the whole surface, so that the right panel shows
    its surroundings enlarged 45 times.
    """
    _, *numbers = (number for *_, number in on_paper(run))
    gradient, new, start = np.reshape([*numbers, run.weight, run.bias], (3, 2))
    center, reach = start + (new - start) / 4, np.array([0.01, 0.011])
    far = [(0.98, 0.6), (0.94, 0.51), (0.9, 0.425)]
    far += [(0.8, 0.16), (0.51, 0.18), (0.65, 0.03), (0.62, -0.065)]
    near = [(0.334, 0.139), (0.344, 0.127), (0.333, 0.123)]
    figure, (left, right) = plt.subplots(1, 2)
    for axes, middle, reaches, levels, places in (
        (left, (0.6, 0.35), 45 * reach, [0.1, 0.2, 0.3, 0.4], far),
        (right, center, reach, [0.304, 0.312, 0.32], near),
    ):
        grid = np.linspace(middle - reaches, middle + reaches, 91).T  # weights, biases
        lines = draw_map(axes, "mae", run.X.numpy(), run.y.numpy(), *grid, levels, fill=False)
        name_lines(axes, lines, places)
        axes.set(aspect="equal")
        axes.locator_params(nbins=5)
    left.set_title("Lines of equal MAE. The square is enlarged")
    left.add_patch(plt.Rectangle(center - reach, *2 * reach, fill=False, lw=2.5))
    right.set_title("The first step goes against the gradient")
    for end, color, text in (
        (start + run.lr / 2 * gradient, ORANGE, f"gradient\n(times {run.lr / 2})"),
        (new, BLUE, f"step =\n-{run.lr} * gradient"),
    ):
        draw_arrow(right, start, end, color)
        write(right, text, (start + end) / 2, (22, -16)).set(color=color, va="center")
    right.plot(*zip(start, new), "ko")
    write(right, "start", start, (-16, 0)).set(ha="right", va="center")
    write(right, "new parameters", new, (0, 14)).set(ha="center")
    return figure


def graph(run):
    """Return the value and the gradient of each node, from the parameters to the loss, by name.

    The gradients of all points add up where one number takes part in all, as weight and bias do.
    (manual_grad/engine.py goes the same way back through any expression.)
    """
    weight, bias = map(np.float32, (run.weight, run.bias))
    X, _, y_pred, residual, sign, _ = table(run, weight, bias)
    size, size_grad = np.abs(residual), np.full_like(X, 1 / len(X))
    residual_grad = size_grad * sign
    return {
        "weight": (weight, (residual_grad * X).sum()),
        "weight * X": (weight * X, residual_grad),
        "bias": (bias, residual_grad.sum()),
        "y_pred": (y_pred, residual_grad),
        "residual": (residual, residual_grad),
        "|residual|": (size, size_grad),
        "loss": (size.mean(), np.ones_like(weight)),
    }


@plt.rc_context(pictures.SLIDE)
def plot_graph(run):
    """Draw the graph: a box for one number, a stack of boxes for one number a point."""
    n, x, y = len(run.X), run.X[-1].item(), run.y[-1].item()
    boxes = graph(run)
    bias, sign = boxes.pop("bias"), np.sign(boxes["residual"][0][-1].item())
    steps = [  # what leads from a box to the next, and what leads back
        (f"times x (the last: {x:.2f})", f"times its x, all {n} added up"),
        ("plus bias", "times 1"),
        (f"minus y (the last: {y:.3f})", "times 1"),
        ("absolute value", f"times the sign (the last: {sign:.0f})"),
        (f"mean of {n}", f"times 1 / {n}, to each of the {n}"),
    ]
    figure, axes = plt.subplots()
    axes.set(xlim=(0, 13), ylim=(-5.4, 0.7))
    axes.axis("off")
    axes.set_title(f"Values flow down, gradients flow up. Of a stack of {n}, the last is shown")
    for right, y in ((0, 0.45), (5.6, -0.55)):  # above weight, and above bias
        axes.text(4.6 + right, y, "value", color=BLUE, ha="right", weight="bold")
        axes.text(6.9 + right, y, "gradient", color=ORANGE, ha="right", weight="bold")
    for row, (name, arrays) in enumerate(boxes.items()):
        draw_box(axes, 0.6, -row, name, arrays)
    draw_box(axes, 7.9, -1, "bias", bias, width=4.9)
    draw_arrow(axes, (8.4, -1.26), (7.4, -1.9), BLUE)
    draw_arrow(axes, (7.4, -2.1), (9.3, -1.3), ORANGE)
    axes.text(8.7, -1.85, f"all {n} added up", color=ORANGE)
    for row, (forward, backward) in enumerate(steps):
        top, bottom, middle = -row - 0.26, -row - 0.74, -row - 0.5
        draw_arrow(axes, (1.4, top), (1.4, bottom), BLUE)
        draw_arrow(axes, (5.8, bottom), (5.8, top - 0.12), ORANGE)
        axes.text(1.65, middle, forward, color=BLUE, va="center")
        axes.text(6.05, middle, backward, color=ORANGE, va="center")
    return figure


def draw_box(axes, left, middle, name, arrays, width=6.6):
    """Draw a node: its name, value and gradient. One with many numbers is a stack of boxes."""
    for behind in (0.12, 0.06, 0) if arrays[0].size > 1 else (0,):
        corner = left + behind, middle - 0.25 - behind
        axes.add_patch(plt.Rectangle(corner, width, 0.5, fc="white", ec="black", lw=2))
    style = dict(va="center", weight="bold")
    axes.text(left + 0.2, middle, name, **style)
    for array, color, right in zip(arrays, (BLUE, ORANGE), (2.6, 0.3)):
        number = f"{array.flat[-1]:.4f}"
        axes.text(left + width - right, middle, number, color=color, ha="right", **style)


def draw_arrow(axes, start, end, color):
    look = dict(arrowstyle="-|>", color=color, lw=3, mutation_scale=24)
    axes.annotate("", end, start, arrowprops=look | dict(shrinkA=0, shrinkB=0))


def main():
    run = published_runs()["section 3"]
    print("\n# The first epoch: forward pass, residuals and signs")
    print_table(run, (run.weight, run.bias))
    print("\nresidual = y_pred - y. The y_test - y_preds that the tutorial prints is its negative.")
    print_numbers(run)
    print_mixed(run)

    print("\n# The pictures")
    pictures.save_figure(plot_residuals(run), "first_epoch_residuals")
    pictures.save_figure(plot_surface(run), "first_epoch_surface")
    pictures.save_figure(plot_graph(run), "first_epoch_graph")
    pictures.show_figures()


if __name__ == "__main__":
    program.run(main, __doc__)
