"""The printed rows of a table as numbers: of which epochs they are, and how many digits they have.

Rows that print their epoch can be read in one way alone, rows without one in several.
"""

from decimal import Decimal
from typing import NamedTuple

import numpy as np


class Printed(NamedTuple):
    """A table's numbers: `epochs` from the first row on (R,), `values` and half a unit (R, C)."""

    epochs: np.ndarray
    values: np.ndarray
    half: np.ndarray
    first: int | None  # the first row's epoch as it is printed

    def head(self, rows):
        """Return the first rows only."""
        return Printed(*(column[:rows] for column in self[:3]), self.first)


def printed_numbers(rows, stride=1):
    """Return the Printed numbers of rows; `stride` epochs lie between two that have no number."""
    texts = [texts for _, texts in rows]
    epochs = [epoch for epoch, _ in rows]
    first = epochs[0]
    if None in epochs:
        first, epochs = None, [i * stride for i in range(len(rows))]
    return Printed(
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
    """Return the ways to read rows as Printed numbers, the likeliest first.

    Rows without an epoch may lie any number of epochs apart, the last one may be the training's
    last, and single numbers may be train and test loss by turns. `epochs` is what the code says.
    """
    if rows[0][0] is not None:
        return [printed_numbers(rows)]
    ways = [rows]
    if len(rows[0][1]) == 1 and len(rows) % 2 == 0 and len(rows) >= 4:
        ways.append([(None, (*a[1], *b[1])) for a, b in zip(rows[::2], rows[1::2])])
    found = [printed_numbers(some, epochs // len(some) or 1) for some in ways]
    for some in (some for some in ways if len(some) > 1):
        apart = -(-epochs // (len(some) - 1))
        if epochs and apart * (len(some) - 2) < epochs - 1:
            regular = printed_numbers(some, apart)
            found.append(regular._replace(epochs=np.append(regular.epochs[:-1], epochs - 1)))
    return found + [printed_numbers(some, n) for some in ways for n in (1, 10, 5, 20, 100)]
