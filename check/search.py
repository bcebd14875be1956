"""Which settings print these rows? The search from the tutorial outwards.

The settings of a table are searched in the order of their distance from the tutorial: its own runs,
then what the notebook's code says and what people usually change, then a training that goes on
where an earlier one had stopped, then a start that nobody knows. The first train loss depends on
the start alone, so that one comparison with it discards nearly all candidates; those that are left
are trained side by side, and every printed number has to follow.
"""

import re
from decimal import Decimal
from functools import cache, lru_cache
from itertools import product
from math import log10
from typing import NamedTuple

import numpy as np
import torch

from check.own_start import NEAR, a_sign_flipped, on_the_curve, possible_starts, rows_of
from check.simulate import SECTION_6, Settings, as_states, confirm, losses_at, simulate, train
from check.starts import cost_of, known_starts

# The tutorial's own runs. The exercise stands there twice: the author solves it with nn.Parameter.
EXERCISE = Settings(X=(0, 1, 0.01), weight=0.3, bias=0.9)
TUTORIAL = {
    "section 3": Settings(),
    "section 6": Settings(start=SECTION_6),
    "the exercise, with nn.Linear": EXERCISE._replace(start=SECTION_6),
    "the exercise, with nn.Parameter": EXERCISE,
}
OPTIMIZERS = "SGD", "Adam", "AdamW"
MOST_POINTS = 2000  # points in X: more would take long
LATEST = 2000  # epochs that may have been trained before the first row, on a known path
LONG, LONGEST = 20_000, 200_000  # epochs: beyond LONG only the tutorial's own runs are tried


class Printed(NamedTuple):
    """A table's numbers: `epochs` from the first row on (R,), `values` and half a unit (R, C)."""

    epochs: np.ndarray
    values: np.ndarray
    half: np.ndarray
    first: int | None  # the first row's epoch as it is printed

    def head(self, rows):
        """Return the first rows only; all if it is None."""
        return Printed(*(column[:rows] for column in self[:3]), self.first)


class Found(NamedTuple):
    """Settings whose run prints rows of the table: how many, and which epoch is the first.

    `own`: the start is none that is known. `exact` and `off` tell how near all numbers are.
    """

    settings: Settings
    first: int
    rows: int
    own: bool = False
    exact: bool = False
    off: float = 0.0


# --- What the code says


def sound(hints):
    """Return the hints whose values can be used: numbers that are finite, names, lists of names."""
    limits = {"seed": 2**63}
    numbers = {
        name: value
        for name, value in hints.items()
        if isinstance(value, int | float) and abs(value) < limits.get(name, 1e6)
    }
    words = {k: hints[k] for k in ("X", "loss", "optimizer") if isinstance(hints.get(k), str)}
    drawn = hints.get("parameters")
    lists = {"parameters": list(map(str, drawn))} if isinstance(drawn, list | tuple) else {}
    if "seed" in numbers:
        numbers["seed"] = int(numbers["seed"])
    return numbers | words | lists


def arange_of(text):
    """Return X of "arange(0, 1, 0.02)" or "linspace(0, 1, 50)" as Settings have it, or None."""
    match = re.fullmatch(r"(arange|linspace)\((.*)\)", str(text))
    try:
        numbers = [float(word) for word in match[2].split(",")] if match else []
        if match and match[1] == "linspace":
            start, end, points = numbers
            X = "linspace", start, end, int(points)
        else:
            start, end, step = {1: [0.0, *numbers, 1.0], 2: [*numbers, 1.0]}.get(
                len(numbers), numbers
            )
            X, points = (start, end, step), (end - start) / step
    except (ValueError, OverflowError, ZeroDivisionError):
        return None
    return X if 2 <= points <= MOST_POINTS else None


