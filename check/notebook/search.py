"""Which settings print these rows? The search from the tutorial outwards.

The search begins at the tutorial's own runs and at what the notebook's code says, and goes on to
settings that differ from these in one field and in two, to trainings that go on where an earlier
one had stopped, and at last to a start that nobody knows. A table's first train loss depends on the
data and the start alone, so that one comparison with it discards nearly all of them; those that are
left are trained side by side, and every printed number has to follow.
"""

from functools import lru_cache
from itertools import combinations, product
from math import log10
from typing import NamedTuple

import numpy as np
import torch

from check.notebook.hints import said_by, sound
from check.notebook.own_start import a_sign_flipped, off_by, on_the_curve, possible_starts
from check.notebook.printed import NEAR, digits, readings
from check.notebook.runs import SECTION_6, Settings, as_states, confirm, losses_at, train
from check.notebook.starts import cost_of, known_starts

# The tutorial's own runs. The exercise stands there twice: the author solves it with nn.Parameter.
EXERCISE = Settings(X=(0, 1, 0.01), weight=0.3, bias=0.9)
TUTORIAL = {
    "section 3": Settings(),
    "section 6": Settings(start=SECTION_6),
    "the exercise, with nn.Linear": EXERCISE._replace(start=SECTION_6),
    "the exercise, with nn.Parameter": EXERCISE,
}
# What else people write. The start has its own list, in check/starts.py.
TENTHS = tuple(i / 10 for i in range(11))
LINSPACES = ("linspace", 0, 1, 50), ("linspace", 0, 1, 100)
ARANGES = (0, 1, 0.02), (0, 1, 0.01), (0, 1, 0.1), (0, 1, 0.05), (0, 1, 0.005), (0, 1, 0.001)
LONGER = (0, 2, 0.02), (0, 2, 0.01), (0, 5, 0.1), (0, 10, 0.2), (0, 10, 0.1)
CHOICES = {
    "X": ARANGES + LINSPACES + LONGER,
    "weight": TENTHS,
    "bias": TENTHS,
    "split": (0.8, 0.7, 0.9, 0.75, 0.6, 0.5),
    "loss": ("mae", "mse", "huber"),
    "lr": (0.01, 0.001, 0.1, 0.02, 0.05, 0.005, 0.0001, 0.03, 0.5, 1.0),
    "optimizer": ("SGD", "Adam", "AdamW"),
    "momentum": (0.9,),
    "trains": ("weight", "nothing"),
    "zero_grad": (False,),
}
# What the printed numbers can be. A "constant" is the same in every row, and no loss of this run.
COLUMNS = {
    1: [("train",), ("test",)],
    2: [("train", "test"), ("test", "train"), ("test", "test"), ("train", "train")],
}
STUCK = [("constant", "test")]
TESTS = list(product(("y_test", "X_test"), (True, False)))  # test_target, test_after_step
LATEST = 2000  # epochs that may have been trained before the first row
LONG, LONGEST = 20_000, 200_000  # epochs: beyond LONG only the tutorial's own runs are tried
MOST = 100  # runs that are trained to the end: where more print the first rows, digits are too few


class Found(NamedTuple):
    """Settings whose run prints the first rows of a table, or all, and how many these are.

    `first` is the epoch that the first row is in that run, which isn't the printed one where the
    run goes on. `own` means that the start is none that is known. Once it is confirmed, `exact`
    says that all digits are the run's, and `off` how far the farthest number is beyond its digits.
    """

    settings: Settings | None
    first: int
    rows: int
    own: bool = False
    exact: bool = False
    off: float = 0.0


def nearest_run(settings):
    """Return the nearest of the tutorial's runs, by name, and the fields in which they differ."""
    runs = {name: differing(settings, run) for name, run in TUTORIAL.items()}
    return min(runs.items(), key=lambda item: len(item[1]))


def differing(settings, other):
    """Return the fields in which two Settings differ."""
    return [name for name, a, b in zip(Settings._fields, settings, other) if a != b]


def around(base, count, fields=tuple(CHOICES)):
    """Yield Settings that differ from the base in so many of these fields."""
    for names in combinations(fields, count):
        for values in product(*(CHOICES[name] for name in names)):
            settings = base._replace(**dict(zip(names, values)))
            if len(differing(settings, base)) == count:
                yield settings


# --- The search


