"""A right training from a start that nobody knows: find the start from the printed losses.

MAE and MSE depend on two differences alone, weight - line's weight and bias - line's bias, and are
homogeneous in them, of degree 1 and 2. Therefore all starts with the printed first train loss lie
on one closed curve, one for each angle, and the rows decide the angle: points of the curve are
drawn, then points around the nearest of them, closer and closer. Only the differences can be found,
and only up to a common sign, because both signs have the same losses.
"""

from math import pi

import numpy as np
import torch

from check.notebook.rows import off_by, room_of
from check.notebook.runs import TRAIN, inputs, losses_at, printed_by, train

ANGLES = 720  # of half the curve: the other half has the same losses in every epoch
POINTS, BEST = 400, 100  # drawn in each round; the nearest ones, around which they are drawn
ROUNDS, SHRINK = 30, 0.6
MANY = 20  # rows that decide the start's last digits
LONGEST = 5000  # epochs for which so many points can be trained


def on_the_curve(world, loss, angles=ANGLES):
    """Return states with this train loss, (angles, 2) in float64, half around the line's own."""
    angle = torch.arange(angles, dtype=torch.float64) * pi / angles
    line = torch.tensor([world.weight, world.bias], dtype=torch.float64)
    unit = torch.stack([angle.cos(), angle.sin()], 1)
    degree = 2 if world.loss == "mse" else 1
    return line + unit * ((loss / losses_at(world, line + unit)) ** (1 / degree)).unsqueeze(1)


def own_start(world, loop, view, printed):
    """Return a start (weight, bias) whose run prints the rows, or None.

    First a few rows are compared, which leave a small region, and then more of them, in which that
    region's points alone are trained.
    """
    half = on_the_curve(world, printed.values[0, 0])
    line = torch.tensor([world.weight, world.bias], dtype=torch.float64)
    points = torch.cat([half, 2 * line - half]).float()
    reach = 4 * pi / ANGLES * np.ptp(points.numpy(), axis=0).max()
    rows = [printed.head(count) for count in (3, 5, 8, MANY)] + [printed.spread(2 * MANY)]
    for few in rows:
        if few.epochs[-1] > LONGEST or rows[0].epochs[-1] > 300:
            return None
        finest = 1e-7 if few is rows[3] else np.inf
        points, reach = closer(world, loop, view, few, points, reach, finest)
        if points is None:
            return None
    return tuple(points[0].tolist())


def closer(world, loop, view, few, points, reach, finest):
    """Return points near those whose runs print these few rows, the nearest first, and their reach.

    In each round new points are drawn around the best of the last one, less far away each time,
    until one prints the rows and the reach is `finest` or less. The points are None if none does,
    or as soon as the best one is farther off than so small a move can change.
    """
    rng, room = np.random.default_rng(0), room_of(few, world, loop)
    X = inputs(world, points.dtype)[TRAIN]
    farthest = 1 + float(X.abs().max())
    steep = farthest * max(1, 2 * few.values[0, 0])  # how much a loss changes with a point
    flips = 4 * loop.lr * steep * farthest / len(X)
    for _ in range(ROUNDS):
        path = train(world, loop, points, int(few.epochs[-1]) + 1)
        ours = printed_by(world, loop, path, few.epochs, view)
        off = off_by(ours, few.values[:, None], view)
        order = np.argsort((off / room[:, None]).max(axis=(0, 2)))
        inside = int((off <= room[:, None]).all(axis=(0, 2)).sum())
        near = points[order[:BEST]]
        done = inside and reach <= finest
        reach = 3 * max(reach, 1e-8) if done else reach
        points = torch.cat([near, drawn_around(near, reach, rng)])
        if done:
            return points, reach
        if (off[:, order[0]] - room).max() > 10 * reach * steep + flips:
            break
        reach *= SHRINK
    return None, reach


def drawn_around(points, reach, rng):
    """Return POINTS points, each at most so far away from one of these."""
    some = points[rng.integers(len(points), size=POINTS)]
    return some + reach * torch.from_numpy(rng.uniform(-1, 1, (POINTS, 2))).float()
