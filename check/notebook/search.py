"""Which settings print these rows? A table's numbers decide one thing after another.

    the first number     the World, and the state that the model is in
    the rows after it    the Loop
    the other numbers    the View

A state is a start that a seed draws, or one on the path of such a start, because the cell ran
twice. For each World the first number discards nearly all of them; those that are left are trained
side by side, and rows 1, 3, all have to follow. The search goes by cost: the number of places in
which a run differs from the tutorial, or from what the code says. Only if nothing of cost 0, 1 and
2 prints the rows, own_start looks for a start that nobody knows.
"""

from functools import lru_cache
from itertools import combinations, product
from math import log10
from typing import NamedTuple

import numpy as np
import torch

from check.notebook.own_start import on_the_curve, own_start
from check.notebook.rows import NEAR, a_sign_flipped, off_by, readings, room_of
from check.notebook.runs import (
    COLUMNS,
    TEST,
    TUTORIAL,
    Loop,
    Settings,
    Start,
    inputs,
    known_starts,
    losses_at,
    printed_by,
    simulate,
    train,
)

# What else people write: the values of one field at a time.
WORLDS = {
    "X": [(0, 1, step) for step in (0.02, 0.01, 0.1, 0.05, 0.005, 0.001)]
    + [("linspace", 0, 1, 50), ("linspace", 0, 1, 100)]
    + [(0, 2, 0.02), (0, 2, 0.01), (0, 5, 0.1), (0, 10, 0.2), (0, 10, 0.1)],
    "weight": [i / 10 for i in range(11)],
    "bias": [i / 10 for i in range(11)],
    "split": [0.8, 0.7, 0.9, 0.75, 0.6, 0.5, -0.2, -0.3, -0.1],
    "loss": ["mae", "mse", "huber"],
    "target": ["X"],
}
LOOPS = {
    "lr": [0.01, 0.001, 0.1, 0.02, 0.05, 0.005, 0.0001, 0.03, 0.5, 1.0],
    "optimizer": ["SGD", "Adam", "AdamW"],
    "momentum": [0.9],
    "trains": ["weight", "bias", "nothing", "anew"],
    "zero_grad": [False],
}
# The views of cost 0, of cost 1 and of cost 2, by the count of numbers in a row
VIEWS = {
    1: ([("train",)], [("test",), ("train after",)], [("test before",), ("X_test",)]),
    2: (
        [("train", "test")],
        [("train", name) for name in COLUMNS if name not in ("test", "X_train")]
        + [(name, "test") for name in ("train after", "test", "constant")]
        + [("test", "train")],
        [("train after", "train after"), ("train after", "test before")]
        + [(name, other) for name in ("train after", "constant") for other in ("X_test", "itself")],
    ),
}
LATE = 100  # printed epoch of a first row, behind which only runs of cost 0 are trained from 0 on
LATEST = 2000  # epochs that may have been trained before the first row
LONG, LONGEST = 20_000, 200_000  # epochs: beyond LONG only the tutorial's own runs are tried
MOST = 100  # runs that are trained to the end: where more print the first rows, digits are too few


class State(NamedTuple):
    """Where a model stands before the first row: at a Start, or where `earlier` training led."""

    pair: tuple
    start: Start
    earlier: tuple = ()  # (epochs, lr)


class Found(NamedTuple):
    """Settings that print a table's rows, or the first `rows` of them, and how near they are.

    `first` is the epoch of the first row in the run of these settings, behind their `earlier`.
    `start` says how a seed gives the start; it is None if nobody knows it, and then `own` is true.
    `exact` says that all digits are the run's, `off` how far the farthest number is beyond its
    digits, `flipped` that a residual's sign explains what is farther, and `settled` how many states
    take turns, if all rows are the same.
    """

    settings: Settings
    rows: int
    first: int = 0
    start: Start | None = None
    own: bool = False
    exact: bool = False
    off: float = 0.0
    flipped: bool = False
    settled: int = 0


def nearest_run(found):
    """Return the nearest of the tutorial's runs, by name, and the fields in which they differ.

    A weight and a bias that are exchanged are one difference, and of a start the half that no step
    moves is none. Of runs that are as near, one with the same kind of model comes first.
    """
    settings, runs = found.settings, {}
    linear = bool(found.start) and found.start.draws == ("Linear", "Linear")
    for name, run in TUTORIAL.items():
        (w, b), (own_w, own_b) = run.start, settings.start
        start = {"weight": (w, own_b), "bias": (own_w, b)}.get(settings.trains, run.start)
        changed = differing(settings, run._replace(start=start))
        exchanged = (settings.weight, settings.bias) == (run.bias, run.weight)
        other = linear != (name in ("section 6", "the exercise (nn.Linear)"))
        runs[name] = len(changed) - exchanged + other / 2, changed
    name = min(runs, key=lambda name: runs[name][0])
    return name, runs[name][1]


