"""A run of the tutorial: what decides its numbers, the states that it passes, what it prints.

    World   the data, the line, the split, the loss    with a state they decide the first train loss
    Loop    the rate, the optimizer, what a step does  decides the states after it
    View    the names of COLUMNS that stand in a row   decides the other numbers

A state is the model's (weight, bias). Training is deterministic, so that from a start follow all
states, its path, and from these all losses. `Settings` is the same as one flat tuple, whose
defaults are the tutorial's: what differs from them is what differs from the tutorial.

The gradient is the closed form, because then a thousand runs train side by side as rows of one
tensor. Gradient and step are computed with torch's operations in the order of torch's autograd and
of torch.optim, so that on the CPUs that were tried each loss is theirs to the bit.
"""

from contextlib import suppress
from functools import cache
from itertools import chain, count, groupby, product
from math import log, pi, sin, sqrt
from typing import NamedTuple

import torch

from manual_grad.published_runs import published_runs
from manual_grad.trajectory import find_cycle


class World(NamedTuple):
    """What the first train loss depends on, beside the model's state."""

    X: tuple = (0, 1, 0.02)  # of torch.arange, or ("linspace", start, end, steps)
    weight: float = 0.7  # of the line that the data lie on
    bias: float = 0.3
    split: float = 0.8  # the share of the points that trains: the first, or the last if negative
    loss: str = "mae"  # "mae", "mse" or "huber"
    target: str = "y"  # or "X": the train loss compares the predictions with X_train
    dtype: str = "float32"


class Loop(NamedTuple):
    """What a step does with a state."""

    lr: float = 0.01
    optimizer: str = "SGD"  # or "Adam", "AdamW"
    momentum: float = 0.0
    trains: str = "both"  # or "weight", "bias", "nothing"; "anew": the start is set in each epoch
    zero_grad: bool = True
    older: bool = False  # Adam's and AdamW's mean of gradients in the order of an older torch


PUBLISHED = published_runs()
SECTION_3, SECTION_6 = (
    (r.weight, r.bias) for r in (PUBLISHED["section 3"], PUBLISHED["section 6"])
)


class Settings(NamedTuple):
    """What decides the numbers of a run. The defaults are those of the tutorial's section 3."""

    X: tuple = World().X
    weight: float = 0.7
    bias: float = 0.3
    split: float = 0.8
    start: tuple = SECTION_3  # weight and bias before the first step
    loss: str = "mae"
    optimizer: str = "SGD"
    lr: float = 0.01
    momentum: float = 0.0
    earlier: tuple = ()  # training before the first row: ((epochs, lr), ...)
    trains: str = "both"
    zero_grad: bool = True
    columns: tuple = ("train", "test")  # names of COLUMNS
    dtype: str = "float32"
    older: bool = False

    @property
    def world(self):
        target = "X" if "X_train" in self.columns else "y"
        return World(*self[:4], self.loss, target, self.dtype)

    @property
    def loop(self):
        return Loop(*(getattr(self, name) for name in Loop._fields))


# What a column holds: (the state of how many steps later, the part of the data, the target). Of
# "itself", a prediction that is compared with itself, nothing else is known than that it is 0; a
# "constant" is the same in every row, and no loss of this run.
TRAIN, TEST = 0, 1
COLUMNS = {
    "train": (0, TRAIN, "y"),
    "train after": (1, TRAIN, "y"),
    "X_train": (0, TRAIN, "X"),
    "test": (1, TEST, "y"),
    "test before": (0, TEST, "y"),
    "X_test": (1, TEST, "X"),
    "X_test before": (0, TEST, "X"),
    "itself": (0, None, None),
    "constant": (0, None, None),
}
# A loss has a name in torch and in the settings. It is the mean of terms(r) at the residuals
# r = y_pred - y, and its gradient with respect to y_pred is slope(r) * (factor / n), multiplied in
# this order because torch rounds it so.
LOSSES = {
    "mae": (torch.abs, torch.sign, 1),
    "mse": (torch.square, lambda r: r, 2),
    "huber": (
        lambda r: torch.where(r.abs() < 1, 0.5 * r * r, r.abs() - 0.5),
        lambda r: r.clamp(-1, 1),
        1,
    ),
}
OPTIMIZERS = "SGD", "Adam", "AdamW"
# The columns of a state (weight, bias) that a step changes
TRAINED = {"both": slice(2), "anew": slice(2), "weight": slice(1), "bias": slice(1, 2)}
TRAINED["nothing"] = slice(0)


# --- States and losses


@cache
def inputs(world, dtype):
    """Return X_train and X_test as the tutorial makes them, of shapes (n,) and (m,)."""
    X = world.X
    if X[0] == "linspace":
        X = torch.linspace(*X[1:3], steps=X[3], dtype=dtype)
    else:
        X = torch.arange(*X, dtype=dtype)
    n = int(world.split % 1 * len(X))  # of -0.2 that is 0.8: the sets of 0.8 are exchanged
    return (X[:n], X[n:]) if world.split > 0 else (X[n:], X[:n])


