"""The loss surface of MAE and of MSE, with a training run's path over each.

The loss depends on two numbers, weight and bias, so that it can be drawn as a map: each point is a
model, the darker the higher its loss, and each epoch is one step straight down the slope. Both runs
start where the tutorial does and take 100 epochs. One is the tutorial's; the other has MSE, and the
learning rate with which its first step is just as long. From there on MSE's steps shrink with the
residuals (prediction minus label), whereas MAE's keep their length as long as no residual changes
its sign. That makes neither loss the better one, because with a larger rate MSE gets nearer to the
true parameters than either run here, as learning_rate.py shows.

Saves figures/loss_surface.png, and with --animation figures/training.gif too: a film of 200 epochs
of the tutorial's run, in which the line turns towards the data while the point walks over the map.
"""

import sys
from pathlib import Path

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import PillowWriter

from manual_grad import numpy_closed_form, pictures, program
from manual_grad.loss_map import draw_map, losses_at, name_lines, path
from manual_grad.pictures import BLUE, GREEN, ORANGE, write
from manual_grad.published_runs import published_runs

SHOWN = [0, 10, 20, 50, 100]  # epochs that bear their number
LEVELS = {"mae": [0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5], "mse": [0, 0.01, 0.04, 0.09, 0.16, 0.25]}
PLACES = {  # of the lines' labels
    "mae": [(0.78, 0.22), (0.68, 0.2), (0.66, 0.12), (0.5, 0.08), (0.72, 0.46), (0.72, 0.36)],
    "mse": [(0.66, 0.2), (0.66, 0.12), (0.5, 0.08), (0.72, 0.5)],
}
FILM = {"font.size": 22, "axes.titlesize": 24, "legend.fontsize": 20}  # it is shown small
MAP = np.linspace(0.25, 0.88, 51), np.linspace(0.05, 0.55, 41)  # weights, biases


def with_equal_first_step(run, loss):
    """Return the run with another loss, and with the lr that makes its first step as long."""
    runs = run, run._replace(loss=loss)
    firsts = [one._replace(epochs=1).train(numpy_closed_form.train) for one in runs]
    slope, other_slope = (np.hypot(first.weight_grad, first.bias_grad).item() for first in firsts)
    return run._replace(loss=loss, lr=run.lr * slope / other_slope)


def draw_surface(axes, run):
    """Draw the map of a run's loss."""
    data = run.X.numpy(), run.y.numpy()
    name_lines(axes, draw_map(axes, run.loss, *data, *MAP, LEVELS[run.loss]), PLACES[run.loss])


@plt.rc_context(pictures.SLIDE)
def plot(runs, paths):
    """Draw the runs' paths over two maps, and the length of each step; return the Figure."""
    figure, (left, middle, right) = plt.subplots(1, 3)
    looks = dict(color=BLUE, marker="s"), dict(color=ORANGE, marker="o")
    for axes, run, points, look in zip((left, middle), runs, paths, looks):
        name = f"{run.loss.upper()}, lr = {run.lr:.3g}"
        draw_surface(axes, run)
        axes.plot(*points, **look, mec="black", markevery=10)
        for epoch in SHOWN:
            falling = epoch and points[1, epoch] < points[1, epoch - 1]
            text = str(epoch) if epoch else "epoch 0"
            write(axes, text, points[:, epoch], (-8, -26) if falling else (14, -6))
        axes.set_title(f"{name}\nlines of equal loss")
        steps = np.hypot(*np.diff(points))
        right.plot(np.arange(1, run.epochs + 1), steps, **look, markevery=10, label=name)
    middle.set_ylabel("")
    right.set(title="The length of each step\n", xlabel="epoch", ylim=(0, None))
    right.set_ylabel("distance in weight and bias (no unit)")
    right.legend()
    figure.suptitle(
        "Equally long first steps: MSE's shrink at once, MAE's when residuals change sign\n"
        "(a marker every 10 epochs)"
    )
    return figure


@plt.rc_context(pictures.SLIDE | FILM)
def film(run, points):
    """Return the film's Figure, and the function of an epoch that shows it there."""
    figure, (line_axes, map_axes) = plt.subplots(1, 2)
    line_axes.plot(run.X, run.y, "o", color=BLUE, label="training data")
    line_axes.plot(run.X_test, run.y_test, "s", color=GREEN, label="test data")
    (line,) = line_axes.plot([], [], color=ORANGE, lw=5, label="the model's line")
    line_axes.set(xlim=(-0.03, 1.03), ylim=(0, 1.08), xlabel="x (no unit)", ylabel="y (no unit)")
    line_axes.legend(loc="lower right")
    draw_surface(map_axes, run)
    write(map_axes, "start", points[:, 0], (18, -8))
    (walk,) = map_axes.plot([], [], color=ORANGE, lw=4)
    (point,) = map_axes.plot([], [], "o", color=ORANGE, mec="black", ms=18)
    title = line_axes.set_title("")
    map_axes.set_title("The darker, the higher the loss")
    losses = losses_at(run.loss, run.X.numpy(), run.y.numpy(), *points)
    ends = np.array([0, 1])

    def show(epoch):
        weight, bias = points[:, epoch]
        line.set_data(ends, weight * ends + bias)
        walk.set_data(*points[:, : epoch + 1])
        point.set_data([weight], [bias])
        title.set_text(f"Epoch {epoch}: train {run.loss.upper()} = {losses[epoch]:.3f}")

    show(0)
    figure.draw_without_rendering()  # lays the figure out, once for all frames
    figure.set_layout_engine("none")
    return figure, show


def main(animation=False):
    run = published_runs()["section 3"]
    runs = run, with_equal_first_step(run, "mse")
    paths = [path(one, one.train(numpy_closed_form.train)) for one in runs]
    pictures.save_figure(plot(runs, paths), "loss_surface")
    if animation:
        run = run._replace(epochs=200)
        figure, show = film(run, path(run, run.train(numpy_closed_form.train)))
        writer = PillowWriter(fps=8)
        with writer.saving(figure, "figures/training.gif", dpi=64):
            for epoch in [*range(0, run.epochs, 5), *[run.epochs] * 8]:  # the last for a second
                show(epoch)
                writer.grab_frame()
        print("Saved figures/training.gif")
        plt.close(figure)  # a window would show its last frame only
    pictures.show_figures()


if __name__ == "__main__":
    option = dict(action="store_true", help="save figures/training.gif too (takes some seconds)")
    program.run(main, __doc__, [("--animation", option)])
