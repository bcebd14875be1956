"""check/notebook: each cause is named from the printed rows, with its place in the code, or isn't.

First twenty-eight tables of public notebooks, each for a feature of the search; then notebooks that
are made here: 03_train.py's cells, changed in one place, run, and written as .ipynb.
"""

import contextlib
import io
import json
import random
import re
import sys

import numpy as np
import pytest
import torch
from conftest import ROOT
from published_numbers import PUBLIC_RUNS, PUBLIC_TABLES, cells

from check.notebook import Settings, Table, __main__, explain, read, simulate
from check.notebook.code import Code, meant
from check.notebook.hints import hints_of
from check.notebook.rows import NEAR, a_sign_flipped, readings
from check.notebook.runs import SECTION_3, SECTION_6
from check.notebook.words import AS_SAID, OWN_START, TUTORIALS, remarks

MODEL, LOSS_AND_OPTIMIZER, TRAINING = (cell.code for cell in cells("03_train")[:3])
STEP = "    optimizer.step()\n"

# --- Tables of public notebooks


def public_table(name, hints=True):
    """Return a public notebook's Table, with or without what its code says."""
    found = PUBLIC_TABLES[name]
    rows = [(epoch, tuple(texts)) for epoch, *texts in found["rows"]]
    return Table(name, rows, found["hints"] if hints else {})


