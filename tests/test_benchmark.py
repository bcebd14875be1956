"""The benchmark: what it times, its table and its picture."""

import numpy as np
import pytest
from pictures import assert_key, color

from beyond import benchmark
from beyond.benchmark import TRAINERS, as_table, plot
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


TIMES = {n: {name: n * (i + 1.0) for i, name in enumerate(TRAINERS)} for n in (40, 1_000)}


def test_the_table_has_each_trainers_time_and_how_many_times_as_fast_as_torch_optim_it_is():
    head, rule, *rows = ([cell.strip() for cell in row.split(" | ")] for row in as_table(TIMES))
    assert head == ["trainer, threads", "40", "1,000"]
    assert set("".join(rule)) == {"-"}
    for i, (name, row) in enumerate(zip(TRAINERS, rows, strict=True), start=1):
        as_fast = f"({6 / i:.3g}x)"  # torch_optim is the sixth
        assert row == [name, f"{i * 40}.0 {as_fast}", f"{i},000.0 {as_fast}"]


def test_the_picture_shows_each_trainers_times_by_a_marker_and_a_colour_of_its_own():
    (axes,) = plot(TIMES).axes
    lines = dict(zip(TRAINERS, axes.get_lines(), strict=True))
    assert_key(axes.get_legend(), {name: [line] for name, line in lines.items()})
    assert len(set(map(color, lines.values()))) == len(TRAINERS)
    for name, line in lines.items():
        assert dict(zip(*line.get_data())) == {n: times[name] for n, times in TIMES.items()}


@pytest.mark.parametrize(("quick", "most"), [(True, 100_000), (False, 10_000_000)])
def test_quick_leaves_the_large_sizes_out(quick, most, monkeypatch, capsys):
    measured = []
    monkeypatch.setattr(benchmark, "measure_time", lambda sizes: measured.extend(sizes) or TIMES)
    monkeypatch.setattr(benchmark, "save_figure", lambda *_: None)
    benchmark.main(quick)
    assert max(measured) == most
    assert "\n".join(as_table(TIMES)) in capsys.readouterr().out


def test_each_trainer_trains_on_the_tutorials_line():
    for made, values in zip(benchmark.make_data(40), tutorial_data()):
        np.testing.assert_allclose(made, values, rtol=0, atol=2e-7)


def test_each_trainer_is_timed():
    costs = benchmark.time_epochs(benchmark.make_data(40), epochs=1, repeats=1)
    assert list(costs) == list(TRAINERS)
