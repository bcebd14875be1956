"""The loss surface of MAE and of MSE, with a training run's path over each.

The loss depends on two numbers, weight and bias. So it can be drawn as a map: a point is a model,
its colour the loss. Each epoch is one step straight down the slope. Both runs start where the
tutorial does and take 100 epochs. The first is the tutorial's. The second has MSE, and the learning
rate with which its first step is just as long. MSE's slope shrinks with the residuals, MAE's only
changes where a residual changes its sign. That makes neither loss better: with a larger rate, MSE
gets nearer than either run here (learning_rate.py).

Prints where both runs are after some epochs, and saves figures/loss_surface.png. With --animation
it saves figures/training.gif too: the line turns towards the data, while the point walks over the
map, for 200 epochs.
"""

import sys
from pathlib import Path

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import PillowWriter

from manual_grad import numpy_closed_form, program
from manual_grad.losses import LOSSES
from manual_grad.program import BLUE, GREEN, ORANGE
from manual_grad.published_runs import TRUE_BIAS, TRUE_WEIGHT, published_runs

MARKED = [0, 10, 20, 50, 100]  # epochs
LEVELS = {"mae": np.arange(0, 0.45, 0.04), "mse": np.arange(0, 0.21, 0.02)}
LABELS = {"mae": "MAE (no unit)", "mse": "MSE (no unit)"}
MAP = np.linspace(0.25, 0.85, 61), np.linspace(0.05, 0.55, 51)  # weights, biases


def with_equal_first_step(run, loss):
    """Return the run with another loss, and with the lr that makes its first step as long."""
    runs = run, run._replace(loss=loss)
    firsts = [one._replace(epochs=1).train(numpy_closed_form.train) for one in runs]
    slope, other_slope = (np.hypot(first.weight_grad, first.bias_grad).item() for first in firsts)
    return run._replace(loss=loss, lr=run.lr * slope / other_slope)


def path(run, trajectory):
    """Return the weights and the biases at the start and after each epoch: (2, epochs + 1)."""
    return np.array([[run.weight, *trajectory.weight], [run.bias, *trajectory.bias]])


def losses_at(loss, X, y, weights, biases):
    """Return the loss for each bias and weight: an array (number of biases, of weights)."""
    loss_fn, _ = LOSSES[loss]
    return np.array([[loss_fn(weight * X + bias, y) for weight in weights] for bias in biases])


def write(axes, text, point, offset=(10, 8)):
    """Write on a map beside a point, on a white ground."""
    white = dict(fc="white", ec="none", pad=1.5, alpha=0.8)
    return axes.annotate(text, point, offset, textcoords="offset points", bbox=white)


def draw_map(axes, loss, X, y, weights, biases, levels):
    """Draw the loss surface, the darker the higher, and the true parameters; return the filling."""
    surface = losses_at(loss, X, y, weights, biases)
    # Only the paler half of the colours: a path stays visible on it.
    colors = dict(cmap="Blues", vmin=0, vmax=2 * levels[-1])
    filling = axes.contourf(weights, biases, surface, levels, **colors)
    axes.contour(weights, biases, surface, levels, colors="0.5", linewidths=0.8)
    axes.plot(TRUE_WEIGHT, TRUE_BIAS, "k*", ms=20)
    axes.set(xlabel="weight (no unit)", ylabel="bias (no unit)")
    return filling


@plt.rc_context(program.SLIDE)
def plot(runs, paths):
    """Draw the two maps side by side, with the runs' paths; return the Figure."""
    figure, panels = plt.subplots(1, 2, sharex=True, sharey=True)
    titles = "slopes change where a sign does", "the lower, the flatter"
    for axes, run, points, title in zip(panels, runs, paths, titles):
        X, y = run.X.numpy(), run.y.numpy()
        filling = draw_map(axes, run.loss, X, y, *MAP, LEVELS[run.loss])
        figure.colorbar(filling, ax=axes, label=LABELS[run.loss], location="bottom", format="%.2f")
        write(axes, "true parameters", (TRUE_WEIGHT, TRUE_BIAS), (0, -30)).set(ha="center")
        axes.plot(*points, color=ORANGE)
        axes.plot(*points[:, MARKED], "o", color=ORANGE, mec="black", ms=11)
        for epoch in MARKED:
            falling = epoch and points[1, epoch] < points[1, epoch - 1]
            write(axes, f"epoch {epoch}", points[:, epoch], (2, 14) if falling else (16, -8))
        axes.set_title(f"{run.loss.upper()}, lr = {run.lr:.3g}: {title}")
    panels[1].set_ylabel("")
    figure.suptitle("Two losses, one start, equally long first steps")
    return figure


