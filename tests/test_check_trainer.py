"""check.trainer: a right loop is right however it is written; a wrong one is told what is wrong."""

import re

import pytest

from check import trainer
from check.reader import NOT_CHECKED, NOT_RIGHT, RIGHT
from manual_grad.published_runs import published_runs

RUNS = published_runs()
SOME = {name: RUNS[name] for name in ("section 3", "section 6", "pipeline, custom")}
SOME["section 6"] = SOME["section 6"]._replace(epochs=10)  # quick, and enough

MINE = """
import torch
from torch import nn
from manual_grad.trajectory import Trajectory

def train(X, y, weight, bias, *, loss, lr, epochs):
    model = nn.Linear(1, 1)
    with torch.no_grad():
        model.weight.fill_(weight)
        model.bias.fill_(bias)
    loss_fn = nn.L1Loss() if loss == "mae" else nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    rows = []
    for _ in range(epochs):
        loss = loss_fn(model(X), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        numbers = loss, model.weight.grad, model.bias.grad, model.weight, model.bias
        rows.append([number.item() for number in numbers])
    return Trajectory(*zip(*rows))
"""
FLOAT64 = """
def train(X, y, *start, **options):
    from manual_grad import numpy_closed_form
    return numpy_closed_form.train(X.double(), y.double(), *start, **options)
"""
LAST_BIT = """
def train(*data, epochs, **options):
    from manual_grad import torch_optim
    run = torch_optim.train(*data, epochs=epochs, **options)
    run.loss[50:51] *= 1.0000002
    return run
"""


