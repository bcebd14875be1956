"""limit_cycle.py: each statement about the cycle, its explanation, and what ends it."""

import numpy as np
import pytest
import torch
from published_numbers import PUBLISHED, X86, printed_under
from tolerances import (
    CYCLE_ELSEWHERE,
    SCHEDULE_FLOAT32,
    SCHEDULE_FLOAT64,
    SCHEDULE_RATE,
)

from manual_grad import limit_cycle, numpy_closed_form, torch_optim
from manual_grad.compare import published_runs
from manual_grad.trajectory import Trajectory

TESTS = limit_cycle.unseen_data()
RUNS = {name: published_runs()[name] for name in TESTS}
RUNS["section 3"] = RUNS["section 3"]._replace(epochs=1000)
NAMES = pytest.mark.parametrize("name", RUNS)
SCHEDULES = pytest.mark.parametrize("schedule", limit_cycle.SCHEDULES)
BEST = "step, 0.1 every 150"

# First epoch after which the state comes back, and the two states, as measured with torch 2.13.0.
CYCLES = {
    "section 3": (
        168,
        (0.6951308250427246, 0.29931047558784485),
        (0.6990308165550232, 0.3093104660511017),
    ),
    "section 6": (
        115,
        (0.6968093514442444, 0.3025088608264923),
        (0.6929093599319458, 0.2925088703632355),
    ),
    "exercise": (
        246,
        (0.30676499009132385, 0.9010095596313477),
        (0.3028149902820587, 0.8910095691680908),
    ),
}


@pytest.fixture(scope="module")
def trajectories():
    return {name: run.train(torch_optim.train) for name, run in RUNS.items()}


def states_of(trajectory):
    first, period = limit_cycle.find_cycle(trajectory)
    return [limit_cycle.state_after(trajectory, first + i) for i in range(period)]


@NAMES
def test_the_cycle_has_exactly_two_states(name, trajectories):
    trajectory = trajectories[name]
    first, period = limit_cycle.find_cycle(trajectory)
    assert period == 2
    expected_first, *expected = CYCLES[name]
    if X86:
        assert first == expected_first
        assert states_of(trajectory) == expected
    np.testing.assert_allclose(states_of(trajectory), expected, rtol=0, atol=CYCLE_ELSEWHERE)
    for column in (trajectory.weight, trajectory.bias):
        np.testing.assert_array_equal(column[first:-2], column[first + 2 :])
        assert (column[first:-1] != column[first + 1 :]).all()


@pytest.mark.parametrize(
    ("states", "cycle"),
    [
        ([1, 2, 3, 4], None),
        ([1, 2, 3, 2, 3, 2], (1, 2)),
        ([5, 1, 2, 3, 1, 2], (1, 3)),
        ([1, 2, 2, 2], (1, 1)),
    ],
)
def test_find_cycle_knows_nothing_beforehand(states, cycle):
    states = np.array(states, np.float32)
    nothing = np.zeros_like(states)
    run = Trajectory(nothing, nothing, nothing, states, -states)
    assert limit_cycle.find_cycle(run) == cycle


def test_a_run_without_a_cycle_or_with_three_states_is_said_to_be_one(capsys):
    run, nothing = RUNS["section 6"], np.zeros(6, np.float32)
    for weights in ([1, 2, 3, 4, 5, 6], [1, 2, 3, 1, 2, 3]):
        weights = np.array(weights, np.float32)
        trajectory = Trajectory(nothing, nothing, nothing, weights, weights)
        limit_cycle.print_cycle("made up", run, trajectory, TESTS["section 6"], every=1)
        limit_cycle.print_explanation("made up", run, trajectory)
    output = capsys.readouterr().out
    assert "made up: no state came back" in output
    assert "made up: from epoch 0 on, 3 states" in output
    assert "    C  " in output


def test_each_printed_row_takes_its_two_losses_from_two_states(trajectories):
    """Train loss from before the step, test loss from after it: the published row, to the digit."""
    run, test_set = RUNS["section 6"], TESTS["section 6"]
    rows = PUBLISHED["workflow_notebook"]["6_training"]["rows"]
    for epoch, train_loss, test_loss in rows[12:]:
        before, after = (
            limit_cycle.state_after(trajectories["section 6"], e) for e in (epoch - 1, epoch)
        )
        assert before != after
        halves = limit_cycle.loss_at(before, run.X, run.y), limit_cycle.loss_at(after, *test_set)
        if X86:
            assert tuple(map(str, halves)) == (train_loss, test_loss)
        else:
            assert halves == pytest.approx((float(train_loss), float(test_loss)), abs=0.02)


