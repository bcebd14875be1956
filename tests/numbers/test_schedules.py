"""schedules.py: the rates and runs are torch's, and what ends the cycle is told right."""

import numpy as np
import pytest
import torch
from tolerances import (
    CURVATURE,
    CYCLE_STEP,
    MEAN_OF_RESIDUALS,
    MSE_ERROR,
    MSE_STALLED,
    SCHEDULE_FLOAT64,
    SCHEDULE_RATE,
    SETTLED,
)

from beyond import schedules
from manual_grad import numpy_closed_form
from manual_grad.published_runs import published_runs

RUN = published_runs()["section 6"]
RUN_64 = RUN._replace(X=RUN.X.double(), y=schedules.TRUE_WEIGHT * RUN.X.double() + 0.3)
SCHEDULES = pytest.mark.parametrize("schedule", schedules.SCHEDULES)
START_ERROR = np.array([RUN.weight, RUN.bias]) - (schedules.TRUE_WEIGHT, schedules.TRUE_BIAS)


def by_hand(run, schedule, **changes):
    """Return the rates of a schedule and the Trajectory under it."""
    formula, _, options = schedules.SCHEDULES[schedule]
    rates = formula(run.lr, run.epochs, **(options | changes))
    return rates, schedules.train_with_rates(run, rates)


def with_torch(run, schedule):
    """Return the states and the rates of the same run with torch's scheduler."""
    _, name, options = schedules.SCHEDULES[schedule]
    return schedules.train_with_scheduler(run, name, options)


def states(trajectory):
    return np.stack([trajectory.weight, trajectory.bias], axis=1)


def losses_at_the_end(trajectory):
    return schedules.both_losses(RUN, trajectory.weight[-1], trajectory.bias[-1])


@SCHEDULES
def test_rates_and_float64_runs_are_torchs(schedule):
    run = RUN_64._replace(epochs=310)  # beyond the second decay of each schedule
    rates, trajectory = by_hand(run, schedule)
    torchs_states, torchs_rates = with_torch(run, schedule)
    assert rates.shape == (310,)
    np.testing.assert_allclose(rates, torchs_rates, rtol=0, atol=SCHEDULE_RATE)
    np.testing.assert_allclose(states(trajectory), torchs_states, rtol=0, atol=SCHEDULE_FLOAT64)


@SCHEDULES
def test_each_float32_step_is_torchs(schedule):
    """From torch's own state in each epoch: a last bit of a rate can send whole runs apart."""
    run = RUN._replace(epochs=310)
    torchs_states, rates = with_torch(run, schedule)
    starts = [(run.weight, run.bias), *torchs_states[:-1]]
    for (weight, bias), rate, expected in zip(starts, rates, torchs_states):
        step = schedules.train_with_rates(run._replace(weight=weight, bias=bias), [rate])
        np.testing.assert_allclose(states(step)[0], expected, rtol=0, atol=CYCLE_STEP)


def test_a_schedule_with_a_wrong_decay_would_be_seen():
    """The comparison is checked: a gamma that is 0.1 % off is not taken for torch's."""
    run = RUN_64._replace(epochs=310)
    torchs_states, torchs_rates = with_torch(run, "exponential, 0.992")
    rates, trajectory = by_hand(run, "exponential, 0.992", gamma=0.992 * 1.001)
    assert np.abs(rates - torchs_rates).max() > SCHEDULE_RATE
    assert np.abs(states(trajectory) - torchs_states).max() > SCHEDULE_FLOAT64


def test_the_train_loss_chooses_and_the_test_loss_has_no_say():
    rows = {"best test loss": (2.0, 0.0), "best train loss": (1.0, 9.0), "neither": (3.0, 5.0)}
    assert schedules.choose(rows) == "best train loss"


def test_the_chosen_schedule_settles_at_float32s_rounding_and_a_fast_decay_stops_short():
    ends = {name: losses_at_the_end(by_hand(RUN, name)[1]) for name in schedules.SCHEDULES}
    chosen = schedules.choose(ends)
    assert chosen == "lr times 0.1 every 150 epochs"
    assert max(ends[chosen]) <= SETTLED
    without = losses_at_the_end(RUN.train(numpy_closed_form.train))
    for name, (train_loss, _) in ends.items():
        too_fast = name in ("lr times 0.1 every 100 epochs", "exponential, 0.98")
        assert (train_loss > without[0]) == too_fast, name


def test_losses_are_the_mean_distances_of_the_data_from_the_line():
    train_loss, test_loss = schedules.both_losses(RUN, 0.7, 0.8)  # each label is 0.5 too low
    assert abs(train_loss - 0.5) <= MEAN_OF_RESIDUALS
    assert abs(test_loss - 0.5) <= MEAN_OF_RESIDUALS
    _, at_x = schedules.both_losses(RUN, 0.0, 0.3)  # 0.7 x too low, on the test data alone
    assert abs(at_x - 0.7 * RUN.X_test.double().mean().item()) <= MEAN_OF_RESIDUALS


