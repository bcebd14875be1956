"""limit_cycle and schedules: the cycle, its cause, what ends it, and what the programs show."""

import platform
import re

import numpy as np
import pytest
import torch
from conftest import assert_is_the_band_of
from matplotlib.colors import to_rgb
from published_numbers import X86

from lessons import limit_cycle, schedules
from lessons.limit_cycle import both_losses
from manual_grad import numpy_closed_form, torch_optim
from manual_grad.published_runs import TRUE_BIAS, TRUE_WEIGHT
from manual_grad.trajectory import Trajectory

RUNS = limit_cycle.mae_runs()
RUN = RUNS["section 6"]
RUN_64 = RUN._replace(X=RUN.X.double(), y=TRUE_WEIGHT * RUN.X.double() + TRUE_BIAS)

# A float32 step with lr = 0.01 ends at parameters below 1: at most 2^-25. Its gradient is a sum of
# at most 80 terms with a mean of 0.4: 0.01 * 81 * 2^-24 * 0.4 = 2e-8. Both are less than 2^-24.
STEP = 2.0**-24
# Rates of at most 0.01 in float64: torch multiplies its way through 310 epochs, 4 roundings each.
RATE = 310 * 4 * 2.0**-53 * 0.01
# The float64 runs under them: a rate's difference times a gradient of at most 1, and 3 roundings.
SCHEDULED = 310 * (RATE + 3 * 2.0**-53)
# "lr times 0.1 every 150 epochs" settles at a rate of 1e-7, the last one that moves the bias. Its
# states lie 1.4e-7 apart in a prediction at x = 1. Six roundings of 2^-25 add 1.8e-7.
SETTLED = 3.3e-7

CHOSEN, FIXED = "lr times 0.1 every 150 epochs", "fixed"
# The epoch after which each cycle has begun, as measured on x86-64 and on Linux ARM64.
FIRST = {"section 3": 168, "section 6": 115, "exercise": 246, "exercise, author's": 229}
MEASURED = X86 or platform.machine() == "aarch64"


@pytest.fixture(scope="module", params=RUNS)
def cycle(request):
    """Return name, run, torch.optim's Trajectory, the epoch of the next row, states A and B."""
    run = RUNS[request.param]
    trajectory = run.train(torch_optim.train)
    row = limit_cycle.next_row(trajectory, limit_cycle.EVERY[request.param])
    states = [limit_cycle.state_after(trajectory, epoch) for epoch in (row - 1, row)]
    return request.param, run, trajectory, row, *states


def test_the_cycle_has_two_states_for_ever_one_step_apart(cycle):
    name, run, trajectory, _, a, b = cycle
    first, period = limit_cycle.find_cycle(trajectory)
    assert period == 2
    assert first == FIRST[name] or not MEASURED
    for column in (trajectory.weight, trajectory.bias):
        np.testing.assert_array_equal(column[first:-2], column[first + 2 :])
        assert (column[first:-1] != column[first + 1 :]).all()
    one_step = run.lr * np.array([run.X.double().mean().item(), 1])
    np.testing.assert_allclose(np.abs(np.subtract(a, b)), one_step, rtol=0, atol=STEP)


def test_all_signs_are_equal_so_each_step_leads_to_the_other_state(cycle, capsys):
    name, run, trajectory, _, a, b = cycle
    X, y, n = run.X.numpy(), run.y.numpy(), len(run.X)
    mean = X.mean(dtype=float)
    sign = 1 if a[1] > b[1] else -1  # the higher of the two lines is too high everywhere
    for here, there, expected in ((a, b, sign), (b, a, -sign)):
        gradient, signs = limit_cycle.gradient_at(here, X, y)
        assert (signs == expected).all()
        np.testing.assert_allclose(gradient, [expected * mean, expected], rtol=81 * 2.0**-24)
        np.testing.assert_allclose(here - np.float32(run.lr) * gradient, there, rtol=0, atol=STEP)
    limit_cycle.print_explanation({name: run}, {name: trajectory})
    *_, line_a, line_b = capsys.readouterr().out.splitlines()
    steps = f"{n} 0 (+{mean:.4f}, +1.0000)", f"0 {n} (-{mean:.4f}, -1.0000)"
    for line, letters, step in ((line_a, "AB", steps[::sign][0]), (line_b, "BA", steps[::sign][1])):
        here, there = letters
        assert " ".join(line.split()).startswith(f"{name} {mean:.4f} {here} {step} {there}, ")
        assert not X86 or line.endswith("to the bit")
    limit_cycle.print_explanation({name: run._replace(lr=0.0)}, {name: trajectory})
    assert capsys.readouterr().out.endswith(" A, within 1e-02\n")


