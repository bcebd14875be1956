"""The benchmark: what it times, its table and its picture."""

import re

import numpy as np
import pytest

from beyond import benchmark
from manual_grad.numpy_closed_form import tutorial_data


def test_an_epochs_time_is_without_what_a_run_costs_once(monkeypatch, capsys):
    now, runs = [0.0], []
    monkeypatch.setattr(benchmark.time, "perf_counter", lambda: now[0])

    def train(X, y, weight, bias, epochs):
        runs.append((len(X), epochs))
        now[0] += 7 + 3 * epochs + (100 if len(runs) == 1 else 0)  # the first run is slow

    monkeypatch.setattr(benchmark, "TRAINERS", {"it": train})
    assert benchmark.measure_time({40: (5, 3)}) == {40: {"it": 3e6}}
    assert runs == [(40, 1)] + [(40, 0), (40, 5)] * 3
    assert capsys.readouterr().err.startswith("40 points, 3 times 5 epochs")


@pytest.mark.parametrize("quick", [True, False])
def test_the_table_and_the_picture_show_each_trainers_numbers(quick, monkeypatch, capsys):
    sizes = [40, 1_000, 100_000] + ([] if quick else [1_000_000, 10_000_000])
    names, figures = list(benchmark.TRAINERS), []
    times = {name: {n: n * (i + 1.0) for n in sizes} for i, name in enumerate(names)}
    by_size = lambda sizes: {n: {name: times[name][n] for name in names} for n in sizes}  # noqa: E731
    monkeypatch.setattr(benchmark, "measure_time", by_size)
    monkeypatch.setattr(benchmark.numpy_blocks, "cores", lambda: 3)
    monkeypatch.setattr(benchmark.torch, "get_num_threads", lambda: 4)
    monkeypatch.setattr(benchmark, "save_figure", lambda *saved: figures.append(saved))
    benchmark.main(quick)
    lines = capsys.readouterr().out.splitlines()
    rows = dict(map(str.strip, line.split(" | ")[:2]) for line in lines if " | " in line)
    assert re.split(r" +\| ", lines[4].strip()) == ["trainer, threads", *(f"{n:,}" for n in sizes)]
    assert set(lines[5]) == set("-| ")
    assert rows["numpy_blocks, 3"] == "40.0 (6x)"
    assert rows["numpy_blocks, 1"] == "80.0 (3x)"
    assert rows["torch_optim, 4"] == "240.0 (1x)"
    assert rows["yardstick: np.sum, 1"] == "280.0 (0.857x)"
    ((figure, name),) = figures
    assert name == "benchmark"
    drawn = figure.axes[0].get_lines()
    for line, name in zip(drawn, names, strict=True):
        assert line.get_label() == benchmark.label(name)
        assert dict(zip(*line.get_data())) == times[name]
    assert len({line.get_marker() for line in drawn}) == len(names), "told apart without colour"


def test_each_trainer_trains_on_the_tutorials_line():
    for made, values in zip(benchmark.make_data(40), tutorial_data()):
        np.testing.assert_allclose(made, values, rtol=0, atol=2e-7)
    costs = benchmark.time_epochs(benchmark.make_data(40), epochs=1, repeats=1)
    assert list(costs) == list(benchmark.TRAINERS)