@plt.rc_context(program.SLIDE)
def animate(run, points, writer, every=5, hold=8):
    """Save figures/training.gif by a movie writer: a frame every few epochs, the last for long.

    Prints a dot for each frame.
    """
    figure, (line_axes, map_axes) = plt.subplots(1, 2)
    line_axes.plot(run.X, run.y, "o", color=BLUE, label="training data")
    line_axes.plot(run.X_test, run.y_test, "s", color=GREEN, label="test data")
    (line,) = line_axes.plot([], [], color=ORANGE, lw=4, label="the model's line")
    line_axes.set(xlim=(-0.03, 1.03), ylim=(0, 1.08), xlabel="x (no unit)", ylabel="y (no unit)")
    line_axes.legend(loc="upper left")
    X, y = run.X.numpy(), run.y.numpy()
    draw_map(map_axes, run.loss, X, y, *MAP, LEVELS[run.loss])
    (walk,) = map_axes.plot([], [], color=ORANGE)
    (point,) = map_axes.plot([], [], "o", color=ORANGE, mec="black", ms=14)
    write(map_axes, "true parameters", (TRUE_WEIGHT, TRUE_BIAS), (0, -30)).set(ha="center")
    title = line_axes.set_title("")
    map_axes.set_title("The loss surface: the darker, the higher")
    ends = np.array([0, 1])

    def show(epoch):
        weight, bias = points[:, epoch]
        line.set_data(ends, weight * ends + bias)
        walk.set_data(*points[:, : epoch + 1])
        point.set_data([weight], [bias])
        value = losses_at(run.loss, X, y, [weight], [bias]).item()
        title.set_text(f"Epoch {epoch}: {run.loss.upper()} = {value:.3f}")

    show(0)
    figure.draw_without_rendering()  # lays the figure out, once for all frames
    figure.set_layout_engine("none")
    epochs = [*range(0, run.epochs, every), *[run.epochs] * hold]
    print(f"Drawing {len(epochs)} frames ", end="", flush=True)
    with writer.saving(figure, Path("figures") / "training.gif", dpi=64):
        for epoch in epochs:
            show(epoch)
            writer.grab_frame()
            print(".", end="", flush=True)
    plt.close(figure)  # a window would show its last frame only
    print("\nSaved figures/training.gif")


def print_paths(runs, paths):
    for run, points in zip(runs, paths):
        print(f"\n# {run.loss.upper()}, lr = {run.lr:.6f}")
        print(f"{'epoch':>5}{'weight':>10}{'bias':>10}{run.loss.upper():>10}")
        for epoch in MARKED:
            weight, bias = points[:, epoch]
            value = losses_at(run.loss, run.X.numpy(), run.y.numpy(), [weight], [bias]).item()
            print(f"{epoch:>5}{weight:>10.6f}{bias:>10.6f}{value:>10.6f}")


def main(animation=False):
    run = published_runs()["section 3"]
    runs = run, with_equal_first_step(run, "mse")
    paths = [path(run, run.train(numpy_closed_form.train)) for run in runs]
    print_paths(runs, paths)

    print("\n# The picture")
    program.save_figure(plot(runs, paths), "loss_surface")
    if animation:
        run = run._replace(epochs=200)
        animate(run, path(run, run.train(numpy_closed_form.train)), PillowWriter(fps=8))
    program.show_figures()


if __name__ == "__main__":
    option = dict(action="store_true", help="save figures/training.gif too (takes some seconds)")
    program.run(main, __doc__, [("--animation", option)])