def hinted(hints):
    """Return what the code says as values of Settings' fields, those that it says."""
    losses = {"L1Loss": "mae", "MSELoss": "mse", "HuberLoss": "huber", "SmoothL1Loss": "huber"}
    said = {
        "X": arange_of(hints.get("X")),
        "weight": first_number(hints, "weight", "weights", "w"),
        "bias": first_number(hints, "bias", "b"),
        "loss": losses.get(hints.get("loss")),
        "optimizer": hints.get("optimizer") if hints.get("optimizer") in OPTIMIZERS else None,
        "lr": first_number(hints, "lr"),
        "split": split if 0.05 <= (split := hints.get("split", 0)) <= 0.95 else None,
        "momentum": hints.get("momentum"),
    }
    return {name: value for name, value in said.items() if value is not None}


def numbers_of(hints, *names):
    """Return those of these hints that are numbers."""
    return [float(hints[name]) for name in names if name in hints]


def first_number(hints, *names):
    """Return the first of these hints that is a number, or None."""
    return next(iter(numbers_of(hints, *names)), None)


def said_lines(hints):
    """Return the lines (weight, bias) that the code may mean, by the names of its numbers."""
    weights = numbers_of(hints, "weight", "weights", "w") or [0.7]
    return [*product(weights, numbers_of(hints, "bias", "b") or [0.3])]


def unique(*values):
    """Return the values that are not None, each once, in their order."""
    return [*dict.fromkeys(value for value in values if value is not None)]


def contradictions(settings, said):
    """Return in how many fields the settings differ from what the code says."""
    return sum(getattr(settings, name) != value for name, value in said.items())


def changes(settings):
    """Return the nearest of the tutorial's runs, by name, and the fields in which they differ."""

    def differ(run):
        return [name for name, a, b in zip(Settings._fields, settings, run) if a != b]

    runs = {name: differ(run) for name, run in TUTORIAL.items()}
    return min(runs.items(), key=lambda item: len(item[1]))


# --- Compare


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
    number = Decimal(text)
    return 0.5 * 10.0 ** min(number.as_tuple().exponent, 300) if number.is_finite() else 0.0


def digits(rows):
    """Return how many digits the rows print, each number counted once, without zeros ahead."""
    texts = {text for _, row in rows for text in row}
    return sum(len(Decimal(text).as_tuple().digits) for text in texts if Decimal(text).is_finite())


COLUMNS = {
    1: [("train",), ("test",)],
    2: [("train", "test"), ("test", "train"), ("test", "test"), ("train", "train")],
}
STUCK = ("constant", "test")  # a number that is printed in every row, and is no loss of this run
TESTS = [(True, "y_test"), (False, "y_test"), (True, "X_test"), (False, "X_test")]


