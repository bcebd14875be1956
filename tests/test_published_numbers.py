"""All 652 numbers that the tutorials print come out of the scripts' cells."""

import pytest
from published_numbers import BOUND, PUBLISHED, SCRIPTS, TOTAL, Number, counts, numbers, places


def agree(number, tolerance):
    """Tell whether ours is the published number: its digits or, where not exact, its value."""
    if number.exact or not isinstance(number.published, str):
        return number.ours == number.published
    decimals = len(number.published.split(".")[1])
    last_digit = 0 if number.is_loss else 1.001 * 10.0**-decimals  # both sides are rounded to it
    return number.apart() <= tolerance + last_digit


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_printed_numbers_are_the_published_ones(script, record_property):
    every = numbers(script)
    counted = [n for n in every if counts(n.published)]
    losses = [n for n in every if n.is_loss]
    equal = [sum(n.ours == n.published for n in some) for some in (counted, losses)]
    record_property("published numbers", [len(counted), equal[0], len(losses), equal[1]])
    loss = "mse" if script == "08_training_pipeline" else "mae"
    wrong = [n for n in every if not agree(n, BOUND[loss])]
    first = "\n".join(map(str, wrong[:10]))
    assert not wrong, f"{len(wrong)} of {len(every)} numbers are wrong. The first:\n{first}"


def test_no_published_number_is_left_out():
    compared = [n for script in SCRIPTS for n in numbers(script)]
    published = [n for tutorial in PUBLISHED.values() for n in places(tutorial, "")]
    assert len(compared) == len(published)
    assert sum(counts(n.published) for n in compared) == TOTAL == 652
    assert sum(n.is_loss for n in compared if n.document == "workflow_notebook") == 220


def test_a_wrong_number_fails_and_is_named():
    exact = Number("notebook", "3_training, epoch 20", "0.21729660034179688", "0.2172966152", True)
    elsewhere = exact._replace(exact=False)  # than on x86-64
    assert not agree(exact, BOUND["mae"])
    assert str(exact).endswith("got 0.2172966152, 1.5e-08 apart")
    assert agree(elsewhere, BOUND["mae"])
    assert not agree(elsewhere._replace(ours="0.21731"), BOUND["mae"])
    four_digits = elsewhere._replace(published="0.2172")  # may be rounded to the next
    assert agree(four_digits, BOUND["mae"])
    assert not agree(four_digits._replace(ours="0.2175"), BOUND["mae"])
