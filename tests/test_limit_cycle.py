"""limit_cycle and schedules: the cycle, its cause, what ends it, and what the programs show."""

import functools
import re

import numpy as np
import pytest
from conftest import assert_is_the_band_of
from numpy.testing import assert_allclose, assert_array_equal
from pictures import assert_key, color
from published_numbers import X86
from torch import nn

from lessons import limit_cycle, schedules
from manual_grad import numpy_closed_form, torch_optim
from manual_grad.published_runs import published_runs
from manual_grad.trajectory import find_cycle

RUNS = published_runs()
RUN = RUNS["section 6"]

# A float32 step with lr = 0.01 ends at parameters below 1: at most 2^-25. Its gradient is a sum of
# at most 80 terms with a mean of 0.4: 0.01 * 81 * 2^-24 * 0.4 = 2e-8. Both are less than 2^-24.
STEP = 2.0**-24
LOSS = 81 * 2.0**-24 * 0.02  # a mean of at most 80 residuals, which are below 0.02
# Rates of at most 0.01 in float64: torch multiplies its way through 310 epochs, 4 roundings each.
RATE = 310 * 4 * 2.0**-53 * 0.01
# The float64 run under them: a rate's difference times a gradient of at most 1, and 3 roundings.
SCHEDULED = 310 * (RATE + 3 * 2.0**-53)

CHOSEN = "lr times 0.1 every 150 epochs"
# Rows are printed every 10 or 20 epochs: the first one after which the states repeat.
ROWS = {"section 3": 170, "section 6": 120, "exercise": 260, "exercise, author's": 240}


def losses_by_torch(run, weight, bias):
    data = (run.X, run.y), (run.X_test, run.y_test)
    return [nn.L1Loss()(float(weight) * X + float(bias), y).item() for X, y in data]


@functools.cache
def states(name):
    """Return the states (weight, bias) after each of 500 epochs of a run, by torch.optim."""
    trajectory = RUNS[name]._replace(epochs=500).train(torch_optim.train)
    return np.transpose([trajectory.weight, trajectory.bias])


@pytest.mark.parametrize("name", ROWS)
def test_each_cycle_has_two_states_and_the_table_shows_their_losses(name, ran):
    run, row = states(name), ROWS[name]
    first = (run[2:] == run[:-2]).all(axis=1).argmax()
    text = ran(limit_cycle)[0].split(f"# The cycle, {name}: from epoch {first} on, 2 states\n")[1]
    lines = text.splitlines()
    a, b = (line.split() for line in lines[1:3])
    for letter, words, epoch in (("A", a, row - 1), ("B", b, row)):
        state = run[epoch].tolist()
        assert words[:4] == [letter, *map(str, (epoch, *state))]
        losses = losses_by_torch(RUNS[name], *state)
        assert_allclose(np.array(words[4:], float), losses, rtol=0, atol=LOSS)
    assert lines[6] == f"Epoch: {row} | Train loss: {a[4]} | Test loss: {b[5]}"


@pytest.mark.parametrize("name", ROWS)
def test_the_states_lie_one_step_apart_with_one_sign_for_all(name, ran):
    run, pair = RUNS[name], states(name)[ROWS[name] - 1 :][:2]
    lines = ran(limit_cycle)[0].split(f"# The cycle, {name}: ")[1].splitlines()[4:6]
    for here, there, letter, other, line in zip(pair, pair[::-1], "AB", "BA", lines):
        high = (here[0] * run.X + here[1] > run.y).sum().item()
        assert high in (0, len(run.y))
        gradient = np.array([run.X.double().mean(), 1]) * (1 if high else -1)
        assert_allclose(here - there, 0.01 * gradient, rtol=0, atol=STEP)
        words, off = line.removesuffix(" off.").rsplit(", ", 1)
        assert words.startswith(f"At {letter} {high} of {len(run.y)} predictions are too high")
        assert words.endswith("({:+.4f}, {:+.4f}). A step leads to {}".format(*gradient, other))
        assert float(off) <= (0 if X86 else float(f"{STEP:.0g}"))


def test_a_cycle_is_found_with_its_first_state_and_its_period():
    assert find_cycle([5, 1, 2, 3, 1, 2]) == (1, 3)
    assert find_cycle([0, 1, 2, 4, 4]) == (3, 1)
    with pytest.raises(ValueError, match="in 3 epochs no state came back"):
        find_cycle([0, 1, 2])


def test_the_bars_are_both_models_losses_and_those_that_the_row_takes_from_them(ran):
    left, _ = ran(limit_cycle)[1]["limit_cycle"].axes
    a, b = (losses_by_torch(RUN, *state) for state in states("section 6")[119:121])
    right = np.array([(a[0], b[0], a[0]), (a[1], b[1], b[1])])
    heights = [[bar.get_height() for bar in bars] for bars in left.containers]
    assert_allclose(heights, right, rtol=0, atol=LOSS)
    assert [note.get_text() for note in left.texts] == [f"{loss:.4f}" for loss in right.ravel()]
    assert_key(left.get_legend(), dict(zip(("train loss", "test loss"), left.containers)))