@pytest.mark.skipif(not X86, reason="the published states, to the bit, are those of an x86-64 CPU")
def test_the_states_true_losses_have_no_tenfold_gap(trajectories):
    run, test_set = RUNS["section 6"], TESTS["section 6"]
    losses = [
        (limit_cycle.loss_at(state, run.X, run.y), limit_cycle.loss_at(state, *test_set))
        for state in states_of(trajectories["section 6"])
    ]
    assert losses[0] == pytest.approx((0.0012645, 0.00033082), rel=1e-4)
    assert losses[1] == pytest.approx((0.0102565, 0.0138018), rel=1e-4)


@NAMES
def test_one_closed_form_step_leads_from_each_state_to_the_other(name, trajectories):
    """The derivation: opposite signs at all points, so opposite gradients (mean of x, 1)."""
    X, y = RUNS[name].X.numpy(), RUNS[name].y.numpy()
    a, b = states_of(trajectories[name])
    (gradient_a, signs_a), (gradient_b, signs_b) = (
        limit_cycle.gradient_at(state, X, y) for state in (a, b)
    )
    assert abs(signs_a.sum()) == len(X)
    np.testing.assert_array_equal(signs_a, -signs_b)
    np.testing.assert_array_equal(gradient_a, -gradient_b)
    expected = signs_a[0] * np.array([X.astype(float).mean(), 1])
    np.testing.assert_allclose(gradient_a, expected, rtol=0, atol=2**-23)
    lr = np.float32(limit_cycle.LR)
    for start, gradient, end in ((a, gradient_a, b), (b, gradient_b, a)):
        if X86:
            np.testing.assert_array_equal(start - lr * gradient, end)
        np.testing.assert_allclose(start - lr * gradient, end, rtol=0, atol=2**-22)


def test_the_amplitude_is_proportional_to_the_learning_rate():
    run = RUNS["section 6"]
    rows = limit_cycle.amplitudes(run)
    assert len(rows) >= 4
    for rate, _, period, distance in rows:
        assert period == 2
        expected = rate * np.hypot(run.X.double().mean().item(), 1)
        assert distance == pytest.approx(expected, rel=1e-4)


@SCHEDULES
def test_the_rates_by_hand_are_torchs(schedule):
    formula, name, options = limit_cycle.SCHEDULES[schedule]
    _, rates = limit_cycle.train_with_scheduler(RUNS["section 6"], name, options, 1000)
    by_hand = formula(limit_cycle.LR, 1000, **options)
    assert by_hand.shape == (1000,)
    np.testing.assert_allclose(by_hand, rates, rtol=0, atol=SCHEDULE_RATE)


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float64, SCHEDULE_FLOAT64), (torch.float32, SCHEDULE_FLOAT32)],
    ids=["float64", "float32"],
)
@SCHEDULES
def test_runs_under_a_schedule_by_hand_are_torchs(schedule, dtype, tolerance):
    run = RUNS["section 6"]
    run = run._replace(X=run.X.to(dtype), y=run.y.to(dtype))
    formula, name, options = limit_cycle.SCHEDULES[schedule]
    states, _ = limit_cycle.train_with_scheduler(run, name, options, 1000)
    by_hand = limit_cycle.train_with_rates(run, formula(limit_cycle.LR, 1000, **options))
    ours = np.stack([by_hand.weight, by_hand.bias], axis=1)
    np.testing.assert_allclose(ours, states, rtol=0, atol=tolerance)


def test_a_schedule_with_a_wrong_decay_would_be_seen():
    """The comparison is checked: a gamma that is 0.1% off is not taken for torch's."""
    run = RUNS["section 6"]
    states, _ = limit_cycle.train_with_scheduler(run, "ExponentialLR", dict(gamma=0.992), 1000)
    wrong = limit_cycle.train_with_rates(run, limit_cycle.exponential(0.01, 1000, gamma=0.991))
    ours = np.stack([wrong.weight, wrong.bias], axis=1)
    assert np.abs(ours - states).max() > SCHEDULE_FLOAT32