def labels(world, X, target):
    return world.weight * X + world.bias if target == "y" else X


def losses_at(world, states, part=TRAIN, target="y"):
    """Return the loss of each state: states of shape (..., 2), losses (...,)."""
    X = inputs(world, states.dtype)[part]
    terms, *_ = LOSSES[world.loss]
    return terms(states[..., :1] * X + states[..., 1:] - labels(world, X, target)).mean(-1)


@torch.no_grad()
def train(world, loop, states, epochs):
    """Train from each of the states (S, 2), and return all states, of shape (epochs + 1, S, 2).

    states[t] stands after t steps. If each epoch begins anew, the path ends after one step.
    """
    X, _ = inputs(world, states.dtype)
    y = labels(world, X, world.target)
    _, slope, factor = LOSSES[world.loss]
    share = torch.tensor([factor / len(X)], dtype=X.dtype)
    inputs_of_each = torch.stack([X, torch.ones_like(X)])  # what weight and bias are multiplied by
    epochs = min(epochs, 1) if loop.trains == "anew" else epochs
    path, gradient, step, moved = [states], 0, stepping(loop), TRAINED[loop.trains]
    while len(path) <= epochs:
        if loop.optimizer == "SGD" and not loop.momentum and loop.zero_grad:
            if len(path) % 500 == 0:  # where all states come back, the rest of the path is known
                with suppress(ValueError):
                    _, cycle = find_cycle([state.numpy().tobytes() for state in path[-500:]])
                    path += [path[-cycle + i % cycle] for i in range(epochs + 1 - len(path))]
                    break
        state = path[-1].clone()
        slopes = slope(state[:, :1] * X + state[:, 1:] - y) * share
        new = (slopes.unsqueeze(1) * inputs_of_each).sum(-1)
        gradient = new if loop.zero_grad else gradient + new
        step(state[:, moved], gradient[:, moved])
        path.append(state)
    return torch.stack(path)


def stepping(loop):
    """Return a function that steps a state in place: torch.optim's operations, in their order.

    torch.optim itself would take a second or two, once, to load its compiler.
    """
    lr, t, m, v = loop.lr, 0, 0.0, 0.0

    def sgd(state, gradient):
        nonlocal m
        m = loop.momentum * m + gradient
        state.add_(m, alpha=-lr)

    def adam(state, gradient):
        nonlocal t, m, v
        if not t:
            m, v = torch.zeros_like(gradient), torch.zeros_like(gradient)
        t += 1
        if loop.optimizer == "AdamW":
            state.mul_(1 - lr * 0.01)
        if loop.older:
            m.mul_(0.9).add_(gradient, alpha=1 - 0.9)
        else:
            m.lerp_(gradient, 1 - 0.9)
        v.mul_(0.999).addcmul_(gradient, gradient, value=1 - 0.999)
        root = (v.sqrt() / sqrt(1 - 0.999**t)).add_(1e-8)
        state.addcdiv_(m, root, value=-lr / (1 - 0.9**t))

    return sgd if loop.optimizer == "SGD" else adam


def printed_by(world, loop, path, epochs, view):
    """Return what runs on these paths (T, S, 2) print in epochs (R,): (R, S, columns), in NumPy."""
    if loop.trains == "anew":
        epochs = epochs * 0
    columns = []
    for name in view:
        later, part, target = COLUMNS[name]
        if part is None:
            number = 0.0 if name == "itself" else float("nan")
            columns.append(torch.full((len(epochs), path.shape[1]), number, dtype=path.dtype))
        else:
            columns.append(losses_at(world, path[epochs + later], part, target))
    return torch.stack(columns, -1).numpy()


def simulate(settings, epochs):
    """Return what each epoch prints from `settings.start`, an array of shape (epochs, columns).

    Training that `earlier` puts before it goes on with the same optimizer where the rate is the
    same, and with a new one where it changes. A "constant" is nan.
    """
    world, loop = settings.world, settings.loop
    states = torch.tensor([settings.start], dtype=getattr(torch, settings.dtype))
    for lr, stages in groupby(
        (*settings.earlier, (epochs, settings.lr)), key=lambda stage: stage[1]
    ):
        path = train(world, loop._replace(lr=lr), states, sum(steps for steps, _ in stages))
        states = path[-1]
    first = 0 if loop.trains == "anew" else len(path) - 1 - epochs
    return printed_by(world, loop, path[first:], torch.arange(epochs), settings.columns)[:, 0]


# --- Where a model can have started
#
# torch.manual_seed(42) decides every number that follows it. Which of them become the weight and
# the bias depends on the draw, on the order of the two lines in the model's class, and on what was
# drawn before. nn.Linear(1, 1) draws both of its parameters uniformly between -1 and 1.


class Start(NamedTuple):
    """A start, and how a seed gives it: the draws of weight and bias, and what was drawn before."""

    pair: tuple
    seed: int | None
    draws: tuple  # of the weight and of the bias, names of DRAWN
    bias_first: bool = False
    before: tuple = ()  # the draws of each model that was made before, after the same seed
    device: str = "cpu"


