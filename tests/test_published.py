"""Every number that the tutorials print comes out of the programs' printed output."""

import re

import published_numbers
import pytest
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
    ("tutorial", "figures"), [("workflow_notebook", 332), ("exercise_solutions", 94)]
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
