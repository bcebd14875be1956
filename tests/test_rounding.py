"""rounding: whatever float32 rounds is explained, and a wrong number is named with its ratio."""

from math import inf

import numpy as np
import pytest

from manual_grad import numpy_closed_form, torch_optim
from manual_grad.published_runs import published_runs
from manual_grad.rounding import before_each_step, first_fault, steps
from manual_grad.trajectory import Trajectory

RUNS = published_runs()

# A right gradient or loss is itself off float64 by float32's roundings. In epoch 0 of each run that
# is less than this share of it.
ROUNDING = 1e-5


def test_any_order_of_a_sum_and_any_rounding_of_a_step_is_explained():
    """NumPy and torch add up in orders of their own, and data that are turned round in others."""
    for run in RUNS.values():
        run = run._replace(epochs=30)
        turned_round = run._replace(X=run.X.flip(0), y=run.y.flip(0))
        in_64_bits = run._replace(X=run.X.double(), y=run.y.double())
        for train in (numpy_closed_form.train, torch_optim.train):
            for data in (run, turned_round, in_64_bits):
                assert first_fault(run, data.train(train)) is None
        # What is computed in 64 bits is compared in 64 bits.
        ours = in_64_bits.train(numpy_closed_form.train)
        assert first_fault(run, ours._replace(bias=ours.bias + 1e-12)).column == "bias"


def test_each_step_of_torch_optim_is_that_of_torch_add_to_the_bit(reference):
    for name, run in RUNS.items():
        run_by_torch = reference[name]
        for parameter, before in before_each_step(run, run_by_torch).items():
            gradient = getattr(run_by_torch, f"{parameter}_grad")
            *_, by_torch_add = steps(before, gradient, run.lr)
            np.testing.assert_array_equal(by_torch_add, getattr(run_by_torch, parameter))


PLANTED = [  # the column, and the wrong number
    ("loss", lambda x: x * np.float32(1 + 1e-5)),
    ("loss", lambda x: x * np.float32("nan")),
    ("weight_grad", lambda x: x * np.float32(1.0001)),
    ("bias_grad", lambda x: -x),
    ("weight", lambda x: x + 100),
    ("bias", lambda x: x + np.float32(1e-6)),
]


def test_a_wrong_number_is_named_with_its_ratio(reference):
    for name, run in RUNS.items():
        good = reference[name]
        for column, change in PLANTED:
            wrong = good._replace(**{column: change(getattr(good, column))})
            recorded, right = (float(getattr(t, column)[0]) for t in (wrong, good))
            start = {"weight": run.weight, "bias": run.bias}.get(column, 0)
            fault = first_fault(run, wrong)
            assert fault[:3] == pytest.approx((0, column, recorded), nan_ok=True)
            assert fault.right == pytest.approx(right, rel=ROUNDING)
            ratio = (recorded - start) / (right - start)
            assert fault.ratio == pytest.approx(ratio, rel=ROUNDING, nan_ok=True)
        for column in good._fields:
            numbers, late = getattr(good, column).copy(), run.epochs * 2 // 5
            numbers[late] += np.float32(0.01)
            fault = first_fault(run, good._replace(**{column: numbers}))
            assert (fault.epoch, fault.column) == (late, column)


def test_a_faults_line_has_its_epoch_its_number_the_right_one_and_their_ratio(reference):
    run, good = RUNS["section 6"], reference["section 6"]
    loss = first_fault(run, good._replace(loss=np.ones(run.epochs)))
    right = f"should be {loss.right:.9g}, ratio {1 / loss.right:.7g}"
    assert str(loss) == f"epoch 0, loss is 1, {right}"
    still = first_fault(run, good._replace(bias=np.full_like(good.bias, run.bias)))
    assert str(still).endswith(f"1, should be {still.right:.9g}, ratio of the steps 0")


def test_the_ratio_is_inf_where_no_step_is_right(reference):
    moved = first_fault(RUNS["section 6"]._replace(lr=0.0), reference["section 6"])
    assert (moved.epoch, moved.column, moved.ratio) == (0, "weight", inf)


def one_epoch(run, loss, weight_grad, bias_grad):
    """Return one epoch in float64 that found this loss and these gradients, and stepped by them."""
    steps_to = run.weight - run.lr * weight_grad, run.bias - run.lr * bias_grad
    return Trajectory(*np.array([loss, weight_grad, bias_grad, *steps_to]).reshape(5, 1))


U = 2.0**-24  # what one rounding to float32 changes 1 by, at most
INSIDE, OUTSIDE = 1 - 1e-4, 1 + 1e-4  # of a bound, whose terms in U^2 are less than that of it


@pytest.mark.parametrize("n", [1, 40])
@pytest.mark.parametrize("loss", ["mae", "mse"])
def test_a_number_within_its_bound_on_paper_is_explained_and_none_beyond(loss, n):
    """y_pred = 2 * 3 + 1 = 7 and r = 7 - 4 = 3 may be off by 6 + 7 + 3 = 16 roundings of 1.

    Each column's own size counts n + 3 more: 3 of a term, n - 1 of the mean, and 1 of float64.
    """
    x, y = np.full((n, 1), 3.0), np.full((n, 1), 4.0)
    run = RUNS["section 3"]._replace(X=x, y=y, weight=2.0, bias=1.0, loss=loss)
    right, of_terms = {
        "mae": ([3, 3, 1], [16, 0, 0]),
        "mse": ([9, 18, 6], [2 * 3 * 16, 32 * 3, 32]),
    }[loss]
    bounds = [U * (term + (n + 3) * size) for term, size in zip(of_terms, right)]
    for sign in (1, -1):
        for share, faulty in ((INSIDE, False), (OUTSIDE, True)):
            for i, column in enumerate(Trajectory._fields[:3]):
                found = [float(number) for number in right]
                found[i] += sign * share * bounds[i]
                fault = first_fault(run, one_epoch(run, *found))
                assert (fault and fault[:2]) == ((0, column) if faulty else None)


@pytest.mark.parametrize("n", [1, 40])
def test_a_slope_may_be_any_only_where_the_residual_is_within_its_bound(n):
    """y_pred = 2 * 3 + 1 = 7 and a residual of nearly 0 may be off by 6 + 7 = 13 roundings of 1."""
    x = np.full((n, 1), 3.0)
    for share, slopes in ((INSIDE, [-1, -0.5, 0, 0.5, 1]), (OUTSIDE, [1])):
        run = RUNS["section 3"]._replace(X=x, y=7 - share * 13 * U + 0 * x, weight=2.0, bias=1.0)
        for slope in (-1.001, -1, -0.5, 0, 0.5, 1, 1.001):
            fault = first_fault(run, one_epoch(run, 13 * U, 3 * slope, slope))
            assert (fault is None) == (slope in slopes), (share, slope)


def test_a_loss_that_is_neither_mae_nor_mse_has_no_bound():
    run = RUNS["section 3"]._replace(loss="bce")
    with pytest.raises(ValueError, match="must be 'mae' or 'mse', not 'bce'"):
        first_fault(run, one_epoch(run, 1, 1, 1))