EXERCISE = dict(X=(0, 1, 0.01), weight=0.3, bias=0.9)
BEFORE = "trained before (a cell ran twice)"
# What each table is there for; its cause, and the settings that differ from section 3's.
PUBLIC = {
    "run 005": (TUTORIALS, dict(start=SECTION_6)),  # last digits of CUDA
    "run 029": (TUTORIALS, dict(EXERCISE, start=SECTION_6)),
    "run 139": (TUTORIALS, {}),  # float64 but for the last digits
    "run 075": (TUTORIALS, {}),  # train and test loss by turns, without epochs
    "run 006": ("other data" + AS_SAID, dict(EXERCISE, X=(0, 3, 0.03), start=SECTION_6)),
    "run 041": ("other data" + AS_SAID, dict(X=(0, 2, 0.02), optimizer="Adam")),
    "run 081": ("another optimizer" + AS_SAID, dict(optimizer="Adam", lr=0.1)),
    "run 117": ("another learning rate", dict(EXERCISE, lr=0.001)),  # the class is another one
    "run 105": (
        "another seed or draw" + AS_SAID,
        dict(start=(0.8822692632675171, -0.6381542086601257)),
    ),
    "run 084": (
        "a model made again",
        dict(EXERCISE, start=(-0.23427248001098633, 0.9186112880706787)),
    ),
    "run 032": ("another line", dict(weight=0.6, bias=0.2, split=0.7, start=SECTION_6)),
    "run 069": ("another line", dict(weight=0.8, split=0.7, loss="mse", start=SECTION_6)),
    "run 140": ("another line", dict(weight=1, bias=1, start=SECTION_6)),
    "run 023": ("X_test for y_test", dict(columns=("train", "X_test"), start=SECTION_6)),
    "run 068": ("no zero_grad", dict(zero_grad=False)),
    "run 093": ("another number printed", dict(columns=("constant", "test"))),
    "run 095": (
        "no step, or not all parameters trained",
        dict(trains="nothing", columns=("train", "train"), start=SECTION_6),
    ),
    "run 033": (
        "trained on the test set",
        dict(
            EXERCISE,
            split=-0.2,
            columns=("train", "train after"),
            start=(0.8822692632675171, 0.9150039553642273),
        ),
    ),
    "run 022": (
        BEFORE,
        dict(
            earlier=((34, 0.01),),
            columns=("train",),
            start=(0.8822692632675171, 0.9150039553642273),
        ),
    ),
    "run 027": (
        BEFORE,
        dict(EXERCISE, earlier=((300, 0.01),), start=(0.39839327335357666, -0.9504134654998779)),
    ),
    "run 036": (BEFORE, dict(earlier=((500, 0.001),), lr=0.001, start=SECTION_6)),  # a flipped sign
    "run 040": (BEFORE, dict(earlier=((8, 0.1),), start=SECTION_6)),  # at another rate
    "run 045": (
        BEFORE,
        dict(EXERCISE, weight=0.6, bias=0.4, earlier=((44, 0.01),), start=SECTION_6),
    ),
    "run 079": (BEFORE, dict(earlier=((117, 0.01),), start=SECTION_6)),
    "run 009": (OWN_START, None),
    "run 138": ("one row again and again", None),
    "run 118": ("not explained", None),
    "run 012": ("not explained", None),  # three digits of a start that nobody knows
}
TOLD = {
    "run 005": "as 72 public notebooks on CUDA print them",
    "run 036": "a residual's sign has flipped by rounding",
    "run 045": "44 epochs or more (an even number of them) of training before",
    "run 079": "117 epochs or more (an odd number of them) of training before",
    "run 009": "or both with the other sign, because the losses can't tell which",
    "run 117": "but the code has nn.Linear: was the cell changed after it ran?",
    "run 138": "Either no step reaches the model, or it was trained so long",
    "run 118": "The first number follows in all rows: it is what section 3 prints. Not",
    "run 012": "too few digits",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_table_is_explained(name):
    cause, fields = PUBLIC[name]
    explanation = explain(public_table(name))
    assert explanation.cause == cause
    if fields is not None:
        assert explanation.settings == Settings()._replace(**fields)
    assert TOLD.get(name, "") in explanation.words


@pytest.mark.slow
def test_no_table_is_explained_in_which_one_number_is_altered():
    """By a thousandth of itself."""
    rng = random.Random(0)
    for name in ("run 029", "run 105", "run 068"):
        table = public_table(name)
        row = rng.randrange(len(table.rows) // 2, len(table.rows))
        column = rng.randrange(len(table.rows[row][1]))
        change = rng.choice((-1, 1)) * 1e-3 * float(table.rows[row][1][column])
        explanation = explain(with_number(table, row, column, change))
        assert explanation.settings is None, (name, row, column, explanation.words)


def with_number(table, row, column, change):
    """Return the Table with one number changed by so much."""
    rows = list(table.rows)
    epoch, texts = rows[row]
    texts = list(texts)
    texts[column] = str(float(texts[column]) + change)
    rows[row] = epoch, tuple(texts)
    return table._replace(rows=rows)


# --- Notebooks that are made here


def changed(*edits, order="mot"):
    """Return code cells: m, o and t stand for those of model, optimizer and training."""
    text = {"m": MODEL, "o": LOSS_AND_OPTIMIZER, "t": TRAINING}
    for old, new in edits:
        assert any(old in code for code in text.values()), old
        text = {name: code.replace(old, new) for name, code in text.items()}
    return [text[name] for name in order]


def written(codes, folder, name="my.ipynb"):
    """Run code cells as a notebook does, and write it with its outputs."""
    names, made = {}, []
    for code in codes:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, names)
        output = {"output_type": "stream", "name": "stdout", "text": printed.getvalue()}
        made.append(
            {"cell_type": "code", "source": code, "outputs": [output] * bool(output["text"])}
        )
    file = folder / name
    file.write_text(json.dumps({"cells": made, "nbformat": 4}), encoding="utf-8")
    return file


def line_of(codes, text):
    """Return "cell 3, line 36" for the last line that has this text."""
    return [
        f"cell {cell}, line {line}"
        for cell, code in enumerate(codes, start=1)
        for line, words in enumerate(code.split("\n"), start=1)
        if text in words
    ][-1]


RAND, SEED_7 = (0.8822692632675171, 0.9150039553642273), (-0.1467950940132141, 0.7861412763595581)
SWAPPED = [("self.weights = nn", "self.b = nn"), ("self.bias = nn", "self.weights = nn")]
SWAPPED += [("self.b = nn", "self.bias = nn")]
DOUBLE = [
    ("torch.arange(0, 1, 0.02)", "torch.arange(0, 1, 0.02, dtype=torch.float64)"),
    ("torch.randn(1, dtype=torch.float)", "torch.randn(1).double()"),
    ("y_test.type(torch.float)", "y_test"),
]
PRINTED = "MAE Train Loss: {loss} | MAE Test Loss: {test_loss}"
X_TEST = ("y_test.type(torch.float)", "X_test")
SLOW = ("lr=0.01", "lr=0.001")
EXCHANGED_SETS = [
    ("X_train, y_train = X[:", "X_test, y_test = X[:"),
    ("X_test, y_test = X[train", "X_train, y_train = X[train"),
]
ANEW = """    torch.manual_seed(42)
    model_0 = LinearRegressionModel()
    optimizer = torch.optim.SGD(params=model_0.parameters(), lr=0.01)
    model_0.train()
"""
# What is changed, the fields of Settings that have to follow from the rows, and where the code says
# so: a piece of the line that has to be named
PLANTED = {
    "nothing": (changed(), {}, ""),
    "linspace": (
        changed(("arange(0, 1, 0.02", "linspace(0, 1, 50")),
        dict(X=("linspace", 0, 1, 50)),
        "linspace",
    ),
    "line": (changed(("weight = 0.7", "weight = 0.6")), dict(weight=0.6), "weight = 0.6"),
    "split": (changed(("0.8 *", "0.7 *")), dict(split=0.7), "0.7 *"),
    "seed": (changed(("manual_seed(42)", "manual_seed(7)")), dict(start=SEED_7), "manual_seed(7)"),
    "bias first": (changed(*SWAPPED), dict(start=SECTION_3[::-1]), "class "),
    "exchanged": (
        changed(("self.weights * x + self.bias", "self.bias * x + self.weights")),
        dict(start=SECTION_3[::-1]),
        "return",
    ),
    "loss": (changed(("nn.L1Loss()", "nn.MSELoss()")), dict(loss="mse"), "MSELoss"),
    "Huber": (changed(("nn.L1Loss()", "nn.HuberLoss()")), dict(loss="huber"), "HuberLoss"),
    "AdamW": (
        changed(("optim.SGD", "optim.AdamW"), ("epochs = 100", "epochs = 300")),
        dict(optimizer="AdamW"),
        "AdamW",
    ),
    "momentum": (changed(("lr=0.01", "lr=0.01, momentum=0.9")), dict(momentum=0.9), "momentum"),
    "global bias": (
        changed(("x + self.bias", "x + bias")),
        dict(trains="weight", start=(SECTION_3[0], 0.3)),
        "x + bias",
    ),
    "global weight": (
        changed(("self.weights * x", "weight * x")),
        dict(trains="bias", start=(0.7, SECTION_3[1])),
        "weight * x",
    ),
    "weight held": (
        changed(("model_0.parameters()", "[model_0.weights]")),
        dict(trains="weight"),
        "[model_0",
    ),
    "no brackets": (
        changed((STEP, "    optimizer.step\n")),
        dict(trains="nothing"),
        "    optimizer.step",
    ),
    "zero_grad between": (
        changed((STEP, f"    optimizer.zero_grad()\n{STEP}")),
        dict(trains="nothing"),
        "    optimizer.zero_grad()",
    ),
    "made anew": (changed(("    model_0.train()\n", ANEW)), dict(trains="anew"), "= Linear"),
    "no zero_grad": (changed(("optimizer.zero_grad()", "")), dict(zero_grad=False), "for epoch"),
    "train after": (
        changed((STEP, f"{STEP}    loss = loss_fn(model_0(X_train), y_train)\n")),
        dict(columns=("train after", "test")),
        "loss_fn(model_0(X_train)",
    ),
    "X_train": (
        changed(("(y_pred, y_train)", "(y_pred, X_train)")),
        dict(columns=("X_train", "test")),
        "(y_pred, X_train)",
    ),
    "test first": (
        changed((STEP, "\n"), ("    if epoch % 10 == 0:", f"{STEP}    if epoch % 10 == 0:")),
        dict(columns=("train", "test before")),
        "loss_fn(test_pred",
    ),
    "X_test": (changed(X_TEST), dict(columns=("train", "X_test")), "loss_fn(test_pred"),
    "itself": (
        changed(("y_test.type(torch.float)", "test_pred")),
        dict(columns=("train", "itself")),
        "loss_fn(test_pred",
    ),
    "tested on the training set": (
        changed(("model_0(X_test)", "model_0(X_train)"), ("y_test.type(torch.float)", "y_train")),
        dict(columns=("train", "train after")),
        "loss_fn(test_pred",
    ),
    "sets exchanged": (
        changed(*EXCHANGED_SETS, ("0.8 *", "0.9 *")),
        dict(split=-0.1),
        "loss_fn(y_pred",
    ),
    "one loss twice": (
        changed((PRINTED, PRINTED.replace("{test_", "{"))),
        dict(columns=("train", "train")),
        "print(",
    ),
    "float64": (changed(*DOUBLE), dict(dtype="float64"), ""),
    "a cell twice": (changed(order="mott"), dict(earlier=((100, 0.01),)), ""),
    "a new model": (changed(order="motmt"), dict(trains="nothing"), ""),
    "lr, then again": (
        [*changed(), *changed(SLOW, order="ot")],
        dict(lr=0.001, earlier=((100, 0.01),)),
        "lr=0.001",
    ),
    "rand and lr": (
        changed(("torch.randn", "torch.rand"), ("lr=0.01", "lr=0.1")),
        dict(start=RAND, lr=0.1),
        "lr=0.1",
    ),
    "X_test, again": (
        changed(X_TEST, order="mott"),
        dict(columns=("train", "X_test"), earlier=((100, 0.01),)),
        "loss_fn(test_pred",
    ),
}


SAID = {
    "global bias": "a forward() that uses the line's bias",
    "weight held": "an optimizer that holds the weight alone",
    "float64": "with data and a model in float64",
    "one loss twice": "with a second number that is a train loss too",
    "sets exchanged": "on the last 10% of the points",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_each_planted_change_is_named_with_the_code_and_without(name, tmp_path):
    codes, fields, text = PLANTED[name]
    table = read(written(codes, tmp_path))[-1]
    assert table.where == f"{tmp_path / 'my.ipynb'}, cell {len(codes)}"
    for known in (table, table._replace(hints={}, places={})):
        explanation = explain(known)
        assert explanation.settings == Settings()._replace(**fields), explanation.words
        assert (explanation.cause == TUTORIALS) == (not fields)
        assert f"All digits of all {len(table.rows)} rows follow" in explanation.words
        if known.places and text:
            assert line_of(codes, text) in explanation.words
        assert SAID.get(name, "") in explanation.words
        assert ", but cell" not in explanation.words


# --- What must be said, and no more


def told(codes, folder):
    return explain(read(written(codes, folder))[-1])


def test_a_second_step_in_an_epoch_is_said_beside_the_rate_that_prints_the_same(tmp_path):
    codes = changed((STEP, STEP * 2))
    words = told(codes, tmp_path).words
    rate = line_of(codes, "lr=0.01")
    assert f"what section 3 prints with lr = 0.02, but {rate}, says lr=0.01" in words
    second = line_of(codes, "optimizer.step()")
    assert f"It is an epoch that takes 2 steps ({second}: optimizer.step())" in words
    bare = explain(Table("here", read(tmp_path / "my.ipynb")[0].rows, {})).words
    assert "with lr = 0.02. The same rows come from an epoch that takes 2 steps." in bare


def test_a_value_that_no_cell_says_is_asked_about(tmp_path):
    table = read(written(changed(("lr=0.01", "lr=0.05")), tmp_path))[0]
    other = {"lr": [table.places["lr"][0]._replace(value=0.03, text="lr=0.03")]}
    contradicted = table._replace(hints=table.hints | {"lr": 0.03}, places=table.places | other)
    words = explain(contradicted).words
    assert "lr = 0.05, but cell 2, line 16, says lr=0.03: was the cell changed after it" in words
    assert "or is it an epoch that takes 5 steps, which prints the same?" in words
    right = table_of(Settings())._replace(places=other, hints={"lr": 0.03})
    assert "These are the tutorial's numbers (section 3), but cell 2" in explain(right).words


def test_a_step_in_some_epochs_is_named_from_the_code(tmp_path):
    codes = changed((STEP, f"    if epoch % 5 == 0 == epoch % 2:\n    {STEP}"))
    explanation = told(codes, tmp_path)
    place = line_of(codes, "if epoch % 5 == 0 == epoch % 2:")
    assert f"a step in the printed epochs alone ({place}: if epoch" in explanation.words
    assert explanation.cause == "no step in some epochs"


def test_the_exercise_with_weight_and_bias_exchanged_is_said_so(tmp_path):
    codes = changed(("weight = 0.7", "weight = 0.9"), ("0, 1, 0.02", "0, 1, 0.01"))
    words = told(codes, tmp_path).words
    assert "the exercise (nn.Parameter) prints with data on the line y = 0.9 x + 0.3" in words
    assert "weight and bias exchanged" in words


def test_a_model_made_on_a_gpu_is_told_from_one_made_on_the_cpu():
    words = explain(table_of(Settings(start=(0.22591972, 0.9754373)))).words
    assert "a model made on a GPU, whose generator draws other numbers (nn.Linear, seed" in words
    assert "Make it on the CPU, then call .to(device)." in words


def test_both_ways_to_reach_the_line_y_x_are_named():
    words = explain(table_of(Settings(columns=("X_train", "X_test")))).words
    assert "a train loss that compares y_pred with X_train" in words
    assert "The same rows come from data on the line y = x." in words


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (("optim.SGD", "optim.RMSprop"), "RMSprop, which isn't tried here"),
        (
            ("weight * X + bias", "(weight * X + bias).squeeze()"),
            "labels of shape (n,), as in docs",
        ),
        (("= model_0(X_train)", "= model_0(X_train[:])"), ""),
        (("    y_pred = model_0(X_train)", ""), "a y_pred that isn't assigned in the loop"),
    ],
)
def test_what_changes_the_rows_and_is_not_tried_is_named_with_its_place(edit, words):
    codes = changed(edit)
    said = " ".join(remarks(Code(*hints_of(codes))))
    assert words in said
    assert bool(said) == bool(words)
    assert line_of(codes, edit[1] or "loss_fn(y_pred, y_train)") in said or not words


