"""The benchmark: its table, its picture, what it measures; the numbers of docs/performance.md."""

import json
import re
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from programs import call, run_program

from beyond import benchmark, benchmark_others, measure

MEGABYTE = 1e6
NAMES = [*benchmark.TRAINERS, "floor"]


@pytest.fixture
def costs():
    """Return made-up costs at two sizes, of which the smaller shows no floor."""
    costs = {n: {name: n * (i + 1.0) for i, name in enumerate(NAMES)} for n in (10, 100_000)}
    del costs[10]["floor"]
    return costs


@pytest.mark.slow
def test_the_quick_benchmark_prints_a_table_and_saves_a_picture(tmp_path):
    run = run_program("beyond.benchmark", "--quick", folder=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    assert "\r" not in run.stdout, "progress is for terminals"
    rows = [line.strip("| ").split(" | ") for line in run.stdout.splitlines() if line[:1] == "|"]
    assert [row[0] for row in rows[2:]] == [f"{n:,}" for n in benchmark.QUICK_SIZES]
    for n, row in zip(benchmark.QUICK_SIZES, rows[2:]):
        assert len(row) == len(NAMES) + (n >= benchmark.FLOOR_FROM), row
        for cell in row[1 : len(NAMES)]:
            assert re.fullmatch(r"[\d,.]+ us \([\d,.]+x\)", cell), row
        assert row[len(NAMES) - 1].endswith("(1.00x)"), "torch_optim beside itself"
    assert re.search(r"Measured in \d+ s\.\n", run.stdout)
    written = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")]
    assert written == ["figures/benchmark.png"]


def test_help_says_how_to_make_the_environment_of_the_others(tmp_path):
    run = run_program("beyond.benchmark", "--help", folder=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    for words in ("--quick", "--others", "pip install", *benchmark_others.OTHERS):
        assert words in run.stdout


def test_the_table_holds_its_numbers(costs):
    lines = benchmark.as_table(costs, [12.345] * 5 + [None], torch_threads=4)
    assert lines[2].startswith("| 10 | 10.0 us (6.00x) | 20.0 us (3.00x) |")
    assert lines[2].endswith("| 60.0 us (1.00x) |  |"), "no floor at 10 points"
    assert lines[3].endswith("| 600,000 us (1.00x) | 700,000 us |")
    assert lines[-1].endswith("| 12.3 MB | not known |  |")
    assert len({line.count("|") for line in lines}) == 1, "as many cells in each row"


def test_the_head_says_how_many_threads_each_column_has(costs, monkeypatch):
    monkeypatch.setattr(benchmark, "cores", lambda: 3)
    assert benchmark.as_table(costs, [1] * 6, torch_threads=4)[0] == (
        "| points | numpy_blocks, 3 threads | numpy_blocks, 1 thread | numpy_closed_form, 1 thread "
        "| numpy_autograd, 1 thread | tensor_updates, 4 threads | torch_optim, 4 threads "
        "| floor: np.sum, 1 thread |"
    )


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.04166, "0.0417"), (1, "1.00"), (2.345, "2.35"), (99.94, "99.9"), (2070.4, "2,070"),
     (12_345_678, "12,345,678"), (1e-4, "0.000100")],
)  # fmt: skip
def test_a_number_has_three_digits_and_no_exponent(number, text):
    assert benchmark.three_digits(number) == text


def test_the_picture_shows_the_tables_numbers(costs):
    figure = benchmark.plot(costs, torch_threads=4)
    lines = figure.axes[0].get_lines()
    for line, name in zip(lines, NAMES):
        sizes = [n for n in costs if name in costs[n]]
        assert list(line.get_xdata()) == sizes, name
        assert list(line.get_ydata()) == [costs[n][name] for n in sizes]
    assert list(lines[-1].get_xdata()) == [100_000], "no floor below 100,000 points"
    assert len({line.get_marker() for line in lines}) == len(NAMES), "told apart without colour"
    assert "microseconds" in figure.axes[0].get_ylabel()
    plt.close(figure)


