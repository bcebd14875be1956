"""check/notebook: each planted change is named from the printed rows, and nothing else is.

The notebooks are made here: 03_train.py's cells, changed in one place, run, and written as .ipynb.
"""

import contextlib
import io
import json
import sys

import numpy as np
import pytest
import torch
from conftest import ROOT
from published_numbers import PUBLIC_RUNS, cells

from check import notebook
from check.notebook import Settings, Table, explain, read, search, simulate
from check.notebook import __main__ as program
from check.notebook.hints import hints_of, range_of
from check.notebook.own_start import a_sign_flipped
from check.notebook.printed import readings
from check.notebook.runs import SECTION_3, SECTION_6

# A right float32 run may be off by this much in a loss (DESIGN of check.search: NEAR).
NEAR = search.NEAR["mae"]
MODEL, LOSS_AND_OPTIMIZER, TRAINING = (cell.code for cell in cells("03_train")[:3])
STEP = "    optimizer.step()\n"
LINSPACE = "linspace", 0, 1, 50


def changed(*edits, order="mot", model=MODEL, training=TRAINING):
    """Return code cells: m, o and t stand for those of model, optimizer and training."""
    text = {"m": model, "o": LOSS_AND_OPTIMIZER, "t": training}
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
            exec(code.replace('"cuda"', '"cpu"'), names)
        output = {"output_type": "stream", "name": "stdout", "text": printed.getvalue()}
        made.append(
            {"cell_type": "code", "source": code, "outputs": [output] * bool(output["text"])}
        )
    file = folder / name
    file.write_text(json.dumps({"cells": made, "nbformat": 4}), encoding="utf-8")
    return file


