"""The trainers by hand take torch.optim's path: every loss, gradient and parameter, every epoch."""

import importlib
import itertools
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from published_numbers import BOUND, PUBLISHED

from beyond import numpy_blocks
from manual_grad import numpy_autograd, numpy_closed_form, tensor_updates, torch_optim
from manual_grad.losses import LOSSES
from manual_grad.published_runs import published_runs
from manual_grad.trajectory import Trajectory, as_trajectory

BY_HAND = {
    "numpy_closed_form": numpy_closed_form.train,
    "numpy_autograd": numpy_autograd.train,
    "tensor_updates": tensor_updates.train,
}
RUNS = published_runs()


@pytest.mark.parametrize("trainer", BY_HAND)
@pytest.mark.parametrize("name", RUNS)
def test_each_trainer_by_hand_takes_torch_optims_path(name, trainer, reference):
    run = RUNS[name]
    by_hand = run.train(BY_HAND[trainer])
    by_torch = reference[name]
    for column in Trajectory._fields:  # loss, weight_grad, bias_grad, weight, bias
        ours, theirs = getattr(by_hand, column), getattr(by_torch, column)
        assert ours.dtype == np.float32
        assert ours.shape == (run.epochs,)
        assert_allclose(ours, theirs, rtol=0, atol=BOUND[run.loss], err_msg=column)


# --- random problems in float64: whole runs, other losses, outliers, kinks

# A sum of 1000 terms has at most 1000 roundings of 1.1e-16 on either side, in each of 10 epochs.
FLOAT64 = 1e-11


def random_problem(seed, loss):
    """Return X, y, weight, bias in float64: 1 to 1000 points, some kinds of data by the seed."""
    rng = np.random.default_rng([seed, list(LOSSES).index(loss)])
    n = (1, 2, 3, 10, 40, 100, 333, 1000)[seed % 8]
    weight, bias = rng.normal(size=2)
    X = rng.uniform(-1, 1, size=(n, 1))
    y = 0.7 * X + 0.3 + rng.normal(scale=0.3, size=X.shape)
    if loss == "bce":
        y = (y > 0.5).astype(float) if seed % 2 else rng.random(y.shape)
        if seed % 3 == 2:
            weight = bias = 0.0  # every logit is exactly 0
    elif seed % 3 == 1:
        y[rng.random(y.shape) < 0.1] += 1000.0  # outliers
    elif seed % 3 == 2:
        some = rng.random(X.shape) < 0.5
        y[some] = (weight * X + bias)[some]  # residuals that are exactly 0
    return X, y, weight, bias


def check_random_problems(train, losses):
    """Assert that whole runs are torch.optim's."""
    for loss, seed in itertools.product(losses, range(8)):
        problem = random_problem(seed, loss)
        ours, theirs = (
            trainer(*problem, loss=loss, lr=0.05, epochs=10)
            for trainer in (train, torch_optim.train)
        )
        for a, b in zip(ours, theirs, strict=True):
            assert_allclose(a, b, rtol=0, atol=FLOAT64 * max(1, np.abs(b).max()))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("trainer", BY_HAND)
def test_random_problems_train_as_with_torch_optim(trainer, loss):
    check_random_problems(BY_HAND[trainer], [loss])


MISTAKES = """
numpy_closed_form | -= lr * weight_grad            | += lr * weight_grad
numpy_closed_form | (y_pred_grad * X).sum()        | y_pred_grad.sum()
numpy_autograd    | weight.grad = bias.grad = None | pass
tensor_updates    | weight -= lr *                 | weight -= 1.0001 * lr *
torch_optim       | optimizer.zero_grad()          | pass
"""


@pytest.mark.parametrize("mistake", MISTAKES.strip().splitlines())
def test_a_planted_mistake_is_caught(mistake):
    name, old, new = (part.strip() for part in mistake.split(" | "))
    source = Path(importlib.import_module(f"manual_grad.{name}").__file__).read_text("utf-8")
    assert old in source, "this mistake changes nothing"
    exec(source.replace(old, new), module := {"__package__": "manual_grad", "__name__": name})
    with pytest.raises((AssertionError, FloatingPointError)):
        check_random_problems(module["train"], LOSSES)


# --- what every trainer takes and gives

EVERY_TRAINER = BY_HAND | {"torch_optim": torch_optim.train}