def test_features_from_0_to_100_are_the_codes_own(tmp_path):
    explanation = told(changed(("0, 1, 0.02", "0, 100, 2")), tmp_path)
    assert explanation.settings == Settings(X=(0, 100, 2))


@pytest.mark.slow
def test_1000_epochs_without_zero_grad_are_explained():
    never = Settings(start=SECTION_6, zero_grad=False)
    assert explain(table_of(never, 1000)).settings == never
    assert explain(linear_without_zero_grad()).settings == never


def linear_without_zero_grad():
    """Return the Table of section 6 on nn.Linear, whose rounding grows where nothing is zeroed."""
    torch.manual_seed(42)
    model, X = torch.nn.Linear(1, 1), torch.arange(0, 1, 0.02).unsqueeze(dim=1)
    y, loss_fn, rows = 0.7 * X + 0.3, torch.nn.L1Loss(), []
    for epoch in range(1000):
        loss = loss_fn(model(X[:40]), y[:40])
        loss.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(parameter.grad, alpha=-0.01)
            test_loss = loss_fn(model(X[40:]), y[40:])
        if epoch % 100 == 0:
            rows.append((epoch, (str(loss.item()), str(test_loss.item()))))
    return Table("here", rows, {})


# --- How near, and from how many digits


def table_of(settings, epochs=100, every=10, digits=None, hints=None):
    """Return the Table that a run of these settings prints."""
    rows = [
        (epoch, tuple(str(float(v)) if digits is None else f"{v:.{digits}f}" for v in losses))
        for epoch, losses in enumerate(simulate(settings, epochs))
        if epoch % every == 0
    ]
    return Table("here", rows, hints or {})