class Search:
    """The search for one table, read in one of `ways`: what it compares, how far the best came.

    `bases` are the Settings from which it goes outwards: what the code says, then the tutorial's.
    `best` printed the most first rows, and `train_only` the first number of every row. `span` is
    how many epochs lie between the first row and the last.
    """

    def __init__(self, printed, hints, ways):
        self.printed, self.hints, self.ways = printed, hints, ways
        self.bases = list(dict.fromkeys([*said_by(hints), Settings(), EXERCISE]))
        self.tried, self.best, self.train_only = 0, Found(None, 0, 0), None
        self.digits = digits(printed.rows)
        self.first, self.span = printed.first or 0, int(printed.epochs[-1])
        self.too_long = self.first + self.span > LONG
        self.columns = COLUMNS[printed.values.shape[1]]
        starts = known_starts(tuple(dict.fromkeys([42, hints.get("seed", 42)])))
        self.starts = {start.pair: start for start in starts}
        self.rates = dict.fromkeys((self.bases[0].lr, 0.01, 0.001, 0.1))
        self.costs = {pair: cost_of(start, hints) for pair, start in self.starts.items()}

    def starts_at(self, cost):
        """Return the known starts of this cost, pairs (weight, bias)."""
        return [pair for pair, other in self.costs.items() if other == cost]

    def enough(self, rows=None, own=False):
        """Say if so many first rows, or all, print three digits more than it takes to choose a run.

        Of an own start, the digits of the first row don't count, because they have chosen it.
        """
        printed = self.digits[(rows or len(self.digits)) - 1] - own * self.digits[0]
        return log10(max(1, self.tried) * self.ways) + 3 < printed

    def is_sure(self, found):
        """Say if the rows can't follow by chance. Equal rows may: their answer names no start."""
        return self.enough(own=found.own) or found.own and found.settings.trains == "nothing"

    def is_knowable(self, found):
        """Say if the line can be told from the start: only their difference shows in the losses.

        With a start that is drawn after a seed the line follows. With a start at 0 or 1 any line
        could, so that it has to be the tutorial's or the code's.
        """
        line = found.settings.weight, found.settings.bias
        constant = set(found.settings.start) <= {0.0, 1.0}
        return found.own or not constant or line in {(b.weight, b.bias) for b in self.bases}

    def follows_long(self):
        """Say if the best known run prints so many of the first rows that it isn't chance."""
        some = 3 <= self.best.rows < len(self.printed.rows) and not self.best.own
        return some and self.enough(self.best.rows)

    def rank(self, found):
        """Return what sorts the Found: contradictions of the code, changes, epochs before."""
        against = self.hints.keys() & differing(found.settings, self.bases[0])
        changed = len(nearest_run(found.settings)[1]) + (found.first != self.first)
        return len(against), changed, found.first

    def with_earlier(self, found):
        """Return the settings of a Found with the epochs that were trained before the first row."""
        before, settings = found.first - self.first, found.settings
        earlier = ((before, settings.lr),) if before > 0 else ()
        return settings._replace(earlier=settings.earlier + earlier)

    def begins(self, settings, losses):
        """Say of each start if one of its losses, (kinds, starts), is the table's first number."""
        self.tried += losses.shape[1]
        off = np.abs(losses - self.printed.values[0, 0]).min(axis=0)
        return off <= self.printed.room(settings.loss)[0, 0]

    def look(self, settings, starts, firsts=(0,), columns=None, named=None):
        """Return the Found among the runs from these starts, pairs (weight, bias).

        `firsts` are the epochs that the table's first row may be. `named` are the fields of
        Settings that lead to each start, if that isn't `start` itself.
        """
        found, begun = [], {}
        if not starts or not self.enough():
            return found
        named = named or [dict(start=start) for start in starts]
        soon = max(firsts) + int(self.printed.epochs[:3][-1]) + 1
        path = path_of(settings, tuple(starts), soon)
        for names in columns or self.columns:
            for target, after in TESTS if "test" in names else TESTS[:1]:
                one = settings._replace(test_after_step=after, test_target=target, columns=names)
                self.tried += len(firsts) * len(starts)
                begin = settings if names[0] == "train" else one
                if begin not in begun:
                    begun[begin] = self.first_rows(one, starts, path, firsts)
                first, place, column, whole = begun[begin]
                if len(place):
                    runs = [one._replace(**named[i]) for i in place]
                    found += self.keep(runs, first, self.follow(one, whole, first, column))
        return found

    def first_rows(self, settings, starts, path, firsts):
        """Return the runs that print the first rows, and the whole paths that they are on.

        A run is the epoch of its first row, the place of its start, and its path's column. The
        first row discards nearly all, and two more nearly all that are left.
        """
        first, place = np.repeat(firsts, len(starts)), np.tile(np.arange(len(starts)), len(firsts))
        for count in (1, 3):
            right = self.follow(settings, path, first, place, count)[0].all(axis=0)
            first, place = first[right], place[right]
        first, place = first[:MOST], place[:MOST]
        kept, column = np.unique(place, return_inverse=True)
        some, last = tuple(starts[i] for i in kept), max(first, default=0) + self.span + 1
        return first, place, column, path_of(settings, some, last) if some else None

    def keep(self, runs, first, right):
        """Return the runs that print all rows as Found, and remember how far the others came."""
        found = []
        for i, run in enumerate(runs):
            rows, first_column = right[:, :, i].all(axis=0), right[0, :, i]
            this = Found(run, int(first[i]), len(rows))
            if rows.all():
                found.append(this)
            elif rows.argmin() > self.best.rows:
                self.best = this._replace(rows=int(rows.argmin()))
            if first_column.all() and not self.train_only and run.columns[0] == "train":
                self.train_only = this._replace(settings=run._replace(columns=("train",)))
        return found

    def follow(self, settings, path, first, place, count=None):
        """Return which numbers the runs of first_rows print: bool, (columns, rows, runs)."""
        printed = self.printed.head(count)
        at = printed.epochs[:, None] + first
        room = printed.room(settings.loss)
        right = []
        for c, name in enumerate(settings.columns):
            if name != "constant":
                later = int(name == "test" and settings.test_after_step)
                losses = losses_at(settings, path[at + later, place], name).numpy()
                right.append(np.abs(losses - printed.values[:, [c]]) <= room[:, [c]])
        return np.stack(right)


