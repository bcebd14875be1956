"""lessons/minibatches.py: by hand as by torch.optim, batch by batch; what it prints and draws."""

import functools
import re

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
    X, y = points.tensors
    return nn.L1Loss()(weight * X + bias, y).item()


@functools.cache
def by_torch(size, lr):
    """Return the states of a run by torch."""
    return minibatches.train_by_torch(batches(TRAIN, size), lr, EPOCHS[size])


def test_the_three_sets_share_no_point_and_the_noise_has_its_size():
    X, y = (torch.cat(parts) for parts in zip(*(s.tensors for s in (TRAIN, VALIDATION, TEST))))
    assert len(X.unique()) == len(X) == 200
    noise = y - (0.7 * X + 0.3)
    assert noise.std().item() == pytest.approx(0.1, rel=0.2)  # of 200 numbers: 5 % off is usual
    assert abs(noise.mean().item()) < 4 * 0.1 / 200**0.5


def test_an_epoch_hands_out_each_training_point_once_and_each_epoch_in_another_order():
    loader = batches(TRAIN, 8)
    assert [len(X) for X, _ in loader] == [8] * 15
    first, second = ([X.ravel().tolist() for X, _ in loader] for _ in range(2))
    assert sorted(sum(first, [])) == sorted(sum(second, [])) == sorted(TRAIN.tensors[0].ravel())
    assert first != second


@pytest.mark.slow
def test_the_tables_are_what_torch_gets_and_the_validation_loss_chooses(ran):
    text, _ = ran(minibatches)
    rows = [re.split(r"  +", line.strip()) for line in text.splitlines()]
    floors = [loss_by_torch((0.7, 0.3), points) for points in (TRAIN, VALIDATION, TEST)]
    assert_allclose([float(row[-1]) for row in rows[2:5]], floors, atol=PRINTED)
    seen = []
    for size in EPOCHS:
        (row,) = (row for row in rows if row[0] == str(size) and len(row) == 6)
        curve = np.array([loss_by_torch(state, TRAIN) for state in by_torch(size, 0.01)])
        there = next(step for step, loss in enumerate(curve) if loss < 1.1 * floors[0])
        assert [int(n) for n in row[1:4]] == [120 // size, there, there * size]
        seen.append(there * size)
        assert row[4] == f"{(curve[1:151] > curve[:150]).mean():.0%}"
        assert float(row[5]) <= FLOAT64
    ends = {lr: by_torch(8, lr)[-1] for lr in RATES}
    for lr, end in ends.items():
        (row,) = (row for row in rows if row[0] == str(lr))
        right = loss_by_torch(end, TRAIN), loss_by_torch(end, VALIDATION)
        assert_allclose([float(n) for n in row[1:]], right, atol=PRINTED)
    chosen = min(RATES, key=lambda lr: loss_by_torch(ends[lr], VALIDATION))
    assert f"chooses lr = {chosen}. " in text
    trains = min(RATES, key=lambda lr: loss_by_torch(ends[lr], TRAIN))
    page = " ".join((ROOT / "docs" / "teaching.md").read_text(encoding="utf-8").split())
    assert f"would choose {trains}, the validation losses choose {chosen}." in page
    assert "look at {}, {} and {} points".format(*seen) in page
    assert f"floor: {floors[0]:.3f} on the training points" in page
    assert f"\ntest loss {loss_by_torch(ends[chosen], TEST):.4f}\n" in text


@pytest.mark.slow
def test_the_picture_shows_each_loss_over_steps_and_over_points_seen(ran):
    (figure,) = ran(minibatches)[1].values()
    for axes, over in zip(figure.axes, ("steps", "points seen")):
        assert axes.get_xlabel() == over
        *curves, floor = axes.lines
        assert_allclose(floor.get_ydata(), loss_by_torch((0.7, 0.3), TRAIN))
        for line, size in zip(curves, EPOCHS, strict=True):
            states = by_torch(size, 0.01)
            steps = np.arange(len(states))
            assert_array_equal(line.get_xdata(), steps * size if over == "points seen" else steps)
            assert_allclose(line.get_ydata(), minibatches.losses(states, TRAIN), atol=FLOAT64)
            assert line.get_label().startswith("all" if size == len(TRAIN) else f"{size} point")
