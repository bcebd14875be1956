"""docs/numbers.md: each line is what torch prints with its cause, and check.notebook names it."""

import re
from itertools import count

import numpy as np
import pytest
import torch
from conftest import ROOT
from published_numbers import PUBLIC_RUNS
from torch import nn

from check.notebook import Settings, Table, explain
from check.notebook.runs import SECTION_6, simulate, starts_of

PAGE = (ROOT / "docs/numbers.md").read_text(encoding="utf-8")
# Half a unit of the fourth digit; another CPU's float32 adds as much as check.notebook allows.
ROUNDED = 0.5e-4 + 2e-6


class Line(nn.Module):
    """The tutorial's model: section 3's, or section 6's where `draws` says so."""

    def __init__(self, draws=("randn", "randn"), bias_first=False, forward=None):
        super().__init__()
        self.draws, self.line = draws, forward
        if draws == "Linear":
            self.layer = nn.Linear(1, 1)
            return
        names = ("bias", "weights") if bias_first else ("weights", "bias")
        for name in names:
            draw = getattr(torch, draws[name == "bias"])
            setattr(self, name, nn.Parameter(draw(1)))

    def forward(self, x):
        if self.draws == "Linear":
            return self.layer(x)
        return self.line(self, x) if self.line else self.weights * x + self.bias


def trained(
    draws=("randn", "randn"), X=None, line=(0.7, 0.3), split=0.8, loss_fn=None, lr=0.01, models=1,
    optimizer=torch.optim.SGD, before=0, steps=1, zero=True, test="after", target=None, start=None,
    **model_options,
):  # fmt: skip
    """Yield what each epoch prints: train loss, test loss."""
    X = torch.arange(0, 1, 0.02) if X is None else X
    X = X.unsqueeze(dim=1)
    y, n = line[0] * X + line[1], int(split * len(X))
    torch.manual_seed(42)
    model = [Line(draws, **model_options) for _ in range(models)][-1]
    if start:
        for parameter, value in zip(model.parameters(), start):
            nn.init.constant_(parameter, value)
    loss_fn, optimizer = loss_fn or nn.L1Loss(), optimizer(model.parameters(), lr=lr)

    def tested():
        pred = model(X[n:])
        return loss_fn(pred, {"X_test": X[n:], "itself": pred}.get(target, y[n:])).item()

    for epoch in count(-before):
        loss, before_step = loss_fn(model(X[:n]), y[:n]), tested()
        if zero:
            optimizer.zero_grad()
        loss.backward()
        for _ in range(steps):
            optimizer.step()
        if epoch >= 0:
            yield loss.item(), tested() if test == "after" else before_step


def on_gpu(draws):
    """Return the start that a GPU draws, which no CPU's generator does."""
    return [s for s in starts_of(42) if s.device == "cuda" and s.draws == draws][0].pair


def of_jumps(parity, epochs):
    words = "was trained before: the model jumps to and fro between two states"
    return f"an {parity} number of epochs, {epochs} or more, {words}"


ON_EXERCISE = dict(X=torch.arange(0, 1, 0.01), line=(0.3, 0.9))
GPU = "the model was made on a GPU, which draws other numbers"
# What each line's cause changes
BOTH = {
    "none: these are the tutorial's numbers": {},
    "100 epochs were trained before: the training cell ran a second time": dict(before=100),
    "the loss is MSE": dict(loss_fn=nn.MSELoss()),
    "the exercise's data": ON_EXERCISE,
    "no step reaches the model": dict(steps=0),
    "the test loss stands before the step": dict(test="before"),
    "the gradients are never zeroed": dict(zero=False),
    "the test loss compares `test_pred` with `X_test`": dict(target="X_test"),
    "the model was made twice after one seed": dict(models=2),
}
CAUSES = {
    "Section 3": BOTH
    | {
        of_jumps("even", 170): dict(before=170),
        of_jumps("odd", 169): dict(before=169),
        "one epoch was trained before": dict(before=1),
        "the learning rate is 0.001": dict(lr=0.001),
        "the learning rate is 0.1": dict(lr=0.1),
        "the learning rate is 0.02, or an epoch takes two steps": dict(steps=2),
        "the optimizer is Adam": dict(optimizer=torch.optim.Adam),
        "the bias stands above the weights in the class, or `forward()` exchanges them": dict(
            bias_first=True
        ),
        "the model is `nn.Linear`: these are section 6's numbers": dict(draws="Linear"),
        "`torch.rand` for `torch.randn`": dict(draws=("rand", "rand")),
        "`torch.rand` for the bias alone": dict(draws=("randn", "rand")),
        "70 % of the points train": dict(split=0.7),
        "`X` is `torch.linspace(0, 1, 50)`": dict(X=torch.linspace(0, 1, 50)),
        "the step of `X` is 0.01": dict(X=torch.arange(0, 1, 0.01)),
        "`forward()` adds `bias`, the line's, and not `self.bias`": dict(
            forward=lambda self, x: self.weights * x + 0.3
        ),
        "the test loss compares `test_pred` with itself": dict(target="itself"),
        GPU: dict(start=on_gpu(("randn", "randn"))),
    },
    "Section 6": BOTH
    | {
        of_jumps("even", 116): dict(before=116),
        of_jumps("odd", 117): dict(before=117),
        "the line has bias 0.2": dict(line=(0.7, 0.2)),
        GPU: dict(start=on_gpu(("Linear", "Linear"))),
    },
}
LINES = [(run, cause) for run, causes in CAUSES.items() for cause in causes]