@pytest.mark.parametrize("trainer", EVERY_TRAINER)
def test_arrays_and_tensors_are_taken_and_left_alone(trainer):
    train = EVERY_TRAINER[trainer]
    X, y, *start = random_problem(3, "mae")
    for dtype, other in ((np.float32, np.float64), (np.float64, np.float32)):
        arrays = X.astype(dtype), y.astype(dtype).astype(other)
        expected = train(arrays[0], arrays[1].astype(dtype), *start, epochs=3)
        kind = np.ndarray, np.dtype(dtype), (3,)
        assert {(type(column), column.dtype, column.shape) for column in expected} == {kind}
        assert_array_equal(train(*arrays, *start, epochs=3), expected)  # the dtype of X counts
        for requires_grad in (False, True):
            tensors = [torch.tensor(values, requires_grad=requires_grad) for values in arrays]
            assert_array_equal(train(*tensors, *start, epochs=3), expected)
            for tensor, values in zip(tensors, arrays):
                assert tensor.grad is None
                assert_array_equal(tensor.detach(), values)


def test_the_defaults_are_section_3s_and_no_epochs_give_empty_columns():
    problem = random_problem(3, "mae")
    for train in EVERY_TRAINER.values():
        assert_array_equal(train(*problem), train(*problem, loss="mae", lr=0.01, epochs=100))
        assert [column.shape for column in train(*problem, epochs=0)] == [(0,)] * 5


def in_a_file(values):
    name = f"{values.mean()}"
    values.tofile(name)
    return np.memmap(name, values.dtype, shape=values.shape)


