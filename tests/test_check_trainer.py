"""check.trainer: a right loop is right however it is written; a wrong one is told what is wrong."""

import re

import numpy as np
import pytest

from check import trainer
from check.loading import NOT_CHECKED, NOT_RIGHT, RIGHT
from manual_grad.trajectory import Trajectory

RUNS = {name: run._replace(epochs=10) for name, run in trainer.runs().items()}  # enough
INSIDE, OUTSIDE = 0.99, 1.01  # of a tolerance

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
def told(checked, monkeypatch):
    """Return a function that gives a file's exit status, its lines by run, and its line on stderr.

    `changes` are made in the code of the file first: {old text: new text}.
    """
    monkeypatch.setattr(trainer, "runs", lambda: RUNS)

    def tell(changes=(), code=MINE):
        for old, new in dict(changes).items():
            assert old in code
            code = code.replace(old, new)
        status, out, err = checked(trainer.main, code)
        return status, dict(line.split(": ", 1) for line in out.splitlines()), err

    return tell


def test_right_loops_are_right(told):
    equal = {LAST_BIT: "9 of 10", FLOAT64: "0 of 10", MINE: ""}  # nn.Linear rounds as the CPU does
    equal[LAST_BIT.replace("loss[5:6]", "loss[5:5]")] = "all 10"
    for code, epochs in equal.items():
        status, lines, err = told(code=code)
        assert (status, err) == (RIGHT, "")
        assert list(lines) == list(RUNS)
        assert lines["section 3"].startswith(f"right: all numbers of {epochs}")


# What stands for what in MINE, and what is then said of one run; # is any number.
ZERO, ITEM = "optimizer.zero_grad()", "number.item()"
START = "does it begin at the given weight 0.33669 and bias 0.128809, with the given X and y? "
MISTAKES = [
    ({ZERO: "pass"}, "section 3: epoch 1, weight_grad is #, should be -0.3#, ratio 2"),
    (
        {"fill_(weight)": "fill_(0.9)"},
        f"section 3: {START}epoch 0, loss is #, should be #, ratio #",
    ),
    ({"rows = []": "rows = []; X -= 7"}, f"lr 0.03, mse: {START}epoch 0, loss is #.*"),
    ({ZERO: f"y = y + (len(rows) == 8); {ZERO}"}, "section 3: epoch 9, loss is #.*, ratio #"),
    ({"loss.backward()": "(3 * loss).backward()"}, "section 3: epoch 0, weight_grad .*, ratio 3"),
    ({"optimizer.step()": "pass"}, "section 3: epoch 0, weight is #.*, ratio of the steps 0"),
    ({"zip(*rows)": "[[3.4e38] * epochs] * 5"}, f"section 3: {START}epoch 0, loss is 3.4.*"),
    ({"lr=lr": "lr=0.01"}, "lr 0.03, mae: epoch 0, weight .*, ratio of the steps 0.33333#"),
    (
        {ITEM: f"round({ITEM}, 4)"},
        "section 3: loss is right, but rounded to 4 decimals: note all .*",
    ),
    ({ITEM: f"round({ITEM}, 2)", "loss, m": "2 * loss, m"}, f"section 3: {START}epoch 0, loss .*"),
]


def test_a_mistake_is_told_by_its_epoch_its_number_and_its_ratio(told):
    for changes, words in MISTAKES:
        status, lines, err = told(changes)
        assert (status, err) == (NOT_RIGHT, "")
        name, words = words.split(": ", 1)
        assert re.fullmatch(words.replace("?", r"\?").replace("#", r"[\d.-]+"), lines[name]), lines


def test_who_ignores_lr_is_right_in_the_published_runs_alone(told):
    status, lines, _ = told({"lr=lr": "lr=0.01"})
    wrong = [name for name, words in lines.items() if not words.startswith("right: ")]
    assert (status, wrong) == (NOT_RIGHT, ["lr 0.03, mae", "lr 0.03, mse"])


def test_the_lines_of_the_docstring_are_what_it_prints_where_nothing_zeroes(told):
    _, lines, _ = told({ZERO: "pass"})
    for name, shown in re.findall(r"^    (.+?): (epoch .*)", trainer.__doc__, re.M):
        number = r"-?\d+\.?\d*"
        assert re.sub(number, "#", shown) == re.sub(number, "#", lines[name])
        numbers = (
            [float(text) for text in re.findall(number, line)] for line in (shown, lines[name])
        )
        assert next(numbers) == pytest.approx(next(numbers), rel=1e-5)  # of float32


def test_a_column_is_rounded_if_all_end_in_six_decimals_within_half_a_unit(monkeypatch):
    def digits(noted, right):
        monkeypatch.setattr(trainer, "with_bounds", lambda run, ours: {"loss": (right, 0)})
        ours = Trajectory(*[np.array(noted)] * 5)
        return re.findall(r"rounded to (\d)", trainer.rounded(RUNS["section 3"], ours, "loss"))

    for share, told in (INSIDE, ["2"]), (OUTSIDE, []):
        assert digits([0.25, 0.3], [0.25, 0.3 + share * 0.005]) == told
        assert digits([0.25, 0.3 + share * 2.0**-24 * 0.3], [0.25, 0.3]) == told
    assert (digits([1e-6], [1e-6]), digits([1e-7], [1e-7])) == (["6"], [])
    assert not trainer.rounded(RUNS["section 3"], Trajectory(*np.ones((5, 2))), "weight")


def test_a_forgotten_item_is_told_by_its_column(told):
    keep = {ZERO: "optimizer.zero_grad(set_to_none=False)"}
    for column, name in enumerate(Trajectory._fields):
        forgotten = f"(number if number is numbers[{column}] else {ITEM})"
        status, lines, err = told({ITEM: forgotten} | keep)
        kind = "Parameter" if name in ("weight", "bias") else "Tensor"
        words = f"mine.py: TypeError: {name} holds {kind}s, not numbers: note each with .item()\n"
        assert (status, lines, err) == (NOT_CHECKED, {}, words)
    for view, kind in ("data", "Tensor"), ("detach().numpy()", "ndarray"):
        err = told({ITEM: f"number.{view}.squeeze()"})[2]
        assert f"TypeError: weight holds {kind}s, not numbers: note each" in err
    assert told({ITEM: "number.detach().clone().squeeze()"})[0] == RIGHT  # tensors, but of numbers


CANNOT_BE_CHECKED = [  # what is returned, and the line on stderr
    ("None", "TypeError: train must return a Trajectory of manual_grad.trajectory, not NoneType"),
    ("Trajectory(*zip(*rows[1:]))", r"ValueError: loss must have shape \(10,\), .*, not \(9,\)"),
    (
        "Trajectory(*[[*[0.0] * (epochs - 1), 3.41e38]] * 5)",
        r"ValueError: loss is 3.41e\+38 in .* 9",
    ),
    ("Trajectory(*[['a'] * epochs] * 5)", "ValueError: could not convert string to float: 'a'"),
    ("Trajectory(*[1.0] * 5)", r"ValueError: loss must have shape .*, not \(\)"),
    ("Trajectory(*torch.tensor(rows).T.requires_grad_())", "TypeError: loss holds Tensors, not .*"),
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
