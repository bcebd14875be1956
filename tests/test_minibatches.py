"""lessons/minibatches.py: by hand as by torch.optim, batch by batch; what it prints and draws."""

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
# times. The longest run has 1200 steps. No residual comes so near to 0 that this turns its sign.
FLOAT64 = 1e-11
PRINTED = 5e-5  # half a unit of the last printed digit

TRAIN, VALIDATION, TEST = noisy_line()


def loss_by_torch(state, points):
    weight, bias = state
    X, y = points.tensors
    return nn.L1Loss()(weight * X + bias, y).item()


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
def test_by_hand_is_by_torch_and_so_printed_and_drawn_and_validation_chooses(ran, monkeypatch):
    def remember(name, train):
        def remembering(loader, lr, epochs):
            runs[name, loader.batch_size, lr] = states = train(loader, lr, epochs)
            return states

        monkeypatch.setattr(minibatches, f"train_by_{name}", remembering)

    runs = {}
    remember("hand", minibatches.train_by_hand)
    remember("torch", minibatches.train_by_torch)
    text, figures = ran(minibatches)
    rows = [re.split(r"  +", line.strip()) for line in text.splitlines()]
    floors = [loss_by_torch((0.7, 0.3), points) for points in (TRAIN, VALIDATION, TEST)]
    assert_allclose([float(row[-1]) for row in rows[2:5]], floors, atol=PRINTED)
    panels = figures["minibatches"].axes
    assert [axes.get_xlabel() for axes in panels] == ["steps", "points seen"]
    seen = []
    for size, *lines in zip(EPOCHS, *(axes.lines[:-1] for axes in panels), strict=True):
        states = runs["torch", size, 0.01]
        assert len(states) == 1 + EPOCHS[size] * 120 // size
        assert_allclose(runs["hand", size, 0.01], states, rtol=0, atol=FLOAT64)
        curve = np.array([loss_by_torch(state, TRAIN) for state in states])
        there = next(step for step, loss in enumerate(curve) if loss < 1.1 * floors[0])
        (row,) = (row for row in rows if row[0] == str(size) and len(row) == 6)
        assert [int(n) for n in row[1:4]] == [120 // size, there, there * size]
        seen.append(there * size)
        assert row[4] == f"{(curve[1:151] > curve[:150]).mean():.0%}"
        assert float(row[5]) <= FLOAT64
        for line, each in zip(lines, (1, size)):
            assert_array_equal(line.get_xdata(), np.arange(len(states)) * each)
            assert_allclose(line.get_ydata(), curve, rtol=0, atol=FLOAT64)
            assert line.get_label().startswith("all" if size == 120 else f"{size} point")
    assert_allclose([axes.lines[-1].get_ydata() for axes in panels], floors[0])

    losses = {}
    for lr in RATES:
        end = runs["hand", 8, lr][-1]
        losses[lr] = [loss_by_torch(end, points) for points in (TRAIN, VALIDATION, TEST)]
        (row,) = (row for row in rows if row[0] == str(lr))
        assert_allclose([float(n) for n in row[1:]], losses[lr][:2], atol=PRINTED)
    trains, chosen = (min(RATES, key=lambda lr, i=i: losses[lr][i]) for i in (0, 1))
    assert f"chooses lr = {chosen}. " in text
    assert f"\ntest loss {losses[chosen][2]:.4f}\n" in text
    page = " ".join((ROOT / "docs" / "teaching.md").read_text(encoding="utf-8").split())
    assert f"would choose {trains}, the validation losses choose {chosen}." in page
    assert "look at {}, {} and {} points".format(*seen) in page
    assert f"floor: {floors[0]:.3f} on the training points" in page
