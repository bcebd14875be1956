"""check/simulate.py: settings print what torch.optim's own loop prints with them."""

import random

import numpy as np
import pytest
import torch
from published_numbers import X86
from torch import nn

from check.notebook.runs import SECTION_3, SECTION_6, Settings, confirm, simulate
from check.notebook.starts import starts_of
from manual_grad.published_runs import published_runs

# Both compute in float64 in the same order of operations, up to 37 epochs; 1e-12 is a few thousand
# roundings of the losses, which are below 10.
FLOAT64 = 1e-12
# As check.search allows. On x86-64 all digits are equal; elsewhere means are added up otherwise.
FLOAT32 = 2e-6
LOSSES = {"mae": nn.L1Loss, "mse": nn.MSELoss, "huber": nn.HuberLoss}


def by_torch_optim(settings, epochs):
    """Return train and test loss of each epoch: the tutorial's loop, on torch.optim."""
    dtype = getattr(torch, settings.dtype)
    X = settings.X
    linspace = X[0] == "linspace"
    X = torch.linspace(*X[1:], dtype=dtype) if linspace else torch.arange(*X, dtype=dtype)
    X = X.unsqueeze(dim=1)
    y = settings.weight * X + settings.bias
    split = int(settings.split * len(X))
    weight, bias = (torch.tensor([p], dtype=dtype, requires_grad=True) for p in settings.start)
    loss_fn, rows, last_lr = LOSSES[settings.loss](), [], None
    target = {"y_test": y, "X_test": X}[settings.test_target][split:]

    def forward(x):
        return weight * x + (settings.bias if settings.trains == "weight" else bias)

    for stage, (count, lr) in enumerate((*settings.earlier, (epochs, settings.lr))):
        if lr != last_lr:
            kind = getattr(torch.optim, settings.optimizer)
            options = dict(momentum=settings.momentum) if kind is torch.optim.SGD else {}
            held = [torch.zeros(1, requires_grad=True)]  # another model's
            held = held if settings.trains == "nothing" else [weight, bias]
            optimizer, last_lr = kind(held, lr=lr, **options), lr
        for _ in range(count):
            loss = loss_fn(forward(X[:split]), y[:split])
            if settings.zero_grad:
                optimizer.zero_grad()
            loss.backward()
            before = loss_fn(forward(X[split:]), target)
            optimizer.step()
            after = loss_fn(forward(X[split:]), target)
            if stage == len(settings.earlier):
                rows.append((loss.item(), (after if settings.test_after_step else before).item()))
    return np.array(rows)


def some_settings(rng):
    adam = rng.random() < 0.3
    return Settings(
        X=rng.choice([(0, 1, 0.02), (0, 1, 0.01), ("linspace", 0, 1, 50), (0, 2, 0.1)]),
        weight=rng.choice([0.7, 0.3, 1.5]),
        bias=rng.choice([0.3, 0.9]),
        split=rng.choice([0.8, 0.7, 0.5]),
        start=(rng.gauss(0, 1), rng.gauss(0, 1)),
        loss=rng.choice(list(LOSSES)),
        optimizer=rng.choice(["Adam", "AdamW"]) if adam else "SGD",
        lr=rng.choice([0.01, 0.001, 0.1]),
        momentum=0 if adam else rng.choice([0, 0, 0.9]),
        earlier=rng.choice([(), (), ((10, 0.01),), ((5, 0.1), (7, 0.001))]),
        trains=rng.choice(["both", "both", "weight", "nothing"]),
        zero_grad=rng.random() < 0.7,
        test_after_step=rng.random() < 0.5,
        test_target=rng.choice(["y_test", "X_test"]),
        dtype="float64",
    )


@pytest.mark.slow
def test_all_settings_print_what_torch_optim_prints():
    rng = random.Random(0)
    seen = {name: set() for name in Settings._fields}
    for _ in range(50):
        settings = some_settings(rng)
        theirs = by_torch_optim(settings, 25)
        for ours in (simulate(settings, 25), confirm(settings, 25)):
            assert ours.shape == (25, 2)
            assert np.abs(ours - theirs).max() <= FLOAT64, settings
        for name, value in settings._asdict().items():
            seen[name].add(value)
    fixed = {name for name, values in seen.items() if len(values) == 1}
    assert fixed == {"columns", "dtype"}  # they decide what is printed, not what is computed


def test_the_published_runs_come_out_to_the_printed_digit(reference):
    for name, settings in {
        "section 3": Settings(start=SECTION_3),
        "section 6": Settings(start=SECTION_6),
        "exercise": Settings((0, 1, 0.01), 0.3, 0.9, start=SECTION_6),
        "exercise, author's": Settings((0, 1, 0.01), 0.3, 0.9),
    }.items():
        run, states = published_runs()[name], reference[name]
        ours = simulate(settings, run.epochs)
        assert ours.dtype == np.float32
        for theirs in (np.stack([states.loss, ours[:, 1]], axis=1), confirm(settings, run.epochs)):
            assert np.array_equal(ours, theirs) if X86 else np.abs(ours - theirs).max() <= FLOAT32


def test_a_state_that_comes_again_ends_both_early():
    settings = Settings(start=SECTION_6)
    long = simulate(settings, 2001)
    assert np.array_equal(long[1001:2001:2], np.repeat(long[1001:1002], 500, axis=0))
    assert np.abs(long - confirm(settings, 2001)).max() <= FLOAT32
    assert np.abs(long[:400] - by_torch_optim(settings, 400)).max() <= FLOAT32


@pytest.mark.parametrize(("field", "wrong"), [("lr", 0.0101), ("weight", 0.71), ("split", 0.78)])
def test_a_wrong_setting_shows(field, wrong):
    right, other = Settings(), Settings()._replace(**{field: wrong})
    assert np.abs(simulate(right, 20) - simulate(other, 20)).max() > 1e-4


def test_the_starts_after_a_seed_are_what_torch_draws():
    def drawn(*made):
        torch.manual_seed(7)
        for make in made:
            weight, bias = make()
        return weight.item(), bias.item()

    def linear():
        return nn.Linear(1, 1).parameters()

    def randn():
        return torch.randn(1), torch.randn(1)

    def bias_first():
        return reversed([torch.rand(1), torch.randn(1)])

    starts = {start[2:]: start.pair for start in starts_of(7)}
    for pair, how in (
        (drawn(linear, linear), ("nn.Linear", "nn.Linear", False, 2, "")),
        (drawn(randn), ("torch.randn", "torch.randn", False, 1, "")),
        (drawn(bias_first), ("torch.randn", "torch.rand", True, 1, "")),
        (drawn(randn, linear), ("nn.Linear", "nn.Linear", False, 1, "torch.randn")),
        (drawn(linear, randn), ("torch.randn", "torch.randn", False, 1, "nn.Linear")),
    ):
        assert starts[how] == pair