def test_the_states_and_the_row_are_printed_with_all_digits(cycle, capsys):
    name, run, trajectory, row, a, b = cycle
    limit_cycle.print_cycle(name, run, trajectory)
    _, heading, titles, line_a, line_b, _, printed_row = capsys.readouterr().out.splitlines()
    first, _ = limit_cycle.find_cycle(trajectory)
    assert heading == f"# 1. The cycle, {name}: from epoch {first} on, 2 states"
    assert row in range(0, 1000, 20 if "exercise" in name else 10), "a row that a tutorial prints"
    losses = [both_losses(run, trajectory, epoch) for epoch in (row - 1, row)]
    assert line_a.split() == ["A", *map(str, (row - 1, *map(float, a), *losses[0]))]
    assert line_b.split() == ["B", *map(str, (row, *map(float, b), *losses[1]))]
    assert len(line_a) == len(line_b) == len(titles) <= 100
    train_a, test_b = losses[0][0], losses[1][1]
    assert train_a == trajectory.loss[row], "measured before the step"
    assert printed_row == f"Epoch: {row} | Train loss: {train_a} | Test loss: {test_b}"


def test_find_cycle_knows_nothing_beforehand():
    def made_up(*states):
        states = np.array(states, np.float32)
        return Trajectory(*np.zeros((3, len(states))), states, -states)

    for states, cycle, row in (((5, 1, 2, 3, 1, 2), (1, 3), 3), ((0, 1, 2, 4, 4), (3, 1), 6)):
        assert limit_cycle.find_cycle(made_up(*states)) == cycle
        assert limit_cycle.next_row(made_up(*states), every=3) == row
    with pytest.raises(ValueError, match="trajectory has no cycle: in 4 epochs no state came back"):
        limit_cycle.find_cycle(made_up(1, 2, 3, 4))


def test_the_distance_is_proportional_to_the_learning_rate(capsys):
    length = np.hypot(RUN.X.double().mean().item(), 1)
    for rate, _, period, distance in limit_cycle.amplitudes(RUN, (0.04, 0.005)):
        assert period == 2
        assert abs(distance - rate * length) <= 4 * STEP
    limit_cycle.print_amplitudes(RUN)
    *lines, last = capsys.readouterr().out.splitlines()[3:]
    assert [line.split()[0] for line in lines] == ["0.04", "0.02", "0.01", "0.005", "0.0025"]
    assert {line.split()[-1] for line in lines} == {last.split()[-1]} == {f"{length:.4f}"}


@pytest.mark.slow
def test_the_picture_shows_each_models_two_losses_and_what_the_row_takes_from_which(ran):
    trajectory, (text, figures) = RUN.train(torch_optim.train), ran(limit_cycle)
    models, epochs = figures["limit_cycle"].axes
    a, b = (both_losses(RUN, trajectory, epoch) for epoch in (119, 120))
    assert text.count(f"\nEpoch: 120 | Train loss: {a[0]} | Test loss: {b[1]}\n") == 1
    bars = np.reshape([bar.get_height() for bar in models.patches if bar.get_width() < 1], (2, 3))
    np.testing.assert_array_equal(bars, [(a[0], b[0], a[0]), (a[1], b[1], b[1])])
    assert [text.get_text() for text in models.texts] == [f"{loss:.4f}" for loss in bars.ravel()]
    names = [label.get_text().replace("\n", " ") for label in models.get_xticklabels()]
    for name, letter, epoch in zip(names, "AB", (119, 120)):
        state = limit_cycle.state_after(trajectory, epoch)
        assert name == "model {}: weight {:.4f}, bias {:.4f}".format(letter, *state)
    assert names[2] == "printed row: train loss of A, test loss of B"
    train, test, *rows = epochs.lines
    right = np.transpose([both_losses(RUN, trajectory, epoch) for epoch in range(118, 132)])
    for line, losses in zip((train, test), right):
        np.testing.assert_array_equal(line.get_xydata().T, [range(118, 132), losses])
    for row, line in zip((120, 130), rows, strict=True):
        assert line.get_xydata().tolist() == [[row - 1, a[0]], [row, b[1]]]
    letters = [label.get_text() for label in epochs.get_xticklabels()]
    assert letters == [f"{epoch}\n{'BA'[epoch % 2]}" for epoch in range(118, 132)]


