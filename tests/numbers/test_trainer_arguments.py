"""What the trainers take, what they give back, and what they say to bad input."""

import inspect

import numpy as np
import pytest
import torch
from problems import random_problem
from torch import nn

from beyond import numpy_blocks
from manual_grad import compare, losses

NAN, INF = float("nan"), float("inf")
EVERY_TRAINER = compare.TRAINERS | {"numpy_blocks": numpy_blocks.train}
every_trainer = pytest.mark.parametrize("trainer", EVERY_TRAINER.values(), ids=EVERY_TRAINER)


@every_trainer
def test_signature_and_defaults(trainer):
    parameters = inspect.signature(trainer).parameters
    more = ["threads"] if trainer is numpy_blocks.train else []
    assert list(parameters) == ["X", "y", "weight", "bias", "loss", "lr", "epochs", *more]
    assert [parameters[name].default for name in ("loss", "lr", "epochs")] == ["mae", 0.01, 100]
    assert all(parameters[n].kind.name == "KEYWORD_ONLY" for n in ("loss", "lr", "epochs"))


@every_trainer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("convert", [np.asarray, torch.as_tensor], ids=["arrays", "tensors"])
def test_arrays_and_tensors_in_one_dtype(trainer, dtype, convert):
    X, y, weight, bias = random_problem(0, "mae")
    X = X.astype(dtype)
    before = X.copy(), y.copy()
    trajectory = trainer(convert(X), convert(y), weight, bias, epochs=3)
    for column in trajectory:
        assert isinstance(column, np.ndarray)
        assert column.shape == (3,)
        assert column.dtype == dtype
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(y, before[1])


@every_trainer
def test_no_epochs_make_an_empty_trajectory(trainer):
    X, y, weight, bias = random_problem(0, "mae")
    assert [column.shape for column in trainer(X, y, weight, bias, epochs=0)] == [(0,)] * 5


COLUMN = np.ones((4, 1))
GOOD = dict(X=COLUMN, y=COLUMN, weight=0.0, bias=0.0)
BAD = [
    (dict(loss="l1"), ValueError, "loss must be one of 'mae', 'mse', 'bce', not 'l1'"),
    (dict(epochs=-1), ValueError, "epochs must be a whole number, 0 or more, not -1"),
    (dict(epochs=1.5), ValueError, "epochs must be a whole number, 0 or more, not 1.5"),
    (dict(lr=-0.1), ValueError, "lr must be 0 or more, not -0.1"),
    (dict(lr=NAN), ValueError, "lr must be a finite number"),
    (dict(lr=INF), ValueError, "lr must be a finite number"),
    (dict(weight=NAN), ValueError, "weight must be a finite number"),
    (dict(bias=1e39, X=COLUMN.astype(np.float32)), ValueError, "bias must be .* float32"),
    (dict(X=COLUMN[:3]), ValueError, "X has 3 rows and y has 4"),
    (dict(y=COLUMN.ravel()), ValueError, r"y must have shape \(n, 1\) .* not \(4,\)"),
    (dict(X=COLUMN.ravel()), ValueError, r"X must have shape \(n, 1\)"),
    (dict(X=np.ones((4, 2))), ValueError, r"X must have shape \(n, 1\) .* not \(4, 2\)"),
    (dict(X=COLUMN[:0], y=COLUMN[:0]), ValueError, r"with n of 1 or more, not \(0, 1\)"),
    (dict(X=COLUMN.astype(int)), TypeError, "X must hold floats such as float32, not int64"),
    (dict(y=COLUMN > 0), TypeError, "y must hold floats such as float32, not bool"),
    (dict(X=COLUMN * NAN), ValueError, "X must be finite in float64, but holds nan"),
    (dict(y=COLUMN * INF), ValueError, "y must be finite in float64"),
    (
        dict(y=COLUMN * 1e300, X=COLUMN.astype(np.float32)),
        ValueError,
        "y must be finite in float32",
    ),
    (dict(loss="bce", y=2 * COLUMN), ValueError, r"y must lie in \[0, 1\] for bce"),
    (dict(loss="bce", y=-COLUMN), ValueError, r"y must lie in \[0, 1\] for bce"),
    # Typical mistakes
    (dict(lr="0.1"), TypeError, "lr must be a number, not of type str"),
    (dict(weight="0.7"), TypeError, "weight must be a number, not of type str"),
    (dict(bias=None), TypeError, "bias must be a number, not of type NoneType"),
    (dict(weight=torch.tensor(0.7)), TypeError, "weight must be a number, not of type Tensor"),
    (dict(weight=np.ones((3, 1))), TypeError, "weight must be a number, not of type ndarray"),
    (dict(weight=float), TypeError, "weight must be a number, not of type type"),
    (dict(epochs="10"), ValueError, "epochs must be a whole number, 0 or more, not '10'"),
    (dict(loss=nn.L1Loss), ValueError, "loss must be one of .*, not <class"),
    (dict(loss=nn.L1Loss()), ValueError, r"loss must be one of .*, not L1Loss\(\)"),
    (dict(loss=None), ValueError, "loss must be one of .*, not None"),
]
NO_ARRAYS = [  # nothing that NumPy or torch would quietly make an array of
    (dict(X=COLUMN.tolist()), TypeError, "X must be an array or a tensor, not list"),
    (dict(y=COLUMN.tolist()), TypeError, "y must be an array or a tensor, not list"),
    (dict(X=range(4)), TypeError, "X must be an array or a tensor, not range"),
    (dict(X=np.ndarray), TypeError, "X must be an array or a tensor, not type"),
    (dict(y=torch.Tensor), TypeError, "y must be an array or a tensor, not "),
    (dict(X=None), TypeError, "X must be an array or a tensor, not NoneType"),
]