def differing(settings, other):
    """Return the fields in which two tuples of one kind differ."""
    return [name for name, a, b in zip(settings._fields, settings, other) if a != b]


def around(bases, choices, count):
    """Return what differs from one of the bases in so many fields; the bases themselves if 0."""
    found = {}
    for base, names in product(bases, combinations(choices, count)):
        for values in product(*(choices[name] for name in names)):
            new = base._replace(**dict(zip(names, values)))
            if len(differing(new, base)) == count:
                found[new] = None
    return list(found)


class Search:
    """The search for one table, read in one way: its rows, what the code says, what was tried.

    `best` printed the most first rows, and `train_only` the first number of every row. `is_near`
    says that a known run printed the first half of the rows, or all but one.
    """

    def __init__(self, printed, code):
        self.printed, self.code, self.tried = printed, code, 0
        self.best, self.train_only, self.is_near = None, None, False
        said = code.settings()
        bases = [*said, Settings(), TUTORIAL["the exercise (nn.Parameter)"]]
        self.worlds = list(filter(has_points, dict.fromkeys(base.world for base in bases)))
        self.loops = list(dict.fromkeys(base.loop for base in bases))
        adams = [loop for loop in self.loops if loop.optimizer != "SGD"]
        self.loops += [loop._replace(older=True) for loop in adams]
        self.rates = list(dict.fromkeys([*(loop.lr for loop in self.loops), 0.01, 0.001, 0.1]))
        self.seeds = tuple(dict.fromkeys([42, *code.all("seed")]))
        self.starts = self.by_cost(known_starts(self.seeds))
        self.firsts = list(dict.fromkeys([printed.first, max(0, printed.first - 1), 0]))
        views = [list(views) for views in VIEWS[printed.values.shape[1]]]
        columns = (tuple(n.replace("X_train", "train") for n in base.columns) for base in said)
        views[0] += [names for names in columns if len(names) == len(views[0][0])]
        self.views = [list(filter(self.is_possible, dict.fromkeys(views))) for views in views]

    def by_cost(self, starts):
        """Return {cost: Starts}: in how many ways they differ from the tutorial and the code."""
        drawn = tuple(self.code.last("parameters") or ())
        usual = {("Linear", "Linear"), ("randn", "randn")}
        usual = {drawn * 2} if drawn == ("Linear",) else {drawn} if len(drawn) == 2 else usual
        said_first = self.code.places("bias first") or self.code.places("exchanged")
        devices = {"cpu", *self.code.all("device")}
        found = {}
        for start in starts:
            cost = (
                (start.seed not in self.seeds)
                + (start.draws not in usual)
                + (start.bias_first and not said_first)
                + bool(start.before)
                + (start.device not in devices)
            )
            found.setdefault(cost, []).append(start)
        return found

    def is_possible(self, view):
        """Say if the columns move, stand still or are 0 as this view wants it."""
        still = np.ptp(self.printed.values, axis=0) == 0
        for c, name in enumerate(view):
            if name == "constant" and (not still[c] or still.all()):
                return False
            if name == "itself" and self.printed.values[:, c].any():
                return False
        return True

    def is_sure(self, rows=None, own=False):
        """Say if so many first rows, or all, print three digits more than it takes to choose a run.

        Of an own start, the digits of the first row don't count, because they have chosen it.
        """
        digits = self.printed.digits
        printed = digits[(rows or len(digits)) - 1] - own * digits[0]
        return log10(max(1, self.tried)) + 3 < printed

    def rank(self, found):
        """Return what sorts the Founds: contradictions of the code, then how far they went."""
        settings, (_, changed) = found.settings, nearest_run(found)
        against = sum(self.code.on(field, found)[0] is False for field in settings._fields)
        epochs = sum(count for count, _ in settings.earlier)
        return against, len(changed), epochs, abs(found.first - self.printed.first)

    def of_cost(self, cost):
        """Yield each Found that differs in so many places from the tutorial or from the code."""
        if not cost:
            by_pair = {start.pair: start for pool in self.starts.values() for start in pool}
            for run in TUTORIAL.values():
                start = by_pair.get(run.start, Start(run.start, None, ()))
                states = [State(start.pair, start)]
                yield from self.follow(run.world, run.loop, states, self.views[0], self.firsts)
        for of_world, of_start, of_loop, of_view in product(range(cost + 1), repeat=4):
            if of_world + of_start + of_loop + of_view == cost and of_start in self.starts:
                yield from self.of_costs(of_world, of_start, of_loop, of_view)
        if cost:
            for world, lr in product(self.worlds, self.rates):
                if self.is_sure():
                    yield from self.on_paths(world, lr, cost - 1)

    def of_costs(self, of_world, of_start, of_loop, of_view):
        """Yield the Founds whose World, Start, Loop and view differ in so many places each.

        In another World, or far behind epoch 0, only runs whose first row is epoch 0 are trained:
        there are thousands.
        """
        loops, views = around(self.loops, LOOPS, of_loop), self.views[of_view]
        late = self.printed.first > LATE and of_start + of_loop
        firsts = [0] if of_world or late else self.firsts
        at_start = firsts == [0] and all(view[0] == "train" for view in views)
        worlds = around(self.worlds, WORLDS, of_world) if self.is_sure() else ()
        for world, trains in product(worlds, dict.fromkeys(loop.trains for loop in loops)):
            pools = fixed_halves(world, trains, self.known(world, of_start))
            for starts in pools if has_points(world) else ():
                self.tried += len(starts)
                states = [State(start.pair, start) for start in starts]
                if at_start:  # the first number is the start's loss, whatever the loop is
                    states = self.beginning(world, states)
                for loop in loops if states else ():
                    if loop.trains == trains:
                        yield from self.follow(world, loop, states, views, firsts)

    def known(self, world, cost):
        """Return the known Starts of this cost, without those from which the line can't be told.

        Only the start's difference from the line shows in the losses: beside a start at 0 or 1,
        which nothing has drawn, any line could print them, so that it has to be the tutorial's or
        the code's.
        """
        told = any(world[1:3] == base[1:3] for base in self.worlds)
        return [start for start in self.starts[cost] if told or start.seed is not None]

    def beginning(self, world, states):
        """Return the States whose train loss is the table's first number."""
        pairs = torch.tensor([state.pair for state in states]).reshape(-1, 2)
        return [states[i] for i in np.nonzero(self.begins(world, pairs))[0]]

    def begins(self, world, states):
        """Say of each state whether its train loss is the table's first number."""
        losses = losses_at(world, states, target=world.target).numpy()
        return abs(losses - self.printed.values[0, 0]) <= NEAR[world.loss] + self.printed.half[0, 0]

    def on_paths(self, world, lr, cost):
        """Yield the Founds that begin on the path of a known start: the cell ran twice."""
        pool = [start for b in range(cost + 1) for start in self.starts.get(b, ())]
        pool = [s for s in pool if s.seed in self.seeds and s.device == "cpu"]
        path = path_of(world, lr, tuple(start.pair for start in pool))
        self.tried += path[..., 0].numel()
        states = [
            State(tuple(path[epoch, i].tolist()), pool[i], ((int(epoch), lr),))
            for epoch, i in zip(*np.nonzero(self.begins(world, path)))
            if epoch > self.printed.first
        ][:MOST]
        for another in range(min(cost, 1) + 1):
            for then in [rate for rate in self.rates if (rate != lr) == another]:
                yield from self.follow(world, Loop(then), states, self.views[cost - another], [0])

    # --- The first number, three rows, all rows

    def follow(self, world, loop, states, views, firsts):
        """Yield the Founds among the runs from these States, in these views.

        A way to follow is (first, view): the first row's epoch in the run, and the columns. `left`
        has the places of the States that are left for each way, and `off` how far they are.
        """
        ways = list(product(firsts, dict.fromkeys(in_world(world, views))))
        self.tried += len(states) * len(ways)
        left = dict.fromkeys(ways, np.arange(len(states)))
        pairs = torch.tensor([state.pair for state in states]).reshape(-1, 2)
        for count, wide in ((1, 1), (3, None), (None, None)):
            printed = self.printed.head(count)
            off, paths = self.off(world, loop, pairs, left, printed, wide)
            room = room_of(printed, world, loop)[:, None, :wide]
            if count:
                near = {way: (off[way] <= room).all(axis=(0, 2)) for way in left}
                left = {way: some[near[way]][: MOST * count] for way, some in left.items()}
                left = {way: some for way, some in left.items() if len(some)}
        for way, some in left.items():
            for i, mine in zip(some, off[way].swapaxes(0, 1)):
                yield from self.judged(world, loop, states[i], way, mine, room[:, 0], paths[i])

    def off(self, world, loop, pairs, left, printed, wide):
        """Return how far the runs that are left are from the rows, for each way, and their paths.

        The runs are trained once for all ways; of a row so many numbers are compared as `wide`
        says.
        """
        if not left:
            return {}, {}
        some = np.unique(np.concatenate([*left.values()]))
        later = max(COLUMNS[name][0] for _, view in left for name in view[:wide])
        last = int(printed.epochs[-1]) + max(first for first, _ in left) + later
        path, seen = train(world, loop, pairs[some], last), {}
        for first, view in dict.fromkeys((first, view[:wide]) for first, view in left):
            ours = printed_by(world, loop, path, printed.epochs + first, view)
            seen[first, view] = off_by(ours, printed.values[:, None, :wide], view)
        off = {(f, v): seen[f, v[:wide]][:, np.searchsorted(some, left[f, v])] for f, v in left}
        return off, dict(zip(some, path.unbind(1)))

    def judged(self, world, loop, state, way, off, room, path):
        """Yield the Found of a run that is so far off if it follows; else remember how far it did.

        off and room are of shape (R, C), the path (T, 2).
        """
        first, view = way
        settings = as_settings(world, loop, state.start.pair, view, state.earlier)
        found = Found(settings, len(off), first, state.start)
        if (off <= room).all():
            yield found
        elif a_sign_flipped(world, loop, path, off, room, self.printed.epochs + first):
            yield found._replace(flipped=True)
        else:
            self.remember(found, (off <= room).all(axis=1))

    def remember(self, found, right):
        """Keep the Found that prints the most first rows; `right` (R,) says which it prints."""
        rows = len(right) if right.all() else int(right.argmin())
        self.is_near |= 2 * rows >= len(right) or right.sum() == len(right) - 1
        if self.best is None or rows > self.best.rows:
            self.best = found._replace(rows=rows)


