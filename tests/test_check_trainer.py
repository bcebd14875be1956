"""check.trainer: a right loop is right however it is written; a wrong one is told what is wrong."""

import re

import pytest

from check import trainer
from check.loading import NOT_CHECKED, NOT_RIGHT, RIGHT
from manual_grad.published_runs import published_runs

RUNS = {name: run._replace(epochs=10) for name, run in published_runs().items()}  # enough

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
def train(*data, **options):
    from manual_grad import torch_optim
    run = torch_optim.train(*data, **options)
    run.loss[5:6] *= 1.0000002
    return run
"""


@pytest.fixture
def told(tmp_path, capsys, monkeypatch):
    """Return a function that gives a file's exit status, its lines by run, and its line on stderr.

    `changes` are made in the code of the file first: {old text: new text}.
    """
    monkeypatch.setattr(trainer, "published_runs", lambda: RUNS)
    file = tmp_path / "mine.py"

    def tell(changes=(), code=MINE):
        for old, new in dict(changes).items():
            assert old in code
            code = code.replace(old, new)
        file.write_text(code, encoding="utf-8")
        with pytest.raises(SystemExit) as ended:
            trainer.main(str(file))
        out, err = (text.replace(str(file), "mine.py") for text in capsys.readouterr())
        return ended.value.code, dict(line.split(": ", 1) for line in out.splitlines()), err

    return tell


def test_right_loops_are_right(told):
    equal = {LAST_BIT: "9 of 10", FLOAT64: "0 of 10", MINE: ""}  # nn.Linear rounds as the CPU does
    equal[LAST_BIT.replace("loss[5:6]", "loss[5:5]")] = "all 10"
    for code, epochs in equal.items():
        status, lines, err = told(code=code)
        assert (status, err) == (RIGHT, "")
        assert list(lines) == list(RUNS)
        assert lines["section 3"].startswith(f"right: all numbers of {epochs}")


# What stands for what in MINE, and what is then said of section 3; # is any number.
ELSEWHERE = "it begins at weight 0.9, bias 0.128809, not at the given 0.33669, 0.128809"
ZERO = "optimizer.zero_grad()"
MISTAKES = [
    ({ZERO: "pass"}, "epoch 1, weight_grad is #, should be -0.3#, ratio 2"),
    ({"fill_(weight)": "fill_(0.9)"}, ELSEWHERE),
    ({ZERO: f"y = y + (len(rows) == 8); {ZERO}"}, "epoch 9, loss is #, should be #, ratio #"),
    ({"rows = []": "rows = []; X -= 7"}, "epoch 0, loss is #, should be 0.3128#, ratio #"),
    ({"optimizer.step()": "pass"}, "epoch 0, weight is #, should be 0.3405#, ratio of the steps 0"),
]


def test_a_mistake_is_told_by_its_epoch_its_number_and_its_ratio(told):
    for changes, words in MISTAKES:
        status, lines, err = told(changes)
        assert (status, err) == (NOT_RIGHT, "")
        pattern = re.escape(words).replace(r"\#", r"[\d.-]+")
        assert re.fullmatch(pattern, lines["section 3"]), lines
        if words == ELSEWHERE:  # in the runs of MSE, too, whose gradients aren't 1
            assert all("it begins at weight 0.9, bias" in line for line in lines.values())


CANNOT_BE_CHECKED = [  # what is returned, and the line on stderr
    ("None", "TypeError: train must return a Trajectory of manual_grad.trajectory, not NoneType"),
    ("Trajectory(*zip(*rows[1:]))", r"ValueError: loss must have shape \(10,\), .*, not \(9,\)"),
    ("Trajectory(*[[*[0.0] * (epochs - 1), 1e39]] * 5)", r"ValueError: loss is 1e\+39 in epoch 9"),
    ("Trajectory(*[['a'] * epochs] * 5)", "ValueError: could not convert string to float: 'a'"),
    ("int('much\\n text')", "mine.py, line 21: ValueError: invalid literal .*"),
    ("exit(3)", "mine.py, line 21: SystemExit: 3"),
]


def test_what_cannot_be_checked_is_one_line(told):
    for returned, words in CANNOT_BE_CHECKED:
        status, lines, err = told({"Trajectory(*zip(*rows))": returned})
        assert (status, lines) == (NOT_CHECKED, {})
        assert re.fullmatch(rf"(mine.py: )?{words}\n", err), err
    # In one run only, it is that run's line.
    status, lines, err = told({"return ": "return None if len(X) == 80 else "})
    assert (status, err) == (NOT_RIGHT, "")
    assert "TypeError: train must return a Trajectory" in lines["exercise"]
    assert lines["section 3"].startswith("right: ")
    assert told(code="trains = 1") == (
        NOT_CHECKED,
        {},
        "mine.py: ValueError: it must define the function train\n",
    )