def check_refused(trainer, change, error, message):
    arguments = GOOD | change
    with pytest.raises(error, match=message) as refused:
        trainer(**arguments)
    assert type(refused.value) is error
    assert "\n" not in str(refused.value)


@every_trainer
@pytest.mark.parametrize(("change", "error", "message"), BAD, ids=[row[2][:40] for row in BAD])
def test_bad_input_is_refused(trainer, change, error, message):
    check_refused(trainer, change, error, message)


@pytest.mark.parametrize("trainer", compare.TRAINERS.values(), ids=compare.TRAINERS)
@pytest.mark.parametrize(("change", "error", "message"), NO_ARRAYS)
def test_what_is_no_array_is_refused(trainer, change, error, message):
    check_refused(trainer, change, error, message)


@pytest.mark.parametrize("loss", losses.LOSSES)
@pytest.mark.parametrize("function", ["value", "gradient"])
@pytest.mark.parametrize(
    ("y_pred", "y", "message"),
    [
        (COLUMN, COLUMN.ravel(), r"y has shape \(4,\), but must have y_pred's, \(4, 1\)"),
        (COLUMN, COLUMN[:1], r"y has shape \(1, 1\)"),
        (COLUMN, 1.0, r"y has shape \(\)"),
    ],
)
def test_a_loss_never_broadcasts(loss, function, y_pred, y, message):
    with pytest.raises(ValueError, match=message):
        losses.LOSSES[loss][function == "gradient"](y_pred, y)


@every_trainer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_diverging_run_names_the_first_epoch_that_is_not_finite(trainer, dtype):
    X = np.array([[1], [2], [3], [4]], dtype)
    message = r"no longer finite in epoch \d+ .*: try a smaller lr"
    with pytest.raises(FloatingPointError, match=message) as error:
        trainer(X, 2 * X, 0.0, 0.0, loss="mse", lr=10.0, epochs=1000)
    first = int(str(error.value).split("epoch ")[1].split()[0])
    assert len(trainer(X, 2 * X, 0.0, 0.0, loss="mse", lr=10.0, epochs=first).loss) == first