def has_points(world):
    """Say if both the training and the test set have a point: code can say anything."""
    return all(map(len, inputs(world, torch.float32)))


def in_world(world, views):
    """Return views as they are called in this World, where all may compare with X_train."""
    if world.target == "y":
        return views
    views = [view for view in views if "train after" not in view]
    return [tuple("X_train" if name == "train" else name for name in view) for view in views]


def as_settings(world, loop, start, columns, earlier=()):
    fields = world._asdict() | loop._asdict()
    del fields["target"]  # the columns say it
    return Settings(**fields, start=start, columns=columns, earlier=earlier)


def fixed_halves(world, trains, starts):
    """Yield lists of the Starts as the model holds them where a step moves one half alone.

    The other half is the line's own, because forward() uses the global name; 0, because there is no
    bias; or what was drawn, because the optimizer holds one parameter alone.
    """
    if trains == "weight":
        for bias in (world.bias, 0.0):
            yield [start._replace(pair=(start.pair[0], bias)) for start in starts]
    if trains == "bias":
        yield [start._replace(pair=(world.weight, start.pair[1])) for start in starts]
    yield starts


@lru_cache(maxsize=64)
def path_of(world, lr, pairs):
    return train(world, Loop(lr), torch.tensor(pairs).reshape(-1, 2), LATEST)