class Search:
    """The search for one table: what was compared, what was found, and how far the best came."""

    def __init__(self, printed, rows, hints):
        self.printed, self.rows, self.hints, self.said = printed, rows, hints, hinted(hints)
        self.tried, self.best = 0, Found(None, 0, 0)

    @property
    def starts(self):
        """The Starts of the code's seed and of the tutorial's, then those of other seeds."""
        return known_starts(tuple(unique(42, self.hints.get("seed"))))

    @property
    def first(self):
        """The epoch of the first row, as it is printed; 0 if none is."""
        return self.printed.first or 0

    def enough(self, rows=None, own=False):
        """Say if the rows print more digits than the search has chosen from.

        Of an own start, the digits of the first row don't count: they have chosen it.
        """
        count = digits(self.rows[:rows]) - own * digits(self.rows[:1])
        return log10(max(1, self.tried)) + 2 < count

    def is_sure(self, found):
        """Say if the rows can't follow by chance. Equal rows may: their answer names no start."""
        return self.enough(own=found.own) or found.own and found.settings.trains == "nothing"

    def is_knowable(self, found):
        """Say if the line can be told from the start: only their difference shows in the losses.

        With a start that is drawn after a seed the line follows. With a start at 0 or 1 any line
        could, so that it has to be the tutorial's or the code's.
        """
        line = found.settings.weight, found.settings.bias
        known = {(run.weight, run.bias) for run in TUTORIAL.values()} | set(said_lines(self.hints))
        constant = set(found.settings.start) <= {0.0, 1.0}
        return found.own or not constant or line in known

    def follows_long(self):
        """Say if the best known run prints so many of the first rows that it isn't chance."""
        some = 3 <= self.best.rows < len(self.rows)
        return some and not self.best.own and self.enough(self.best.rows)

    def rank(self, found):
        """Return what sorts the Found: contradictions of the code, changes, epochs before."""
        later = found.first != self.first
        changed = len(changes(found.settings)[1]) + later
        return contradictions(found.settings, self.said), changed, found.first

    def judge(self, settings):
        """Return the Found if all rows follow from an own start, or but for a flipped sign."""
        printed = self.printed
        off = np.abs(rows_of(settings, np.array([settings.start]), printed)[0] - printed.values)
        right = (off <= NEAR[settings.loss] + printed.half).all(axis=1)
        found = Found(settings, 0, len(off), own=True)
        if right.all() or a_sign_flipped(settings, 0, off, printed):
            return found
        if right.argmin() > self.best.rows:
            self.best = found._replace(rows=int(right.argmin()))
        return None

    def look(self, settings, states, firsts=(0,), columns=None, rows=None):
        """Compare the table with runs: states (epochs + 1, S, 2) of the settings, from S starts.

        `firsts` are the epochs that the table's first row may be. Returns the Found that agree with
        all rows, or with the first few if `rows` says how many.
        """
        printed = self.printed.head(rows)
        room = NEAR[settings.loss] + printed.half
        found = []
        for names in columns or COLUMNS[printed.values.shape[1]]:
            compared = [i for i, name in enumerate(names) if name != "constant"]
            for after, target in TESTS if "test" in names else TESTS[:1]:
                one = settings._replace(test_after_step=after, test_target=target, columns=names)

                def losses(name, epoch, run, one=one, after=after):
                    later = int(name == "test" and after)
                    return losses_at(one, states[epoch + later, run], name).numpy()

                c = compared[0]
                every = np.array(firsts)[:, None], np.arange(states.shape[1])
                self.tried += len(firsts) * states.shape[1]
                off = np.abs(losses(names[c], *every) - printed.values[0, c])
                epoch, run = np.nonzero(off <= room[0, c])
                epoch = every[0][epoch, 0]
                followed = np.zeros(len(run), int)
                for count in (3, 30, len(printed.epochs)):  # a few rows discard nearly all
                    if not len(run):
                        break
                    epoch, run = epoch[:10_000], run[:10_000]
                    if count > 30:
                        epoch, run = epoch[:100], run[:100]
                    few = printed.head(count)
                    at = few.epochs[:, None] + epoch
                    right = np.ones(at.shape, bool)
                    for i in compared:
                        off = np.abs(losses(names[i], at, run) - few.values[:, i : i + 1])
                        right &= off <= room[:count, i : i + 1]
                    followed = np.where(right.all(0), len(right), right.argmin(0))
                    c = int(followed.argmax())
                    if followed[c] > self.best.rows:
                        start = tuple(states[0, run[c]].tolist())
                        self.best = Found(
                            one._replace(start=start), int(epoch[c]), int(followed[c])
                        )
                    epoch, run = epoch[right.all(0)], run[right.all(0)]
                for k, s in zip(epoch[:20].tolist(), run[:20].tolist()):
                    start = tuple(states[0, s].tolist())
                    found.append(Found(one._replace(start=start), k, len(printed.epochs)))
        return found