RAND, SEED_7 = (0.8822692632675171, 0.9150039553642273), (-0.1467950940132141, 0.7861412763595581)
SWAPPED = [("self.weights = nn", "self.b = nn"), ("self.bias = nn", "self.weights = nn")]
DOUBLE = [
    ("torch.arange(0, 1, 0.02)", "torch.arange(0, 1, 0.02, dtype=torch.float64)"),
    ("torch.randn(1, dtype=torch.float)", "torch.randn(1).double()"),
    ("y_test.type(torch.float)", "y_test"),
]
PRINTED = "MAE Train Loss: {loss} | MAE Test Loss: {test_loss}"
X_TEST = ("y_test.type(torch.float)", "X_test")
SLOW = ("lr=0.01", "lr=0.001")
# What is changed, and the fields of Settings that have to follow from the rows
PLANTED = {
    "nothing": (changed(), {}),
    "X": (changed(("0, 1, 0.02", "0, 1, 0.01")), dict(X=(0, 1, 0.01))),
    "linspace": (changed(("arange(0, 1, 0.02", "linspace(0, 1, 50")), dict(X=LINSPACE)),
    "weight": (changed(("weight = 0.7", "weight = 0.6")), dict(weight=0.6)),
    "bias": (changed(("bias = 0.3\n", "bias = 0.2\n")), dict(bias=0.2)),
    "split": (changed(("0.8 *", "0.7 *")), dict(split=0.7)),
    "seed": (changed(("manual_seed(42)", "manual_seed(7)")), dict(start=SEED_7)),
    "bias first": (
        changed(*SWAPPED, ("self.b = nn", "self.bias = nn")),
        dict(start=SECTION_3[::-1]),
    ),
    "loss": (changed(("nn.L1Loss()", "nn.MSELoss()")), dict(loss="mse")),
    "Huber": (changed(("nn.L1Loss()", "nn.HuberLoss()")), dict(loss="huber")),
    "AdamW": (changed(("torch.optim.SGD", "torch.optim.AdamW")), dict(optimizer="AdamW")),
    "test loss": (
        changed((PRINTED, "Loss: {test_loss}"), SLOW),
        dict(columns=("test",), lr=0.001),
    ),
    "momentum": (changed(("lr=0.01", "lr=0.01, momentum=0.9")), dict(momentum=0.9)),
    "global bias": (changed(("x + self.bias", "x + bias")), dict(trains="weight")),
    "no step": (changed((STEP, "\n")), dict(trains="nothing")),
    "no zero_grad": (changed(("optimizer.zero_grad()", "")), dict(zero_grad=False)),
    "test first": (
        changed((STEP, "\n"), ("    if epoch % 10 == 0:", f"{STEP}    if epoch % 10 == 0:")),
        dict(test_after_step=False),
    ),
    "X_test": (changed(X_TEST), dict(test_target="X_test")),
    "columns": (
        changed((PRINTED, PRINTED.replace("test_loss", "loss"))),
        dict(columns=("train", "train")),
    ),
    "float64": (changed(*DOUBLE), dict(dtype="float64")),
    "a cell twice": (changed(order="mott"), dict(earlier=((100, 0.01),))),
    "a new model": (changed(order="motmt"), dict(trains="nothing")),
    "lr, then again": (
        [*changed(), *changed(SLOW, order="ot")],
        dict(lr=0.001, earlier=((100, 0.01),)),
    ),
    "rand and lr": (
        changed(("torch.randn", "torch.rand"), ("lr=0.01", "lr=0.1")),
        dict(start=RAND, lr=0.1),
    ),
    "X_test, again": (
        changed(X_TEST, order="mott"),
        dict(test_target="X_test", earlier=((100, 0.01),)),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_each_planted_change_is_named_with_the_code_and_without(name, tmp_path):
    codes, fields = PLANTED[name]
    table = read(written(codes, tmp_path))[-1]
    assert table.where == f"{tmp_path / 'my.ipynb'}, cell {len(codes)}"
    for hints in (table.hints, {}):
        explanation = explain(table._replace(hints=hints))
        found = explanation.settings
        assert found == Settings()._replace(**fields), (hints, explanation.words)
        assert (explanation.cause == notebook.TUTORIALS) == (not fields)
        assert "All digits of all 10 rows follow" in explanation.words or not fields


CODE = """%matplotlib inline
weight, bias = -1.7, 0.4
start, end = 0, 3
X = torch.arange(start, end, step=0.05).unsqueeze(dim=1)
train_split = int(0.65 * len(X))
class Model(nn.Module):
    def __init__(self):
        self.weights, self.bias = nn.Parameter(torch.randn(1)), nn.Parameter(torch.rand(1))
torch.manual_seed(seed=12345)
loss_fn = nn.MSELoss()
optimizer = torch.optim.SGD(model_0.parameters(), 0.03, momentum=0.5)
epochs = 200
"""


def test_what_the_code_alone_can_tell_is_read_from_it():
    hints = hints_of([CODE, "this is no Python"])
    said = dict(weight=-1.7, bias=0.4, split=0.65, loss="MSELoss", optimizer="SGD", lr=0.03)
    drawn = dict(parameters=["randn", "rand"], seed=12345)
    assert hints == said | drawn | dict(X="arange(0, 3, 0.05)", momentum=0.5, epochs=200)
    assert hints_of(["train_test_split(X, y)", "Adam(p, lr=0.1)"])["shuffled"]
    generator = torch.Generator().manual_seed(12345)
    start = torch.randn(1, generator=generator).item(), torch.rand(1, generator=generator).item()
    settings = Settings((0, 3, 0.05), -1.7, 0.4, 0.65, start, "mse", "SGD", 0.03, 0.5)
    assert explain(table_of(settings, hints=hints)).settings == settings
    for text, X in (
        ("arange(5)", (0, 5, 1)),
        ("arange(1, 4)", (1, 4, 1)),
        ("linspace(0, 1, 2)", ("linspace", 0, 1, 2)),
        ("arange(0, 1, 0.6)", None),  # one point and a half
        ("arange(0, 1, 0.0001)", None),  # more than anybody wants to wait for
    ):
        assert range_of(text) == X


def table_of(settings, epochs=100, every=10, digits=None, hints=None):
    """Return the Table that a run of these settings prints."""
    rows = [
        (epoch, tuple(str(float(v)) if digits is None else f"{v:.{digits}f}" for v in losses))
        for epoch, losses in enumerate(simulate(settings, epochs))
        if epoch % every == 0
    ]
    return Table("here", rows, hints or {})


def with_number(table, row, column, change):
    """Return the Table with one number changed by so much."""
    rows = list(table.rows)
    epoch, texts = rows[row]
    texts = list(texts)
    texts[column] = str(float(texts[column]) + change)
    rows[row] = epoch, tuple(texts)
    return table._replace(rows=rows)


KNOWN = {
    "section 3": Settings(),
    "X_test": Settings(start=SECTION_6, test_target="X_test"),
    "again": Settings(earlier=((100, 0.01),)),
    "own": Settings(start=(-0.43219, 1.2345), dtype="float64"),
}
TOLD = {
    "section 3": "rows 1 to 7 are those of this run: This is section 3. From there on the row of",
    "X_test": "rows 1 to 7 are those of this run: This is section 6, but: test_loss compares",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", KNOWN)
def test_one_number_that_is_off_is_not_explained(name):
    table = table_of(KNOWN[name])
    near = NEAR / 10 if name == "again" else NEAR  # of a later epoch, chosen from thousands
    inside = explain(with_number(table, 4, 1, 0.9 * near))
    assert inside.settings is not None
    assert "but for last digits" in inside.words
    beyond = 20 * NEAR if name == "own" else 1.2 * near  # an own start moves with the number
    explanation = explain(with_number(table, 7, 0, beyond))
    assert explanation.settings is None
    assert TOLD.get(name, "") in explanation.words


@pytest.mark.slow
@pytest.mark.parametrize("digits", [None, 3])
def test_a_start_of_its_own_is_found_up_to_its_sign(digits):
    start = 1.3, -0.25
    table = table_of(Settings(start=start), epochs=300, every=20, digits=digits)
    explanation = explain(table)
    found = explanation.settings
    off = np.subtract(found.start, (0.7, 0.3)) * np.sign(found.start[0] - 0.7)
    assert np.abs(off - (0.6, -0.55)).max() < {None: 1e-5, 3: 5e-3}[digits]
    assert "a start of its own" in explanation.words
    assert "Without a seed" in explanation.words


@pytest.mark.slow
def test_other_problems_are_never_explained():
    rng = np.random.default_rng(0)
    X = np.arange(0, 1, 0.02)
    y, n = 0.7 * X + 0.3 + 0.05 * rng.standard_normal(50), 40
    noisy, (weight, bias) = [], SECTION_3
    for _ in range(100):
        residual = weight * X + bias - y
        noisy.append((np.abs(residual[:n]).mean(), np.abs(residual[n:]).mean()))
        weight -= 0.01 * (np.sign(residual[:n]) * X[:n]).mean()
        bias -= 0.01 * np.sign(residual[:n]).mean()
    classifier = [(0.69 * 0.97**i + 0.01 * rng.random(), 0.7 * 0.975**i) for i in range(100)]
    for losses, digits in ((noisy, 8), (classifier, 3)):
        rows = [(i, tuple(f"{v:.{digits}f}" for v in losses[i])) for i in range(0, 100, 10)]
        explanation = explain(Table("here", rows, {"shuffled": True}))
        assert explanation.settings is None
        assert "train_test_split, which shuffles" in explanation.words


@pytest.mark.slow
def test_a_test_loss_that_does_not_follow_is_named_alone():
    rows = table_of(Settings()).rows
    other = [(epoch, (train, str(float(test) + 0.01))) for epoch, (train, test) in rows]
    explanation = explain(Table("here", other, {}))
    assert explanation.settings is None
    assert "The first number follows in all rows: This is section 3. Not" in explanation.words


@pytest.mark.slow
def test_two_numbers_may_be_off_by_what_a_flipped_sign_does():
    X = 0, 2, 0.02  # at x = 1 the residual of the start is nothing but rounding
    flip = 0.01 * 2 * 1.58 / 80
    settings = Settings(X, start=(1.0, 0.0))
    table = table_of(settings, 200, hints={"X": "arange(0, 2, 0.02)"})
    for change, flipped in ((0.9 * flip, True), (1.1 * flip, False)):
        off = np.zeros((20, 2))
        off[18] = change
        assert a_sign_flipped(settings, 0, off, readings(table.rows, 0)[0]) == flipped
    both = with_number(with_number(table, 18, 0, 0.9 * flip), 18, 1, 0.9 * flip)
    assert "a residual's sign has flipped" in explain(both).words


@pytest.mark.slow
def test_a_number_that_stands_still_beside_a_right_test_loss_is_named():
    rows = [(epoch, ("0.25", test)) for epoch, (_, test) in table_of(KNOWN["section 3"]).rows]
    explanation = explain(Table("here", rows, {}))
    assert explanation.settings.columns == ("constant", "test")
    assert "The first number is the same in every row" in explanation.words


@pytest.mark.slow
def test_a_line_is_named_beside_a_start_of_zeros_and_ones_only_if_it_is_the_tutorials():
    zeros = Settings(start=(0.0, 1.0))
    assert explain(table_of(zeros)).settings == zeros
    assert explain(table_of(zeros._replace(weight=0.9))).cause == notebook.OWN_START


@pytest.mark.slow
def test_epochs_may_count_from_1_and_digits_may_be_few():
    rows = table_of(Settings(), digits=3).rows
    for table in (rows, [(epoch + 1, losses) for epoch, losses in rows], rows[3:]):
        assert explain(Table("here", table, {})).cause == notebook.TUTORIALS
    assert explain(Table("here", [(0, ("0.3", "0.5")), (10, ("0.2", "0.3"))], {})).settings is None
    for epochs in ((0, 10, 20), (None, None, None)):  # 4 digits, which X_test prints by chance
        table = list(zip(epochs, (("0.3", "0.4"), ("0.2", "0.3"), ("0.1", "0.2"))))
        assert "Not explained. " in explain(Table("here", table, {})).words


def test_few_digits_name_no_start_and_equal_rows_name_all_causes():
    rows = [(epoch, ("0.009", "0.001")) for epoch in range(0, 100, 20)]
    explanation = explain(Table("here", rows, {}))
    assert explanation.settings.trains == "nothing"
    assert "no step reaches the model" in explanation.words
    assert "the training has settled" in explanation.words
    every = explain(Table("here", [(epoch, texts) for epoch, (_, texts) in enumerate(rows)], {}))
    assert "too small for these digits" in every.words
    impossible = [(epoch, ("0.3", "50.0")) for epoch in range(5)]
    assert explain(Table("here", impossible, {})).settings is None
    settled = [(30_000 + epoch, losses) for epoch, losses in table_of(Settings(), 300).rows[-8:]]
    assert explain(Table("here", settled, {})).cause == notebook.TUTORIALS


@pytest.mark.slow
def test_what_a_gpu_prints_is_named_by_those_who_have_printed_it():
    for group in PUBLIC_RUNS:
        rows = [(epoch, texts) for epoch, *texts, _ in group["rows"]][:12]
        explanation = explain(Table("here", [(e, tuple(t)) for e, t in rows], {}))
        assert explanation.cause == notebook.TUTORIALS, group["run"]
        if group["said"].get("cuda") == 72:
            assert "as 72 public notebooks on CUDA print them" in explanation.words


# --- Reading

LINES = [
    "Epoch: {} | MAE Train Loss: {} | MAE Test Loss: {}",
    "Epoch :{}|Loss:{}|Tess Loss:{}",
    "In Epoch {}: Loss {} | Test Loss {}",
    "Epoch {}/200, Loss: {}, Test loss: {}",
    "Epoch [{}/200] [====] - 0.02s/step - Train Loss: {} - Test loss: {}",
    "Epcoh: {} | Loss: tensor({}, grad_fn=<L1LossBackward0>) | Test loss: tensor({})",
    "'Epoch:{} | Loss: {} | Test: {}'",
    "Epoch: {}\nLoss: {}\nTest loss: {}",
    "{} {} {}",
    "100%|#####| 2/2 [00:00<00:00]\rEpoch #: {} | train_loss={} | test_loss={}",
]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16"]


@pytest.mark.parametrize("line", LINES)
def test_rows_are_read_in_the_ways_that_people_print_them(line, tmp_path):
    weights = "OrderedDict([('weights', tensor([0.3406])), ('bias', tensor([0.1388]))])"
    table = table_of(Settings())
    text = "".join(f"{line.format(epoch, *losses)}\n{weights}\n" for epoch, losses in table.rows)
    for encoding, end in [(encoding, end) for encoding in ENCODINGS for end in ("\n", "\r\n")]:
        file = tmp_path / "run.txt"
        file.write_bytes(text.replace("\n", end).encode(encoding))
        (found,) = read(file)
        assert found.rows == table.rows
    (one, two) = read_text(f"{text}{text}", tmp_path)  # two runs in one output
    assert one.rows == two.rows == table.rows


def test_a_loss_in_every_epoch_beside_the_table_is_left_out(tmp_path):
    losses = simulate(Settings(), 100).tolist()
    text = ""
    for epoch, (train, test) in enumerate(losses):
        text += f"Loss: {train}\nOrderedDict({{'weights': tensor([0.3406])}})\n"
        if epoch % 10 == 0:
            text += f"Epoch: {epoch} | parameters: OrderedDict([('w', tensor([[0.5, 0.7]]))])\n"
            text += f"Epoch: {epoch} | Loss: {train} | Test loss: {test}\n"
    (table,) = read_text(text, tmp_path)
    assert table.rows == table_of(Settings()).rows
    assert read_text(f"{text}[tensor(0.3),\n tensor(0.2),\n tensor(0.1),\n", tmp_path) == [table]
    tensors = "".join(
        f"tensor({a}, device='cuda:0', grad_fn=<L1LossBackward0>)\n" for a, _ in losses
    )
    (table,) = read_text(tensors, tmp_path)
    assert explain(table).settings.columns == ("train",)


def test_a_settled_run_was_trained_at_least_so_long():
    settled = table_of(KNOWN["again"]._replace(earlier=((300, 0.01),)))
    assert "at least 170 epochs were trained before" in explain(settled).words


@pytest.mark.slow
def test_odd_rows_and_hints_are_refused_or_left_out():
    right = table_of(Settings())
    odd = {"seed": 20230501, "X": "arange(0, 1, 0)", "split": 0.01, "lr": "a", "w": []}
    assert explain(right._replace(hints=odd | {"epochs": -5})).cause == notebook.TUTORIALS
    for rows, told in (
        ([(0, ("nan", "1")), (1, ("1", "1"))], "nan or inf"),
        ([(0, ("1", "1", "1")), (1, ("1", "1", "1"))], "one or two numbers"),
        (right.rows[::-1], "don't grow"),
        ([(epoch, ("-1", test)) for epoch, (_, test) in right.rows], "negative"),
        ([(10**5 * epoch, losses) for epoch, losses in right.rows], "epochs go beyond"),
        ([(300 * epoch, losses) for epoch, losses in right.rows], "own runs alone"),
    ):
        assert told in explain(Table("here", rows, {})).words
    seeded = table_of(KNOWN["own"], hints={"seed": 42})
    assert "The code sets a seed" in explain(seeded).words


def read_text(text, folder, name="run.txt"):
    (folder / name).write_text(text, encoding="utf-8")
    return read(folder / name)


@pytest.mark.slow
def test_rows_without_an_epoch_are_read_and_explained(tmp_path):
    rows = simulate(Settings(), 200)[::10].tolist()
    (table,) = read_text("".join(f"Loss: {a} | Test loss: {b}\n" for a, b in rows), tmp_path)
    assert explain(table).cause == notebook.TUTORIALS
    (table,) = read_text(
        "".join(f"Loss: {a}\nsome words\nTest loss: {b}\n" for a, b in rows), tmp_path
    )
    assert explain(table).cause == notebook.TUTORIALS
    assert table.where.endswith("from line 1")
    (table,) = read_text("".join(f"Loss: {a}\n" for a, _ in rows), tmp_path)
    assert explain(table).settings.columns == ("train",)
    turns = [(None, (str(value),)) for row in rows for value in row]
    explanation = explain(Table("here", turns, {}))
    assert explanation.cause == notebook.TUTORIALS
    assert explanation.words.startswith("20 rows.")
    assert explain(Table("here", turns, {"epochs": 200})).cause == notebook.TUTORIALS


BAD = {
    "empty.ipynb": ("", "it is empty"),
    "cut.ipynb": ('{"cells": [', "it is no JSON"),
    "list.ipynb": ("[1, 2]", "no notebook"),
    "other.ipynb": ('{"a": 1}', "no code cells"),
    "cleared.ipynb": ('{"cells": [{"cell_type": "code", "source": "", "outputs": []}]}', "cleared"),
    "form.ipynb": ('{"cells": ["a"]}', "another form"),
    "output.ipynb": ('{"cells": [{"cell_type": "code", "outputs": [1]}]}', "another form"),
    "words.txt": ("no numbers here", "no table of losses"),
    "exponent.txt": ("0 0.3e-99999999999999999999\n1 0.2\n", "no table of losses"),
    "binary.txt": ("\x00\x01\x02", "bytes that are no text"),
}


@pytest.fixture
def checked(tmp_path, monkeypatch, capsys):
    """Return a function that runs the program: (exit status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*files):
        with pytest.raises(SystemExit) as end:
            program.main(list(files))
        captured = capsys.readouterr()
        return end.value.code, captured.out, captured.err

    return run


def test_what_cannot_be_read_gets_one_line_and_status_2(checked, tmp_path):
    (tmp_path / "folder").mkdir()
    for name, (text, told) in BAD.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        status, out, err = checked(name)
        assert (status, out) == (2, "")
        assert told in err
        assert err.count("\n") == 1
    for name, told in {"folder": "a folder", "none.ipynb": "No such"}.items():
        status, _, err = checked(name)
        assert status == 2
        assert told in err


def test_many_files_get_a_line_for_each_table_and_a_summary(checked, tmp_path, monkeypatch):
    written(changed(), tmp_path, "a.ipynb")
    assert checked("a.ipynb")[0] == 0
    written(changed(order="mott"), tmp_path, "b.ipynb")
    status, out, _ = checked("a.ipynb", "b.ipynb")
    assert status == 1
    assert out.count("These are the tutorial's numbers (section 3)") == 2
    assert "b.ipynb, cell 4: 10 rows. The cell ran a second time: 100 epochs" in out
    told = "2 files, 3 tables\n   2 as the tutorial\n   1 trained before"
    told = f"{told} (a cell ran twice) (b.ipynb)\n"
    assert out.endswith(told)
    (tmp_path / "c.txt").write_text("nothing", encoding="utf-8")
    status, out, err = checked("a.ipynb", "c.txt")
    assert status == 2
    assert "1 files can't be checked (c.txt)" in out
    assert err.startswith("c.txt: ")
    text = "".join(
        f"Epoch: {e} | Loss: {a} | Test: {b}\n" for e, (a, b) in table_of(Settings()).rows
    )
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert checked("-")[0] == 0


def test_the_program_starts_by_its_file_name(start, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        start(ROOT / "check/notebook/__main__.py", "none.ipynb", folder=tmp_path)
    assert end.value.code == 2
    assert "none.ipynb: No such file" in capsys.readouterr().err