def test_the_floor_is_measured_from_100_000_points_on(monkeypatch):
    monkeypatch.setattr(benchmark, "TRAINERS", {})
    monkeypatch.setattr(benchmark, "time_epochs", lambda trains, *rest: list(trains))
    sizes = {40: (2, 1), 99_999: (2, 1), 100_000: (2, 1)}
    assert benchmark.measure_time(sizes) == {40: [], 99_999: [], 100_000: ["floor"]}


def test_every_trainer_is_timed_on_the_same_data():
    trains = {name: benchmark.trainer(name) for name in benchmark.TRAINERS}
    X, y = measure.make_data(1000)
    assert X.dtype == y.dtype == np.float32
    assert X.shape == y.shape == (1000, 1)
    assert 0 <= X.min() < X.max() < 0.8
    costs = measure.time_epochs(trains, X, y, epochs=5, repeats=1)
    assert set(costs) == set(benchmark.TRAINERS)
    assert min(costs.values()) > 0


def test_an_epochs_time_is_without_what_a_run_costs_once(monkeypatch):
    now, runs = [0.0], []
    monkeypatch.setattr(measure.time, "perf_counter", lambda: now[0])

    def train(X, y, weight, bias, epochs):
        runs.append(epochs)
        now[0] += 7 + 3 * epochs + (100 if len(runs) == 1 else 0)  # the first run is slow

    assert measure.time_epochs({"it": train}, None, None, epochs=5, repeats=3) == {"it": 3e6}


def print_extra_memory(modules, n):
    print(json.dumps([measure.extra_memory(module, {}, n) for module in modules]))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is known on Linux alone")
def test_the_systems_count_of_memory_sees_arrays_and_tensors(tmp_path):
    n = 2_000_000
    modules = ["beyond.numpy_blocks", "manual_grad.numpy_closed_form", "manual_grad.tensor_updates"]
    run = call(print_extra_memory, modules, n, folder=tmp_path)
    assert run.returncode == 0, run.stderr
    blocks, *others = json.loads(run.stdout)
    if blocks is None:
        pytest.skip("this system doesn't reset the peak of a process")
    array = 4 * n / MEGABYTE
    assert blocks < array, "none of size n; tests/numbers/test_block_threads.py says how much"
    assert min(others) > array, "at least one of size n"


def test_where_the_peak_cannot_be_reset_the_memory_is_not_known(monkeypatch):
    def forbidden(self, *arguments, **settings):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(measure.Path, "write_text", forbidden)
    assert measure.extra_memory("beyond.numpy_blocks", {}, 1000) is None


def test_a_library_that_is_not_installed_is_a_row_that_says_so(monkeypatch):
    def missing():
        raise ModuleNotFoundError("No module named 'nowhere'")

    monkeypatch.setattr(benchmark_others, "OTHERS", {"nowhere": missing})
    monkeypatch.setattr(benchmark_others, "SIZES", {40: (2, 1), 1000: (2, 1)})
    lines = benchmark_others.as_table(progress=lambda text: None)
    assert lines[0] == "| trained with | 40 points | 1,000 points |"
    assert lines[-1] == "| nowhere | not installed | not installed |"
    assert re.fullmatch(
        r"\| torch_optim \| [\d,.]+ us \(1.00x\) \| [\d,.]+ us \(1.00x\) \|", lines[-2]
    )


def test_a_library_that_trains_something_else_is_not_timed():
    closed_form = benchmark.trainer("numpy_closed_form")

    def end(loss):
        def train(*problem, epochs):
            trajectory = closed_form(*problem, epochs=epochs, loss=loss)
            return trajectory.weight[-1], trajectory.bias[-1]

        return train

    benchmark_others.check_agreement("the same", end("mae"))
    with pytest.raises(ValueError, match="another ends at"):
        benchmark_others.check_agreement("another", end("mse"))


def test_progress_is_for_terminals(capsys, monkeypatch):
    measure.progress("40 points")
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    measure.progress("40 points")
    measure.progress("")
    first, second, last = capsys.readouterr().out.split("\r")[1:]
    assert first.rstrip() == "40 points"
    assert (second.strip(), last) == ("", "")
