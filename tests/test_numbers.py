"""docs/numbers.md: each line is what simulate prints, and check.notebook names the line's cause."""

import re

import numpy as np
import pytest
from conftest import ROOT
from published_numbers import PUBLIC_RUNS

from check.notebook import Table, explain
from check.notebook.runs import SECTION_6, Settings, simulate
from check.notebook.search import EXERCISE
from check.notebook.starts import starts_of

PAGE = (ROOT / "docs/numbers.md").read_text(encoding="utf-8")
BASE = {"Section 3": Settings(), "Section 6": Settings(start=SECTION_6)}
ON_EXERCISE = dict(X=EXERCISE.X, weight=EXERCISE.weight, bias=EXERCISE.bias)


def drawn(weight, bias, bias_first=False, model=1, after=""):
    """Return the start that these draws give after seed 42, as a change of Settings."""
    how = (weight, bias, bias_first, model, after)
    (pair,) = [start.pair for start in starts_of(42) if start[2:] == how]
    return dict(start=pair)


RANDN, RAND, LINEAR = ("torch.randn",) * 2, ("torch.rand",) * 2, ("nn.Linear",) * 2
# What each line's cause changes in the tutorial's settings.
BOTH = {
    "none: these are the tutorial's numbers": {},
    "100 epochs were trained before: the training cell ran a second time": dict(
        earlier=((100, 0.01),)
    ),
    "200 epochs or more were trained before: the training has settled": dict(
        earlier=((200, 0.01),)
    ),
    "the loss is MSE": dict(loss="mse"),
    "the exercise's data": ON_EXERCISE,
    "no step reaches the model": dict(trains="nothing"),
    "the test loss stands before the step": dict(test_after_step=False),
    "the gradients are never zeroed": dict(zero_grad=False),
    "the test loss compares `test_pred` with `X_test`": dict(test_target="X_test"),
}
CAUSES = {
    "Section 3": BOTH
    | {
        "one epoch was trained before": dict(earlier=((1, 0.01),)),
        "the learning rate is 0.001": dict(lr=0.001),
        "the learning rate is 0.1": dict(lr=0.1),
        "the optimizer is Adam": dict(optimizer="Adam"),
        "the bias stands above the weights in the class": drawn(*RANDN, bias_first=True),
        "the model was made twice after one seed": drawn(*RANDN, model=2),
        "the model is `nn.Linear`: these are section 6's numbers": dict(start=SECTION_6),
        "`torch.rand` for `torch.randn`": drawn(*RAND),
        "`torch.rand` for the bias alone": drawn("torch.randn", "torch.rand"),
        "70 % of the points train": dict(split=0.7),
        "`X` is `torch.linspace(0, 1, 50)`": dict(X=("linspace", 0, 1, 50)),
        "the step of `X` is 0.01": dict(X=(0, 1, 0.01)),
        "`forward()` adds `bias`, the line's, and not `self.bias`": dict(trains="weight"),
    },
    "Section 6": BOTH
    | {
        "the model was made twice after one seed": drawn(*LINEAR, model=2),
        "the line has bias 0.2": dict(bias=0.2),
    },
}
LINES = [(run, cause) for run, causes in CAUSES.items() for cause in causes]
# Half a unit of the fourth digit; another CPU's float32 adds as much as check.notebook allows.
ROUNDED = 0.5e-4 + 2e-6


def table(title):
    """Return the cells of the table below a heading, row by row."""
    rows = PAGE.split(f"## {title}\n")[1].split("\n## ")[0].split("| --- |\n")[1].split("\n\n")[0]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows.splitlines()]


def numbers_in(cell):
    return [float(word) for word in cell.split(", ")]


def explained(settings, epochs):
    """Return the program's answer for the table that settings print, every tenth epoch."""
    losses = simulate(settings, epochs)
    rows = [(e, tuple(str(float(x)) for x in losses[e])) for e in range(0, epochs, 10)]
    return explain(Table("my.ipynb, cell 9", rows, {}))


@pytest.mark.parametrize("run", CAUSES)
def test_the_causes_are_those_computed_here_sorted_by_their_rows(run):
    lines = table(run)
    assert sorted(cause for *_, cause, _ in lines) == sorted(CAUSES[run])
    trains = [line[0].split(",")[0] for line in lines]
    assert trains == sorted(trains)
    assert len({(first, later) for first, later, *_ in lines}) == len(lines)  # each tells one cause


@pytest.mark.parametrize(("run", "cause"), LINES)
def test_each_line_is_what_its_cause_prints_and_the_program_finds_it(run, cause):
    settings = BASE[run]._replace(**CAUSES[run][cause])
    first, later = next(line[:2] for line in table(run) if line[2] == cause)
    losses = simulate(settings, 191)
    for epoch, cell in ((0, first), (10, later)):
        np.testing.assert_allclose(numbers_in(cell), losses[epoch], rtol=0, atol=ROUNDED)
    found = explained(settings, 101).settings
    same = found == settings or np.array_equal(simulate(found, 191), losses)
    assert same, found


def test_the_two_answers_are_the_programs():
    answers = PAGE.split("```text\n")[1].split("```")[0].splitlines()
    for answer, fields in zip(answers, (dict(test_target="X_test"), dict(trains="weight"))):
        words = explained(Settings()._replace(**fields), 100).words
        assert answer == f"my.ipynb, cell 9: {words}"
    assert len(answers) == 2


def test_the_settled_rows_begin_where_the_page_says():
    words = " ".join(PAGE.split())
    for run, pattern in (
        ("Section 3", r"section 3 prints (\S+, \S+) in every tenth epoch from (\d+) on"),
        ("Section 6", r"section 6 prints (\S+, \S+) from (\d+) on"),
    ):
        row, first = re.search(pattern, words).groups()
        settled = simulate(BASE[run], 1000)[::10]
        start = int(first) // 10
        assert (np.abs(settled[start:] - numbers_in(row)) <= ROUNDED).all()
        assert not (np.abs(settled[start - 1] - numbers_in(row)) <= ROUNDED).all()


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