@pytest.mark.parametrize("schedule", schedules.SCHEDULES)
def test_rates_and_runs_under_a_schedule_are_torchs(schedule):
    run = RUN_64._replace(epochs=310)  # beyond the second decay of each schedule
    formula, name, options = schedules.SCHEDULES[schedule]
    assert options == dict(T_max=RUN.epochs) or all(str(x) in schedule for x in options.values())
    rates = schedules.rates_by_torch(run, schedule)
    np.testing.assert_allclose(formula(run.lr, 310, **options), rates, rtol=0, atol=RATE)
    weight, bias = (run.X.new_tensor(start, requires_grad=True) for start in (run.weight, run.bias))
    optimizer = torch.optim.SGD([weight, bias], lr=run.lr)
    scheduler = getattr(torch.optim.lr_scheduler, name)(optimizer, **options)
    ours = schedules.train_by_hand(run, schedule)
    for state in zip(ours.weight, ours.bias, strict=True):
        optimizer.zero_grad()
        torch.nn.functional.l1_loss(weight * run.X + bias, run.y).backward()
        optimizer.step()
        scheduler.step()
        np.testing.assert_allclose(state, (weight.item(), bias.item()), rtol=0, atol=SCHEDULED)


@pytest.mark.slow
def test_each_schedule_ends_where_the_table_says_and_is_drawn_as_it_falls(ran):
    text, figures = ran(schedules)
    table = [re.split(r"  +", line) for line in text.splitlines()[3:12]]
    ends = {
        name: [float(number) for number in numbers if number != "-"] for name, *numbers in table
    }
    fixed = RUN.train(numpy_closed_form.train)
    for epochs in (999, 1000):
        losses = [float(f"{loss:.1e}") for loss in both_losses(RUN, fixed, epochs - 1)]
        assert ends[f"fixed, 0.01, {epochs} epochs"] == losses
    best, last = ends[CHOSEN], ends["trained with MSE, fixed, 0.8296"]
    assert f"chooses a schedule: {CHOSEN}.\n" in text
    assert best[0] == min(ends[name][0] for name in schedules.SCHEDULES)
    assert max(best) <= SETTLED
    assert max(last) < 5e-7, "rounding of float32, on the training data and beyond"
    too_soon = {
        name for name in schedules.SCHEDULES if ends[name][0] > ends["fixed, 0.01, 1000 epochs"][0]
    }
    assert too_soon == {"lr times 0.1 every 100 epochs", "exponential, 0.98"}
    assert "near 1 are 6e-08 apart" in text

    rates, losses = figures["schedules"].axes
    names = [label.get_text() for label in losses.get_legend().texts]
    assert names == [FIXED, "lr times 0.1 every 100 epochs", "cosine", CHOSEN]
    for name, line, band in zip(names, rates.lines, losses.collections, strict=True):
        right = np.full(1000, 0.01) if name == FIXED else schedules.rates_by_torch(RUN, name)
        np.testing.assert_allclose(line.get_ydata(), right, rtol=1e-9)
        run = fixed if name == FIXED else schedules.train_by_hand(RUN, name)
        assert_is_the_band_of(run.loss, band, rtol=0)
        assert to_rgb(line.get_color()) == tuple(band.get_facecolor()[0][:3])
