"""lessons/minibatches.py: by hand as by torch.optim, batch by batch; what it prints and draws."""

import functools
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from conftest import ROOT
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from lessons import minibatches
from lessons.minibatches import EPOCHS, RATES, batches, noisy_line

# A step moves a parameter by lr, 0.3 at most, and rounds it by 1.1e-16 of its size, below 1, a few
# times. The longest run has 2400 steps. No residual comes so near to 0 that this turns its sign.
FLOAT64 = 1e-11
PRINTED = 5e-5  # half a unit of the last printed digit

TRAIN, VALIDATION, TEST = noisy_line()


def loss_by_torch(state, points):
    weight, bias = state
    return nn.L1Loss()(weight * points.X + bias, points.y).item()


@functools.cache
def runs(size, lr):
    """Return the states of a run by hand and by torch."""
    ours, theirs = (
        trainer(batches(TRAIN, size), lr, EPOCHS[size])
        for trainer in (minibatches.train_by_hand, minibatches.train_by_torch)
    )
    assert len(theirs) == 1 + EPOCHS[size] * len(TRAIN) // size
    return ours, theirs


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Run the program once; return what it prints, split at its columns, and its picture."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("lesson"))
        lines, figures = [], []
        patch.setattr(minibatches, "print", lambda text: lines.extend(text.split("\n")), False)
        patch.setattr(minibatches.program, "save_figure", lambda *args: figures.append(args))
        minibatches.main()
    assert max(map(len, lines)) <= 100
    return [re.split(r"  +", line.strip()) for line in lines], *figures


@pytest.mark.slow
def test_each_step_by_hand_is_torch_optims_on_the_same_batches():
    for size, lr in [*((size, 0.01) for size in EPOCHS), *((8, lr) for lr in RATES)]:
        assert_allclose(*runs(size, lr), rtol=0, atol=FLOAT64)


def test_the_three_sets_share_no_point_and_the_noise_has_its_size():
    X, y = (torch.cat([getattr(s, a) for s in (TRAIN, VALIDATION, TEST)]) for a in "Xy")
    assert len(X.unique()) == len(X) == 200
    noise = y - (0.7 * X + 0.3)
    assert noise.std().item() == pytest.approx(0.1, rel=0.2)  # of 200 numbers: 5 % off is usual
    assert abs(noise.mean().item()) < 4 * 0.1 / 200**0.5


def test_an_epoch_hands_out_each_training_point_once_and_each_epoch_in_another_order():
    loader = batches(TRAIN, 8)
    orders = []
    for _ in range(2):
        X, y = (torch.cat(part) for part in zip(*loader))
        orders.append(X.ravel().tolist())
        assert sorted(zip(X.ravel(), y.ravel())) == sorted(zip(TRAIN.X.ravel(), TRAIN.y.ravel()))
    assert [len(X) for X, _ in loader] == [8] * 15
    assert orders[0] != orders[1]


@pytest.mark.slow
def test_the_tables_are_what_torch_gets_and_the_validation_loss_chooses(ran):
    rows, _ = ran
    floors = [loss_by_torch((0.7, 0.3), points) for points in (TRAIN, VALIDATION, TEST)]
    assert_allclose([float(row[-1]) for row in rows[2:5]], floors, atol=PRINTED)
    seen = []
    for size in EPOCHS:
        (row,) = (row for row in rows if row[0] == str(size) and len(row) == 6)
        curve = np.array([loss_by_torch(state, TRAIN) for state in runs(size, 0.01)[1]])
        there = next(step for step, loss in enumerate(curve) if loss < 1.1 * floors[0])
        assert [int(n) for n in row[1:4]] == [120 // size, there, there * size]
        seen.append(there * size)
        last = curve[-100:].min(), curve[-100:].max()
        assert_allclose([float(n) for n in row[4].split(" to ")], last, atol=PRINTED)
        assert float(row[5]) <= FLOAT64
    ends = {lr: runs(8, lr)[1][-1] for lr in RATES}
    for lr, end in ends.items():
        (row,) = (row for row in rows if row[0] == str(lr))
        right = loss_by_torch(end, TRAIN), loss_by_torch(end, VALIDATION)
        assert_allclose([float(n) for n in row[1:]], right, atol=PRINTED)
    chosen = min(RATES, key=lambda lr: loss_by_torch(ends[lr], VALIDATION))
    assert f"chooses lr = {chosen}. " in rows[-2][0]
    trains = min(RATES, key=lambda lr: loss_by_torch(ends[lr], TRAIN))
    page = " ".join((ROOT / "docs" / "teaching.md").read_text(encoding="utf-8").split())
    assert f"would choose {trains}, the validation losses choose {chosen}." in page
    assert "look at {}, {} and {} points".format(*seen) in page
    assert f"floor: {floors[0]:.3f} on the training points" in page
    assert rows[-1] == [f"test loss {loss_by_torch(ends[chosen], TEST):.4f}"]


@pytest.mark.slow
def test_with_other_seeds_too_fewer_points_do_and_one_alone_is_noisy():
    for seed in range(2, 5):
        train, *_ = noisy_line(seed)
        floor, seen, spread = loss_by_torch((0.7, 0.3), train), [], []
        for size in EPOCHS:
            states = minibatches.train_by_hand(batches(train, size, seed), 0.01, EPOCHS[size])
            curve = minibatches.losses(states, train)
            seen.append(size * np.argmax(curve < 1.1 * floor))
            spread.append(np.ptp(curve[-100:]))
        assert seen[0] > 5 * seen[1] > 5 * 2 * seen[2] > 0
        assert spread[0] < spread[1] < spread[2] / 2


@pytest.mark.slow
def test_the_picture_shows_each_loss_over_steps_and_over_points_seen(ran):
    _, (figure, name) = ran
    assert name == "minibatches"
    for axes, over in zip(figure.axes, ("steps", "points seen")):
        assert axes.get_xlabel() == over
        *curves, floor = axes.lines
        assert_allclose(floor.get_ydata(), loss_by_torch((0.7, 0.3), TRAIN))
        for line, size in zip(curves, EPOCHS, strict=True):
            states, _ = runs(size, 0.01)
            steps = np.arange(len(states))
            assert_array_equal(line.get_xdata(), steps * size if over == "points seen" else steps)
            assert_allclose(line.get_ydata(), minibatches.losses(states, TRAIN))
            assert line.get_label().startswith("all" if size == len(TRAIN) else f"{size} point")
    plt.close(figure)
