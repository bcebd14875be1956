"""The four trainers: against torch.optim, finite differences, and the analytic solution."""

import inspect
import math

import numpy as np
import pytest
import torch
from conftest import ROOT, run_python
from published_numbers import PUBLISHED, X86
from tolerances import (
    BCE_FLOAT32,
    CENTRAL_DIFFERENCE,
    GRADIENT_FLOAT64,
    MEAN_IN_ANOTHER_ORDER,
    ONE_SIGN_FLIPPED,
    PRINTED_DIGITS,
    STEP_ROUNDED_TWICE,
    THREE_DIGITS,
    TRAJECTORY_FLOAT64,
)
from torch import nn

from manual_grad import compare, losses, numpy_blocks, tensor_updates
from manual_grad.trajectory import Trajectory

RUNS = compare.published_runs()
BY_HAND = [name for name in compare.TRAINERS if name != "torch_optim"]
LOSSES = ["mae", "mse", "bce"]
FUSED = torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512") and X86
NAN, INF = float("nan"), float("inf")

EVERY_TRAINER = compare.TRAINERS | {"numpy_blocks": numpy_blocks.train}
every_trainer = pytest.mark.parametrize("trainer", EVERY_TRAINER.values(), ids=EVERY_TRAINER)
by_hand = pytest.mark.parametrize("trainer", BY_HAND)


@pytest.fixture(scope="module")
def results():
    return {
        name: {trainer: run.train(train) for trainer, train in compare.TRAINERS.items()}
        for name, run in RUNS.items()
    }


# --- the published runs


@by_hand
@pytest.mark.parametrize("name", RUNS)
def test_published_runs_against_torch_optim(name, trainer, results, trainer_drift):
    ours, reference = results[name][trainer], results[name]["torch_optim"]
    for group, columns in compare.COLUMNS.items():
        a, b = compare.stack(ours, columns), compare.stack(reference, columns)
        equal = int((a == b).all(axis=0).sum())
        trainer_drift.append((name, trainer, group, equal, a.shape[1], np.abs(a - b).max()))

    mae = RUNS[name].loss == "mae"
    exact = list(Trajectory._fields) if trainer == "tensor_updates" and mae else []
    if mae:
        exact += ["weight", "bias"]
    for column in Trajectory._fields:
        a, b = getattr(ours, column), getattr(reference, column)
        assert a.dtype == b.dtype == np.float32
        assert a.shape == b.shape == (RUNS[name].epochs,)
        if X86 and column in exact:
            np.testing.assert_array_equal(a, b, err_msg=column)
        elif X86 and mae:
            np.testing.assert_allclose(a, b, rtol=0, atol=MEAN_IN_ANOTHER_ORDER, err_msg=column)
        else:
            tolerance = ONE_SIGN_FLIPPED if mae else STEP_ROUNDED_TWICE
            if mae and column.endswith("_grad"):
                tolerance /= 0.01  # the gradient jumps; lr times that reaches the parameters
            np.testing.assert_allclose(a, b, rtol=0, atol=tolerance, err_msg=column)


@pytest.mark.parametrize(
    ("name", "key", "tutorial"),
    [
        ("section 3", "3_training", "workflow_notebook"),
        ("section 6", "6_training", "workflow_notebook"),
        ("exercise", "3_training", "exercise_solutions"),
    ],
)
def test_the_reference_trainer_prints_the_published_train_losses(name, key, tutorial, results):
    """torch_optim's `weight * X + bias` and the tutorial's models follow the same path."""
    for epoch, expected, _ in PUBLISHED[tutorial][key]["rows"]:
        got = results[name]["torch_optim"].loss[epoch]
        if len(expected) > 6 and X86:
            assert str(float(got)) == expected
        else:
            assert got == pytest.approx(float(expected), abs=ONE_SIGN_FLIPPED + THREE_DIGITS)


