"""The printed rows of a table as numbers: of which epochs they are, and how many digits they have.

Rows that print their epoch can be read in one way alone, rows without one in several.
"""

from decimal import Decimal
from typing import NamedTuple

import numpy as np

# Two right float32 runs differ in a printed loss by less: public runs on GPUs by 1.2e-7 at most.
NEAR = {"mae": 2e-6, "huber": 2e-6, "mse": 2e-5}


class Printed(NamedTuple):
    """A table's R rows as they are read, and their numbers.

    `epochs` (R,) count from the first row on, and `first` is that row's epoch as it is printed.
    `half` (R, C) holds half a unit of the last printed digit of each of the `values` (R, C).
    """

    rows: list
    epochs: np.ndarray
    values: np.ndarray
    half: np.ndarray
    first: int | None

    def head(self, count):
        """Return so many of the first rows."""
        return Printed(*(column[:count] for column in self[:4]), self.first)

    def room(self, loss):
        """Return how far each number of a run that prints these rows may be off, (R, C)."""
        return NEAR[loss] + self.half


def printed_numbers(rows, stride=1):
    """Return rows as Printed; without printed epochs, `stride` of them lie between two rows."""
    texts = [texts for _, texts in rows]
    epochs = [epoch for epoch, _ in rows]
    first = epochs[0]
    if first is None:
        epochs = [i * stride for i in range(len(rows))]
    return Printed(
        rows,
        np.array(epochs) - epochs[0],
        np.array([[float(text) for text in row] for row in texts]),
        np.array([[half_unit(text) for text in row] for row in texts]),
        first,
    )


def half_unit(text):
    """Return half a unit of the last printed digit of a number."""
    return 0.5 * 10.0 ** min(Decimal(text).as_tuple().exponent, 300)


def digits(rows):
    """Return how many digits the first row prints, the first two, ...; each number counts once."""
    seen, counts, total = set(), [], 0
    for _, texts in rows:
        total += sum(len(Decimal(text).as_tuple().digits) for text in {*texts} - seen)
        seen.update(texts)
        counts.append(total)
    return counts


def readings(rows, epochs):
    """Return the ways to read rows as Printed, the likeliest first.

    Rows without an epoch may lie any number of epochs apart, the last one may be the training's
    last, and rows of one number may be train and test loss by turns, so that two make a row.
    `epochs` is what the code says, or 0.
    """
    if rows[0][0] is not None:
        return [printed_numbers(rows)]
    ways = [rows]
    if len(rows[0][1]) == 1 and len(rows) % 2 == 0 and len(rows) >= 4:
        ways.append([(None, (*a[1], *b[1])) for a, b in zip(rows[::2], rows[1::2])])
    found = [printed_numbers(way, epochs // len(way) or 1) for way in ways]
    for way in ways:
        gaps = max(1, len(way) - 1)
        apart = -(-epochs // gaps)  # rounded up
        if apart * (gaps - 1) < epochs - 1:
            regular = printed_numbers(way, apart)
            found.append(regular._replace(epochs=np.append(regular.epochs[:-1], epochs - 1)))
    return found + [printed_numbers(way, n) for way in ways for n in (1, 10, 5, 20, 100)]
