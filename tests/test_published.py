"""Every number that the tutorials print comes out of the programs' printed output."""

import itertools
import re

import numpy as np
import published_numbers
import pytest
from conftest import ROOT
from published_numbers import SECTIONS, X86, agree, is_figure, measure, numbers_in, printed_under


@pytest.mark.parametrize("section", SECTIONS, ids=str)
def test_printed_numbers_are_the_published_ones(section, runs, drift):
    output = runs(section.program).stdout
    expected = section.published()
    got = numbers_in(printed_under(section.heading, output), like=expected)
    device = "cuda" if "Using device: cuda" in output else "cpu"
    drift.append(measure(section, device, got, expected))

    assert len(got) == len(expected), f"{section}: {len(got)} numbers, published {len(expected)}"
    exact = X86 and device == "cpu"
    wrong = [
        f"{section}, number {i}: got {g}, expected {e}"
        for i, (g, e) in enumerate(zip(got, expected), start=1)
        if not agree(g, e, exact)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("tutorial", "figures"),
    [("workflow_notebook", 332), ("exercise_solutions", 94), ("training_pipeline", 108)],
)
def test_no_published_figure_is_left_out(tutorial, figures):
    sections = [section for section in SECTIONS if section.tutorial == tutorial]
    keys = published_numbers.PUBLISHED[tutorial].keys() - {"source"}
    assert {section.key for section in sections} == keys
    assert sum(is_figure(n) for section in sections for n in section.published()) == figures


def test_the_notebooks_220_losses_are_compared_to_the_bit():
    rows = [s for s in SECTIONS if s.key in ("3_training", "6_training") and s.program < "07"]
    losses = [n for section in rows for n in section.published() if is_figure(n)]
    assert len(losses) == 220
    assert all(map(published_numbers.has_all_digits, losses))


def test_counts_of_samples(runs):
    assert (
        "Number of testing samples: 10\nNumber of predictions made: 10" in runs("02_model").stdout
    )
    assert "Number of X samples: 100\nNumber of y samples: 100" in runs("07_exercises").stdout


@pytest.mark.parametrize("section", SECTIONS, ids=str)
def test_the_comparison_sees_each_single_wrong_digit(section, runs):
    """The check is checked: change one digit of the output, anywhere, and it no longer agrees."""
    expected = section.published()
    body = printed_under(section.heading, runs(section.program).stdout)
    got = numbers_in(body, like=expected)
    places = [match.end() - 1 for match in re.finditer(r"\d\.\d+", body)]
    places = places or [match.start() for match in re.finditer(r"True|\d+", body)]
    assert len(places) >= sum(map(is_figure, expected))
    for at in places:
        other = "False" if body[at] == "T" else str((int(body[at]) + 1) % 10)
        changed = body[:at] + other + body[at + (4 if other == "False" else 1) :]
        assert numbers_in(changed, like=expected) != got


@pytest.mark.parametrize(
    ("got", "expected", "close"),
    [
        ("0.3128814101219177", "0.31288138031959534", True),  # one float32 step
        ("0.3128817081451416", "0.31288138031959534", False),  # eleven
        ("0.3983", "0.3982", True),
        ("0.3984", "0.3982", False),
        (41, 40, False),
        (False, True, False),
    ],
)
def test_the_tolerance_for_other_platforms_is_narrow(got, expected, close):
    assert agree(got, expected, exact=False) == close
    assert not agree(got, expected, exact=True)


@pytest.mark.parametrize("key", ["3_nn_linear", "4_custom_module"])
def test_the_recovered_starts_follow_from_the_printed_losses(key):
    """As training_pipeline.py says: two decaying terms, fitted to the printed losses."""
    printed = published_numbers.PUBLISHED["training_pipeline"][key]
    A = np.array([[1.0, 1], [2, 1], [3, 1], [4, 1]])
    H = 2 / 4 * A.T @ A
    h, vectors = np.linalg.eigh(H)
    epochs = np.array([row[0] - 1 for row in printed["rows"]])
    losses = np.array([float(row[2]) for row in printed["rows"]])
    terms = (1 - printed["lr"] * h) ** (2 * epochs[:, None]) * h / 2
    squares = np.linalg.lstsq(terms / losses[:, None], np.ones_like(losses), rcond=None)[0]
    optimum = np.array([2.0, 0.0])
    starts = [
        optimum + vectors @ (np.sqrt(squares) * signs)
        for signs in itertools.product((1, -1), repeat=2)
    ]
    [start] = [s for s in starts if abs(s @ [5, 1] - float(printed["before f(5)"])) < 1e-3]
    recovered = list(printed["recovered_initial_float32"].values())
    np.testing.assert_allclose(start, recovered, rtol=0, atol=1e-4)
    source = (ROOT / "manual_grad" / "training_pipeline.py").read_text()
    assert f"weight={recovered[0]}, bias={recovered[1]}" in source
