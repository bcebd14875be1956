"""numpy_blocks against its definition and torch; numpy_closed_form as a program; the benchmark."""

import inspect
import json
import re
import sys
import tracemalloc

import numpy as np
import pytest
import torch
from conftest import ROOT, run_python
from published_numbers import PUBLISHED, X86, printed_under
from test_mutations import fresh
from test_trainers import LOSSES, RUNS, check_gradients, check_trajectory, random_problem
from tolerances import (
    FINAL_ROUNDING,
    LOSS_ON_ANOTHER_PLATFORM,
    MEAN_IN_ANOTHER_ORDER,
    ONE_SIGN_FLIPPED,
    TRAJECTORY_FLOAT64,
)

from manual_grad import benchmark, numpy_blocks, numpy_closed_form, torch_optim

BLOCK = numpy_blocks.BLOCK
MEGABYTE = 1e6
PUBLISHED_MAE_RUNS = [name for name, run in RUNS.items() if run.loss == "mae"]


def noisy_line(n, dtype, loss="mae", seed=0):
    """Return X, y, weight, bias: a noisy line of n points, and a start beside it."""
    rng = np.random.default_rng(seed)
    X = rng.random((n, 1), np.float32)
    y = np.float32(0.7) * X + np.float32(0.3) + rng.standard_normal((n, 1), np.float32)
    if loss == "bce":
        y = (y > 0.6).astype(np.float32)
    return X.astype(dtype), y.astype(dtype), 0.25, 0.5


# --- numpy_blocks


@pytest.mark.parametrize("name", PUBLISHED_MAE_RUNS)
def test_blocks_follow_the_published_runs_to_the_bit(name):
    run = RUNS[name]
    ours, reference = run.train(numpy_blocks.train), run.train(torch_optim.train)
    for column in ours._fields:
        a, b = getattr(ours, column), getattr(reference, column)
        if X86 and column in ("weight", "bias"):
            np.testing.assert_array_equal(a, b, err_msg=column)
        else:
            tolerance = MEAN_IN_ANOTHER_ORDER if X86 else ONE_SIGN_FLIPPED
            np.testing.assert_allclose(a, b, rtol=0, atol=tolerance, err_msg=column)


