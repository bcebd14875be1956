"""Every number that the tutorials print comes out of the programs' printed output."""

import math
import re

import published_numbers
import pytest
from platform_runs import agree, tolerances
from published_numbers import SECTIONS, X86, drift_row, is_figure, numbers_in, printed_under


@pytest.mark.parametrize("section", SECTIONS, ids=str)
def test_printed_numbers_are_the_published_ones(section, runs, drift):
    output = runs(section.program).stdout
    expected = section.published()
    got = section.numbers_in(output)
    device = "cuda" if "Using device: cuda" in output else "cpu"
    if section.figures():
        drift(drift_row(section, device, got))

    assert len(got) == len(expected), f"{section}: {len(got)} numbers, published {len(expected)}"
    # Today's edition ran on a GPU. All others printed what an x86-64 CPU prints.
    exact = X86 and device == "cpu" and section.tutorial != "todays_edition"
    allowed = [None] * len(expected) if exact else tolerances(section, device)
    compared = [
        (g, e, tolerance, place)
        for g, e, tolerance, place in zip(got, expected, allowed, section.places(), strict=True)
        if tolerance != math.inf
    ]
    wrong = [
        f"{section}, {' '.join(place)}: got {g}, expected {e}, tolerance {tolerance or 0:.1e}"
        for g, e, tolerance, place in compared
        if not agree(g, e, tolerance)
    ]
    assert not wrong, "\n".join(wrong)
    if len(compared) < len(expected):
        pytest.skip(
            f"{len(expected) - len(compared)} of {len(expected)} numbers can't be compared: "
            "a residual has the other sign here, which float32's roundings decide"
        )


@pytest.mark.parametrize(
    ("tutorial", "figures"),
    [
        ("workflow_notebook", 334),
        ("exercise_solutions", 96),
        ("author_solutions", 94),
        ("training_pipeline", 108),
        ("todays_edition", 20),
    ],
)
def test_no_published_number_is_left_out(tutorial, figures):
    sections = [section for section in SECTIONS if section.tutorial == tutorial]
    keys = published_numbers.PUBLISHED[tutorial].keys() - {"source"}
    assert {section.key for section in sections} == keys
    assert sum(section.figures() for section in sections) == figures


def test_the_notebooks_220_losses_are_compared_to_the_bit():
    sections = [
        s for s in SECTIONS if (s.tutorial, s.key[1:]) == ("workflow_notebook", "_training")
    ]
    losses = [n for section in sections for n in section.published() if is_figure(n)]
    assert len(losses) == 220
    assert all(map(published_numbers.has_all_digits, losses))


def test_counts_of_samples(runs):
    assert (
        "Number of testing samples: 10\nNumber of predictions made: 10" in runs("02_model").stdout
    )
    exercises = runs("07_exercises").stdout
    assert "Number of X samples: 100\nNumber of y samples: 100" in exercises
    assert "(80, 80, 20, 20)" in exercises


def wrongs(number):
    """Yield a printed number with each of its digits changed in turn; the other truth value."""
    if number in ("True", "False"):
        yield "False" if number == "True" else "True"
    for at, digit in enumerate(number):
        if digit.isdigit():
            yield number[:at] + str((int(digit) + 1) % 10) + number[at + 1 :]


@pytest.mark.parametrize("section", SECTIONS, ids=str)
def test_the_comparison_sees_each_single_wrong_digit(section, runs):
    """The check is checked: with any digit of any number changed, the numbers are others."""
    like, output = section.published(), runs(section.program).stdout
    numbers = {str(number) for number in section.numbers_in(output)}
    body = printed_under(section.heading, output)
    for line in dict.fromkeys(body.splitlines()):
        got = numbers_in(line, like)
        for number in map(str, got):
            numbers.discard(number)
            for wrong in wrongs(number):
                changed = re.sub(rf"(?<![\d.]){re.escape(number)}(?![\d.])", wrong, line, count=1)
                assert numbers_in(changed, like) != got
    assert not numbers, "no line of the output holds these numbers"


@pytest.mark.parametrize(
    ("got", "expected", "tolerance", "close"),
    [
        ("0.3128814101219177", "0.31288138031959534", 3e-8, True),  # one float32 step
        ("0.3128817081451416", "0.31288138031959534", 3e-8, False),  # eleven
        ("0.3983", "0.3982", 0, True),
        ("0.3984", "0.3982", 0, False),
        ("0.3984", "0.3982", math.inf, True),
        (41, 40, math.inf, False),
        (False, True, math.inf, False),
    ],
)
def test_numbers_agree_within_a_tolerance_and_a_unit(got, expected, tolerance, close):
    assert agree(got, expected, tolerance) == close
    assert not agree(got, expected)