@pytest.mark.skipif(not FUSED, reason="torch's CPU code fuses multiply and add with AVX2 or more")
def test_rounding_the_step_once_or_twice_is_the_whole_difference(results):
    """On the custom module, two roundings part from torch.optim, and one never does."""
    run, reference = RUNS["pipeline, custom"], results["pipeline, custom"]["torch_optim"]
    twice = results["pipeline, custom"]["tensor_updates"]
    assert int(((twice.weight == reference.weight) & (twice.bias == reference.bias)).sum()) == 89

    weight, bias = (torch.tensor(start, requires_grad=True) for start in (run.weight, run.bias))
    weight_once, bias_once = np.float32(run.weight), np.float32(run.bias)
    lr = np.float64(np.float32(0.01))
    for epoch in range(run.epochs):
        weight.grad = bias.grad = None
        nn.MSELoss()(weight * run.X + bias, run.y).backward()
        with torch.no_grad():
            weight.add_(weight.grad, alpha=-0.01)
            bias.add_(bias.grad, alpha=-0.01)
        weight_once = np.float32(np.float64(weight_once) - lr * np.float64(weight.grad.item()))
        bias_once = np.float32(np.float64(bias_once) - lr * np.float64(bias.grad.item()))
        assert weight.item() == weight_once == reference.weight[epoch]
        assert bias.item() == bias_once == reference.bias[epoch]


@pytest.mark.skipif(not FUSED, reason="torch's CPU code fuses multiply and add with AVX2 or more")
def test_two_roundings_and_one_differ_in_about_2_percent_of_random_steps():
    generator = torch.Generator().manual_seed(0)
    theta, grad = torch.randn(2, 100_000, generator=generator)
    once = theta.clone().add_(grad, alpha=-0.01)
    twice = theta - 0.01 * grad
    assert 0.005 < (once != twice).double().mean() < 0.05


def test_the_comparisons_verdicts_are_borne_out(runs):
    output = runs("compare").stdout
    if X86:
        assert "NOT EXPLAINED" not in output
    if FUSED:
        assert output.count("equal to the bit") == 24
        assert output.count("a mean added up in another order") == 12
        assert output.count("rounded twice; once would give torch's") == 9


def test_a_wrong_run_gets_no_explanation(results):
    """The verdict is checked: neither a wrong gradient nor a wrong step is explained away."""
    run, good = RUNS["section 3"], results["section 3"]["torch_optim"]
    wrong_gradient = good._replace(weight_grad=good.weight_grad * np.float32(1.0001))
    wrong_step = good._replace(weight=good.weight + np.float32(1e-6))
    gradients, parameters = compare.COLUMNS["gradients"], compare.COLUMNS["parameters"]
    assert "NOT EXPLAINED" in compare.verdict(run, wrong_gradient, good, gradients)
    assert "NOT EXPLAINED" in compare.verdict(run, wrong_step, good, parameters)
    assert compare.verdict(run, good, good, parameters) == "equal to the bit"


def test_the_comparisons_picture_holds_the_trajectories(results):
    plane, *panels = compare.plot_comparison(RUNS, results)
    lines = {line.get_label(): line for line in plane.get_lines()}
    for trainer, trajectory in results["section 3"].items():
        np.testing.assert_array_equal(lines[trainer].get_xdata()[1:], trajectory.weight)
        np.testing.assert_array_equal(lines[trainer].get_ydata()[1:], trajectory.bias)
    for panel, name in zip(panels, ("section 6", "pipeline, custom"), strict=True):
        reference = np.stack(results[name]["torch_optim"])
        for trainer, line in zip(BY_HAND, panel.get_lines()):
            expected = np.abs(np.stack(results[name][trainer]) - reference).max(axis=0)
            np.testing.assert_array_equal(line.get_ydata(), expected)
    for axes in (plane, *panels):
        assert axes.get_title()
        assert axes.get_xlabel()
        assert axes.get_ylabel()
        assert axes.get_legend()
    compare.plt.close("all")


def test_the_first_epoch_on_paper_is_what_the_trainers_compute(runs, results):
    output = runs("first_epoch").stdout
    loss = results["section 3"]["torch_optim"].loss[0]
    rows = [line.split() for line in output.splitlines() if line[:4].strip().isdigit()]
    assert len(rows) == 40
    residuals, signs, products = (np.array([float(r[i]) for r in rows]) for i in (4, 5, 6))
    assert np.abs(residuals).mean() == pytest.approx(loss, abs=PRINTED_DIGITS)
    summary = {line[:15].strip(): line.split()[-3:] for line in output.splitlines()[-5:]}
    for name, expected in (("weight gradient", products.mean()), ("bias gradient", signs.mean())):
        by_hand_value, autograd, _ = map(float, summary[name])
        assert by_hand_value == pytest.approx(expected, abs=PRINTED_DIGITS)
        assert autograd == pytest.approx(expected, abs=PRINTED_DIGITS)