@pytest.mark.parametrize("loss", LOSSES)
def test_70_random_problems_a_loss_in_blocks_of_97(loss, monkeypatch):
    monkeypatch.setattr(numpy_blocks, "BLOCK", 97)
    for seed in range(70):
        problem = random_problem(seed, loss)
        check_gradients(numpy_blocks.train, problem, loss)
        check_trajectory(numpy_blocks.train, problem, loss)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("n", [1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
def test_blocks_equal_their_definition_at_the_edges_of_a_block(n, loss):
    problem = noisy_line(n, np.float64, loss)
    ours = numpy_blocks.train(*problem, loss=loss, epochs=3)
    definition = numpy_closed_form.train(*problem, loss=loss, epochs=3)
    np.testing.assert_allclose(ours, definition, rtol=0, atol=TRAJECTORY_FLOAT64)


def test_blocks_take_every_second_row_of_an_array():
    X, y, *start = noisy_line(3 * BLOCK, np.float64)
    ours = numpy_blocks.train(X[::2], y[::2], *start, epochs=3)
    definition = numpy_closed_form.train(X[::2], y[::2], *start, epochs=3)
    np.testing.assert_allclose(ours, definition, rtol=0, atol=TRAJECTORY_FLOAT64)


def check_accuracy(train, n, loss, seeds):
    """Assert that a trainer's first epoch in float32 is as near to float64 as torch's.

    The largest errors over some random problems are compared: in one, torch may be exact by luck.
    """
    errors, largest = {"ours": 0, "torch": 0}, 0
    for seed in range(seeds):
        X, y, *start = noisy_line(n, np.float32, loss, seed)
        wide = X.astype(np.float64), y.astype(np.float64)
        exact = np.ravel(numpy_closed_form.train(*wide, *start, loss=loss, epochs=1))[:3]
        for who, function in (("ours", train), ("torch", torch_optim.train)):
            got = np.ravel(function(X, y, *start, loss=loss, epochs=1))[:3].astype(np.float64)
            errors[who] = np.maximum(errors[who], np.abs(got - exact))
        largest = np.maximum(largest, np.abs(exact))
    assert (errors["ours"] <= errors["torch"] + FINAL_ROUNDING * largest).all(), errors


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("n", "seeds"), [(40, 20), (1_000, 20), (100_000, 10), (1_000_000, 2)])
def test_blocks_are_as_accurate_as_torch(n, seeds, loss):
    check_accuracy(numpy_blocks.train, n, loss, seeds)


@pytest.mark.slow
def test_blocks_are_as_accurate_as_torch_on_ten_million_points():
    check_accuracy(numpy_blocks.train, 10_000_000, "mae", seeds=1)


def test_the_check_of_accuracy_sees_sums_in_float32(monkeypatch):
    source = inspect.getsource(numpy_blocks)
    in_float32 = source.replace("16_384", "16").replace("float(", "(")
    assert in_float32 != source
    with pytest.raises(AssertionError, match="ours"):
        check_accuracy(fresh("numpy_blocks", in_float32, monkeypatch).train, 1_000_000, "mae", 2)


MUTATIONS = [
    ("range(0, len(X), BLOCK)", "range(0, len(X) - BLOCK, BLOCK)"),
    ("slice(start, start + BLOCK)", "slice(start, start + BLOCK - 1)"),
    ("y_pred_grad.dot(ones)", "y_pred_grad.dot(y_pred)"),
    ("weight_sum += float(", "weight_sum = float("),
    ("bias_sum += float(", "bias_sum -= float("),
    ("loss_sum += loss_fn", "loss_sum = loss_fn"),
    ("n = len(X)", "n = BLOCK"),
    ("np.sign(residual, out=y_pred_grad)", "np.copysign(1.0, residual, out=y_pred_grad)"),
    ("np.add(residual, residual, out", "np.add(residual, 0, out"),
    ("y * y_pred).sum()", "y * y_pred).mean()"),
]


@pytest.mark.parametrize(("old", "new"), MUTATIONS, ids=[new for _, new in MUTATIONS])
def test_a_mistake_in_the_blocks_is_caught(old, new, monkeypatch):
    source = inspect.getsource(numpy_blocks)
    assert old in source, "this mutation changes nothing"
    mutant = source.replace("BLOCK = 16_384", "BLOCK = 7").replace(old, new)
    train = fresh("numpy_blocks", mutant, monkeypatch).train

    def check():
        for loss in LOSSES:
            for seed in range(8):
                check_gradients(train, random_problem(seed, loss), loss)
                check_trajectory(train, random_problem(seed, loss), loss)

    with pytest.raises((AssertionError, ValueError, FloatingPointError)):
        check()


def peak_of_arrays(train, n):
    """Return how many bytes of arrays a trainer has at most, beside its inputs."""
    X, y, *start = noisy_line(n, np.float32)
    tracemalloc.start()
    try:
        train(X, y, *start, epochs=2)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_blocks_make_no_array_of_size_n():
    n = 2_000_000
    assert peak_of_arrays(numpy_blocks.train, n) < 2 * MEGABYTE
    assert peak_of_arrays(numpy_closed_form.train, n) > 4 * n, "the check sees an array of size n"


# --- numpy_closed_form as a program


@pytest.fixture(scope="module")
def closed_form_program(tmp_path_factory):
    """Return what `python -m manual_grad.numpy_closed_form` prints, and whether torch came in."""
    code = (
        "import runpy, sys\n"
        "runpy.run_module('manual_grad.numpy_closed_form', run_name='__main__')\n"
        "print('\\n# torch\\n', 'torch' in sys.modules)"
    )
    folder = tmp_path_factory.mktemp("closed_form")
    run = run_python("-c", code, folder=folder, PYTHONPATH=str(ROOT))
    assert (run.returncode, run.stderr) == (0, "")
    assert not list(folder.iterdir())
    return run.stdout


def test_closed_form_prints_the_tutorials_rows(closed_form_program):
    rows = re.findall(
        r"Epoch: (\d+) \| MAE Train Loss: (\S+) \| MAE Test Loss: (\S+)\n",
        printed_under("3. Train model: losses", closed_form_program),
    )
    expected = PUBLISHED["workflow_notebook"]["3_training"]["rows"]
    assert len(rows) == len(expected) == 10
    tolerance = MEAN_IN_ANOTHER_ORDER + (0 if X86 else LOSS_ON_ANOTHER_PLATFORM)
    for ours, published in zip(rows, expected):
        assert int(ours[0]) == published[0]
        for a, b in zip(ours[1:], published[1:]):
            assert float(a) == pytest.approx(float(b), abs=tolerance)


def test_closed_form_prints_learned_against_true_parameters_without_torch(closed_form_program):
    learned = printed_under("3. Train model: learned parameters", closed_form_program)
    reference = RUNS["section 3"].train(torch_optim.train)
    weight, bias = (float(word) for word in re.findall(r"\d\.\d+", learned))
    if X86:
        assert (np.float32(weight), np.float32(bias)) == (reference.weight[-1], reference.bias[-1])
    assert weight == pytest.approx(reference.weight[-1], abs=ONE_SIGN_FLIPPED)
    true = printed_under("3. Train model: true parameters", closed_form_program)
    assert true.strip() == "weight: 0.7, bias: 0.3"
    assert printed_under("torch", closed_form_program).strip() == "False"


def test_the_start_is_what_seed_42_draws():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(42)
        drawn = torch.randn(1).item(), torch.randn(1).item()
    assert drawn == benchmark.START
    assert str(drawn)[1:-1] in inspect.getsource(numpy_closed_form)


def test_the_numpy_data_is_the_tutorials():
    X = torch.arange(0, 1, 0.02, dtype=torch.float32).unsqueeze(dim=1)
    ours = numpy_closed_form.tutorial_data()
    for a, b in zip(ours, (X, 0.7 * X + 0.3)):
        assert a.dtype == np.float32
        if X86:
            np.testing.assert_array_equal(a, b.numpy())
        np.testing.assert_allclose(a, b.numpy(), rtol=0, atol=LOSS_ON_ANOTHER_PLATFORM)
    plain = np.arange(0, 1, 0.02, dtype=np.float32)
    assert not X86 or (plain != ours[0].ravel()).sum() == 9, "as its docstring says"


# --- the benchmark


@pytest.mark.slow
def test_the_quick_benchmark_prints_a_table_and_saves_a_picture(tmp_path):
    run = run_python(
        "-m", "manual_grad.benchmark", "--quick", folder=tmp_path, PYTHONPATH=str(ROOT)
    )
    assert (run.returncode, run.stderr) == (0, "")
    rows = [line.strip("| ").split(" | ") for line in run.stdout.splitlines() if line[:1] == "|"]
    assert rows[0] == ["points", *benchmark.TRAINERS, "floor"]
    assert [row[0] for row in rows[2:-1]] == [f"{n:,}" for n in benchmark.QUICK_SIZES]
    for row in rows[2:-1]:
        assert all(re.fullmatch(r"[\d,.]+ us \([\d.]+x\)", cell) for cell in row[1:-1]), row
        assert row[5].endswith("(1x)"), "torch_optim beside itself"
    written = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")]
    assert written == ["figures/benchmark.png"]


def test_the_benchmarks_table_and_picture_hold_its_numbers():
    names = [*benchmark.TRAINERS, "floor"]
    costs = {n: {name: n * (i + 1.0) for i, name in enumerate(names)} for n in (10, 1000)}
    lines = benchmark.as_table(costs, [12.345] * 4 + [None])
    assert lines[2].startswith("| 10 | 10.0 us (5x) | 20.0 us (2.5x) |")
    assert lines[3].endswith("| 5,000 us (1x) | 6,000 us |")
    assert lines[-1].endswith("| 12.3 MB | not known |  |")
    axes = benchmark.plot(costs)
    assert {line.get_label().split(":")[0] for line in axes.get_lines()} == set(names)
    for line, name in zip(axes.get_lines(), names):
        assert list(line.get_xdata()) == [10, 1000]
        assert list(line.get_ydata()) == [costs[n][name] for n in costs]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    looks = [(line.get_marker(), str(line.get_linestyle())) for line in axes.get_lines()]
    assert len({marker for marker, _ in looks}) == len(names), "to be told apart without colour"
    assert axes.get_title()
    assert "microseconds" in axes.get_ylabel()
    benchmark.import_module("matplotlib.pyplot").close("all")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is known on Linux alone")
def test_the_systems_count_of_memory_sees_arrays_and_tensors(tmp_path):
    n = 2_000_000
    code = (
        "import json; from manual_grad.benchmark import extra_memory; "
        "print(json.dumps([extra_memory(name, {}) for name in {!r}]))"
    )
    names = ["numpy_blocks", "numpy_closed_form", "tensor_updates"]
    run = run_python("-c", code.format(n, names), folder=tmp_path, PYTHONPATH=str(ROOT))
    assert run.returncode == 0, run.stderr
    blocks, *others = json.loads(run.stdout)
    assert blocks < 2
    assert min(others) > 4 * n / MEGABYTE, "at least one array of size n"


def test_the_benchmark_trains_every_trainer_in_the_same_way():
    costs = benchmark.time_epochs(40, epochs=5, repeats=1)
    assert set(costs) == {*benchmark.TRAINERS, "floor"}
    X, y = benchmark.make_data(1000)
    assert X.dtype == y.dtype == np.float32
    assert X.shape == y.shape == (1000, 1)
    assert 0 <= X.min() < X.max() < 0.8
