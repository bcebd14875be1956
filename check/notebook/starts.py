"""Where a model can have started: the numbers that torch draws after a seed.

torch.manual_seed(42) decides every number that follows it. Which of them become the weight and the
bias depends on the draw (torch.randn, torch.rand, nn.Linear's own), on the order of the two lines
in the model's class, and on the models that were made before. nn.Linear(1, 1) draws both of its
parameters from the uniform distribution between -1 and 1.
"""

from functools import cache
from itertools import product
from typing import NamedTuple

import torch

DRAWS = {
    "torch.randn": lambda g: torch.randn(1, generator=g).item(),
    "torch.rand": lambda g: torch.rand(1, generator=g).item(),
    "nn.Linear": lambda g: torch.empty(1).uniform_(-1, 1, generator=g).item(),
}
DRAWN = {name.split(".")[1]: name for name in DRAWS}
OFTEN_USED = *range(101), 123, 1234, 1337, *range(2020, 2027)


class Start(NamedTuple):
    """A start, and how a seed gives it: the draws of weight and bias, and what was drawn before."""

    pair: tuple
    seed: int | None
    weight: str
    bias: str
    bias_first: bool = False
    model: int = 1  # number 1 is the first model after the seed
    after: str = ""  # the draw of a model of another kind, made before this one


@cache
def starts_of(seed, models=4):
    """Return the Starts that a seed gives to the first models after it."""
    found = []
    randn, rand, linear = DRAWS
    pairs = (randn, randn), (rand, rand), (linear, linear), (randn, rand), (rand, randn)
    for model, (weight, bias), bias_first in product(range(1, models + 1), pairs, (False, True)):
        if bias_first and weight == linear:
            continue  # nn.Linear draws its weight first
        generator = torch.Generator().manual_seed(seed)
        order = (bias, weight) if bias_first else (weight, bias)
        for _ in range(model):
            pair = tuple(DRAWS[kind](generator) for kind in order)
        pair = pair[::-1] if bias_first else pair
        found.append(Start(pair, seed, weight, bias, bias_first, model))
    for first, then in ((randn, linear), (linear, randn)):
        generator = torch.Generator().manual_seed(seed)
        for _ in range(2):
            DRAWS[first](generator)
        pair = tuple(DRAWS[then](generator) for _ in range(2))
        found.append(Start(pair, seed, then, then, after=first))
    return tuple(found)


@cache
def known_starts(seeds):
    """Return the Starts of the given seeds, then the plain ones of seeds that are often used."""
    found = [start for seed in seeds for start in starts_of(seed)]
    found += [s for seed in OFTEN_USED if seed not in seeds for s in starts_of(seed, 1)]
    found += [Start((a, b), None, "constant", "constant") for a, b in product((0.0, 1.0), repeat=2)]
    unique = {}
    for start in found:
        unique.setdefault(start.pair, start)
    return tuple(unique.values())


def cost_of(start, hints):
    """Return in how many ways a Start differs from the tutorial's and from what the code says."""
    seeds = 42, hints.get("seed")  # None if the code sets none, as it is of a constant start
    kinds = {("nn.Linear", "nn.Linear"), ("torch.randn", "torch.randn")}
    drawn = [DRAWN.get(name) for name in hints.get("parameters") or ()]
    if drawn == ["nn.Linear"]:
        kinds = {("nn.Linear", "nn.Linear")}
    elif len(drawn) == 2:
        kinds = {tuple(drawn)}
    return (
        (start.seed not in seeds)
        + ((start.weight, start.bias) not in kinds)
        + start.bias_first
        + (start.model > 1)
        + (start.after != "")
    )