def rows_of(run, cause, epochs):
    options = dict(draws="Linear") if run == "Section 6" else {}
    rows = trained(**(options | CAUSES[run][cause]))
    return [next(rows) for _ in range(epochs)]


def table(title):
    """Return the cells of the table below a heading, row by row."""
    rows = PAGE.split(f"## {title}\n")[1].split("\n## ")[0].split("| --- |\n")[1].split("\n\n")[0]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows.splitlines()]


def numbers_in(cell):
    return [float(word) for word in cell.split(", ")]


@pytest.mark.parametrize("run", CAUSES)
def test_the_causes_are_those_computed_here_sorted_by_their_rows(run):
    lines = table(run)
    assert sorted(cause for *_, cause, _ in lines) == sorted(CAUSES[run])
    trains = [line[0].split(",")[0] for line in lines]
    assert trains == sorted(trains)
    assert len({(first, later) for first, later, *_ in lines}) == len(lines)  # each tells one cause


@pytest.mark.parametrize(("run", "cause"), LINES)
def test_each_line_is_what_torch_prints_with_its_cause(run, cause):
    first, later = next(line[:2] for line in table(run) if line[2] == cause)
    rows = rows_of(run, cause, 11)
    for epoch, cell in ((0, first), (10, later)):
        np.testing.assert_allclose(numbers_in(cell), rows[epoch], rtol=0, atol=ROUNDED)


# Of these test_check_notebook.py has no case of its own.
@pytest.mark.parametrize(
    ("run", "cause", "words"),
    [
        ("Section 3", of_jumps("odd", 169), "169 epochs or more (an odd number of them)"),
        ("Section 6", of_jumps("even", 116), "116 epochs or more (an even number of them)"),
        (
            "Section 3",
            "one epoch was trained before",
            "with one epoch of training before the first row",
        ),
        ("Section 3", GPU, "a model made on a GPU"),
        ("Section 3", "the step of `X` is 0.01", "with X = torch.arange(0, 1, 0.01)"),
        ("Section 3", "`torch.rand` for the bias alone", "torch.rand for the bias after seed 42"),
    ],
)
def test_the_program_finds_the_cause(run, cause, words):
    printed = enumerate(rows_of(run, cause, 101))
    rows = [(epoch, tuple(map(str, row))) for epoch, row in printed if epoch % 10 == 0]
    assert words in explain(Table("my.ipynb, cell 9", rows, {})).words


def test_the_two_answers_are_the_programs():
    answers = PAGE.split("```text\n")[1].split("```")[0].splitlines()
    x_test = Settings(columns=("train", "X_test"))
    own_bias = Settings(trains="weight", start=(Settings().start[0], 0.3))
    for answer, settings in zip(answers, (x_test, own_bias), strict=True):
        rows = enumerate(simulate(settings, 100).tolist())
        rows = [(epoch, tuple(map(str, row))) for epoch, row in rows if epoch % 10 == 0]
        words = explain(Table("my.ipynb, cell 9", rows, {})).words
        assert answer == f"my.ipynb, cell 9: {words}"


def test_the_rows_of_the_jumps_begin_where_the_page_says():
    words = " ".join(PAGE.split())
    for settings, pattern in (
        (Settings(), r"section 3 prints (\S+, \S+) in every tenth epoch from (\d+) on"),
        (Settings(start=SECTION_6), r"section 6 prints (\S+, \S+) from (\d+) on"),
    ):
        row, first = re.search(pattern, words).groups()
        rows = simulate(settings, 1000)[::10]
        start = int(first) // 10
        assert (np.abs(rows[start:] - numbers_in(row)) <= ROUNDED).all()
        assert not (np.abs(rows[start - 1] - numbers_in(row)) <= ROUNDED).all()


def test_the_last_digits_are_those_of_public_notebooks():
    groups = {  # by run, count and first row: no two groups have all three in common
        (g["run"], str(g["notebooks"]), *(", ".join(row[1:3]) for row in g["rows"][:2]))
        for g in PUBLIC_RUNS
    }
    for run, _, _, notebooks, first, later in table("The last digits"):
        assert (run, notebooks, first, later) in groups


def test_the_counts_add_up():
    counted = " ".join(PAGE.split("## How often each cause occurred\n")[1].split())
    total, *parts = map(int, re.findall(r"(?<![\w.])(\d+) (?!different)", counted)[:10])
    assert total == sum(parts) == 605
