"""limit_cycle and schedules: the cycle, its cause, what ends it, and what the programs show."""

import functools
import platform
import re

import numpy as np
import pytest
import torch
from conftest import assert_is_the_band_of
from matplotlib.colors import to_rgb
from published_numbers import X86

from lessons import limit_cycle, schedules
from lessons.limit_cycle import both_losses, state_after
from manual_grad import torch_optim
from manual_grad.published_runs import published_runs
from manual_grad.trajectory import Trajectory

RUNS = limit_cycle.mae_runs()
RUN = published_runs()["section 6"]

# A float32 step with lr = 0.01 ends at parameters below 1: at most 2^-25. Its gradient is a sum of
# at most 80 terms with a mean of 0.4: 0.01 * 81 * 2^-24 * 0.4 = 2e-8. Both are less than 2^-24.
STEP = 2.0**-24
# Rates of at most 0.01 in float64: torch multiplies its way through 310 epochs, 4 roundings each.
RATE = 310 * 4 * 2.0**-53 * 0.01
# The float64 run under them: a rate's difference times a gradient of at most 1, and 3 roundings.
SCHEDULED = 310 * (RATE + 3 * 2.0**-53)
# "lr times 0.1 every 150 epochs" settles at a rate of 1e-7, the last one that moves the bias. Its
# states lie 1.4e-7 apart in a prediction at x = 1. Six roundings of 2^-25 add 1.8e-7.
SETTLED = 3.3e-7

CHOSEN = "lr times 0.1 every 150 epochs"
# The epoch after which each cycle has begun, as measured on x86-64 and on Linux ARM64.
FIRST = {"section 3": 168, "section 6": 115, "exercise": 246, "exercise, author's": 229}
MEASURED = X86 or platform.machine() == "aarch64"


@functools.cache
def trained(name):
    return RUNS[name].train(torch_optim.train)


@pytest.mark.parametrize("name", RUNS)
def test_each_cycle_has_two_states_one_step_apart_and_is_so_printed(name, ran):
    run, trajectory = RUNS[name], trained(name)
    first, period = limit_cycle.find_cycle(trajectory)
    assert period == 2
    assert first == FIRST[name] or not MEASURED
    every = 20 if "exercise" in name else 10
    row = every * (first // every + 1)
    text, _ = ran(limit_cycle)
    block = text.split(f"# The cycle, {name}: from epoch {first} on, 2 states\n")[1]
    _, *states, step_a, step_b, _, printed_row = block.splitlines()[:7]
    mean = run.X.double().mean().item()
    for line, step, letters, epoch in (
        (states[0], step_a, "AB", row - 1),
        (states[1], step_b, "BA", row),
    ):
        here, there = state_after(trajectory, epoch), state_after(trajectory, epoch + 1)
        losses = both_losses(run, trajectory, epoch)
        assert line.split() == [letters[0], *map(str, (epoch, *map(float, here), *losses))]
        high = (here[0] * run.X + here[1] > run.y).sum().item()
        assert high in (0, len(run.y)), "one sign for all"
        sign = 1 if high else -1
        np.testing.assert_allclose(
            np.subtract(here, there), [0.01 * sign * mean, 0.01 * sign], rtol=0, atol=STEP
        )
        words, off = step.removesuffix(" off.").rsplit(", ", 1)
        gradient = f"({sign * mean:+.4f}, {sign:+.4f})"
        assert words == (
            f"At {letters[0]} {high} of {len(run.y)} predictions are too high: "
            f"gradient {gradient}. A step leads to {letters[1]}"
        )
        assert float(off) <= (0 if X86 else float(f"{STEP:.0g}"))
    train_a, test_b = both_losses(run, trajectory, row - 1)[0], losses[1]
    assert train_a == trajectory.loss[row], "measured before the step"
    assert printed_row == f"Epoch: {row} | Train loss: {train_a} | Test loss: {test_b}"


def test_find_cycle_knows_nothing_beforehand():
    def made_up(*states):
        states = np.array(states, np.float32)
        return Trajectory(*np.zeros((3, len(states))), states, -states)

    for states, cycle, row in (((5, 1, 2, 3, 1, 2), (1, 3), 3), ((0, 1, 2, 4, 4), (3, 1), 6)):
        assert limit_cycle.find_cycle(made_up(*states)) == cycle
        assert limit_cycle.next_row(made_up(*states), every=3) == row
    with pytest.raises(ValueError, match="in 4 epochs no state came back"):
        limit_cycle.find_cycle(made_up(1, 2, 3, 4))


def test_the_picture_shows_each_models_two_losses_and_what_the_row_takes_from_which(ran):
    trajectory, (_, figures) = trained("section 6"), ran(limit_cycle)
    models, epochs = figures["limit_cycle"].axes
    a, b = (both_losses(RUN, trajectory, epoch) for epoch in (119, 120))
    assert (a[0], b[1]) == pytest.approx((0.0012645, 0.0138018), abs=5e-8), "the README's row"
    bars = np.reshape([bar.get_height() for bar in models.patches if bar.get_width() < 1], (2, 3))
    np.testing.assert_array_equal(bars, [(a[0], b[0], a[0]), (a[1], b[1], b[1])])
    assert [text.get_text() for text in models.texts] == [f"{loss:.4f}" for loss in bars.ravel()]
    names = [label.get_text().replace("\n", " ") for label in models.get_xticklabels()]
    for name, letter, epoch in zip(names, "AB", (119, 120)):
        state = state_after(trajectory, epoch)
        assert name == "model {}: weight {:.4f}, bias {:.4f}".format(letter, *state)
    train, test, *rows = epochs.lines
    right = np.transpose([both_losses(RUN, trajectory, epoch) for epoch in range(118, 132)])
    for line, losses in zip((train, test), right):
        np.testing.assert_array_equal(line.get_xydata().T, [range(118, 132), losses])
    for row, line in zip((120, 130), rows, strict=True):
        assert line.get_xydata().tolist() == [[row - 1, a[0]], [row, b[1]]]
    letters = [label.get_text() for label in epochs.get_xticklabels()]
    assert letters == [f"{epoch}\n{'BA'[epoch % 2]}" for epoch in range(118, 132)]


def test_under_a_schedule_the_steps_by_hand_are_torchs():
    run = RUN._replace(X=RUN.X.double(), y=RUN.y.double(), epochs=310)  # beyond the second fall
    ours, theirs = (
        train(run, "lr times 0.1 every 100 epochs")
        for train in (schedules.train_by_hand, schedules.train_by_torch)
    )
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=SCHEDULED)