# Settings, and how much of NEAR two numbers may just be off, and just not
KNOWN = {
    "section 3": (Settings(), 0.9, 1.2),
    "again": (Settings(earlier=((100, 0.01),)), 0.09, 0.12),  # chosen from thousands of epochs
}


@pytest.mark.parametrize("name", KNOWN)
def test_numbers_may_be_off_by_a_rounding_and_no_more(name):
    settings, within, beyond = KNOWN[name]
    table, near = with_number(table_of(settings), 9, 1, 1e-8), NEAR["mae"]
    inside = explain(with_number(table, 7, 1, within * near))
    assert inside.settings == settings
    assert "but for last digits" in inside.words
    outside = explain(with_number(table, 7, 1, beyond * near))
    assert outside.settings is None
    assert ("rows 1 to 7 are what section 3 prints" in outside.words) == (name == "section 3")


def test_a_number_that_is_off_alone_has_to_be_nearer():
    table, near = table_of(Settings()), NEAR["mae"]
    assert explain(with_number(table, 3, 0, 0.09 * near)).settings == Settings()
    outside = explain(with_number(table, 3, 0, 0.12 * near))
    assert outside.settings is None
    assert "From there on the row of epoch 30 isn't" in outside.words


def test_two_numbers_may_be_off_by_what_a_flipped_sign_does():
    settings = Settings((0, 2, 0.02), start=(1.0, 0.0))  # at x = 1 the residual is rounding alone
    flip = settings.lr * 2 * 1.58 / 80
    path = torch.tensor([settings.start]).expand(200, 2)
    room = np.full((20, 2), NEAR["mae"])
    both, apart = [[18, 0], [18, 1]], [[12, 0], [18, 0]]  # in one row, and in rows far from it
    for change, places, flipped in (
        (0.9, both, True),
        (1.1, both, False),
        (0.9, both[:1], False),
        (0.9, apart, False),
    ):
        off = np.zeros((20, 2))
        off[tuple(np.transpose(places))] = change * flip
        epochs = np.arange(0, 200, 10)
        given = settings.world, settings.loop, path, off, room, epochs
        assert a_sign_flipped(*given) == flipped
        elsewhere = path + torch.tensor([0.0, 0.01])  # no residual is near 0
        assert not a_sign_flipped(*given[:2], elsewhere, *given[3:])