DRAWN = {"randn": "torch.randn", "rand": "torch.rand", "Linear": "nn.Linear"}
PAIRS = *((name, name) for name in DRAWN), ("randn", "rand"), ("rand", "randn")
OFTEN_USED = *range(101), 123, 1234, 1337, *range(2020, 2027)


def on_cpu(seed):
    """Return a function that returns a CPU's next number for a name of DRAWN."""
    generator = torch.Generator().manual_seed(seed)
    draws = {
        "randn": lambda: torch.randn(1, generator=generator),
        "rand": lambda: torch.rand(1, generator=generator),
        "Linear": lambda: torch.empty(1).uniform_(-1, 1, generator=generator),
    }
    return lambda name: draws[name]().item()


def on_cuda(seed):
    """Return a function that returns a GPU's next number for a name of DRAWN: Philox 4x32-10.

    Each call takes the first of four words of the next counter as a uniform number u in (0, 1], and
    torch.randn the second one too (Box and Muller). Source: Salmon et al., "Parallel random
    numbers: as easy as 1, 2, 3" (2011).
    """
    counter = count()

    def draw(name):
        u, v, *_ = (word * 2.0**-32 + 2.0**-33 for word in philox(next(counter), seed))
        numbers = {"randn": sqrt(-2 * log(u)) * sin(2 * pi * v), "rand": u, "Linear": 2 * u - 1}
        return torch.tensor(numbers[name], dtype=torch.float32).item()

    return draw


def philox(counter, seed):
    """Return the four words of Philox 4x32-10 for a counter and a key below 2^64."""
    word = 2**32
    a, b, c, d = counter % word, counter // word, 0, 0
    key_a, key_b = seed % word, seed // word % word
    for _ in range(10):
        (high, low), (upper, lower) = divmod(0xD2511F53 * a, word), divmod(0xCD9E8D57 * c, word)
        a, b, c, d = upper ^ b ^ key_a, lower, high ^ d ^ key_b, low
        key_a, key_b = (key_a + 0x9E3779B9) % word, (key_b + 0xBB67AE85) % word
    return a, b, c, d


@cache
def starts_of(seed, plain=False):
    """Return the Starts that a seed gives; of the first model after it alone if `plain`."""
    found = []
    for draws, bias_first, device in product(PAIRS, (False, True), ("cpu", "cuda")):
        befores = [()]
        if device == "cpu" and not plain:
            others = dict.fromkeys([("randn", "randn"), ("Linear", "Linear"), draws])
            befores += [(other,) for other in others] + [(draws,) * 2, (draws,) * 3]
        if bias_first and draws[0] == "Linear":
            continue  # nn.Linear draws its weight first
        for before in befores:
            draw = on_cpu(seed) if device == "cpu" else on_cuda(seed)
            for name in chain.from_iterable(before):
                draw(name)
            drawn = [draw(name) for name in draws[:: -1 if bias_first else 1]]
            pair = tuple(drawn[::-1] if bias_first else drawn)
            found.append(Start(pair, seed, draws, bias_first, before, device))
    return tuple(found)


@cache
def known_starts(seeds):
    """Return the Starts of these seeds, the plain ones of seeds that are often used, 0 and 1."""
    found = [start for seed in seeds for start in starts_of(seed)]
    found += [s for seed in OFTEN_USED if seed not in seeds for s in starts_of(seed, plain=True)]
    found += [Start(pair, None, ("constant",) * 2) for pair in product((0.0, 1.0), repeat=2)]
    unique = {}
    for start in found:
        unique.setdefault(start.pair, start)
    return tuple(unique.values())


# --- The tutorials' own runs


LINE = Settings().X, 0.7, 0.3


def tutorial_run(name, data=LINE, **others):
    """Return the Settings of a published run, whose start, loss and rate are taken from there."""
    run = PUBLISHED[name]
    settings = Settings(*data, start=(run.weight, run.bias), loss=run.loss, lr=run.lr)
    return settings._replace(**others)


EXERCISE = (0, 1, 0.01), 0.3, 0.9
PIPELINE = (1, 6, 1), 2.0, 0.0
BY_HAND = dict(start=(0.0, 0.0), trains="weight")  # a weight alone, from 0
# The exercise stands here twice: the author solves it with nn.Parameter.
TUTORIAL = {
    "section 3": tutorial_run("section 3"),
    "section 6": tutorial_run("section 6"),
    "the exercise (nn.Linear)": tutorial_run("exercise", EXERCISE),
    "the exercise (nn.Parameter)": tutorial_run("exercise, author's", EXERCISE),
    "the pipeline's first step": tutorial_run("pipeline, custom", PIPELINE, lr=0.1, **BY_HAND),
    "the pipeline's second step": tutorial_run("pipeline, custom", PIPELINE, **BY_HAND),
    "the pipeline's third step": tutorial_run("pipeline, nn.Linear", PIPELINE),
    "the pipeline's fourth step": tutorial_run("pipeline, custom", PIPELINE),
}