def run(code, folder, capsys, monkeypatch, runs=SOME):
    """Return the exit status of a file with this code, what it prints, and its line on stderr."""
    monkeypatch.setattr(trainer, "published_runs", lambda: runs)
    file = folder / "mine.py"
    file.write_text(code, encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        trainer.main(str(file))
    out, err = capsys.readouterr()
    return ended.value.code, out, err.replace(str(file), "mine.py")


@pytest.mark.slow
def test_right_loops_are_right(tmp_path, capsys, monkeypatch):
    tools = tmp_path, capsys, monkeypatch
    status, out, err = run(MINE, *tools, RUNS)
    assert (status, err) == (RIGHT, "")
    for name, line in zip(RUNS, out.splitlines(), strict=True):
        assert line.startswith(f"{name}: right: ")
    status, out, _ = run(FLOAT64, *tools)
    assert (status, out[:50]) == (RIGHT, "section 3: right: all numbers of 0 of 100 epochs a")
    status, out, _ = run(LAST_BIT, *tools)
    counts = [line.split("numbers of ")[1].split(" epochs")[0] for line in out.splitlines()]
    assert (status, counts) == (RIGHT, ["99 of 100", "all 10", "99 of 100"])


# What stands for what in MINE, and what is then said of section 3; # is any number.
LOSS = "epoch 0, loss is #, should be 0.3128#, ratio #"
GRADIENT = "weight_grad is #, should be -0.3#, ratio"
WEIGHT = "epoch 0, weight is #, should be 0.3405#, ratio of the steps"
ELSEWHERE = "it begins at weight 0.9, bias 0.128809, not at the given 0.33669, 0.128809"
SUM = "It is the sum of all epochs so far: zero the gradients in each epoch"
ZERO = "optimizer.zero_grad()"
LATE = {ZERO: f"y = y + (len(rows) == 8); {ZERO}"}  # so that the loss of epoch 9 is wrong
MISTAKES = [
    ({ZERO: "pass"}, f"epoch 1, {GRADIENT} 2. {SUM}"),
    ({"fill_(weight)": "fill_(0.9)"}, f"{ELSEWHERE}. From there it is right"),
    ({"fill_(weight)": "fill_(0.9)"} | LATE, f"{ELSEWHERE}. Then: epoch 9, loss is #, .*"),
    (LATE, "epoch 9, loss is #, should be #, ratio #"),
    ({"rows = []": "rows = []; X -= 7"}, LOSS),
    ({"= loss,": "= loss + sum(r[0] for r in rows[-1:]),"}, "epoch 1, loss is .* epochs so far"),
    ({"L1Loss()": "L1Loss(reduction='sum')"}, f"{LOSS}. In every epoch it is n times as .*"),
    ({"numbers = loss": "numbers = loss / 2"}, f"{LOSS}. In every epoch it is half as .*"),
    ({"loss.backward()": "(loss / 2).backward()"}, f"epoch 0, {GRADIENT} 0.5. .* half as .*"),
    ({"optimizer.step()": "pass"}, f"{WEIGHT} 0. It is noted before the step, or no .*"),
    ({"r.item()": "r.detach().squeeze()"}, f"{WEIGHT} #. It is one number in all epochs: .*"),
    ({"lr=lr)": "lr=lr, maximize=True)"}, f"{WEIGHT} -#. In every epoch its sign is wrong"),
    ({"lr=lr)": "lr=lr, momentum=0.9)"}, "epoch 1, weight is #, should be #, ratio of the steps #"),
]


@pytest.mark.parametrize(("changes", "words"), MISTAKES)
def test_a_mistake_is_told(changes, words, tmp_path, capsys, monkeypatch):
    code = MINE
    for old, new in changes.items():
        code = code.replace(old, new)
    status, out, err = run(code, tmp_path, capsys, monkeypatch)
    assert (status, err) == (NOT_RIGHT, "")
    pattern = re.escape(words).replace(r"\#", r"[\d.-]+").replace(r"\.\*", ".*")
    assert re.fullmatch(f"section 3: {pattern}", out.splitlines()[0]), out
    if words.endswith((SUM, "it is right")):  # where gradients are no mere signs, too
        assert out.endswith(f"{words[-20:]}\n")


CANNOT_BE_CHECKED = [  # what is returned, or the file, and the line on stderr
    ("None", "TypeError: train must return a Trajectory of manual_grad.trajectory, not NoneType"),
    ("Trajectory(*zip(*rows[1:]))", r"ValueError: loss must have shape \(\d+,\), .*, not \(\d+,\)"),
    ("Trajectory(*[['a'] * epochs] * 5)", "TypeError: loss must hold floats, not .*"),
    ("Trajectory(*[[*[0.0] * (epochs - 1), 1e39]] * 5)", r"ValueError: loss is .* epoch [1-9]\d*"),
    ("int('much\\n text')", "mine.py, line 21: ValueError: invalid literal .*"),
    ("exit(3)", "mine.py, line 21: SystemExit: 3"),
]


@pytest.mark.parametrize(("returned", "words"), CANNOT_BE_CHECKED)
def test_what_cannot_be_checked_is_one_line(returned, words, tmp_path, capsys, monkeypatch):
    code = MINE.replace("Trajectory(*zip(*rows))", returned)
    status, out, err = run(code, tmp_path, capsys, monkeypatch)
    assert (status, out) == (NOT_CHECKED, "")
    assert re.fullmatch(rf"(mine.py: )?{words}\n", err), err
    # In one run only, it is that run's line.
    code = MINE.replace("return ", f"return {returned} if epochs == 10 else ")
    status, out, err = run(code, tmp_path, capsys, monkeypatch)
    assert (status, err) == (NOT_RIGHT, "")
    lines = out.replace(str(tmp_path / "mine.py"), "mine.py").splitlines()
    assert re.fullmatch(f"section 6: (mine.py: )?{words}", lines[1])
    assert lines[0].startswith("section 3: right: ")


def test_a_file_without_train_cannot_be_checked(tmp_path, capsys, monkeypatch):
    status, out, err = run("trains = 1", tmp_path, capsys, monkeypatch)
    assert (status, out) == (NOT_CHECKED, "")
    assert err == "mine.py: ValueError: it must define the function train\n"
