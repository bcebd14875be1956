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
    model.load_state_dict(dict(weight=torch.tensor([[weight]]), bias=torch.tensor([bias])))
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
    run.loss[5:{}] *= 1.0000002
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
    for code, words in (
        (LAST_BIT.format(5), "10 of 10 epochs are torch.optim's to the bit$"),
        (LAST_BIT.format(6), "9 of 10 epochs .*, and rounding explains the others"),
        (FLOAT64, "0 of 10 epochs .*, and rounding explains the others"),
        (MINE, ""),  # nn.Linear rounds as the CPU does
    ):
        status, lines, err = told(code=code)
        assert (status, list(lines), err) == (RIGHT, list(RUNS), "")
        assert re.match(f"right: all numbers of {words}", lines["section 3"])


# What stands for what in MINE, and what is then said of one run; # is any number.
ZERO, ITEM = "optimizer.zero_grad()", "number.item()"
START = "does it begin at the given weight 0.33669 and bias 0.128809, with the given X and y? "
MISTAKES = [
    ({"[[weight]]": "[[0.9]]"}, f"section 3: {START}epoch 0, loss is #, .*, ratio #"),
    ({"rows = []": "rows = []; X -= 7"}, f"lr 0.03, mse: {START}epoch 0, loss is #.*"),
    ({ZERO: f"y = y + (len(rows) == 8); {ZERO}"}, "section 3: epoch 9, loss is #.*, ratio #"),
    ({"loss.backward()": "(3 * loss).backward()"}, "section 3: epoch 0, weight_grad .*, ratio 3"),
    ({"optimizer.step()": "pass"}, "section 3: epoch 0, weight is #.*, ratio of the steps 0"),
    ({"lr=lr": "lr=0.01"}, "lr 0.03, mae: epoch 0, weight .*, ratio of the steps 0.33333#"),
    ({"zip(*rows)": "[[float('inf')] * epochs] * 5"}, f"section 3: {START}epoch 0, loss is inf.*"),
    ({ITEM: f"round({ITEM}, 4)"}, "section 3: loss is right, but rounded to 4 decimals: note .*"),
    ({ITEM: f"round({ITEM}, 2)", "loss, m": "2 * loss, m"}, f"section 3: {START}epoch 0, loss .*"),
]


def test_a_mistake_is_told_by_its_epoch_its_number_and_its_ratio(told):
    for changes, words in MISTAKES:
        status, lines, err = told(changes)
        name, words = words.split(": ", 1)
        assert re.fullmatch(words.replace("?", r"\?").replace("#", r"[\d.-]+"), lines[name]), lines
        assert (status, err) == (NOT_RIGHT, "")


def test_the_lines_of_the_docstring_are_what_it_prints_where_nothing_zeroes(told):
    _, lines, _ = told({ZERO: "pass"})
    number = r"(-?\d+\.?\d*)"
    for name, shown in re.findall(r"^    (.+?): (epoch .*)", trainer.__doc__, re.M):
        pairs = zip(re.split(number, shown), re.split(number, lines[name]), strict=True)
        for place, (one, other) in enumerate(pairs):  # words and numbers by turns
            assert one == other or place % 2 and float(one) == pytest.approx(float(other), 1e-5)


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
    for name, view, kind in ("weight", "", "Parameter"), ("loss", ".detach().numpy()", "ndarray"):
        place = Trajectory._fields.index(name)
        forgotten = f"(number{view} if number is numbers[{place}] else {ITEM})"
        words = f"mine.py: TypeError: {name} holds {kind}s, not numbers: note each with .item()\n"
        assert told({ITEM: forgotten}) == (NOT_CHECKED, {}, words)


CANNOT_BE_CHECKED = [  # what is returned, and the line on stderr
    ("None", ": TypeError: train must return a Trajectory of manual_grad.trajectory, not NoneType"),
    ("Trajectory(*zip(*rows[1:]))", r": ValueError: loss must have shape \(10,\), .*, not \(9,\)"),
    ("exit(3)", ", line 19: SystemExit: 3"),
]


def test_what_cannot_be_checked_is_one_line(told):
    for returned, words in CANNOT_BE_CHECKED:
        status, lines, err = told({"Trajectory(*zip(*rows))": returned})
        assert (status, lines) == (NOT_CHECKED, {})
        assert re.fullmatch(f"mine.py{words}\n", err), err
    words = "mine.py: ValueError: it must define the function train\n"
    assert told(code="trains = 1") == (NOT_CHECKED, {}, words)


def test_a_run_that_cannot_be_checked_has_its_line_among_the_others(told):
    status, lines, err = told({"return ": "return None if len(X) == 80 else "})
    found = [words.split(":")[0] for words in lines.values()]
    assert (status, err, found.count("mine.py"), found.count("right")) == (NOT_RIGHT, "", 2, 6)