# --- From rows to settings


def find(rows, code):
    """Return the Found nearest to the tutorial, or None, and the Search that came farthest.

    Raises ValueError if the rows are none that a search can compare.
    """
    check(rows)
    ways = readings(rows, code.last("epochs") or 0, bool(code.all("step if")))
    searches = [Search(printed, code) for printed in ways]
    last = ways[0].first + ways[0].epochs[-1]
    if last > LONGEST:
        raise ValueError(f"its epochs go beyond {LONGEST:,}")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a second thread costs more than it brings on tensors this small
    try:
        for cost, search in product(range(3 if last <= LONG else 1), searches):
            for one in sorted(search.of_cost(cost), key=search.rank):
                if search.is_sure() and (sure := confirmed(one, search)):
                    return sure, search
        for search in searches[:2]:
            if sure := same_row(search) or (last <= LONG and from_own_start(search)):
                return sure, search
        first = searches[0]
        if first.printed.values.shape[1] == 2 and last <= LONG and not first.is_near:
            first.train_only = first_column(first)
    finally:
        torch.set_num_threads(threads)
    return None, max(searches, key=lambda search: search.best.rows if search.best else 0)


def check(rows):
    """Raise ValueError unless the rows have one or two losses in each of growing epochs."""
    widths = {len(texts) for _, texts in rows}
    if len(widths) != 1 or not widths <= VIEWS.keys():
        widths = " or ".join(map(str, sorted(widths)))
        raise ValueError(
            f"its rows have {widths} numbers, of which the names choose no train loss and no test "
            'loss: print "Train loss:" and "Test loss:" before them'
        )
    if not all(np.isfinite(float(text)) for _, texts in rows for text in texts):
        raise ValueError("a loss is nan or inf: try a smaller learning rate")
    if any(float(text) < 0 for _, texts in rows for text in texts):
        raise ValueError("a loss is negative, which none of the tutorial's can be")
    epochs = [epoch for epoch, _ in rows]
    if None in epochs and any(epochs) or None not in epochs and epochs != sorted(set(epochs)):
        raise ValueError("its epochs don't grow from row to row")