@pytest.mark.parametrize("by", ["hand", "torch"])
def test_a_schedule_ends_the_cycle_at_float32s_own_rounding(by, trajectories):
    run, test_set = RUNS["section 6"], TESTS["section 6"]
    better = min(
        limit_cycle.loss_at(state, *test_set) for state in states_of(trajectories["section 6"])
    )
    printed = float(PUBLISHED["workflow_notebook"]["6_training"]["rows"][-1][2])
    formula, name, options = limit_cycle.SCHEDULES[BEST]
    if by == "hand":
        trajectory = limit_cycle.train_with_rates(run, formula(0.01, 1000, **options))
        last = limit_cycle.state_after(trajectory, -1)
    else:
        last = limit_cycle.train_with_scheduler(run, name, options, 1000)[0][-1]
    loss = limit_cycle.loss_at(last, *test_set)
    assert loss < 2**-22, "a few float32 steps of labels around 1"
    assert printed / loss > 10_000
    assert better / loss > 1_000


def test_a_decay_that_is_too_fast_stops_short():
    run, test_set = RUNS["section 6"], TESTS["section 6"]
    for schedule in ("step, 0.1 every 100", "exponential, 0.98"):
        formula, _, options = limit_cycle.SCHEDULES[schedule]
        trajectory = limit_cycle.train_with_rates(run, formula(0.01, 1000, **options))
        loss = limit_cycle.loss_at(limit_cycle.state_after(trajectory, -1), *test_set)
        assert loss > 5e-3


def test_mse_has_no_cycle_and_is_still_far_from_the_optimum():
    run = RUNS["section 6"]._replace(loss="mse", epochs=1000)
    trajectory = run.train(numpy_closed_form.train)
    assert limit_cycle.find_cycle(trajectory) is None
    lengths = np.hypot(trajectory.weight_grad, trajectory.bias_grad)
    assert (np.diff(lengths) < 0).mean() > 0.9, "its steps shrink"
    weight, bias = limit_cycle.state_after(trajectory, -1)
    assert abs(weight - 0.7) > 0.05
    assert limit_cycle.loss_at((weight, bias), *TESTS["section 6"]) > 0.02


def test_the_output_shows_the_cycle_and_the_row_put_together(runs):
    output = runs("limit_cycle").stdout
    assert runs("limit_cycle").stderr == ""
    for name, (first, *_) in CYCLES.items():
        heading = f"1. The cycle, {name}: from epoch {first} on, 2 states"
        assert not X86 or heading in output
    if X86:
        body = printed_under("1. The cycle, section 6: from epoch 115 on, 2 states", output)
        _, train_loss, test_loss = PUBLISHED["workflow_notebook"]["6_training"]["rows"][12]
        assert f"Epoch: 120 | Train loss: {train_loss} | Test loss: {test_loss}" in body
        assert output.count("to the bit") == 6
        assert "off by" not in output


def test_the_picture_holds_printed_points_zigzag_and_schedule(trajectories):
    run, test_set = RUNS["section 6"], TESTS["section 6"]
    trajectory = trajectories["section 6"]
    formula, _, options = limit_cycle.SCHEDULES[BEST]
    scheduled = limit_cycle.train_with_rates(run, formula(0.01, 1000, **options))
    close, whole = limit_cycle.plot(run, trajectory, scheduled, test_set)
    zigzag, printed, curve = whole.get_lines()
    assert len(zigzag.get_xdata()) == len(curve.get_xdata()) == 1000
    rows = PUBLISHED["workflow_notebook"]["6_training"]["rows"]
    assert list(printed.get_xdata()) == [row[0] for row in rows]
    expected = [float(row[2]) for row in rows]
    np.testing.assert_allclose(printed.get_ydata(), expected, rtol=0, atol=0.02)
    if X86:
        np.testing.assert_allclose(printed.get_ydata(), expected, rtol=1e-4)
    assert curve.get_ydata()[-1] < 1e-6
    assert [line.get_label() for line in close.get_lines()] == [
        zigzag.get_label(),
        printed.get_label(),
    ]
    for axes in (close, whole):
        assert axes.get_xlabel() == "epoch"
        assert axes.get_yscale() == "log"
        assert axes.get_title()
    assert "test loss" in close.get_ylabel()
    limit_cycle.plt.close("all")
