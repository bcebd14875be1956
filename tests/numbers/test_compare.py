"""The comparison as a program: what it prints, and a trainer that a reader adds."""

import re
from contextlib import redirect_stdout
from io import StringIO

import matplotlib.pyplot as plt
import numpy as np
import pytest
from problems import ROOT, mutant
from trained import by_all

from manual_grad import compare, numpy_closed_form, verdict
from manual_grad.published_runs import published_runs

RUNS = published_runs()
SOURCE = (ROOT / "manual_grad" / "numpy_closed_form.py").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def results():
    return by_all()


@pytest.fixture(autouse=True)
def no_figures_left():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def run_program(results, tmp_path_factory):
    """Return a function that runs the program in an empty folder: what it prints, its picture."""

    def run(**added):
        trained = {
            name: trajectories | {trainer: RUNS[name].train(f) for trainer, f in added.items()}
            for name, trajectories in results.items()
        }
        figures = []
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as printed:
            patch.setattr(compare, "train_all", lambda runs: trained)
            patch.setattr(compare.program, "save_figure", lambda *call: figures.append(call))
            compare.main()
        return printed.getvalue(), figures

    return run


@pytest.fixture
def rows_of(results, monkeypatch, capsys):
    """Return a function from a trainer to its rows, run by run, and to what was said before."""

    def rows(train):
        monkeypatch.setattr(compare, "TRAINERS", {"mine": train})
        runs = compare.train_all(RUNS)
        said = capsys.readouterr().out.splitlines()
        tables = {}
        for name, trajectories in runs.items():
            reference = {"torch_optim": results[name]["torch_optim"]}
            compare.print_comparison(name, RUNS[name], trajectories | reference)
            tables[name] = capsys.readouterr().out.splitlines()[3:]
        return tables, said

    return rows


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def sections(output):
    """Return the lines under each heading of an output."""
    parts = re.split(r"^# (.*)\n", output, flags=re.MULTILINE)
    return {heading: text.strip().splitlines() for heading, text in zip(parts[1::2], parts[2::2])}


def test_the_true_runs_are_explained_and_nothing_is_left_out(run_program, results):
    output, figures = run_program()
    assert "NOT EXPLAINED" not in output
    parts = sections(output)
    covered = [line[:21].strip() for line in parts["The published runs"][1 : len(RUNS) + 1]]
    assert covered == list(RUNS)
    assert "train a weight alone" in output
    assert "08_training_pipeline.py" in output
    for name, run in RUNS.items():
        rows = parts[f"{name}: against torch_optim"][1:]
        reference = results[name]["torch_optim"]
        expected = [(t, g) for t in compare.by_hand(results[name]) for g in verdict.COLUMNS]
        assert [tuple(row.split()[:2]) for row in rows] == expected
        for row, (trainer, group) in zip(rows, expected):
            columns = verdict.COLUMNS[group]
            ours, theirs = (verdict.stack(t, columns) for t in (results[name][trainer], reference))
            assert f" {(ours == theirs).all(axis=0).sum()} of {run.epochs} " in row
            assert f" {np.abs(ours - theirs).max():.1e} " in row
            assert row.endswith(verdict.explain(run, results[name][trainer], reference, group))
    assert [name for _, name in figures] == ["manual_grad"]


def test_there_is_one_table_of_losses(run_program, results):
    output, _ = run_program()
    tables = [lines for lines in sections(output).values() if lines and lines[0][:5] == "epoch"]
    assert len(tables) == 1
    header, *rows = (line.split() for line in tables[0])
    assert header[1:] == list(compare.TRAINERS)
    assert [int(row[0]) for row in rows] == list(range(0, 100, 10))
    for epoch, *losses in rows:
        for trainer, loss in zip(compare.TRAINERS, losses):
            assert float(loss) == results["section 3"][trainer].loss[int(epoch)]


# --- a reader's own trainer


def test_a_readers_trainer_appears_in_tables_and_picture(run_program):
    output, [(figure, _)] = run_program(mine=numpy_closed_form.train)
    assert "NOT EXPLAINED" not in output
    parts = sections(output)
    for name in RUNS:
        rows = parts[f"{name}: against torch_optim"]
        mine, model = (
            [row[19:] for row in rows if row.startswith(trainer)]
            for trainer in ("mine ", "numpy_closed_form ")
        )
        assert len(mine) == 3
        assert mine == model
    header = next(lines[0] for lines in parts.values() if lines and lines[0][:5] == "epoch")
    assert header.split()[-1] == "mine"
    assert "mine" in legend(figure)


def test_more_trainers_than_there_are_colours_are_drawn(run_program):
    added = {f"mine {i}": numpy_closed_form.train for i in range(3)}
    _, [(figure, _)] = run_program(**added)
    assert set(added) < set(legend(figure))


