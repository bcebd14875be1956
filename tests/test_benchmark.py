"""The benchmark: what it times, the memory that it sees, its table and its picture."""

import re
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from beyond import benchmark
from manual_grad import numpy_closed_form
from manual_grad.published_runs import published_runs

NAMES = [*benchmark.TRAINERS, "yardstick"]


def test_each_trainer_is_measured_and_the_results_are_printed(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(benchmark, "SIZES", {40: (2, 1), 99_999: (2, 1), 100_000: (2, 1)})
    monkeypatch.setattr(benchmark, "measure_memory", lambda n: [n / 1e4] * 5 + [None])
    benchmark.main(quick=False)
    printed = capsys.readouterr().out
    rows = [re.split(r" +\| ", line) for line in printed.splitlines() if " | " in line]
    assert [row[0] for row in rows[2:-1]] == [benchmark.label(name) for name in benchmark.TRAINERS]
    for cell in sum((row[1:] for row in rows[2:-1]), []):
        assert re.fullmatch(r"[\d,.]+ \([\d,.]+x\)", cell)
    assert [cell == "" for cell in rows[-1][1:]] == [True, True, False], "yardstick from 100,000 on"
    assert "tensor_updates, 1       10.0 MB\ntorch_optim, 1        not known\n" in printed
    assert printed.endswith("Saved figures/benchmark.png\n")


def test_an_epochs_time_is_without_what_a_run_costs_once(monkeypatch):
    now, runs = [0.0], []
    monkeypatch.setattr(benchmark.time, "perf_counter", lambda: now[0])

    def train(X, y, weight, bias, epochs):
        runs.append(epochs)
        now[0] += 7 + 3 * epochs + (100 if len(runs) == 1 else 0)  # the first run is slow

    assert benchmark.time_epochs({"it": train}, (None, None), epochs=5, repeats=3) == {"it": 3e6}
    assert runs == [1] + [0, 5] * 3


def test_the_table_and_the_picture_show_the_numbers(monkeypatch):
    costs = {n: {name: n * (i + 1.0) for i, name in enumerate(NAMES)} for n in (40, 100_000)}
    del costs[40]["yardstick"]
    monkeypatch.setattr(benchmark.numpy_blocks, "cores", lambda: 3)
    monkeypatch.setattr(benchmark.torch, "get_num_threads", lambda: 4)
    lines = benchmark.as_table(costs)
    assert lines[0] == "trainer, threads     | 40          | 100,000"
    assert lines[2] == "numpy_blocks, 3      | 40.0 (6.0x) | 100,000 (6.0x)"
    assert lines[3] == "numpy_blocks, 1      | 80.0 (3.0x) | 200,000 (3.0x)"
    assert lines[-2] == "torch_optim, 4       | 240 (1.0x)  | 600,000 (1.0x)"
    assert lines[-1] == "yardstick: np.sum, 1 |             | 700,000"
    slow = {n: dict.fromkeys(NAMES, 150 + n / 50) for n in benchmark.SIZES}
    assert max(map(len, benchmark.as_table(slow))) <= 100
    axes = benchmark.plot(costs).axes[0]
    for line, name in zip(axes.get_lines(), NAMES, strict=True):
        assert list(line.get_xdata()) == [n for n in costs if name in costs[n]]
        assert list(line.get_ydata()) == [cost[name] for cost in costs.values() if name in cost]
    markers = {line.get_marker() for line in axes.get_lines()}
    assert len(markers - {"", "None"}) == len(NAMES), "a single point shows, and without colour"
    assert [benchmark.digits(x, 3) for x in (1e-4, 2.345, 99.94)] == ["0.000100", "2.35", "99.9"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is known on Linux alone")
def test_the_systems_count_of_memory_sees_arrays_and_tensors(monkeypatch):
    names = ["numpy_blocks", "tensor_updates"]
    monkeypatch.setattr(benchmark, "TRAINERS", {name: benchmark.TRAINERS[name] for name in names})
    here = SimpleNamespace(map=map)  # no processes, which would first have to load torch
    monkeypatch.setattr(benchmark, "ProcessPoolExecutor", lambda *_, **__: nullcontext(here))
    peaks = benchmark.measure_memory(10_000_000)
    if None in peaks:
        pytest.skip("this system doesn't reset the peak of a process")
    array = 40  # MB: 10,000,000 numbers of float32
    assert peaks[0] < array < peaks[1] < 6 * array


def test_where_the_peak_cannot_be_reset_the_memory_is_not_known(monkeypatch):
    monkeypatch.setattr(Path, "write_text", lambda *_, **__: open(__file__ + "/nowhere"))
    assert benchmark.extra_memory(numpy_closed_form.train, 1000) is None


def test_the_data_are_the_tutorials_line():
    for made, values in zip(benchmark.make_data(40), published_runs()["section 3"]):
        torch.testing.assert_close(torch.from_numpy(made), values, rtol=0, atol=2e-7)
