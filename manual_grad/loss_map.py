"""The loss as a map over weight and bias.

The loss of a line depends on two numbers, weight and bias, so that it can be drawn as a map whose
every point is a model. Lines of equal loss play the part of a map's contour lines, a star marks the
parameters of the line that the data lie on, and a training run is a path. All programs here that
draw such a map draw it with `draw_map`. Loads no torch.
"""

import numpy as np

from manual_grad.numpy_closed_form import TRUE_BIAS, TRUE_WEIGHT
from manual_grad.pictures import write

OF_A_RESIDUAL = {"mae": np.abs, "mse": np.square}  # what each loss is the mean of


def losses_at(loss, X, y, weight, bias):
    """Return the loss of each model: an array of the shape that weight and bias broadcast to.

    `loss` is "mae" or "mse"; X and y are arrays of shape (n, 1). Weight and bias are numbers or
    arrays of any shape: the losses along a path are losses_at(loss, X, y, *path), and those of a
    map, in which row i has bias i and column j has weight j, are
    losses_at(loss, X, y, weights, biases[:, None]).
    """
    # A last axis for the points: shape (..., 1) and (n,) make (..., n).
    weight, bias = np.asarray(weight)[..., None], np.asarray(bias)[..., None]
    return OF_A_RESIDUAL[loss](weight * X.ravel() + bias - y.ravel()).mean(axis=-1)


def path(run, trajectory):
    """Return the weights and the biases at a run's start and after each epoch: (2, epochs + 1)."""
    return np.array([[run.weight, *trajectory.weight], [run.bias, *trajectory.bias]])


def draw_map(axes, loss, X, y, weights, biases, levels, *, fill=True):
    """Draw the loss over arrays of weights and of biases; return its lines, a ContourSet.

    There is a line for each of the `levels`. With `fill`, the ground is the darker the higher the
    loss. The map keeps its limits, whatever else is drawn on it.
    """
    surface = losses_at(loss, X, y, weights, biases[:, None])
    if fill:
        # Only the paler half of the colours, so that a path stays visible on them.
        colors = dict(cmap="Blues", vmin=0, vmax=2 * levels[-1])
        axes.contourf(weights, biases, surface, levels, **colors)
    lines = axes.contour(weights, biases, surface, levels, colors="0.5", linewidths=1)
    look = dict(color="white", mec="black", ms=22, ls="", label="true parameters")
    axes.plot(TRUE_WEIGHT, TRUE_BIAS, "*", **look)
    axes.set(xlabel="weight (no unit)", ylabel="bias (no unit)")
    axes.set(xlim=weights[[0, -1]], ylim=biases[[0, -1]])
    return lines


def name_lines(axes, lines, places):
    """Write onto a map the star's name, and the loss onto the line that is nearest to each place.

    The places (weight, bias) are chosen by eye, where a label hides nothing and nothing hides it.
    """
    axes.clabel(lines, fontsize="small", colors="0.3", zorder=1, manual=places)  # below a path
    write(axes, "true parameters", (TRUE_WEIGHT, TRUE_BIAS), (0, -30)).set(ha="center")