WRONG = {  # what a reader may get wrong, right, wrong, and the column that the verdict names
    "sign": ("weight_grad = (y_pred", "weight_grad = -(y_pred", "weight_grad"),
    "x 17": ("weight_grad = (y_pred", "weight_grad = 17 * (y_pred", "weight_grad"),
    "x 1.0001": ("bias_grad = y", "bias_grad = X.dtype.type(1.0001) * y", "bias_grad"),
    "not divided by n": (
        "y_pred_grad = loss_gradient(y_pred, y)",
        "y_pred_grad = loss_gradient(y_pred, y) * y.size",
        "weight_grad",
    ),
    "loss": ("(loss_value,", "(7 * loss_value,", "loss"),
    "loss x (1 + 1e-5)": ("(loss_value,", "(X.dtype.type(1 + 1e-5) * loss_value,", "loss"),
    "wrong rate": ("weight -= lr *", "weight -= X.dtype.type(1.001) * lr *", "weight"),
    "ascent": ("bias -= lr", "bias += lr", "bias"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_readers_wrong_trainer_is_not_explained_in_any_run(what, rows_of, monkeypatch):
    old, new, column = WRONG[what]
    assert old in SOURCE
    train = mutant("manual_grad", "numpy_closed_form", SOURCE.replace(old, new), monkeypatch).train
    tables, said = rows_of(train)
    for name, rows in tables.items():
        if any(f"NOT EXPLAINED: mine on {name}: " in line for line in said):
            continue  # it diverged there
        found = [row.split("NOT EXPLAINED: ")[1] for row in rows if "NOT EXPLAINED: " in row]
        assert found
        assert all(words.startswith(f"epoch 0, {column} is ") for words in found)
    assert len(said) <= 2


def test_a_forgotten_zeroing_is_seen_in_the_second_epoch(rows_of, monkeypatch):
    source = (ROOT / "manual_grad" / "tensor_updates.py").read_text(encoding="utf-8")
    forgotten = source.replace("weight.grad = bias.grad = None", "pass")
    tables, _ = rows_of(mutant("manual_grad", "tensor_updates", forgotten, monkeypatch).train)
    for rows in tables.values():
        gradients = next(row for row in rows if "gradients" in row)
        assert "NOT EXPLAINED: epoch 1, " in gradients


def test_a_readers_trainer_that_diverges_is_named(rows_of):
    def train(X, y, weight, bias, *, loss, lr, epochs):
        lr = 1000 if loss == "mse" else lr
        return numpy_closed_form.train(X, y, weight, bias, loss=loss, lr=lr, epochs=epochs)

    tables, said = rows_of(train)
    diverged = [name for name, run in RUNS.items() if run.loss == "mse"]
    for name, line in zip(diverged, said, strict=True):
        assert line.startswith(f"NOT EXPLAINED: mine on {name}: training is no longer finite in ")
        assert tables[name] == []


# --- the summary


def test_the_summary_counts_what_the_tables_show(run_program, results):
    output, _ = run_program()
    summary = "\n".join(sections(output)["In short"])
    assert list(sections(output))[0] == "In short"
    trainers = {
        t for line in summary.splitlines() if line[-1:] == ":" for t in line[:-1].split(", ")
    }
    assert trainers == set(compare.by_hand(compare.TRAINERS))
    for trainer in trainers:
        said = verdict.in_short(RUNS, results, trainer)
        assert said in summary
        first, *differ, _ = said.splitlines()
        apart = {}
        for name in RUNS:
            ours, theirs = (np.stack(results[name][t][3:]) for t in (trainer, "torch_optim"))
            if (ours != theirs).any():
                apart[name] = (ours != theirs).any(axis=0).sum(), np.abs(ours - theirs).max()
        assert first.endswith(f"in every epoch of {len(RUNS) - len(apart)} of {len(RUNS)} runs.")
        assert differ == [
            f"In {name!r} they differ in {count} of {RUNS[name].epochs} epochs, "
            f"by {far:.1e} at most."
            for name, (count, far) in apart.items()
        ]


def test_the_summary_of_a_copy_of_torch_optim_finds_no_difference(results):
    same = {
        name: trajectories | {"mine": trajectories["torch_optim"]}
        for name, trajectories in results.items()
    }
    first, last = verdict.in_short(RUNS, same, "mine").splitlines()
    assert first.endswith(f"in every epoch of {len(RUNS)} of {len(RUNS)} runs.")
    assert last == "Losses and gradients are equal to the bit."


def test_the_summary_of_a_wrong_trainer_praises_nothing(results):
    wrong = {
        name: trajectories | {"mine": trajectories["torch_optim"]}
        for name, trajectories in results.items()
    }
    good = wrong["exercise"]["mine"]
    wrong["exercise"]["mine"] = good._replace(bias_grad=2 * good.bias_grad)
    del wrong["section 3"]["mine"]  # it diverged there
    said = verdict.in_short(RUNS, wrong, "mine")
    assert said == f"NOT EXPLAINED in 2 of {len(RUNS)} runs: section 3; exercise."
