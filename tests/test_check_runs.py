"""check/notebook/runs.py: settings print what torch.optim's own loop prints with them."""

import random

import numpy as np
import pytest
import torch
from published_numbers import X86
from torch import nn

from check.notebook.runs import (
    COLUMNS,
    PUBLISHED,
    SECTION_3,
    SECTION_6,
    TUTORIAL,
    Settings,
    philox,
    simulate,
    starts_of,
)

# Both compute in float64 in the same order of operations, up to 37 epochs; 1e-12 is a few thousand
# roundings of the losses, which are below 10.
FLOAT64 = 1e-12
# As check.notebook allows. On x86-64 all digits are equal; elsewhere means are added up otherwise.
FLOAT32 = 2e-6
LOSSES = {"mae": nn.L1Loss, "mse": nn.MSELoss, "huber": nn.HuberLoss}


def by_torch_optim(settings, epochs):
    """Return what each epoch prints: the tutorial's loop, on torch.optim."""
    dtype = getattr(torch, settings.dtype)
    X = settings.X
    linspace = X[0] == "linspace"
    X = torch.linspace(*X[1:], dtype=dtype) if linspace else torch.arange(*X, dtype=dtype)
    X = X.unsqueeze(dim=1)
    y = settings.weight * X + settings.bias
    n = int(abs(settings.split) * len(X))
    train, test = slice(n), slice(n, None)
    if settings.split < 0:
        train, test = slice(-n, None), slice(-n)
    loss_fn, rows, last_lr = LOSSES[settings.loss](), [], None
    target = X if "X_train" in settings.columns else y

    def model():
        pair = [torch.tensor([p], dtype=dtype, requires_grad=True) for p in settings.start]
        held = dict(zip(("weight", "bias"), pair))
        held = [held[settings.trains]] if settings.trains in held else pair
        return pair, held if settings.trains != "nothing" else [torch.zeros(1, requires_grad=True)]

    def losses():
        predicted = weight * X + bias
        return {
            "train": loss_fn(predicted[train], y[train]),
            "X_train": loss_fn(predicted[train], X[train]),
            "test": loss_fn(predicted[test], y[test]),
            "X_test": loss_fn(predicted[test], X[test]),
            "itself": loss_fn(predicted, predicted),
        }

    (weight, bias), held = model()
    for stage, (count, lr) in enumerate((*settings.earlier, (epochs, settings.lr))):
        kind = getattr(torch.optim, settings.optimizer)
        options = dict(momentum=settings.momentum) if kind is torch.optim.SGD else {}
        if lr != last_lr:
            optimizer, last_lr = kind(held, lr=lr, **options), lr
        for _ in range(count):
            if settings.trains == "anew":
                (weight, bias), held = model()
                optimizer = kind(held, lr=lr, **options)
            if settings.zero_grad:
                optimizer.zero_grad()
            loss_fn(weight * X[train] + bias, target[train]).backward()
            before = losses()
            optimizer.step()
            after = losses()
            printed = before | {"train after": after["train"], "test": after["test"]}
            printed |= {"test before": before["test"], "X_test before": before["X_test"]}
            printed |= {"X_test": after["X_test"]}
            if stage == len(settings.earlier):
                rows.append([printed[name].item() for name in settings.columns])
    return np.array(rows)


def some_settings(rng):
    adam = rng.random() < 0.3
    return Settings(
        X=rng.choice([(0, 1, 0.02), (0, 1, 0.01), ("linspace", 0, 1, 50), (0, 2, 0.1)]),
        weight=rng.choice([0.7, 0.3, 1.5]),
        bias=rng.choice([0.3, 0.9]),
        split=rng.choice([0.8, 0.7, 0.5, -0.2]),
        start=(rng.gauss(0, 1), rng.gauss(0, 1)),
        loss=rng.choice(list(LOSSES)),
        optimizer=rng.choice(["Adam", "AdamW"]) if adam else "SGD",
        lr=rng.choice([0.01, 0.001, 0.1]),
        momentum=0 if adam else rng.choice([0, 0, 0.9]),
        earlier=rng.choice([(), (), ((10, 0.01),), ((5, 0.1), (7, 0.001))]),
        trains=rng.choice(["both", "both", "weight", "bias", "nothing", "anew"]),
        zero_grad=rng.random() < 0.7,
        columns=(
            rng.choice(["train", "train after", "X_train", "test"]),
            rng.choice(["test", "test before", "X_test", "X_test before", "itself", "train"]),
        ),
        dtype="float64",
    )