@pytest.mark.slow
def test_each_schedules_rates_are_torchs_and_its_end_is_so_printed_and_drawn(ran, monkeypatch):
    runs, train = {}, schedules.train_by_hand
    monkeypatch.setattr(
        schedules, "train_by_hand", lambda run, name: runs.setdefault(name, train(run, name))
    )
    text, figures = ran(schedules)
    table = [re.split(r"  +", line) for line in text.splitlines()[3:7]]
    rates, losses = figures["schedules"].axes
    ends = {}
    for (name, *numbers), line, band in zip(table, rates.lines, losses.collections, strict=True):
        _, scheduler, options = schedules.SCHEDULES[name]
        optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.01)
        scheduler = getattr(torch.optim.lr_scheduler, scheduler)(optimizer, **options)
        right = []
        for _ in range(310):
            right.append(scheduler.get_last_lr()[0])
            optimizer.step()
            scheduler.step()
        np.testing.assert_allclose(line.get_ydata()[:310], right, rtol=0, atol=RATE)
        named = all(str(value) in name for value in options.values())
        assert named or options == dict(T_max=1000) or name == "fixed"
        ends[name], by_torch, test_loss = map(float, numbers)
        right = [float(f"{loss:.1e}") for loss in both_losses(RUN, runs[name])]
        assert [ends[name], test_loss] == right
        assert ends[name] / 2 < by_torch < ends[name] * 2, "float32 moves the end of cosine so far"
        assert_is_the_band_of(runs[name].loss, band, rtol=0)
        assert to_rgb(line.get_color()) == tuple(band.get_facecolor()[0][:3])
    assert list(ends) == [line.get_label() for line in rates.lines] == [*schedules.SCHEDULES]
    assert f"chooses a schedule: {CHOSEN}.\n" in text
    assert ends[CHOSEN] == min(ends.values()) <= SETTLED
    assert ends["lr times 0.1 every 100 epochs"] > ends["fixed"], "it stops short"
    assert "near 1 are 6e-08 apart" in text