def confirmed(found, search):
    """Return the Found with how near its rows are, in float32 or else in float64, or None.

    The reader may have trained in float64, which has to print all digits. Rounding shows in many
    numbers: one that is off alone has to be nearer by a factor of ten.
    """
    printed, settings, but_for_digits = search.printed, found.settings, None
    epochs = printed.epochs + found.first
    room = room_of(printed, settings.world, settings.loop, later=bool(settings.earlier))
    for dtype in ("float32", "float64"):
        one = settings._replace(dtype=dtype)
        ours = simulate(one, int(epochs[-1]) + 2)
        off = off_by(ours[epochs], printed.values, one.columns)
        this = found._replace(settings=one, off=float((off - printed.half).max()))
        if settings.earlier and not np.ptp(printed.values, axis=0).any():
            this = this._replace(settled=1 if np.array_equal(ours[-1], ours[-2]) else 2)
        # The printed number is ours, rounded; what is added to half a unit is float64's rounding.
        differs = off > printed.half * (1 + 1e-9) + 1e-16 * printed.values
        if not differs.any():
            return this._replace(exact=True, flipped=False)
        if dtype == "float64":
            break
        alone = differs.sum() == 1 and 10 * this.off > (room - printed.half).max()
        if alone:
            search.remember(found, ~differs.any(axis=1))
        elif found.flipped or (off <= room).all():
            but_for_digits = this
        else:
            search.remember(found, np.full(found.rows, True))
    return but_for_digits


def same_row(search):
    """Return the Found for one row again and again, if any start prints it."""
    printed, view = search.printed, search.views[0][0]
    if len(printed.epochs) < 2 or np.ptp(printed.values, axis=0).any():
        return None
    world = search.worlds[0]._replace(dtype="float64", target="y")
    states = on_the_curve(world, printed.values[0, 0], 20_000)
    if len(view) == 2:
        off = (losses_at(world, states, TEST) - printed.values[0, 1]).abs()
        if off.min() > printed.half[0, 1] + 1e-3:
            return None
        states = states[off.argmin()][None]
    settings = as_settings(world, Loop(trains="nothing"), tuple(states[0].tolist()), view)
    return Found(settings, len(printed.rows), own=True)


def from_own_start(search):
    """Return the Found for a start, or a line, that nobody knows, if its run prints all rows.

    The line makes no difference, because only the start's distance from it shows. Where a known run
    is near, the start is no other.
    """
    printed, view = search.printed, search.views[0][0]
    if len(printed.rows) < 3 or search.is_near:
        return None
    worlds = [*{world.X: world for world in reversed(search.worlds)}.values()][::-1]
    still = dict(trains="both", zero_grad=True, older=False)
    loops = [loop for loop in search.loops if loop == loop._replace(**still)]
    loops += [Loop(lr) for lr in search.rates]
    for world, loop in product(worlds, dict.fromkeys(loops)):
        search.tried += 1
        if world.loss == "huber" or not search.is_sure(own=True):
            continue
        world = world._replace(target="y")
        if start := own_start(world, loop, view, printed):
            settings = as_settings(world, loop, start, view)
            found = Found(settings, len(printed.rows), own=True)
            if sure := confirmed(found, search):
                return sure
    return None


def first_column(search):
    """Return the Found whose train losses alone are the first number of all rows, or None."""
    alone = Search(search.printed.column(0), search.code)
    for cost in range(2):
        for found in sorted(alone.of_cost(cost), key=alone.rank):
            if alone.is_sure() and found.settings.columns == ("train",):
                return confirmed(found, alone)
    return None
