"""The printed rows of a table as numbers, and whether the rows of a run follow from them.

Rows that print their epoch can be read in one way alone, rows without one in several.
"""

from decimal import Decimal
from typing import NamedTuple

import numpy as np

from check.notebook.runs import TRAIN, inputs, labels

# Two right float32 runs differ in a printed loss by less: public runs on GPUs by 1.2e-7 at most.
NEAR = {"mae": 2e-6, "huber": 2e-6, "mse": 2e-5}


class Printed(NamedTuple):
    """A table's R rows as they are read, and their numbers.

    `epochs` (R,) count from the first row on, and `first` is that row's epoch as it is printed.
    `half` (R, C) holds half a unit of the last printed digit of each of the `values` (R, C), and
    `digits` how many digits the first row prints, the first two, ...; each number counts once.
    """

    rows: list
    epochs: np.ndarray
    values: np.ndarray
    half: np.ndarray
    first: int
    digits: list

    @property
    def by_steps(self):
        """Whether each row is read as one step, whatever its printed epoch is."""
        (first, _), (last, _) = self.rows[0], self.rows[-1]
        return first is not None and last - first != self.epochs[-1]

    def head(self, count):
        """Return so many of the first rows."""
        return Printed(*(part[:count] for part in self[:4]), self.first, self.digits[:count])

    def spread(self, count):
        """Return so many rows, or all, spread over the table."""
        some = np.unique(np.linspace(0, len(self.epochs) - 1, count).astype(int))
        epochs, values, half = (part[some] for part in self[1:4])
        return self._replace(epochs=epochs, values=values, half=half)

    def column(self, c):
        """Return the rows with this number alone."""
        rows = [(epoch, (texts[c],)) for epoch, texts in self.rows]
        values, half = self.values[:, [c]], self.half[:, [c]]
        return self._replace(rows=rows, values=values, half=half, digits=digits(rows))


def printed_numbers(rows, epochs):
    """Return rows as Printed, where they are printed in these epochs."""
    return Printed(
        rows,
        np.array(epochs) - epochs[0],
        np.array([[float(text) for text in texts] for _, texts in rows]),
        np.array([[half_unit(text) for text in texts] for _, texts in rows]),
        epochs[0],
        digits(rows),
    )


def half_unit(text):
    """Return half a unit of the last printed digit of a number."""
    return 0.5 * 10.0 ** min(Decimal(text).as_tuple().exponent, 300)


def digits(rows):
    seen, counts, total = set(), [], 0
    for _, texts in rows:
        total += sum(len(Decimal(text).as_tuple().digits) for text in {*texts} - seen)
        seen.update(texts)
        counts.append(total)
    return counts


def readings(rows, epochs, some_steps=False):
    """Return the ways to read rows as Printed, the likeliest first.

    Rows without an epoch may lie any number of epochs apart, the last one may be the training's
    last, and rows of one number may be train and test loss by turns, so that two make a row.
    `epochs` is what the code says, or 0. With `some_steps`, because the code has an `if` around
    step(), each row may be one step.
    """
    if rows[0][0] is not None:
        found = [printed_numbers(rows, [epoch for epoch, _ in rows])]
        return found + [printed_numbers(rows, range(len(rows)))] * some_steps
    ways, found = [rows], []
    if len(rows[0][1]) == 1 and len(rows) % 2 == 0 and len(rows) >= 4:
        ways.append([(None, (*a[1], *b[1])) for a, b in zip(rows[::2], rows[1::2])])
    for way in ways:
        apart = epochs // len(way) or 1
        found += [printed_numbers(way, range(0, n * len(way), n)) for n in {apart: 0, 1: 0, 10: 0}]
        gaps = max(1, len(way) - 1)
        apart = -(-epochs // gaps)  # rounded up
        if apart * (gaps - 1) < epochs - 1:
            found.append(printed_numbers(way, [*range(0, apart * gaps, apart), epochs - 1]))
    return found


def room_of(printed, world, loop, later=False):
    """Return how far each number of a run that prints these rows may be off: (R, C).

    A first row at a `later` epoch was chosen from thousands, so that it has to be nearer by a
    factor of ten; rounding grows with the data, and so does this room. Where gradients are never
    zeroed, each error is stepped again in every later epoch, so that t of them, each of either
    sign, add up as t^1.5.
    """
    near = np.full(len(printed.epochs), NEAR[world.loss])
    if not loop.zero_grad:
        near *= np.maximum(1, printed.epochs / 300) ** 1.5
    if later:
        near *= min(1, max(1, *map(abs, world.X[-3:-1])) / 10)
    return near[:, None] + printed.half


def off_by(ours, values, view):
    """Return how far a run's numbers (..., C) are from the printed values; 0 for a constant."""
    off = np.abs(ours - values)
    off[np.isnan(off)] = np.inf
    off[..., [name == "constant" for name in view]] = 0
    return off


def a_sign_flipped(world, loop, path, off, room, epochs):
    """Say if one residual's sign, flipped by rounding, can explain the numbers that are off.

    Under MAE a residual that is nothing but rounding has either sign, and a flipped one moves a
    step by lr * 2 |x| / n. So from an epoch with such a residual on, at most one number in ten may
    be off by that much, in rows that follow each other, but never a single number.
    `path` (T, 2) holds the run's states, `epochs` (R,) those of the rows; off and room are (R, C).
    """
    wrong = off > room
    rows = np.nonzero(wrong.any(axis=1))[0]
    together = len(rows) and rows[-1] - rows[0] < len(rows)
    few = together and 2 <= wrong.sum() <= off.size // 10
    if not few or world.loss != "mae" or loop.optimizer != "SGD":
        return False
    X = inputs(world, path.dtype)[TRAIN]
    if (off > room + loop.lr * 2 * float(X.abs().max()) / len(X)).any():
        return False
    states = path[: int(epochs[rows[0]]) + 1]
    residual = states[:, :1] * X + states[:, 1:] - labels(world, X, world.target)
    return bool((residual.abs() <= 1e-6 + 4 * room.max()).any())
