"""Results that no other test looks at: mutants.py showed that they could be wrong unseen."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from problems import noisy_line
from published_numbers import PUBLISHED
from tolerances import DATA_OF_A_RUN

from beyond import numpy_blocks
from manual_grad import (
    autograd_function,
    finite_differences,
    gradient_check,
    tensor_updates,
    torch_optim,
    verdict,
)
from manual_grad.losses import mse, mse_gradient
from manual_grad.numpy_closed_form import START, train
from manual_grad.published_runs import published_runs
from manual_grad.trajectory import Trajectory, as_trajectory

RUNS = published_runs()
COLUMN = np.ones((4, 1))

# --- the published runs


def test_the_closed_form_starts_where_the_tutorial_does():
    assert (RUNS["section 3"].weight, RUNS["section 3"].bias) == START


@pytest.mark.parametrize(
    ("name", "tutorial", "key", "loss"),
    [
        ("section 3", "workflow_notebook", "3_training", "mae"),
        ("section 6", "workflow_notebook", "6_training", "mae"),
        ("exercise", "exercise_solutions", "3_training", "mae"),
        ("exercise, author's", "author_solutions", "3_training", "mae"),
        ("pipeline, nn.Linear", "training_pipeline", "3_nn_linear", "mse"),
        ("pipeline, custom", "training_pipeline", "4_custom_module", "mse"),
    ],
)
def test_a_run_has_the_settings_that_are_published(name, tutorial, key, loss):
    run, published = RUNS[name], PUBLISHED[tutorial][key]
    assert (run.lr, run.epochs, run.loss) == (published["lr"], published["epochs"], loss)


@pytest.mark.parametrize(
    ("prefix", "X", "weight", "bias", "n_train"),
    [
        ("section", np.arange(50) / 50, 0.7, 0.3, 40),
        ("exercise", np.arange(100) / 100, 0.3, 0.9, 80),
        ("pipeline", np.arange(1, 6), 2, 0, 4),
    ],
)
def test_a_run_has_the_data_of_its_tutorial(prefix, X, weight, bias, n_train):
    for run in (run for name, run in RUNS.items() if name.startswith(prefix)):
        assert run.X.shape == run.y.shape == (n_train, 1)
        assert run.X_test.shape == run.y_test.shape == (len(X) - n_train, 1)
        for ours, right in (
            (torch.cat([run.X, run.X_test]), X),
            (torch.cat([run.y, run.y_test]), weight * X + bias),
        ):
            assert ours.dtype == torch.float32
            np.testing.assert_allclose(ours.numpy()[:, 0], right, rtol=0, atol=DATA_OF_A_RUN)


# --- trajectories and arguments


@pytest.mark.parametrize("column", range(5), ids=Trajectory._fields)
def test_one_number_that_is_not_finite_ends_a_run(column):
    rows = np.ones((4, 5))
    rows[2:, column] = np.nan
    with pytest.raises(FloatingPointError, match=rf"epoch 2 .*{Trajectory._fields[column]} nan"):
        as_trajectory(rows, np.float32)


@pytest.mark.parametrize("name", ["X", "y"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_value_that_is_not_finite_is_refused(name, value):
    one = COLUMN.copy()
    one[1] = value
    with pytest.raises(ValueError, match=f"{name} must be finite in float64"):
        train(**{"X": COLUMN, "y": COLUMN, name: one}, weight=0.0, bias=0.0)


def test_the_largest_numbers_and_a_rate_of_0_are_taken():
    X, largest = COLUMN.astype(np.float32), float(np.finfo(np.float32).max)
    train(X * largest, X * -largest, largest, -largest, lr=largest, epochs=0)
    assert train(X, X, 0.5, 0.0, lr=0).weight[-1] == np.float32(0.5)


@pytest.mark.parametrize("trainer", [tensor_updates, torch_optim])
def test_tensors_that_require_gradients_are_taken(trainer):
    run = RUNS["pipeline, custom"]
    X, y = (values.clone().requires_grad_() for values in (run.X, run.y))
    ours, theirs = run._replace(X=X, y=y).train(trainer.train), run.train(trainer.train)
    np.testing.assert_array_equal(ours, theirs)


def test_the_function_of_torch_names_the_argument_of_another_shape():
    y_pred, y = torch.ones(3, 1), torch.ones(2, 1)
    with pytest.raises(ValueError, match=r"y has shape .*2, 1.* y_pred's, .*3, 1"):
        autograd_function.MAE.apply(y_pred, y)


# --- the checkers


@pytest.mark.parametrize("theta", [2.0**-60, -(2.0**-60), 0.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_step_that_is_larger_than_its_parameter_is_rounded_once(theta, sign):
    """97 * 172961 is 2^24 + 1: the product is the middle of two float32, theta decides."""
    grad, lr = np.float32(sign * 97), np.float32(172961 * 2.0**-24)
    exact = Fraction(theta) - Fraction(float(grad)) * Fraction(float(lr))
    near, far = sign * np.float32(-1), sign * np.float32(-1 - 2**-23)
    distances = [abs(Fraction(float(number)) - exact) for number in (near, far)]
    right = near if distances[0] <= distances[1] else far  # of a tie, the even one
    assert verdict.rounded_once(np.float32(theta), grad, lr) == right


def test_the_bound_on_a_mean_is_that_of_its_additions_and_three_roundings_and_one():
    """Of 40 terms that are 1 or -1 to the bit: their signs are known in epoch 0."""
    run = RUNS["section 3"]
    _, bound = verdict.in_float64(run, run.train(train))["bias_grad"]
    k = 40 - 1 + 3 + 1
    assert bound[0] == k * 2.0**-24 / (1 - k * 2.0**-24)


def test_the_share_of_the_bound_is_that_of_the_farthest_number():
    run = RUNS["section 3"]
    trajectory = run.train(train)
    columns = ["weight_grad", "bias_grad"]
    right = verdict.in_float64(run, trajectory)
    value, bound = right["bias_grad"]
    half = trajectory._replace(bias_grad=value + 0.5 * bound, weight_grad=right["weight_grad"][0])
    assert verdict.share_of_bound(run, half, columns) == pytest.approx(0.5)


@pytest.mark.parametrize("power", [0.5, -0.5])
def test_a_factor_that_depends_on_n_is_found(power):
    found = gradient_check.check(mse, lambda y_pred, y: y.size**power * mse_gradient(y_pred, y))
    factors = [f"{n**power:.6g} times as large with n = {n}" for n in gradient_check.SIZES]
    assert found.finding == ", ".join(factors)


@pytest.mark.parametrize("n", gradient_check.SIZES)
@pytest.mark.parametrize(("low", "high"), [(-3, 3), (0.05, 0.95)])
def test_the_points_of_a_check_are_what_they_should_be(n, low, high):
    y_pred, y = finite_differences.points(n, low, high)
    assert y_pred.shape == y.shape == (n, 1)
    for values in (y_pred, y):
        assert (values * 2**20 % 1 == 0).all()
    assert np.flatnonzero(y_pred == y).tolist() == [0, 1]
    assert y_pred[2:].min() < low + (high - low) / 4 < high - (high - low) / 4 < y_pred.max()
    assert low <= y_pred.min() < y_pred.max() <= high
    special = {2: y_pred[2, 0] == 0, 3: y[3, 0] == 0, 4: y[4, 0] == 1}
    assert set(special.values()) == {low < 0}
    assert 0.05 <= y[5:].min() < 0.25 < 0.75 < y[5:].max() <= 0.95


@pytest.mark.parametrize(("share", "sharp"), [(0.7, True), (1.4, False)])
def test_a_check_that_sees_less_than_three_digits_is_refused(share, sharp):
    """A constant adds to the size of a loss, and so to the room around its slopes."""
    steepest = max(
        abs(mse_gradient(*finite_differences.points(n, -3, 3))).max() for n in gradient_check.SIZES
    )
    constant = share * 1e-3 * steepest * finite_differences.STEP / finite_differences.ROUNDING

    def check():
        return gradient_check.check(lambda y_pred, y: mse(y_pred, y) + constant, mse_gradient)

    if sharp:
        assert check().right
    else:
        with pytest.raises(ValueError, match="loss is too flat or too rough to check"):
            check()


@pytest.mark.parametrize("place", ["y_pred < 0", "y_pred > 0", "y_pred < y", "y_pred > y"])
def test_a_mistake_on_one_side_gets_its_name(place):
    def gradient(y_pred, y):
        wrong = eval(place, dict(y_pred=y_pred, y=y))
        return mse_gradient(y_pred, y) + wrong

    assert gradient_check.check(mse, gradient).finding == f"right except where {place}"


def test_the_terms_of_a_long_block_are_added_up_in_32_rows():
    orders_differ = 0
    for seed in range(10):
        X, y, weight, bias = noisy_line(4096, np.float32, seed=seed)
        terms = np.sign(np.float32(weight) * X + np.float32(bias) - y) * X
        in_rows = np.add.reduce(np.add.reduce(terms.reshape(32, -1)))
        one = numpy_blocks.train(X, y, weight, bias, epochs=1)
        assert one.weight_grad[0] == in_rows / np.float32(4096)
        orders_differ += in_rows != np.add.reduce(terms.ravel())
    assert orders_differ > 0


def test_the_room_around_a_slope_is_1000_roundings_divided_by_the_step():
    """Of a linear function, nothing is truncated. Its size is |f| and the terms |f' x|: 9 + 9."""
    slope, room, kink = finite_differences.derivative(lambda x: 3 * x.sum(), np.array([1.0, 2.0]))
    assert slope.tolist() == [3, 3]
    assert room.tolist() == [1000 * 2.0**-53 * 18 / 2.0**-14] * 2
    assert not kink.any()


@pytest.mark.parametrize(("share", "is_kink"), [(0.6, False), (1.7, True)])
def test_a_kink_is_a_jump_of_more_than_twice_the_room(share, is_kink):
    room = 1000 * 2.0**-53 * 2 / 2.0**-14
    _, _, kink = finite_differences.derivative(
        lambda x: x.sum() + share * room * abs(x[0]), np.array([0.0, 1.0])
    )
    assert kink.tolist() == [is_kink, False]
