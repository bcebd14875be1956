"""rounding: whatever float32 rounds is explained, and a wrong number is named with its ratio."""

from math import inf

import numpy as np
import pytest

from manual_grad import numpy_closed_form, torch_optim
from manual_grad.published_runs import published_runs
from manual_grad.rounding import U, before_each_step, first_fault, in_float64, steps
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
        # What is computed in 64 bits is also held to them.
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


def test_a_fault_in_words(reference):
    run, good = RUNS["section 6"], reference["section 6"]
    loss = first_fault(run, good._replace(loss=np.ones(run.epochs)))
    right = f"should be {loss.right:.9g}, ratio {1 / loss.right:.7g}"
    assert str(loss) == f"epoch 0, loss is 1, {right}"
    still = first_fault(run, good._replace(bias=np.full_like(good.bias, run.bias)))
    assert str(still).endswith(f"1, should be {still.right:.9g}, ratio of the steps 0")
    moved = first_fault(run._replace(lr=0.0), good)  # a step, where no step is right
    assert (moved.epoch, moved.column, moved.ratio) == (0, "weight", inf)


ONE_EPOCH = Trajectory(*np.zeros((5, 1)))


def test_the_bound_of_one_point_is_that_on_paper():
    """y_pred = 2 * 3 + 1 = 7 and r = 7 - 4 = 3 may be off by 6 + 7 + 3 = 16 roundings of 1."""
    x, y = np.array([[3.0]]), np.array([[4.0]])
    run = RUNS["section 3"]._replace(X=x, y=y, weight=2.0, bias=1.0)
    # Each column's own size counts 4 roundings: 3 of its term and 1 of float64.
    mae, mse = [16 + 4 * 3, 4 * 3, 4], [2 * 3 * 16 + 4 * 9, 32 * 3 + 4 * 18, 32 + 4 * 6]
    for loss, expected in (("mae", mae), ("mse", mse)):
        bounds = in_float64(run._replace(loss=loss), ONE_EPOCH).values()
        assert [bound[0] / U for _, bound in bounds] == pytest.approx(expected, rel=ROUNDING)
    with pytest.raises(ValueError, match="must be 'mae' or 'mse', not 'bce'"):
        in_float64(run._replace(loss="bce"), ONE_EPOCH)


def test_a_sign_may_be_any_where_rounding_decides_it_and_only_there(reference):
    run, good = RUNS["section 3"], reference["section 3"]
    # A sign that is known may not flip: here that of the smallest x but 0.
    flipped = good._replace(weight_grad=good.weight_grad + np.float32(2 * 0.02 / 40))
    assert first_fault(run, flipped)[:2] == (0, "weight_grad")
    # At the true parameters all residuals are 0 but for rounding: every slope, and no more.
    there = in_float64(run._replace(weight=0.7, bias=0.3), ONE_EPOCH)
    for column, mean in (("weight_grad", run.X.mean().item()), ("bias_grad", 1)):
        value, bound = there[column]
        for slope in (1, -1):
            assert abs(slope * mean - value[0]) <= bound[0] < 1.001 * mean
