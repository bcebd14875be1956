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

from check.notebook.rows import a_sign_flipped, off_by, room_of
from check.notebook.runs import TRAIN, inputs, losses_at, printed_by, train

ANGLES = 720  # of half the curve: the other half has the same losses in every epoch
POINTS, BEST = 400, 40  # drawn in each round; the nearest ones, around which they are drawn
ROUNDS = 30
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
    """Return (start, flipped): a start (weight, bias) whose run prints the rows, or (None, False).

    `flipped` says that a residual's sign explains what is off. First a few rows are compared, which
    leave a small region, and then more of them, in which that region's points alone are trained. A
    point that is farther off than a step of this round can move it ends the search.
    """
    rng, total = np.random.default_rng(0), len(printed.epochs)
    points = on_the_curve(world, printed.values[0, 0])
    reach = 4 * pi / ANGLES * np.ptp(points.numpy(), axis=0).max()
    X = inputs(world, points.dtype)[TRAIN]
    steep = (1 + float(X.abs().max())) * max(1, 2 * printed.values[0, 0])
    flips = 4 * loop.lr * steep * (1 + float(X.abs().max())) / len(X)
    for count in sorted({min(n, total) for n in (3, 5, 8, MANY)}) + [None]:
        few = printed.head(count) if count else printed.spread(2 * MANY)
        if few.epochs[-1] > (300 if count in (3, 5) else LONGEST):
            return None, False
        room = room_of(few, world, loop)
        for _ in range(ROUNDS):
            path = train(world, loop, points, int(few.epochs[-1]) + 1)
            ours = printed_by(world, loop, path, few.epochs, view)
            off = off_by(ours, few.values[:, None], view)
            order = np.argsort((off / room[:, None]).max(axis=(0, 2)))
            best, inside = order[0], int((off <= room[:, None]).all(axis=(0, 2)).sum())
            near = points[order[: min(max(BEST, inside), 100)]]
            far = (off[:, best] - room).max() > 10 * reach * steep + flips
            if far or inside and (count != min(MANY, total) or reach < 1e-8):
                break
            points = torch.cat([near, drawn_around(near, reach, rng)])
            reach *= 0.6
        if not inside:
            mine = world, loop, path[:, best], off[:, best], room, few.epochs
            flipped = not far and count is None and a_sign_flipped(*mine)
            return (tuple(near[0].tolist()) if flipped else None), flipped
        reach = 3 * max(reach, 1e-8) if count != min(MANY, total) else reach
        points = torch.cat([near, drawn_around(near, reach, rng)])
    return tuple(near[0].tolist()), False


def drawn_around(points, reach, rng):
    """Return POINTS points, each at most so far away from one of these."""
    some = points[rng.integers(len(points), size=POINTS)]
    return some + reach * torch.from_numpy(rng.uniform(-1, 1, (POINTS, 2)))