def choices(said, said_lines=()):
    """Return the values to try for each group of fields, as (cost, changed fields) pairs.

    What the tutorial says and what the code says cost nothing, whatever else people write costs 1.
    """
    line, exercise = dict(weight=0.7, bias=0.3), dict(weight=0.3, bias=0.9)
    X, X_exercise = dict(X=Settings().X), dict(X=EXERCISE.X)
    own_X = {"X": said["X"]} if "X" in said else X
    own_line = line | {name: said[name] for name in ("weight", "bias") if name in said}
    own_lines = [dict(weight=w, bias=b) for w, b in said_lines]
    data = {0: [X | line, X_exercise | exercise, *[own_X | one for one in own_lines]]}
    lines = [line, exercise, *own_lines]
    data[1] = [a | b for a, b in product((X, X_exercise, own_X), lines)]
    tenths = [i / 10 for i in range(11)]
    data[1] += [a | line | dict(bias=b) for a in (X, own_X) for b in tenths]
    data[1] += [a | line | dict(weight=w) for a in (X, own_X) for w in tenths]
    data[1] += [dict(X=x) | b for x in OTHER_X for b in (line, own_line)]
    data[2] = [dict(X=x) | exercise for x in OTHER_X]
    data[2] += [X | dict(weight=w, bias=b) for w, b in product(tenths, tenths)]
    return {
        "data": data,
        "split": fields(said, split=[0.8, 0.7, 0.9, 0.75, 0.6, 0.5]),
        "loss": fields(said, loss=["mae", "mse", "huber"]),
        "lr": fields(said, lr=[0.01, 0.001, 0.1, 0.02, 0.05, 0.005, 0.0001, 0.03, 0.5, 1.0]),
        "way": {
            0: [dict(optimizer=o) for o in unique("SGD", said.get("optimizer"))],
            1: [
                dict(optimizer="Adam"),
                dict(optimizer="AdamW"),
                dict(momentum=0.9),
                dict(zero_grad=False),
            ],
        },
        "trains": {0: [dict(trains="both")], 1: [dict(trains="weight"), dict(trains="nothing")]},
    }


OTHER_X = [
    ("linspace", 0, 1, 50), ("linspace", 0, 1, 100), (0, 1, 0.1), (0, 1, 0.05), (0, 1, 0.005),
    (0, 1, 0.001), (0, 2, 0.02), (0, 2, 0.01), (0, 5, 0.1), (0, 10, 0.2), (0, 10, 0.1),
]  # fmt: skip


def fields(said, **values):
    """Return {0: the tutorial's value and what the code says, 1: the others} of one field."""
    ((name, values),) = values.items()
    own = unique(values[0], said.get(name))
    return {0: [{name: v} for v in own], 1: [{name: v} for v in values if v not in own]}


def by_cost(tables, most):
    """Return {cost: [fields, ...]}: each way to choose one of each table, by what it costs."""
    merged = {}
    for parts in product(*[[(cost, f) for cost, some in t.items() for f in some] for t in tables]):
        cost = sum(cost for cost, _ in parts)
        if cost <= most:
            fields = {name: value for _, f in parts for name, value in f.items()}
            merged.setdefault(cost, []).append(fields)
    return {cost: unique_fields(some) for cost, some in merged.items()}


def unique_fields(some):
    return list({tuple(sorted(f.items(), key=str)): f for f in some}.values())


@lru_cache(maxsize=64)
def longer_path(settings, starts, epochs):
    return train(settings, as_states(settings, starts), epochs)