def test_the_curvatures_are_the_eigenvalues_of_torchs_hessian():
    def mse(parameters):
        return ((parameters[0] * RUN_64.X + parameters[1] - RUN_64.y) ** 2).mean()

    at = torch.tensor([RUN.weight, RUN.bias], dtype=torch.float64)
    hessian = torch.autograd.functional.hessian(mse, at).numpy()
    values, directions = schedules.curvatures(RUN.X)
    np.testing.assert_allclose(hessian @ directions, directions * values, rtol=0, atol=CURVATURE)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(hessian), rtol=0, atol=CURVATURE)
    assert values[0] < values[1]


@pytest.mark.parametrize("lr", [0.01, 0.1, 0.8])
def test_an_mse_run_shrinks_its_error_by_one_factor_per_direction_and_epoch(lr):
    """In float64, after 1000 epochs: both directions, by (1 - lr h)^1000."""
    trajectory = RUN_64._replace(loss="mse", lr=lr).train(numpy_closed_form.train)
    values, directions = schedules.curvatures(RUN.X)
    expected = directions @ ((1 - lr * values) ** 1000 * (directions.T @ START_ERROR))
    error = states(trajectory)[-1] - (schedules.TRUE_WEIGHT, schedules.TRUE_BIAS)
    np.testing.assert_allclose(error, expected, rtol=0, atol=MSE_ERROR)
    kept = schedules.flattest_kept(RUN_64, trajectory)
    assert abs(kept - (1 - lr * values[0]) ** 1000) <= MSE_ERROR


def test_mse_leaves_two_fifths_at_a_small_rate_and_only_rounding_at_a_large_one():
    small, large = (
        RUN._replace(loss="mse", lr=lr).train(numpy_closed_form.train) for lr in (0.01, 0.8)
    )
    assert f"{schedules.flattest_kept(RUN, small):.0%}" == "40%"
    assert min(losses_at_the_end(small)) > MSE_STALLED
    assert max(losses_at_the_end(large)) <= MSE_STALLED


def test_above_the_largest_stable_rate_mse_diverges_and_below_it_converges():
    limit = 2 / schedules.curvatures(RUN.X)[0][1]
    for lr, diverges in ((0.99 * limit, False), (1.01 * limit, True)):
        trajectory = RUN_64._replace(loss="mse", lr=lr).train(numpy_closed_form.train)
        assert (trajectory.loss[-1] > trajectory.loss[0]) == diverges


def test_the_mse_table_shows_each_rate_beside_what_the_curvatures_say(capsys):
    schedules.print_mse(RUN)
    output = capsys.readouterr().out
    assert "\ncurvature h: how fast the slope changes along a direction of the bowl" in output
    *_, at_001, at_01, at_08, above, _, _ = output.splitlines()
    assert at_001.split()[:5] == ["0.0100", "0.99908", "0.97681", "4.0e-01", "4.0e-01"]
    assert at_01.split()[:4] == ["0.1000", "0.99081", "0.76811", "9.7e-05"]
    assert at_08.split()[:4] == ["0.8000", "0.92645", "-0.85509", "6.6e-34"]
    assert above.split()[:3] == ["0.8711", "0.91991", "-1.02000"]


def test_the_schedules_table_shows_both_trainers_losses_and_names_the_chosen(capsys):
    _, trajectory = by_hand(RUN, "cosine")
    rows = {"slow": (0.25, 0.5, 0.125, trajectory), "quick": (0.5, 0.25, 0.5, trajectory)}
    schedules.print_schedules(RUN, rows, lambda trajectory, epoch: f"of epoch {epoch}")
    output = capsys.readouterr().out.splitlines()
    constant = RUN.train(numpy_closed_form.train)
    for line, epoch in zip(output[3:5], (999, 998)):
        losses = schedules.both_losses(RUN, constant.weight[epoch], constant.bias[epoch])
        name = f"constant, 0.01, epoch {epoch} (state of epoch {epoch})"
        train_loss, test_loss = (f"{loss:.1e}" for loss in losses)
        assert line.split() == [*name.split(), train_loss, "-", test_loss]
    assert output[5].split() == ["slow", "2.5e-01", "1.2e-01", "5.0e-01"]
    assert output[7] == "The smallest train loss chooses: slow. Its test loss is only reported."
    assert "are 6e-08 apart" in output[8]


@pytest.mark.slow
def test_all_schedules_are_trained_by_hand_and_with_torch():
    rows = schedules.compare_schedules(RUN)
    assert list(rows) == list(schedules.SCHEDULES)
    for name, (train_loss, test_loss, torchs, trajectory) in rows.items():
        assert (train_loss, test_loss) == losses_at_the_end(trajectory)
        assert torchs == schedules.both_losses(RUN, *with_torch(RUN, name)[0][-1])[0]