LAYOUTS = {
    "backwards": lambda values: values[::-1],
    "one number for all": lambda values: np.broadcast_to(values[:1], values.shape),
    "the other byte order": lambda values: values.astype(values.dtype.newbyteorder()),
    "a file": in_a_file,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_however_the_numbers_lie_in_memory_they_train_alike(layout, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    *data, weight, bias = random_problem(5, "mse")
    for dtype in (np.float32, np.float64):
        X, y = (LAYOUTS[layout](values.astype(dtype)) for values in data)
        for values in (X, y):
            values.flags.writeable = False
        plain = [np.array(values, dtype, order="C", subok=False) for values in (X, y)]
        for train in (*EVERY_TRAINER.values(), numpy_blocks.train):
            for case in ((X, plain[1]), (plain[0], y), (X, y)):
                ours = train(*case, weight, bias, loss="mse", epochs=3)
                assert {column.dtype for column in ours} == {np.dtype(dtype)}
                assert_array_equal(ours, train(*plain, weight, bias, loss="mse", epochs=3))


def test_another_loss_or_optimizer_trains_in_torchs_loop():
    problem, mse = random_problem(3, "mae"), dict(loss_fn=torch.nn.MSELoss())
    expected = torch_optim.train(*problem, loss="mse", lr=0.01, epochs=5)
    assert_array_equal(torch_optim.train(*problem, lr=0.01, epochs=5, **mse), expected)

    def half(params, lr, share):
        return torch.optim.SGD(params, lr=share * lr)

    at_double_rate = dict(lr=0.02, epochs=5, optim=half, share=0.5)
    assert_array_equal(torch_optim.train(*problem, **at_double_rate, **mse), expected)


def test_rates_that_change_are_taken_one_by_one():
    run, train = RUNS["pipeline, custom"], numpy_closed_form.train
    assert_array_equal(run.train_at([run.lr] * run.epochs, train), run.train(train))
    first, last = run.train_at([0.05, 0.0], train).weight
    assert first == last == run._replace(lr=0.05, epochs=1).train(train).weight[0]


COLUMN = np.ones((4, 1))
SINGLE = COLUMN.astype(np.float32)
LARGEST = float(np.finfo(np.float32).max)
BEYOND = float(np.nextafter(LARGEST, np.inf))
LABELS = COLUMN * [[0], [1], [0.5], [0]]
REFUSED = [
    (dict(loss="l1"), ValueError, "'mae', 'mse', 'bce', not 'l1'"),
    (dict(loss=["mae"]), ValueError, r"'bce', not \['mae'\]"),
    (dict(epochs=-1), ValueError, "epochs must be a whole number, 0 or more, not -1"),
    (dict(epochs=1.5), ValueError, "not 1.5"),
    (dict(lr=-0.1), ValueError, "lr must be 0 or more, not -0.1"),
    (dict(lr=np.nan), ValueError, "lr must be a finite number of float64, not nan"),
    (dict(weight=torch.tensor(1.0)), TypeError, "weight must be a number, not of type Tensor"),
    (dict(bias=BEYOND, X=SINGLE), ValueError, "bias must be a finite number of float32"),
    (dict(bias=-BEYOND, X=SINGLE), ValueError, "bias must be a finite number of float32"),
    (dict(X=COLUMN[:3]), ValueError, "X has 3 rows and y has 4"),
    (dict(y=COLUMN.ravel()), ValueError, r"y must have shape \(n, 1\) .*, not \(4,\)"),
    (dict(X=np.ones((4, 2))), ValueError, r"not \(4, 2\)"),
    (dict(X=COLUMN[:0], y=COLUMN[:0]), ValueError, r"with n of 1 or more, not \(0, 1\)"),
    (dict(X=COLUMN.astype(int)), TypeError, "X must .* float32 or float64, not ndarray of int64"),
    (dict(y=torch.ones(4, 1).half()), TypeError, "y must .* not ndarray of float16"),
    (dict(y=torch.ones(4, 1).bfloat16()), TypeError, "BFloat16"),
    (dict(X=COLUMN * [[1], [np.nan], [1], [1]]), ValueError, "X must be finite in float64"),
    (dict(y=LABELS * -BEYOND, X=SINGLE), ValueError, "y must be finite in float32"),
    (dict(y=LABELS * BEYOND, X=SINGLE), ValueError, "y must be finite in float32"),
    (dict(loss="bce", y=LABELS + 0.1), ValueError, r"in \[0, 1\] for bce, .* from 0.1 to 1.1"),
    (dict(loss="bce", y=LABELS - 0.1), ValueError, r"in \[0, 1\] for bce, .* from -0.1 to 0.9"),
    (dict(X=COLUMN.tolist()), TypeError, "X must be a plain array .*, not list"),
    (dict(X=np.ma.ones((4, 1))), TypeError, "X must be a plain array .*, not MaskedArray"),
    (dict(y=COLUMN.view(np.matrix)), TypeError, "y must be a plain array .*, not matrix"),
]


@pytest.mark.parametrize(("change", "error", "message"), REFUSED)
def test_bad_input_is_refused_in_one_line(change, error, message):
    arguments = dict(X=COLUMN, y=COLUMN, weight=0.0, bias=0.0) | change
    for train in EVERY_TRAINER.values():
        with pytest.raises(error, match=message) as refused:
            train(**arguments)
        assert "\n" not in str(refused.value)


def test_the_largest_numbers_and_a_rate_of_0_are_taken():
    for train in EVERY_TRAINER.values():
        train(SINGLE * LARGEST, SINGLE * -LARGEST, LARGEST, -LARGEST, lr=LARGEST, epochs=0)
        assert train(SINGLE, SINGLE, 0.5, 0.0, lr=0, epochs=2).weight[-1] == 0.5
        train(LABELS[:1], LABELS[:1], 0.5, 0.0, loss="bce", epochs=1)  # one point, label 0
        train(LABELS, LABELS, 0.5, 0.0, loss="bce", epochs=1)


def test_a_run_ends_in_the_first_epoch_with_a_number_that_is_not_finite():
    for train in EVERY_TRAINER.values():  # from 65 to 100, as people's heights in inches are
        with pytest.raises(FloatingPointError, match=r"smaller lr, or standardize X"):
            train(65 + 35 * LABELS, LABELS, 0.0, 0.0, loss="mse")
    for i, name in enumerate(Trajectory._fields):
        rows = np.ones((4, 5))
        rows[2:, i] = np.nan
        with pytest.raises(FloatingPointError, match=rf"in epoch 2, .*\b{name}=nan"):
            as_trajectory(rows, np.float32)


@pytest.mark.slow
def test_what_is_numpy_alone_loads_no_torch():
    names = "numpy_closed_form, numpy_autograd, engine, losses, optimizers, trajectory"
    code = f"import sys; sys.modules['torch'] = None; from manual_grad import {names}"
    code += "; from lessons import explore; from beyond import numpy_blocks"
    root = Path(numpy_closed_form.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)


def test_numpy_closed_form_prints_the_tutorials_rows(start, tmp_path):
    text = start("manual_grad/numpy_closed_form.py", folder=tmp_path)
    printed = re.findall(r"Epoch: (\d+) \| MAE Train Loss: (\S+) \| MAE Test Loss: (\S+)", text)
    rows = PUBLISHED["workflow_notebook"]["3_training"]["rows"]
    assert_allclose(np.array(printed, float), np.array(rows, float), rtol=0, atol=BOUND["mae"])
    assert all(end in text for end in ("weight: 0.5784", "bias: 0.3513", "weight: 0.7, bias: 0.3"))