@pytest.mark.slow
def test_all_settings_print_what_torch_optim_prints():
    rng = random.Random(0)
    seen = {name: set() for name in Settings._fields}
    for _ in range(60):
        settings = some_settings(rng)
        if settings.trains == "anew" or not settings.zero_grad:
            settings = settings._replace(earlier=())  # what a new optimizer takes over isn't set
        settings = settings._replace(zero_grad=settings.zero_grad or settings.trains == "anew")
        ours = simulate(settings, 25)
        assert ours.shape == (25, 2)
        np.testing.assert_allclose(ours, by_torch_optim(settings, 25), FLOAT64, FLOAT64)
        for name, value in settings._asdict().items():
            seen[name].update(value if name == "columns" else [value])
    assert {name for name, values in seen.items() if len(values) == 1} == {"dtype", "older"}
    assert seen["columns"] == COLUMNS.keys() - {"constant"}


@pytest.mark.skipif(not X86, reason="elsewhere means are added up otherwise")
@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "AdamW"])
def test_each_step_is_torch_optims_to_the_bit(optimizer):
    settings = Settings(optimizer=optimizer, momentum=0.9 * (optimizer == "SGD"), lr=0.1)
    assert np.array_equal(simulate(settings, 200), by_torch_optim(settings, 200))


def test_the_tutorials_runs_come_out_to_the_printed_digit(reference):
    runs = {
        "section 3": "section 3",
        "section 6": "section 6",
        "the exercise (nn.Linear)": "exercise",
        "the exercise (nn.Parameter)": "exercise, author's",
        "the pipeline's third step": "pipeline, nn.Linear",
        "the pipeline's fourth step": "pipeline, custom",
    }
    for name, published in runs.items():
        ours = simulate(TUTORIAL[name], PUBLISHED[published].epochs)[:, 0]
        assert ours.dtype == np.float32
        theirs = reference[published].loss
        assert np.array_equal(ours, theirs) if X86 else np.abs(ours - theirs).max() <= FLOAT32


def test_the_start_may_be_set_anew_in_each_epoch():
    rows = simulate(Settings(trains="anew"), 3)
    assert (rows == rows[0]).all()
    assert (rows[0] == simulate(Settings(), 1)[0]).all()


def test_a_state_that_comes_again_ends_the_training_early():
    settings = Settings(start=SECTION_6)
    long = simulate(settings, 2001)
    assert np.array_equal(long[1001:2001:2], np.repeat(long[1001:1002], 500, axis=0))
    assert np.abs(long[:400] - by_torch_optim(settings, 400)).max() <= FLOAT32
    assert np.array_equal(long, simulate(settings, 50_000)[:2001])  # 50,000 steps take 5 s


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
    of_linear, of_randn = ("Linear", "Linear"), ("randn", "randn")
    for pair, how in (
        (drawn(linear, linear), (of_linear, False, (of_linear,), "cpu")),
        (drawn(linear, linear, linear), (of_linear, False, (of_linear,) * 2, "cpu")),
        (drawn(randn), (of_randn, False, (), "cpu")),
        (drawn(bias_first), (("randn", "rand"), True, (), "cpu")),
        (drawn(randn, linear), (of_linear, False, (of_randn,), "cpu")),
        (drawn(linear, randn), (of_randn, False, (of_linear,), "cpu")),
    ):
        assert starts[how] == pair


def test_the_starts_on_a_gpu_are_those_that_people_print():
    """Seed 42 on CUDA, as printed there: the generator is Philox, which any CPU can compute."""
    made = [s for s in starts_of(42) if s.device == "cuda" and not s.bias_first]
    starts = {start.draws: start.pair for start in made}
    for draws, pair in (
        ("Linear", (0.22591972, 0.9754373)),
        ("randn", (0.19401887, 0.13913755)),
        ("rand", (0.61295986, 0.98771864)),
    ):
        assert starts[draws, draws] == pytest.approx(pair, abs=1e-7)  # a GPU's log is float32


def test_philox_gives_the_words_of_its_authors():
    """The known answers of Random123 for Philox 4x32-10: a counter and a key of zeros."""
    assert philox(0, 0) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)


def test_section_3_is_the_default():
    assert TUTORIAL["section 3"] == Settings()
    assert SECTION_3 == (PUBLISHED["section 3"].weight, PUBLISHED["section 3"].bias)
