"""limit_cycle.py: each statement about the cycle, and its explanation."""

import platform

import numpy as np
import pytest
from published_numbers import PUBLISHED, X86
from tolerances import CYCLE_DISTANCE, CYCLE_LOSS, CYCLE_STEP
from trained import by_torch, states_of

from beyond import limit_cycle
from manual_grad.trajectory import Trajectory

RUNS = limit_cycle.mae_runs()
NAMES = pytest.mark.parametrize("name", RUNS)
ROWS = PUBLISHED["workflow_notebook"]["6_training"]["rows"]

# The epoch after which the state comes back, and the two states. They were equal to the bit on
# x86-64 (AVX-512, AVX2, SSE) and on ARM64 (NEON, SVE), torch 2.0.1 to 2.13.0.
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
    "exercise, author's": (
        229,
        (0.3066880404949188, 0.9010599851608276),
        (0.3027380406856537, 0.8910599946975708),
    ),
}
measured = pytest.mark.skipif(
    not X86 and platform.machine() != "aarch64",
    reason="the cycle's states to the bit were measured on x86-64 and on Linux ARM64 only",
)


@pytest.fixture(scope="module")
def trajectories():
    return {name: by_torch(name, run.epochs) for name, run in RUNS.items()}


def made_up(states):
    states = np.array(states, np.float32)
    nothing = np.zeros_like(states)
    return Trajectory(nothing, nothing, nothing, states, -states)


@NAMES
def test_the_cycle_has_exactly_two_states_and_never_ends(name, trajectories):
    trajectory = trajectories[name]
    first, period = limit_cycle.find_cycle(trajectory)
    assert period == 2
    for column in (trajectory.weight, trajectory.bias):
        np.testing.assert_array_equal(column[first:-2], column[first + 2 :])
        assert (column[first:-1] != column[first + 1 :]).all()


@measured
@NAMES
def test_the_cycle_begins_after_the_measured_epoch_with_the_measured_states(name, trajectories):
    first, _ = limit_cycle.find_cycle(trajectories[name])
    expected_first, *expected = CYCLES[name]
    assert first == expected_first
    assert [limit_cycle.state_after(trajectories[name], first + i) for i in (0, 1)] == expected


@NAMES
def test_the_two_states_lie_one_step_apart(name):
    """Recomputed from the data: lr * (mean of x, 1), whichever state comes first."""
    run = RUNS[name]
    a, b = np.array(states_of(name), float)
    expected = run.lr * np.array([run.X.double().mean().item(), 1])
    np.testing.assert_allclose(np.abs(a - b), expected, rtol=0, atol=CYCLE_STEP)


@pytest.mark.parametrize(
    ("states", "cycle"),
    [
        ([1, 2, 3, 2, 3, 2], (1, 2)),
        ([5, 1, 2, 3, 1, 2], (1, 3)),
        ([1, 2, 2, 2], (1, 1)),
    ],
)
def test_find_cycle_knows_nothing_beforehand(states, cycle):
    assert limit_cycle.find_cycle(made_up(states)) == cycle


def test_a_run_without_a_cycle_is_one_clear_error():
    none = made_up([1, 2, 3, 4])
    run = RUNS["section 6"]
    for use in (
        lambda: limit_cycle.find_cycle(none),
        lambda: limit_cycle.print_cycle("section 6", run, none),
        lambda: limit_cycle.print_explanation("section 6", run, none),
        lambda: limit_cycle.amplitudes(run._replace(weight=0.0), rates=(20,)),  # one epoch
    ):
        with pytest.raises(ValueError, match="trajectory has no cycle: in . epochs no state came"):
            use()


@measured
def test_each_printed_row_takes_its_two_losses_from_two_states():
    """Train loss from state A, test loss from state B: the published row, on x86 to the digit."""
    run = RUNS["section 6"]
    a, b = states_of("section 6")
    halves = limit_cycle.loss_at(a, run.X, run.y), limit_cycle.loss_at(b, run.X_test, run.y_test)
    for _, *published in ROWS[12:]:
        if X86:
            assert [str(loss) for loss in halves] == published
        np.testing.assert_allclose(halves, np.array(published, float), rtol=0, atol=CYCLE_LOSS)


@NAMES
def test_the_losses_at_the_states_are_those_in_float64(name):
    run = RUNS[name]
    for weight, bias in states_of(name):
        for X, y in ((run.X, run.y), (run.X_test, run.y_test)):
            y_pred = float(weight) * X.double() + float(bias)
            expected = (y_pred - y.double()).abs().mean().item()
            assert abs(limit_cycle.loss_at((weight, bias), X, y) - expected) <= CYCLE_LOSS


def test_neither_state_has_the_tables_tenfold_gap():
    run = RUNS["section 6"]
    (train_a, test_a), (train_b, test_b) = (
        [limit_cycle.loss_at(state, *data) for data in (run[:2], run[2:4])]
        for state in states_of("section 6")
    )
    assert test_b > 10 * train_a, "the row of the table"
    assert test_a < train_a
    assert test_b < 2 * train_b


@NAMES
def test_one_closed_form_step_leads_from_each_state_to_the_other(name):
    """The derivation: opposite signs at all points, so opposite gradients (mean of x, 1)."""
    X, y = RUNS[name].X.numpy(), RUNS[name].y.numpy()
    a, b = states_of(name)
    (gradient_a, signs_a), (gradient_b, signs_b) = (
        limit_cycle.gradient_at(state, X, y) for state in (a, b)
    )
    too_high = a[0] * X.mean() + a[1] > y.mean()
    assert (signs_a == (1 if too_high else -1)).all()
    np.testing.assert_array_equal(signs_a, -signs_b)
    np.testing.assert_array_equal(gradient_a, -gradient_b)
    lr = np.float32(RUNS[name].lr)
    np.testing.assert_allclose(a - lr * gradient_a, b, rtol=0, atol=CYCLE_STEP)
    np.testing.assert_allclose(b - lr * gradient_b, a, rtol=0, atol=CYCLE_STEP)


def test_the_distance_is_proportional_to_the_learning_rate():
    run = RUNS["section 6"]
    rows = limit_cycle.amplitudes(run)
    assert [rate for rate, *_ in rows] == [0.04, 0.02, 0.01, 0.005, 0.0025]
    for rate, _, period, distance in rows:
        assert period == 2
        expected = rate * np.hypot(run.X.double().mean().item(), 1)
        assert abs(distance - expected) <= CYCLE_DISTANCE * np.sqrt(2)


def test_the_letter_after_any_epoch_is_that_of_its_state(trajectories):
    trajectory = trajectories["section 6"]
    a, b = states_of("section 6")
    for epoch in (*range(116, 126), 998, 999):
        state = {"A": a, "B": b}[limit_cycle.letter_after(trajectory, epoch)]
        assert limit_cycle.state_after(trajectory, epoch) == state