def test_each_bar_has_a_place_of_its_own_that_no_number_touches(ran):
    left, _ = ran(limit_cycle)[1]["limit_cycle"].axes
    left.figure.draw_without_rendering()
    bars = [bar.get_window_extent() for pair in zip(*left.containers) for bar in pair]
    assert all(one.x1 < other.x0 for one, other in zip(bars, bars[1:]))
    numbers = [note.get_window_extent() for note in left.texts]
    assert not any(bar.overlaps(number) for bar in bars for number in numbers)


def test_below_each_pair_of_bars_stands_its_model_and_the_rows_pair_is_on_grey(ran):
    left, _ = ran(limit_cycle)[1]["limit_cycle"].axes
    (grey,) = (patch for patch in left.patches if patch not in sum(left.containers, ()))
    for i, (place, bars) in enumerate(zip(left.get_xticks(), zip(*left.containers), strict=True)):
        assert bars[0].get_x() < place < bars[1].get_x() + bars[1].get_width()
        assert grey.get_x() < place < grey.get_x() + grey.get_width() or i < 2
    for label, letter, state in zip(left.get_xticklabels(), "AB", states("section 6")[119:]):
        words = "model {}:\nweight {:.4f},\nbias {:.4f}".format(letter, *state)
        assert label.get_text() == words


def test_the_models_take_turns_and_each_ring_lies_on_what_its_row_prints(ran):
    left, axes = ran(limit_cycle)[1]["limit_cycle"].axes
    train, test, *rows = axes.lines
    epochs = np.arange(118, 132)
    losses = [losses_by_torch(RUN, *state) for state in states("section 6")[epochs]]
    for line, right in zip((train, test), np.transpose(losses)):
        assert_allclose(line.get_xydata().T, [epochs, right], rtol=0, atol=LOSS)
    for row, line, note in zip((120, 130), rows, axes.texts, strict=True):
        points = np.array([train.get_xydata()[row - 119], test.get_xydata()[row - 118]])
        assert_array_equal(line.get_xydata(), points)
        assert note.get_text() == f"row {row}"
        assert_array_equal(note.xy, points[1])
    drawn = {"train loss of the model": [train], "test loss of the model": [test]}
    assert_key(axes.get_legend(), drawn | {"a printed row: train loss of A,\ntest loss of B": rows})
    assert [color(line) for line in (train, test)] == [color(bar[0]) for bar in left.containers]
    ticks = [label.get_text() for label in axes.get_xticklabels()]
    assert ticks == [f"{epoch}\n{'BA'[epoch % 2]}" for epoch in epochs]


@pytest.fixture(scope="module")
def scheduled():
    return {
        name: RUN.train_at(schedules.rates(RUN, name), numpy_closed_form.train)
        for name in schedules.SCHEDULES
    }


@pytest.mark.parametrize("name", schedules.SCHEDULES)
def test_under_each_schedule_the_steps_by_hand_are_torchs_and_its_name_holds(name):
    run = RUN._replace(X=RUN.X.double(), y=RUN.y.double(), epochs=310)  # beyond the second fall
    ours = run.train_at(schedules.rates(run, name), numpy_closed_form.train)
    assert_allclose(ours, schedules.train_by_torch(run, name), rtol=0, atol=SCHEDULED)
    options = schedules.SCHEDULES[name][2].values()
    assert all(str(value) in name for value in options) or name in ("cosine", "fixed")


@pytest.mark.slow
def test_each_schedules_end_is_printed_and_the_smallest_train_loss_chooses(ran, scheduled):
    text, _ = ran(schedules)
    ends = {}
    for line, (name, run) in zip(text.splitlines()[3:7], scheduled.items()):
        title, *numbers = re.split(r"  +", line)
        assert title == name
        ends[name], by_torch, test_loss = map(float, numbers)
        right = losses_by_torch(RUN, run.weight[-1], run.bias[-1])
        assert_allclose([ends[name], test_loss], right, rtol=0.05)  # two digits are printed
        assert ends[name] / 2 < by_torch < ends[name] * 2, "float32 moves the end of cosine so far"
    assert f"chooses a schedule: {CHOSEN}.\n" in text
    assert ends[CHOSEN] == min(ends.values())
    assert ends["lr times 0.1 every 100 epochs"] > ends["fixed"], "it stops short"
    assert "near 1 are 6e-08 apart" in text


@pytest.mark.slow
def test_rates_and_losses_are_drawn_as_the_key_says(ran, scheduled):
    left, right = ran(schedules)[1]["schedules"].axes
    drawn = {}
    for (name, run), line, band, marks in zip(
        scheduled.items(), left.lines, right.collections, right.lines, strict=True
    ):
        assert_array_equal(line.get_ydata(), schedules.rates(RUN, name))
        assert_is_the_band_of(run.loss, band, rtol=0)
        epochs = marks.get_xdata()
        assert_array_equal(marks.get_ydata(), run.loss[epochs])
        assert epochs[1] % 2 == 1, "markers on both edges of a band"
        drawn[name] = [line, band, marks]
    noted = {"too soon: stops short": "lr times 0.1 every 100 epochs", "rounding": CHOSEN}
    for text in right.texts:
        assert 1 < text.get_position()[1] / scheduled[noted.pop(text.get_text())].loss[-1] < 2
    assert not noted
    (key,) = left.figure.legends
    assert_key(key, drawn)