def path(settings, starts, epochs):
    """Return all states of at least this many epochs from each start, kept for the next table."""
    return longer_path(settings, starts, -(-epochs // 500) * 500)


def as_published(search, before=0):
    """Look for the tutorial's own runs, from their own first epoch on or after a few before."""
    found = []
    first = search.first
    firsts = range(first + before + 1) if before else unique(first, max(0, first - 1), 0)
    epochs = max(firsts) + int(search.printed.epochs[-1]) + 1
    if before and epochs > LONG:
        return []
    columns = None if not before else COLUMNS[search.printed.values.shape[1]][:1]
    for run in TUTORIAL.values():
        states = path(run, (run.start,), epochs)
        found += search.look(run, states, firsts, columns)
    return found


def trained_on(search):
    """Look for the tutorial's own runs that go on where an earlier training has stopped."""
    return as_published(search, LATEST)


def from_known_starts(search, most=2):
    """Look for settings that differ from the tutorial and from the code in two places at most."""
    tables = choices(search.said, said_lines(search.hints))
    starts = search.starts
    costs = np.array([cost_of(start, search.hints) for start in starts])
    pairs = np.array([start.pair for start in starts])
    ways = by_cost([tables["lr"], tables["way"]], most)
    data = by_cost([tables["data"], tables["split"], tables["loss"], tables["trains"]], most)
    quick = min(3, len(search.printed.epochs))
    epochs = int(search.printed.epochs[quick - 1]) + 1
    if int(search.printed.epochs[-1]) > LONG:
        return []
    first, half = search.printed.values[0, 0], search.printed.half[0, 0]
    for level in range(most + 1):
        found = []
        for d, w in product(range(level + 1), repeat=2):
            some = pairs[costs == level - d - w]
            if not len(some) or not ways.get(w):
                continue
            for fields in data.get(d, ()):
                if not search.enough():
                    return found
                here = Settings()._replace(**fields)
                if int(here.split * points(here.X)) in (0, points(here.X)):
                    continue
                states = as_states(here, some)
                losses = losses_at(here, states).numpy()
                search.tried += losses.size
                right = np.abs(losses - first) <= NEAR[here.loss] + half
                for way in ways[w]:
                    one, near = here._replace(**way), right
                    if search.printed.values.shape[1] == 1:  # it may be the test loss
                        tests = losses_at(one, train(one, states, 1)[1], "test").numpy()
                        near = right | (np.abs(tests - first) <= NEAR[here.loss] + half)
                    (near,) = np.nonzero(near)
                    if not len(near):
                        continue
                    path = train(one, states[near], epochs)
                    for few in search.look(one, path, rows=quick):
                        found += whole(search, few)
        if found:
            return found
    return []


def whole(search, found):
    """Return the Found again if it agrees with all rows, in a list."""
    one = found.settings
    epochs = found.first + int(search.printed.epochs[-1]) + 1
    states = train(one, as_states(one, [one.start]), epochs)
    again = search.look(one, states[found.first :], columns=[one.columns])
    same = [f for f in again if f.settings._replace(start=one.start) == one]
    return [found._replace(rows=f.rows) for f in same]


@cache
def points(X):
    """Return how many points X has."""
    return X[3] if X[0] == "linspace" else len(torch.arange(*X))


def trained_before(search):
    """Look for trainings that go on: the first row is a later epoch of a known path."""
    tables = choices(search.said, said_lines(search.hints))
    seeds = unique(42, search.hints.get("seed"))
    starts = [s for s in known_starts(tuple(seeds)) if s.seed in seeds]
    last = int(search.printed.epochs[-1])
    latest = LATEST + search.first
    if latest + last > LONG:
        return []
    first, half = search.printed.values[0, 0], search.printed.half[0, 0]
    rates = unique(*[f["lr"] for f in tables["lr"][0]], 0.001, 0.1)
    plain = [{0: tables[name][0]} for name in ("data", "split", "loss", "way")]
    merged = by_cost([*plain, fields(search.said, lr=[0.01, 0.001, 0.1]), tables["trains"]], 1)
    for level in (0, 1):
        found = []
        pairs = tuple(s.pair for s in starts if cost_of(s, search.hints) <= 1 - level)
        for chosen in merged[level]:
            if not search.enough():
                return found
            one = Settings()._replace(**chosen)
            if one.trains == "nothing":
                continue
            states = path(one, pairs, latest + last + 1)
            columns = COLUMNS[search.printed.values.shape[1]][:1]
            found += search.look(one, states, range(latest + 1), columns)
            # Another rate for the rows than before them: each state of the path is a start.
            losses = losses_at(one, states[: latest + 1]).numpy()
            k, s = np.nonzero(np.abs(losses - first) <= NEAR[one.loss] + half)
            _, once = np.unique(states[k, s].numpy(), axis=0, return_index=True)
            k, s = k[np.sort(once)], s[np.sort(once)]  # of a settled run, each state once
            if not 0 < len(k) <= 200:
                continue
            for lr in rates:
                then = one._replace(lr=lr)
                for f in search.look(then, train(then, states[k, s], last + 1), columns=columns):
                    places = [tuple(states[a, b].tolist()) for a, b in zip(k, s)]
                    i = places.index(f.settings.start)
                    earlier = ((int(k[i]), one.lr),)
                    start = tuple(states[0, s[i]].tolist())
                    if lr != one.lr and k[i]:
                        found.append(
                            f._replace(settings=f.settings._replace(start=start, earlier=earlier))
                        )
        if found:
            return found
    return []


def where_nothing_moves(search):
    """Look for a start that prints the one row that all rows repeat."""
    values, half = search.printed.values, search.printed.half
    if len(values) < 2 or np.ptp(values, axis=0).any():
        return []
    one = Settings()._replace(**search.said)._replace(trains="nothing", dtype="float64")
    one = one._replace(columns=("train", "test")[: values.shape[1]])
    offsets = on_the_curve(one, values[0, 0], 20_000)
    states = np.array([one.weight, one.bias]) + offsets
    if values.shape[1] == 1:
        return [Found(one._replace(start=tuple(states[0].tolist())), 0, len(values), True)]
    tests = losses_at(one, torch.tensor(states), "test").numpy()
    nearest = np.abs(tests - values[0, 1]).argmin()
    if abs(tests[nearest] - values[0, 1]) > half[0, 1] + 1e-3:
        return []
    return [Found(one._replace(start=tuple(states[nearest].tolist())), 0, len(values), True)]


def from_own_start(search):
    """Look for a right training from a start, or with a line, that nobody knows."""
    tables = choices(search.said, said_lines(search.hints))
    X = unique(search.said.get("X"), Settings().X, EXERCISE.X)
    data = {0: [{"X": x} for x in X]}
    line = {name: search.said[name] for name in ("weight", "bias") if name in search.said}
    ways = {0: tables["way"][0]}
    rates = fields(search.said, lr=[0.01, 0.001, 0.1])
    merged = by_cost([data, tables["split"], tables["loss"], rates, ways], 1)
    for chosen in (f for cost in sorted(merged) for f in merged[cost]):
        one = Settings()._replace(**line, **chosen, dtype="float64")
        if one.loss == "huber" or int(one.split * points(one.X)) in (0, points(one.X)):
            continue
        one = one._replace(columns=COLUMNS[search.printed.values.shape[1]][0])
        search.tried += 1
        for start in possible_starts(one, search.printed):
            found = search.judge(one._replace(start=tuple(start.tolist())))
            if found and not is_known(search, start - [one.weight, one.bias]):
                return [found]
    return []


def is_known(search, offset):
    """Say if a start is one that is known, or lies on one of the tutorial's paths.

    `offset` is how far it is from its line. A known run prints its own numbers, so that a table
    which it doesn't print has a wrong number, and no start of its own.
    """
    lines = [(run.weight, run.bias) for run in TUTORIAL.values()] + said_lines(search.hints)
    pairs = np.array([start.pair for start in search.starts])
    known = [pairs - line for line in set(lines)]
    for run in TUTORIAL.values():
        states = path(run, (run.start,), LATEST)[:, 0].numpy()
        known.append(states - np.array([run.weight, run.bias]))
    known = np.concatenate(known)
    apart = [np.hypot(*(known - sign * offset).T).min() for sign in (1, -1)]
    return min(apart) < 1e-4


def stuck(search):
    """Look for a first number that is the same in every row, beside the test losses of a run."""
    values = search.printed.values
    if values.shape[1] != 2 or np.ptp(values[:, 0]) or not np.ptp(values[:, 1]):
        return []
    found = []
    for run in (*TUTORIAL.values(), Settings()._replace(**search.said)):
        first = search.first
        epochs = first + int(search.printed.epochs[-1]) + 1
        states = train(run, as_states(run, [run.start]), epochs)
        found += search.look(run, states, [first], [STUCK])
    return found


# From the nearest to the farthest. Each gets the Search and returns all that it finds.
LAST_STAGES = [where_nothing_moves, from_own_start]
STAGES = [as_published, trained_on, from_known_starts, trained_before, stuck, *LAST_STAGES]


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
    told = [epochs // len(some) or 1 for some in ways]
    found = [printed_numbers(some, stride) for some, stride in zip(ways, told)]
    for some in (some for some in ways if len(some) > 1):
        apart = -(-epochs // (len(some) - 1))
        if epochs and apart * (len(some) - 2) < epochs - 1:
            regular = printed_numbers(some, apart)
            found.append(regular._replace(epochs=np.append(regular.epochs[:-1], epochs - 1)))
    found += [printed_numbers(some, n) for some in ways for n in (1, 10, 5, 20, 100)]
    return found


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
    searches = [Search(p, rows, hints) for p in readings(rows, max(0, int(hints.get("epochs", 0))))]
    if searches[0].first + int(searches[0].printed.epochs[-1]) > LONGEST:
        raise ValueError(f"its epochs go beyond {LONGEST:,}")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a second thread costs more than it brings on tensors this small
    try:
        for stage, search in product(STAGES, searches):
            if stage in LAST_STAGES and search.follows_long():
                if sure := confirmed(search.best, search):  # but for a flipped sign
                    return sure, search
            if stage not in STAGES[:2] and search not in searches[:4]:
                continue  # rows without an epoch: only the likeliest ways to read them
            for found in sorted(filter(search.is_knowable, stage(search)), key=search.rank):
                if search.is_sure(found) and (sure := confirmed(found, search)):
                    return sure, search
    finally:
        torch.set_num_threads(threads)
    return None, max(searches, key=lambda search: search.best.rows)


def confirmed(found, search):
    """Return the Found with how far the farthest number is off, or None if a number is too far.

    If float32 comes near but doesn't print these digits, float64 is tried, because the reader may
    have trained in it. Then torch itself trains from the first epoch to the table's last, and has
    to agree.
    """
    printed = search.printed
    compared = [i for i, name in enumerate(found.settings.columns) if name != "constant"]
    half, size = printed.half[:, compared], np.abs(printed.values[:, compared])

    def compare(one, run):
        if found.own:
            ours = rows_of(one, np.array([one.start]), printed)[0]
        else:
            losses = run(one, found.first + int(printed.epochs[-1]) + 1)
            ours = losses[found.first + printed.epochs]
            ours = ours[:, [int(name == "test") for name in one.columns]]
        off = np.abs(ours - printed.values)[:, compared]
        # Ours, rounded to the printed digits, is the printed number. A float is its repr's.
        return off, bool((off <= half * (1 + 1e-9) + 1e-16 * size).all())

    one = found.settings
    if one.trains == "weight":  # the model's own bias is drawn, and used nowhere
        pairs = [start.pair for start in search.starts if start.pair[0] == one.start[0]]
        one = one._replace(start=pairs[0])
    off, exact = compare(one, simulate)
    double = one._replace(dtype="float64")
    if not exact and compare(double, simulate)[1]:
        one = double
    # A first row at a later epoch was chosen from thousands, so that it has to be nearer by a
    # factor of ten. Rounding grows with X, and so does the room, unless two rates were tried.
    near, before = NEAR[one.loss], found.first - search.first
    if one.earlier:
        near /= 10
    elif before > 0:
        near = min(near, near / 10 * max(1, max(map(abs, one.X[-3:-1]))))
    for run in (simulate, confirm) if not found.own else ():
        # Adam's and MAE's last steps can hang on a rounding: float64 stands for other machines'.
        for other in (one, double):
            off, exact = compare(other, run)
            whole = len(compared) == len(one.columns)
            flipped = whole and a_sign_flipped(other, found.first, off, printed)
            if (off <= near + half).all() or flipped:
                break
        else:
            return None
    if before > 0:
        one = one._replace(earlier=(*one.earlier, (before, one.lr)))
    return found._replace(settings=one, exact=exact, off=float((off - half).max()))
