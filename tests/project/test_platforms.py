"""docs/platforms.md: each row of its tables, computed again from tests/baseline.json."""

import json

import pytest
from drift import BASELINE, float32_steps
from platform_runs import bounds_of, pipeline_bounds
from problems import ROOT
from published_numbers import PUBLISHED, SECTIONS

PAGE = (ROOT / "docs" / "platforms.md").read_text(encoding="utf-8")
ROWS_OF = {
    kind: entry["rows"]
    for entry in json.loads(BASELINE.read_text(encoding="utf-8"))
    for kind in entry["kinds"]
}
LOSSES = ["published: workflow_notebook 3_training", "published: workflow_notebook 6_training"]
MAE = ["section 3", "section 6", "exercise", "exercise, author's"]
PIPELINE = {s.key: s for s in SECTIONS if s.tutorial == "training_pipeline"}
TRAINERS = ["numpy_closed_form", "numpy_autograd", "tensor_updates", "numpy_blocks"]


def table(heading):
    """Return the cells of a table's rows, below a heading of the page."""
    text = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


NUMBERS, TRAINED = table("The published numbers"), table("The trainers by hand, and the cycle")
MEASURED = [cells for cells in NUMBERS if cells[2] in ROWS_OF]


def test_the_tables_have_each_kind_of_machine_that_the_baseline_knows():
    assert {cells[2] for cells in MEASURED} == {cells[0] for cells in TRAINED} == set(ROWS_OF)
    assert [cells[0] for cells in NUMBERS if cells not in MEASURED] == ["CUDA, the author's run"]


@pytest.mark.parametrize("cells", MEASURED, ids=lambda cells: f"{cells[0]} {cells[1]}")
def test_the_published_numbers_are_the_baselines(cells):
    rows = ROWS_OF[cells[2]]
    published = [row for name, row in rows.items() if name.startswith("published: ")]
    assert sum(row["total"] for row in published) == 652
    assert int(cells[3]) == sum(row["equal"] for row in published)
    losses = [rows[name] for name in LOSSES]
    assert sum(row["bits_total"] for row in losses) == 220
    assert int(cells[4]) == sum(row["bits"] for row in losses)
    assert int(cells[5].split()[0]) == max(row["steps"] for row in losses)


def test_the_authors_row_is_the_difference_of_the_two_tables_that_he_published():
    (cells,) = (cells for cells in NUMBERS if cells not in MEASURED)
    ours = {row[0]: row[1:] for row in PUBLISHED["workflow_notebook"]["6_training"]["rows"]}
    pairs = [
        (float(a), float(b))
        for epoch, *losses in PUBLISHED["todays_edition"]["6_training"]["rows"]
        for a, b in zip(losses, ours[epoch], strict=True)
    ]
    assert cells[4] == f"{sum(a == b for a, b in pairs)} of {len(pairs)}"
    steps, difference = (max(f(*pair) for pair in pairs) for f in (float32_steps, distance))
    assert cells[5] == f"{steps} steps, {difference:.1e}".replace("e-0", "e-")


def distance(a, b):
    return abs(a - b)


@pytest.mark.parametrize("cells", TRAINED, ids=lambda cells: cells[0])
def test_the_trainers_and_the_cycles_are_the_baselines(cells):
    rows = ROWS_OF[cells[0]]
    groups = [MAE, ["pipeline, nn.Linear"], ["pipeline, custom"]]
    for cell, runs in zip(cells[1:4], groups, strict=True):
        equal = {
            sum(rows[f"trainers: {run}: {trainer} parameters"]["equal"] for run in runs)
            for trainer in TRAINERS
        }
        assert equal == {int(cell)}
    cycles = [rows[f"cycles: {run}"]["value"] for run in MAE]
    assert cells[4] == ", ".join(str(first) for first, *_ in cycles)
    assert [states for _, states, *_ in cycles] == [2] * 4


def test_the_cycles_states_are_the_same_everywhere():
    for run in MAE:
        assert len({tuple(rows[f"cycles: {run}"]["value"]) for rows in ROWS_OF.values()}) == 1


@pytest.mark.parametrize(
    ("name", "bounds"),
    [
        ("section 3", lambda: bounds_of("section 3").same),
        ("section 6", lambda: bounds_of("section 6").same),
        ("the second tutorial's `nn.Linear`", lambda: pipeline_bounds(PIPELINE["3_nn_linear"])[0]),
        ("its custom module", lambda: pipeline_bounds(PIPELINE["4_custom_module"])[0]),
    ],
)
def test_the_bounds_are_those_of_the_printed_epochs(name, bounds):
    (words,) = (cells[1] for cells in table("What the tests ask for") if cells[0] == name)
    printed = bounds()[::10]
    low, high = (f"{bound:.1e}".replace("e-0", "e-") for bound in (printed.min(), printed.max()))
    assert words == f"{low} to {high}"
