"""lessons/minibatches.py: by hand as by torch.optim, batch by batch; what it prints and draws."""

import re

import numpy as np
import pytest
import torch
from conftest import ROOT
from numpy.testing import assert_allclose, assert_array_equal
from pictures import assert_key
from torch import nn

from lessons import minibatches
from lessons.minibatches import EPOCHS, RATES, batches, noisy_line, train_by_hand

# A step moves a parameter by lr, 0.3 at most, and rounds it by 1.1e-16 of its size, below 1, a few
# times. The longest run has 1200 steps. No residual comes so near to 0 that this turns its sign.
FLOAT64 = 1e-11
PRINTED = 5e-5  # half a unit of the last printed digit

TRAIN, VALIDATION, TEST = noisy_line()
PAGE = " ".join((ROOT / "docs" / "teaching.md").read_text(encoding="utf-8").split())


def loss_by_torch(state, points):
    weight, bias = state
    X, y = points.tensors
    return nn.L1Loss()(weight * X + bias, y).item()


FLOOR = loss_by_torch((0.7, 0.3), TRAIN)


def test_the_three_sets_share_no_point_and_the_noise_has_its_size():
    X, y = (torch.cat(parts) for parts in zip(*(s.tensors for s in (TRAIN, VALIDATION, TEST))))
    assert len(X.unique()) == len(X) == 200
    noise = y - (0.7 * X + 0.3)
    assert noise.std().item() == pytest.approx(0.1, rel=0.2)  # of 200 numbers: 5 % off is usual
    assert abs(noise.mean().item()) < 4 * 0.1 / 200**0.5


def test_the_floors_are_the_true_lines_loss(ran):
    printed = re.findall(r"^(\w+) +(\d+) points +(\d\.\d{4})$", ran(minibatches)[0], re.MULTILINE)
    floor = loss_by_torch((0.7, 0.3), VALIDATION)
    assert printed == [("training", "120", f"{FLOOR:.4f}"), ("validation", "40", f"{floor:.4f}")]
    assert f"floor: {FLOOR:.3f} on the training points" in PAGE


@pytest.fixture(scope="module")
def by_torch():
    """Return the states of each batch size's run, by torch.optim."""
    return {n: minibatches.train_by_torch(batches(TRAIN, n), 0.01, EPOCHS[n]) for n in EPOCHS}


@pytest.mark.slow
def test_the_table_and_the_page_say_when_each_size_comes_near_the_floor(ran, by_torch):
    lines, seen = ran(minibatches)[0].split(" apart\n")[1].splitlines(), []
    for line, (size, states) in zip(lines, by_torch.items()):
        curve = np.array([loss_by_torch(state, TRAIN) for state in states])
        there = np.flatnonzero(curve < 1.1 * FLOOR)[0]
        up = f"{(curve[1:151] > curve[:150]).mean():.0%}"
        *numbers, apart = line.split()
        assert numbers == [*map(str, (size, 120 // size, there, there * size)), up]
        assert float(apart) <= FLOAT64
        seen.append(there * size)
    assert "look at {}, {} and {} points".format(*seen) in PAGE


@pytest.mark.slow
def test_the_validation_loss_chooses_a_rate_and_the_test_loss_comes_last(ran):
    text = ran(minibatches)[0].split("validation loss\n")[1]
    losses = {}
    for line, lr in zip(text.splitlines(), RATES):
        end = train_by_hand(batches(TRAIN, 8), lr, EPOCHS[8])[-1]
        losses[lr] = [loss_by_torch(end, points) for points in (TRAIN, VALIDATION, TEST)]
        assert_allclose([float(n) for n in line.split()], [lr, *losses[lr][:2]], atol=PRINTED)
    trains, chosen = (min(RATES, key=lambda lr, i=i: losses[lr][i]) for i in (0, 1))
    floor = loss_by_torch((0.7, 0.3), TEST)
    assert f"chooses lr = {chosen}. Only now the test set" in text
    assert f"\ntest loss {losses[chosen][2]:.4f}, the true line's {floor:.4f}\n" in text
    assert f"would choose {trains}, the validation losses choose {chosen}." in PAGE


def test_the_losses_by_hand_are_torchs_and_drawn_over_steps_and_over_points_seen(ran, by_torch):
    left, right = ran(minibatches)[1]["minibatches"].axes
    assert [left.get_xlabel(), right.get_xlabel()] == ["steps", "points seen"]
    assert [left.get_xlim()[0], right.get_xlim()[0], left.get_ylim()[0]] == [0, 0, 0]
    assert_allclose([axes.lines[-1].get_ydata() for axes in (left, right)], FLOOR)
    drawn = {}
    for (size, states), *lines in zip(by_torch.items(), left.lines, right.lines):
        steps = np.arange(1 + EPOCHS[size] * 120 // size)
        curve = [loss_by_torch(state, TRAIN) for state in states]
        for line, x in zip(lines, (steps, steps * size)):
            assert_array_equal(line.get_xdata(), x)
            assert_allclose(line.get_ydata(), curve, rtol=0, atol=FLOAT64)
        drawn[f"steps of {size} point{'' if size == 1 else 's'}"] = lines
    floor = "MAE of the true line\n(a fit to the noise can have less)"
    drawn[floor] = [left.lines[-1], right.lines[-1]]
    assert_key(left.get_legend(), drawn)