@pytest.mark.slow
def test_a_start_of_its_own_is_found_up_to_its_sign():
    for epochs, digits, near in ((1000, None, 1e-5), (100, 3, 1e-2)):
        table = table_of(Settings(start=(1.3, -0.25)), epochs, epochs // 10, digits)
        found, words, _ = explain(table)
        off = np.subtract(found.start, (0.7, 0.3)) * np.sign(found.start[0] - 0.7)
        assert np.abs(off - (0.6, -0.55)).max() < near
        said = re.search(r"weight and bias are (\S+) and (\S+) away", words).groups()
        assert np.abs(np.abs(np.float64(said)) - (0.6, 0.55)).max() < near


@pytest.mark.slow
def test_other_problems_are_never_explained():
    rng = np.random.default_rng(0)
    classifier = [(0.69 * 0.97**i + 0.01 * rng.random(), 0.7 * 0.975**i) for i in range(100)]
    rows = [(i, tuple(f"{v:.3f}" for v in classifier[i])) for i in range(0, 100, 10)]
    assert explain(Table("here", rows, {})).settings is None


def test_two_rows_and_few_digits_name_no_start():
    for rows in (
        table_of(Settings(start=(1.3, -0.25))).rows[:2],
        [(0, ("0.3", "0.5")), (10, ("0.2", "0.3"))],
        [(None, ("0.3", "0.4")), (None, ("0.2", "0.3")), (None, ("0.1", "0.2"))],
    ):
        assert explain(Table("here", rows, {})).settings is None


def test_a_line_is_named_beside_a_start_of_zeros_and_ones_only_if_it_is_the_tutorials():
    zeros = Settings(start=(0.0, 1.0))
    assert explain(table_of(zeros)).settings == zeros
    assert explain(table_of(zeros._replace(weight=0.9))).cause == OWN_START


def test_epochs_may_count_from_1_and_digits_may_be_few():
    rows = table_of(Settings(), digits=3).rows
    for table in (rows, [(epoch + 1, losses) for epoch, losses in rows], rows[3:]):
        explanation = explain(Table("here", table, {}))
        assert explanation.cause == TUTORIALS
        assert ("row 10 is the tutorial's epoch 9" in explanation.words) == (table[0][0] == 1)


def test_rows_without_an_epoch_are_read_in_several_ways():
    rows = [(None, texts) for _, texts in table_of(Settings()).rows]
    turns = [(None, (text,)) for _, texts in rows for text in texts]
    assert explain(Table("here", rows, {})).cause == TUTORIALS
    explanation = explain(Table("here", turns, {}))
    assert (explanation.cause, explanation.words[:8]) == (TUTORIALS, "10 rows.")
    ways = readings(rows, 100)
    assert [list(way.epochs[:3]) for way in ways] == [[0, 10, 20], [0, 1, 2], [0, 12, 24]]
    assert ways[-1].epochs[-1] == 99
    assert all(way.epochs[-1] in (3, 30) for way in readings(rows[:4], 3))  # no last epoch of 2
    assert {len(way.rows) for way in readings(turns[:4], 0)} == {4, 2}


def test_settled_rows_far_behind_are_the_tutorials():
    settled = [(30_000 + epoch, losses) for epoch, losses in table_of(Settings(), 300).rows[-8:]]
    assert explain(Table("here", settled, {})).cause == TUTORIALS


@pytest.mark.slow
def test_what_a_gpu_prints_is_named_by_those_who_have_printed_it():
    for group in PUBLIC_RUNS:
        rows = [(epoch, tuple(texts)) for epoch, *texts, _ in group["rows"]][:12]
        explanation = explain(Table("here", rows, {}))
        assert explanation.cause == TUTORIALS, group["run"]
        if group["said"].get("cuda") == 72:
            assert "as 72 public notebooks on CUDA print them" in explanation.words


def test_odd_rows_and_hints_are_refused_or_left_out():
    right = table_of(Settings())
    few = {"X": "arange(0, 1, 0.5)", "split": 0.3}  # two points, none of which trains
    assert explain(right._replace(hints=few)).cause == TUTORIALS
    odd = {"seed": 20230501, "X": "arange(0, 1, 0)", "split": 0.01, "lr": "a", "w": []}
    assert explain(right._replace(hints=odd | {"epochs": -5})).cause == TUTORIALS
    for drawn in (["Linear", "randn"], ["randn", "rand"], [[1]], 5):
        assert explain(right._replace(hints={"parameters": drawn})).cause == TUTORIALS
    for rows, words in (
        ([(0, ("nan", "1")), (1, ("1", "1"))], "nan or inf"),
        ([(0, ("1", "1", "1")), (1, ("1", "1", "1"))], "3 numbers"),
        (right.rows[::-1], "don't grow"),
        ([(epoch, ("-1", test)) for epoch, (_, test) in right.rows], "negative"),
        ([(10**5 * epoch, losses) for epoch, losses in right.rows], "epochs go beyond"),
    ):
        assert words in explain(Table("here", rows, {})).words


def test_a_range_is_read_if_it_has_points_enough_and_not_too_many():
    for text, X in (
        ("arange(5)", (0, 5, 1)),
        ("arange(1, 4)", (1, 4, 1)),
        ("linspace(0, 1, 2)", ("linspace", 0, 1, 2)),
        ("arange(0, 1, 0.6)", None),  # one point and a half
        ("arange(0, 1, 0.0001)", None),  # more than anybody wants to wait for
    ):
        assert meant("X", text) == X
    assert [meant("split", share) for share in (0.04, 0.05, 0.99, 1.0)] == [None, 0.05, 0.99, None]


# --- The program


@pytest.fixture
def checked(tmp_path, monkeypatch, capsys):
    """Return a function that runs the program: (exit status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*files):
        with pytest.raises(SystemExit) as end:
            __main__.main(list(files))
        captured = capsys.readouterr()
        return end.value.code, captured.out, captured.err

    return run


def test_what_the_second_tutorial_prints_is_the_tutorials(start, tmp_path, checked):
    (tmp_path / "run.txt").write_text(start("08_training_pipeline.py", folder=tmp_path))
    status, out, _ = checked("run.txt")
    assert (status, out.count("These are the tutorial's numbers")) == (0, 4)


def test_many_files_get_a_line_for_each_table_and_a_summary_in_three_kinds(checked, tmp_path):
    written(changed(), tmp_path, "a.ipynb")
    assert checked("a.ipynb")[0] == 0
    written(changed(order="mott"), tmp_path, "b.ipynb")
    written(changed(SLOW), tmp_path, "c.ipynb")
    status, out, _ = checked(".")
    assert status == 1
    assert out.count("These are the tutorial's numbers (section 3)") == 2
    assert "b.ipynb, cell 4: 10 rows. These rows are what section 3 prints with 100 epochs" in out
    summary = """
3 files, 4 tables
   2 the tutorial's numbers
   1 a choice, which the notebook's own code says
       1 another learning rate (c.ipynb)
   1 a slip, or what the code doesn't say
       1 trained before (a cell ran twice) (b.ipynb)
   0 not explained
"""
    assert out.endswith(summary)
    (tmp_path / "d.txt").write_text("nothing", encoding="utf-8")
    status, out, err = checked("a.ipynb", "d.txt")
    assert status == 2
    assert "1 files can't be checked (d.txt)" in out
    assert err.startswith("d.txt: ")


def test_a_pipe_is_read_too(checked, monkeypatch):
    rows = table_of(Settings()).rows
    text = "".join(f"Epoch: {e} | Loss: {a} | Test: {b}\n" for e, (a, b) in rows)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert checked("-")[0] == 0


def test_the_program_starts_by_its_file_name(start, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        start(ROOT / "check/notebook/__main__.py", "none.ipynb", folder=tmp_path)
    assert end.value.code == 2
