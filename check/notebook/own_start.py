"""A right training from a start that nobody knows: find the start from the printed losses.

MAE and MSE depend on two differences alone, weight - line's weight and bias - line's bias, and are
homogeneous in them, of degree 1 and 2. Therefore all starts with the printed first train loss lie
on one closed curve, one for each angle, and the first rows leave few angles of it. Gauss-Newton
moves these to where the rows come nearest to the table's, and then every row has to follow. Only
the differences can be found, and only up to a common sign, because both signs have the same losses.
"""

from math import pi

import numpy as np
import torch

from check.notebook.runs import as_states, inputs, losses_at, train


def on_the_curve(settings, loss, angles):
    """Return differences (weight - line's, bias - line's) with this train loss: (angles, 2).

    The angles go half around, because the opposite one has the same losses in every epoch.
    """
    angle = np.arange(angles) * pi / angles
    units = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    line = np.array([settings.weight, settings.bias])
    unit_loss = losses_at(settings, torch.tensor(line + units)).numpy()
    degree = 2 if settings.loss == "mse" else 1
    return units * ((loss / unit_loss) ** (1 / degree))[:, None]


def rows_of(settings, starts, printed):
    """Return what a run from each start (S, 2) prints in the rows: an array (S, rows, columns)."""
    states = train(settings, torch.tensor(starts), int(printed.epochs[-1]) + 1)
    states = torch.stack([states[printed.epochs], states[printed.epochs + 1]])
    ours = {"train": losses_at(settings, states[0]), "test": losses_at(settings, states[1], "test")}
    return torch.stack([ours[name] for name in settings.columns], -1).transpose(0, 1).numpy()


def off_by(settings, starts, printed):
    """Return how far what each start prints is from the printed numbers: (S, rows, columns)."""
    return np.abs(rows_of(settings, starts, printed) - printed.values)


def possible_starts(settings, printed, angles=720):
    """Return the few starts (weight, bias) from which the rows come nearest to the printed ones."""
    few = printed.head(3 if printed.values.shape[1] == 2 else 5)
    if few.epochs[-1] > 300 or settings.columns[0] != "train":
        return []
    line = np.array([settings.weight, settings.bias])
    starts = line + on_the_curve(settings, few.values[0, 0], angles)
    off = off_by(settings, starts, few).max(axis=(1, 2))
    valleys = np.nonzero((off <= np.roll(off, 1)) & (off <= np.roll(off, -1)))[0]
    valleys = valleys[np.argsort(off[valleys])][:12]
    starts, off = starts[valleys], off[valleys]
    # The right start lies between two angles, which moves the losses by at most `apart`, and a sign
    # or two may flip on the way, each of which moves them by `flip`.
    X, _ = inputs(settings.X, settings.split, "float64")
    reach = 1 + float(X.abs().max())
    flip = settings.lr * 2 * reach / len(X)
    apart = pi / angles * np.hypot(*(starts - line).T) * reach
    starts = starts[off <= 4 * few.half.max() + apart + 2 * flip]
    if not len(starts):
        return []
    starts = gauss_newton(settings, starts, few, 6)
    off = off_by(settings, starts, few).max(axis=(1, 2))
    nearest = np.argsort(off)[:2]
    starts = starts[nearest][off[nearest] <= 2 * few.half.max() + 2 * flip]
    if few.half.max() > 1e-6:
        return [point for start in starts for point in zoom(settings, start, printed)]
    for count in (8, 20, len(printed.epochs)):
        few = printed.head(count)
        if not len(starts) or few.epochs[-1] > 20_000:
            return []
        starts = np.concatenate([starts, gauss_newton(settings, starts, few, 3)])
        off = off_by(settings, starts, few).mean(axis=(1, 2))
        starts = starts[np.argsort(off)][:3]
    return starts


def gauss_newton(settings, starts, printed, steps, h=1e-7):
    """Return the starts, moved to where the rows are nearest to the table's by least squares."""
    for _ in range(steps):
        moved = np.concatenate([starts, starts + [h, 0], starts + [0, h]])
        here, right, up = np.split(rows_of(settings, moved, printed).reshape(len(moved), -1), 3)
        slopes = np.stack([(right - here) / h, (up - here) / h], axis=2)
        off = printed.values.reshape(-1) - here
        step = np.stack([np.linalg.lstsq(a, b, rcond=1e-6)[0] for a, b in zip(slopes, off)])
        starts = starts + np.clip(step, -0.1, 0.1)
    return starts


def zoom(settings, start, printed, samples=600):
    """Return starts that print all rows, or nearly: three printed digits leave a small region.

    Points around the start are thrown out row by row, and new ones drawn beside those that
    stay, because the first rows bound the region and only the last ones show where in it the
    training settles.
    """
    rng = np.random.default_rng(0)
    room, total = printed.room(settings.loss), len(printed.epochs)
    reach = 6 * printed.half.max()
    points = start + rng.uniform(-reach, reach, (samples, 2))
    for count in (3, 5, 8, 12, total, total, total, total):
        off = off_by(settings, points, printed.head(count)) / room[:count]
        wrong, farthest = (off > 1).mean(axis=(1, 2)), off.max(axis=(1, 2))
        points = points[np.lexsort((farthest, wrong))]  # fewest wrong numbers first
        stay = points[: max(5, int((wrong == 0).sum()))]
        if wrong.min() > 0.1 or (count >= total and wrong.min() == 0):
            break
        reach *= 0.6
        drawn = stay[rng.integers(len(stay), size=samples)]
        drawn += rng.uniform(-reach, reach, drawn.shape)
        points = np.concatenate([stay, drawn])[:samples]
    return stay[:5]


def a_sign_flipped(settings, first, off, printed):
    """Say if one residual's sign, flipped by rounding, can explain the numbers that are off.

    Under MAE a residual that is nothing but rounding has either sign, and a flipped one moves a
    step by lr * 2 |x| / n. So from an epoch with such a residual on, at most one number in ten may
    be off by that much, but never a single number, because a flip shows in train and test loss.
    """
    room = printed.room(settings.loss)
    wrong = off > room
    few = 2 <= wrong.sum() <= off.size // 10
    if not few or settings.loss != "mae" or settings.optimizer != "SGD":
        return False
    X, _ = inputs(settings.X, settings.split, settings.dtype)
    if (off > room + settings.lr * 2 * float(X.abs().max()) / len(X)).any():
        return False
    first_wrong = first + int(printed.epochs[wrong.any(axis=1).argmax()])
    states = train(settings, as_states(settings, [settings.start]), first_wrong + 1)[:, 0]
    residual = states[:, :1] * X + states[:, 1:] - (settings.weight * X + settings.bias)
    return bool((residual[first:].abs() <= 1e-6 + 4 * printed.half.max()).any())