@lru_cache(maxsize=20_000)
def first_losses(settings, starts, alone):
    """Return the train loss of each start as a row, and the first test loss if it may stand alone.

    They are kept for the next table, because only what the code says differs from table to table.
    """
    states = as_states(settings, starts)
    losses = [losses_at(settings, states)]
    if alone:
        losses.append(losses_at(settings, train(settings, states, 1)[1], "test"))
    return torch.stack(losses).numpy()


def path_of(settings, starts, epochs):
    """Return the states of `epochs` epochs or more from each start. Long paths are kept."""
    training = settings._replace(columns=(), test_after_step=True, test_target="y_test")
    if epochs < 500:
        return train(training, as_states(training, starts), epochs)
    return long_path(training, starts, -(-epochs // 500) * 500)


@lru_cache(maxsize=64)
def long_path(settings, starts, epochs):
    return train(settings, as_states(settings, starts), epochs)


@lru_cache(maxsize=64)
def distinct_states(settings, starts, epochs):
    """Return the distinct states of the paths: epochs, places of the starts, states, losses."""
    path = path_of(settings, starts, epochs)[: epochs + 1]
    _, first = np.unique(path.reshape(-1, 2), axis=0, return_index=True)
    epoch, place = np.divmod(np.sort(first), len(starts))
    states = path[epoch, place]
    return epoch, place, states, losses_at(settings, states).numpy()[None]


# --- The stages, from the nearest to the farthest. Each returns all that it finds.


def as_published(search, level):
    """Look for the tutorial's own runs, from their own first epoch on, or from the one before."""
    firsts = dict.fromkeys([search.first, max(0, search.first - 1), 0])
    return [f for run in TUTORIAL.values() for f in search.look(run, [run.start], [*firsts])]


def published_later(search, level):
    """Look for the tutorial's own runs, going on where an earlier training has stopped."""
    found, firsts = [], range(search.first + LATEST + 1)
    for run in TUTORIAL.values():
        found += search.look(run, [run.start], firsts, search.columns[:1])
    return found


def from_known_starts(search, level):
    """Look for settings that differ from a base, and its start, in `level` places."""
    found, alone = [], len(search.columns[0]) == 1
    columns = [names for names in search.columns if alone or names[0] == "train"]
    for count, base in product(range(level + 1), search.bases):
        starts = tuple(search.starts_at(level - count))
        for one in around(base, count):
            near = search.begins(one, first_losses(one, starts, alone))
            some = [start for start, begins in zip(starts, near) if begins]
            found += search.look(one, some, columns=columns)
    return found


def known_later(search, level):
    """Look for trainings from known starts that go on, at the same rate or at another one."""
    found, latest = [], LATEST + search.first
    seeds = 42, search.hints.get("seed")
    starts = search.starts_at(0) + search.starts_at(1) * (level == 0)
    starts = [start for start in starts if search.starts[start].seed in seeds]
    for base in search.bases:
        for one in around(base, level, ("lr", "trains", "loss")):
            if one.trains == "nothing" or one.lr not in search.rates:
                continue
            found += search.look(one, starts, range(latest + 1), search.columns[:1])
            # Another rate for the rows than before them: each state of the path is a start.
            epoch, place, states, losses = distinct_states(one, tuple(starts), latest)
            near = search.begins(one, losses) & (epoch > 0)
            later = list(zip(epoch[near].tolist(), place[near].tolist()))[:MOST]
            named = [dict(start=starts[i], earlier=((epochs, one.lr),)) for epochs, i in later]
            some = [tuple(state) for state in states[near][:MOST].tolist()]
            for then in (one._replace(lr=lr) for lr in search.rates if lr != one.lr):
                found += search.look(then, some, columns=search.columns[:1], named=named)
    return found


def stuck(search, level):
    """Look for a first number that is the same in every row, beside the test losses of a run."""
    values = search.printed.values
    if values.shape[1] != 2 or np.ptp(values[:, 0]) or not np.ptp(values[:, 1]):
        return []
    runs = [search.bases[0], *TUTORIAL.values()]
    return [f for run in runs for f in search.look(run, [run.start], [search.first], STUCK)]


def where_nothing_moves(search, level):
    """Look for a start that prints the one row that all rows repeat."""
    values = search.printed.values
    if len(values) < 2 or np.ptp(values, axis=0).any():
        return []
    one = search.bases[0]._replace(trains="nothing", dtype="float64", columns=search.columns[0])
    states = np.array([one.weight, one.bias]) + on_the_curve(one, values[0, 0], 20_000)
    tests = losses_at(one, torch.tensor(states), "test").numpy()
    off = np.abs(tests - values[0, -1]) * (values.shape[1] == 2)
    if off.min() > search.printed.half[0, -1] + 1e-3:
        return []
    return [Found(one._replace(start=tuple(states[off.argmin()].tolist())), 0, len(values), True)]


def from_own_start(search, level):
    """Look for a right training from a start, or with a line, that nobody knows."""
    line = dict(weight=search.bases[0].weight, bias=search.bases[0].bias)
    bases = {}
    for base in search.bases:
        bases.setdefault(base.X, base)  # the line makes no difference, because it can't be known
    for base in bases.values():
        for one in around(base, level, ("split", "loss", "lr")):
            if one.loss == "huber" or one.lr not in search.rates:
                continue
            one = one._replace(**line, columns=search.columns[0], dtype="float64")
            search.tried += 1
            for start in possible_starts(one, search.printed):
                found = judge(search, one._replace(start=tuple(start.tolist())))
                if found and not is_known(search, start - [one.weight, one.bias]):
                    return [found]
    return []


def judge(search, settings):
    """Return the Found if all rows follow from an own start, or but for a flipped sign."""
    off = off_by(settings, np.array([settings.start]), search.printed)[0]
    right = (off <= search.printed.room(settings.loss)).all(axis=1)
    found = Found(settings, 0, len(off), own=True)
    if right.all() or a_sign_flipped(settings, 0, off, search.printed):
        return found
    if right.argmin() > search.best.rows:
        search.best = found._replace(rows=int(right.argmin()))
    return None


def is_known(search, difference):
    """Say if a start this far from its line is known, or lies on one of the tutorial's paths.

    A known run prints its own numbers, so that a table which it doesn't print has a wrong number,
    and no start of its own.
    """
    pairs = np.array(list(search.starts))
    known = [pairs - [base.weight, base.bias] for base in search.bases]
    for run in TUTORIAL.values():
        path = path_of(run, (run.start,), LATEST)[:, 0].numpy()
        known.append(path - np.array([run.weight, run.bias]))
    known = np.concatenate(known)
    return any(np.hypot(*(known - sign * difference).T).min() < 1e-4 for sign in (1, -1))


STAGES = [(as_published, 0), (published_later, 0)]
STAGES += [(from_known_starts, level) for level in range(3)]
STAGES += [(known_later, 0), (known_later, 1), (stuck, 0)]
STAGES += [(where_nothing_moves, 0), (from_own_start, 0), (from_own_start, 1)]


def find(rows, hints):
    """Return the Found that is nearest to the tutorial, or None, and the Search that came farthest.

    Raises ValueError if the rows are none that a search can compare.
    """
    widths = {len(texts) for _, texts in rows}
    if len(widths) != 1 or not widths <= COLUMNS.keys():
        raise ValueError("its rows have one or two numbers, all rows as many")
    if not all(np.isfinite(float(text)) for _, texts in rows for text in texts):
        raise ValueError("a loss is nan or inf: try a smaller learning rate")
    if any(float(text) < 0 for _, texts in rows for text in texts):
        raise ValueError("a loss is negative, which none of the tutorial's can be")
    epochs = [epoch for epoch, _ in rows]
    if None in epochs and any(epochs) or None not in epochs and epochs != sorted(set(epochs)):
        raise ValueError("its epochs don't grow from row to row")
    hints = sound(hints)
    ways = readings(rows, hints.get("epochs", 0))
    searches = [Search(printed, hints, len(ways)) for printed in ways]
    if searches[0].first + searches[0].span > LONGEST:
        raise ValueError(f"its epochs go beyond {LONGEST:,}")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a second thread costs more than it brings on tensors this small
    try:
        for (stage, level), search in product(STAGES, searches):
            if search.too_long and stage not in (as_published, where_nothing_moves):
                continue
            if stage in (where_nothing_moves, from_own_start) and search.follows_long():
                if sure := confirmed(search.best, search):  # its other rows by a flipped sign
                    return sure, search
            if stage not in (as_published, published_later) and search not in searches[:4]:
                continue  # only the likeliest ways to read rows without an epoch
            found = filter(search.is_knowable, stage(search, level))
            for one in sorted(found, key=search.rank):
                if search.is_sure(one) and (sure := confirmed(one, search)):
                    return sure, search
    finally:
        torch.set_num_threads(threads)
    return None, max(searches, key=lambda search: search.best.rows)


def confirmed(found, search):
    """Return the Found with how far the farthest number is off, or None if a number is too far.

    torch itself trains, from the first epoch to the table's last. If its float32 doesn't print
    these digits, float64 is tried, because the reader may have trained in it; and Adam's and MAE's
    last steps can hang on a rounding, so that float64 also stands for other machines.
    """
    names = found.settings.columns  # of the table's first column alone, or of all
    compared = [i for i, name in enumerate(names) if name != "constant"]
    which = [int(names[i] == "test") for i in compared]
    values, half = search.printed.values[:, compared], search.printed.half[:, compared]
    printed = search.printed._replace(values=values, half=half)
    epochs, earlier = found.first + printed.epochs, search.with_earlier(found).earlier
    but_for_digits, room = None, room_for(found, search) + half
    for one in found.settings, found.settings._replace(dtype="float64"):
        if found.own:
            off = off_by(one, np.array([one.start]), printed)[0]
        else:
            losses = confirm(one, int(epochs[-1]) + 1)[epochs]
            off = np.abs(losses[:, which] - values)
        this = found._replace(off=float((off - half).max()))
        # The printed number is ours, rounded; what is added to half a unit is float64's rounding.
        if (off <= half * (1 + 1e-9) + 1e-16 * np.abs(values)).all():
            return this._replace(settings=one._replace(earlier=earlier), exact=True)
        follows = found.own or (off <= room).all()
        if not but_for_digits and (follows or a_sign_flipped(one, found.first, off, printed)):
            but_for_digits = this._replace(settings=found.settings._replace(earlier=earlier))
    return but_for_digits


def room_for(found, search):
    """Return how far a loss may be off, beside half a unit of its last digit.

    A first row at a later epoch was chosen from thousands, so that it has to be nearer by a factor
    of ten. Rounding grows with X, and so does this room, but not where a second rate was chosen.
    """
    near, X = NEAR[found.settings.loss], found.settings.X
    if found.settings.earlier:
        return near / 10
    if found.first > search.first:
        return min(near, near / 10 * max(1, max(map(abs, X[-3:-1]))))
    return near