# --- random problems in float64


def random_problem(seed, loss):
    """Return X, y, weight, bias: one of several kinds of data, of 1 to 1000 points, in float64."""
    rng = np.random.default_rng([seed, LOSSES.index(loss)])
    n = int(rng.choice([1, 2, 3, 10, 40, 100, 333, 1000]))
    weight, bias = rng.normal(size=2)
    X = rng.uniform(-1, 1, size=(n, 1))
    if seed % 4 == 1:
        X = X[rng.integers(0, max(1, n // 3), size=n)]  # repeated points
    y = 0.7 * X + 0.3 + rng.normal(scale=0.3, size=X.shape)
    if seed % 4 == 2:
        y[rng.random(y.shape) < 0.1] += 1000.0  # outliers
    if loss == "bce":
        y = (y > 0.5).astype(float) if seed % 2 else rng.random(y.shape)
    some = rng.random(X.shape) < 0.5
    if seed % 4 == 3:
        if loss == "bce":
            weight = bias = 0.0  # every logit exactly zero
        else:
            y[some] = (weight * X + bias)[some]  # residuals that are exactly zero
    return X, y, weight, bias


def gradients_by_torch(X, y, weight, bias, loss):
    """Return torch's two gradients, and the mean size of the terms that each is the mean of."""
    start = torch.tensor([weight, bias], dtype=torch.float64, requires_grad=True)
    X, y = torch.as_tensor(X), torch.as_tensor(y)
    y_pred = start[0] * X + start[1]
    y_pred.retain_grad()
    loss_fn = {"mae": nn.L1Loss(), "mse": nn.MSELoss(), "bce": nn.BCEWithLogitsLoss()}[loss]
    loss_fn(y_pred, y).backward()
    sizes = (y_pred.grad * X).abs().sum().item(), y_pred.grad.abs().sum().item()
    return start.grad.tolist(), sizes


def check_gradients(train, problem, loss):
    gradients, sizes = gradients_by_torch(*problem, loss)
    one = train(*problem, loss=loss, epochs=1)
    for ours, theirs, size in zip((one.weight_grad[0], one.bias_grad[0]), gradients, sizes):
        assert abs(ours - theirs) <= GRADIENT_FLOAT64 * size


def check_trajectory(train, problem, loss):
    ours = train(*problem, loss=loss, lr=0.05, epochs=30)
    theirs = compare.TRAINERS["torch_optim"](*problem, loss=loss, lr=0.05, epochs=30)
    for a, b in zip(ours, theirs):
        assert np.abs(a - b).max() <= TRAJECTORY_FLOAT64 * max(1, np.abs(b).max())


@by_hand
@pytest.mark.parametrize("loss", LOSSES)
def test_70_random_problems_a_loss_against_torch_in_float64(trainer, loss):
    for seed in range(70):
        problem = random_problem(seed, loss)
        check_gradients(compare.TRAINERS[trainer], problem, loss)
        check_trajectory(compare.TRAINERS[trainer], problem, loss)


def test_the_random_problems_hold_what_they_should():
    problems = {loss: [random_problem(seed, loss) for seed in range(70)] for loss in LOSSES}
    assert {len(X) for X, *_ in problems["mae"]} >= {1, 1000}
    zeros = [int((w * X + b == y).sum()) for X, y, w, b in problems["mae"]]
    assert sum(count > 0 for count in zeros) > 10
    assert any((w * X + b == 0).all() for X, y, w, b in problems["bce"])
    assert any(np.abs(y).max() > 900 for X, y, w, b in problems["mse"])


# --- oracles that share no code with either side


def loss_on_paper(X, y, weight, bias, loss):
    """Return the loss in Python floats, point by point, exactly summed."""

    def of_point(x, label):
        z = weight * x + bias
        if loss == "bce":
            return max(z, 0) + math.log1p(math.exp(-abs(z))) - label * z
        return abs(z - label) if loss == "mae" else (z - label) ** 2

    return math.fsum(map(of_point, X.ravel().tolist(), y.ravel().tolist())) / len(X)


@every_trainer
@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_against_central_differences(trainer, loss):
    h = 1e-6
    for seed in (0, 4, 8, 12, 16):
        X, y, weight, bias = random_problem(seed, loss)
        if loss == "mae":
            assert np.abs(weight * X + bias - y).min() > h, "no kink within reach of the step"
        one = trainer(X, y, weight, bias, loss=loss, epochs=1)
        for gradient, (dw, db) in ((one.weight_grad[0], (h, 0)), (one.bias_grad[0], (0, h))):
            ahead = loss_on_paper(X, y, weight + dw, bias + db, loss)
            behind = loss_on_paper(X, y, weight - dw, bias - db, loss)
            difference = (ahead - behind) / (2 * h)
            assert gradient == pytest.approx(difference, abs=CENTRAL_DIFFERENCE)
        assert one.loss[0] == pytest.approx(
            loss_on_paper(X, y, weight, bias, loss), rel=GRADIENT_FLOAT64
        )


@every_trainer
def test_mse_against_its_analytic_solution(trainer):
    """theta_k = theta* + (I - lr H)^k (theta_0 - theta*), for all k at once, without a loop."""
    X, y, *start = random_problem(4, "mse")
    lr, epochs = 0.1, 500
    A = np.hstack([X, np.ones_like(X)])
    optimum = np.linalg.lstsq(A, y, rcond=None)[0].ravel()
    factors, vectors = np.linalg.eigh(np.eye(2) - lr * 2 / len(X) * A.T @ A)
    powers = factors[:, None] ** np.arange(1, epochs + 1)
    path = optimum[:, None] + vectors @ (powers * (vectors.T @ (start - optimum))[:, None])
    trajectory = trainer(X, y, *start, loss="mse", lr=lr, epochs=epochs)
    np.testing.assert_allclose(trajectory.weight, path[0], rtol=0, atol=TRAJECTORY_FLOAT64)
    np.testing.assert_allclose(trajectory.bias, path[1], rtol=0, atol=TRAJECTORY_FLOAT64)


@every_trainer
def test_the_subgradient_of_mae_at_zero_is_zero(trainer):
    X = np.array([[1.0], [2.0], [3.0]])
    one = trainer(X, 2 * X + np.array([[0.0], [0.0], [1.0]]), 2.0, 0.0, epochs=1)
    assert one.weight_grad[0] == pytest.approx(-1.0, abs=1e-15)
    assert one.bias_grad[0] == pytest.approx(-1 / 3, abs=1e-15)


def test_bce_with_logits_equals_bce_on_the_sigmoid():
    X, y, weight, bias = random_problem(1, "bce")
    z = torch.tensor(weight * X + bias, requires_grad=True)
    expected = nn.BCELoss()(torch.sigmoid(z), torch.as_tensor(y))
    expected.backward()
    loss, gradient = losses.bce_with_logits(z.detach().numpy(), y)
    assert loss == pytest.approx(expected.item(), abs=GRADIENT_FLOAT64)
    np.testing.assert_allclose(gradient, z.grad.numpy(), rtol=0, atol=GRADIENT_FLOAT64)


@every_trainer
@pytest.mark.parametrize("logit", [0.0, 50.0, -50.0, 1e4, -1e4])
@pytest.mark.parametrize("label", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bce_is_stable(trainer, logit, label, dtype):
    X, y = np.ones((1, 1), dtype), np.full((1, 1), label, dtype)
    z = torch.tensor([[logit]], dtype=torch.as_tensor(X).dtype, requires_grad=True)
    expected = nn.BCEWithLogitsLoss()(z, torch.as_tensor(y))
    expected.backward()
    one = trainer(X, y, logit, 0.0, loss="bce", epochs=1)
    assert one.loss[0] == pytest.approx(expected.item(), rel=BCE_FLOAT32, abs=BCE_FLOAT32)
    assert one.bias_grad[0] == pytest.approx(z.grad.item(), rel=BCE_FLOAT32, abs=BCE_FLOAT32)


# --- what a reader must get right by hand


def test_without_zeroing_the_gradients_add_up(monkeypatch):
    """Each epoch's gradient is then exactly the sum of all epochs' own gradients so far."""
    source = inspect.getsource(tensor_updates)
    forgotten = source.replace("weight.grad = bias.grad = None", "pass")
    assert forgotten != source
    namespace = {}
    exec(compile(forgotten, "without zeroing", "exec"), namespace)

    run = RUNS["section 3"]
    X, y = run.X, run.y
    trajectory = namespace["train"](X, y, run.weight, run.bias, epochs=20)
    starts = zip([run.weight, *trajectory.weight[:-1]], [run.bias, *trajectory.bias[:-1]])
    own = [tensor_updates.train(X, y, *map(float, start), epochs=1) for start in starts]
    for name in ("weight_grad", "bias_grad"):
        each = np.concatenate([getattr(one, name) for one in own])
        np.testing.assert_array_equal(getattr(trajectory, name), np.cumsum(each, dtype=np.float32))


# --- arguments


@every_trainer
def test_signature_and_defaults(trainer):
    parameters = inspect.signature(trainer).parameters
    assert list(parameters) == ["X", "y", "weight", "bias", "loss", "lr", "epochs"]
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
    (dict(loss="l1"), ValueError, "loss must be one of mae, mse, bce, not 'l1'"),
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
]


@every_trainer
@pytest.mark.parametrize(("change", "error", "message"), BAD, ids=[row[2][:40] for row in BAD])
def test_bad_input_is_refused(trainer, change, error, message):
    with pytest.raises(error, match=message):
        trainer(**(GOOD | change))


@pytest.mark.parametrize("loss", losses.LOSSES.values(), ids=losses.LOSSES)
@pytest.mark.parametrize(
    ("y_pred", "y", "message"),
    [
        (COLUMN, COLUMN.ravel(), r"y has shape \(4,\), but must have y_pred's, \(4, 1\)"),
        (COLUMN, COLUMN[:1], r"y has shape \(1, 1\)"),
        (COLUMN, 1.0, r"y has shape \(\)"),
    ],
)
def test_a_loss_never_broadcasts(loss, y_pred, y, message):
    with pytest.raises(ValueError, match=message):
        loss(y_pred, y)


@every_trainer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_diverging_run_names_the_first_epoch_that_is_not_finite(trainer, dtype):
    X = np.array([[1], [2], [3], [4]], dtype)
    message = r"no longer finite in epoch \d+ .*: try a smaller lr"
    with pytest.raises(FloatingPointError, match=message) as error:
        trainer(X, 2 * X, 0.0, 0.0, loss="mse", lr=10.0, epochs=1000)
    first = int(str(error.value).split("epoch ")[1].split()[0])
    assert len(trainer(X, 2 * X, 0.0, 0.0, loss="mse", lr=10.0, epochs=first).loss) == first


def test_numpy_modules_load_no_torch(tmp_path):
    names = (
        "numpy_closed_form numpy_blocks numpy_autograd engine losses optimizers trajectory".split()
    )
    imports = ", ".join(f"manual_grad.{name}" for name in names)
    code = f"import sys, {imports}; assert 'torch' not in sys.modules"
    run = run_python("-c", code, folder=tmp_path, PYTHONPATH=str(ROOT))
    assert run.returncode == 0, run.stderr


def test_the_loops_differ_only_where_the_lesson_is():
    """Between two files, only the lines of a step that the lesson is about are different."""

    def steps(name):
        lines = (ROOT / "manual_grad" / f"{name}.py").read_text().splitlines()
        lines = [line.strip() for line in lines if line.strip()]
        start = lines.index("for _ in range(epochs):")
        heads = [i for i, line in enumerate(lines) if line.startswith("# ") and line[2].isdigit()]
        assert [lines[i][2:].split(":")[0] for i in heads if i > start] == [
            "1. Forward pass",
            "2. Loss",
            "3. Zero gradients",
            "4. Backpropagation",
            "5. Gradient descent",
        ]
        end = next(i for i, line in enumerate(lines) if line.startswith("return as_trajectory"))
        return [lines[a + 1 : b] for a, b in zip(heads, [*heads[1:], end])]

    all_steps = {name: steps(name) for name in compare.TRAINERS}
    assert len({tuple(step[0]) for step in all_steps.values()}) == 1
    hand, optim = all_steps["tensor_updates"], all_steps["torch_optim"]
    assert [a == b for a, b in zip(hand, optim)] == [True, True, False, True, False]
    assert hand[:4] == all_steps["numpy_autograd"][:4]
