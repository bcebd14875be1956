"""A wrong number planted in a published run is never explained: epoch and column are named."""

import numpy as np
import pytest
from tolerances import VERDICT_SHOWS
from trained import by_torch

from manual_grad import verdict
from manual_grad.published_runs import published_runs

RUNS = published_runs()
every_run = pytest.mark.parametrize("name", RUNS)


@pytest.fixture(scope="module")
def reference():
    return {name: by_torch(name) for name in RUNS}


PLANTED = {  # the column, the group whose verdict must name it, and the wrong number
    "loss x 7": ("loss", "loss", lambda x: 7 * x),
    "loss x (1 + 1e-5)": ("loss", "loss", lambda x: x * np.float32(1 + 1e-5)),
    "loss nan": ("loss", "loss", lambda x: x * np.float32("nan")),
    "weight_grad x 17": ("weight_grad", "gradients", lambda x: 17 * x),
    "weight_grad x 1.0001": ("weight_grad", "gradients", lambda x: x * np.float32(1.0001)),
    "weight_grad x -1": ("weight_grad", "gradients", lambda x: -x),
    "bias_grad x 17": ("bias_grad", "gradients", lambda x: 17 * x),
    "bias_grad x 1.0001": ("bias_grad", "gradients", lambda x: x * np.float32(1.0001)),
    "weight + 100": ("weight", "parameters", lambda x: x + 100),
    "weight + 1e-6": ("weight", "parameters", lambda x: x + np.float32(1e-6)),
    "bias + 100": ("bias", "parameters", lambda x: x + 100),
    "bias + 1e-6": ("bias", "parameters", lambda x: x + np.float32(1e-6)),
}
# Late in a run the residuals are so small that rounding alone can change a loss by 1e-5 of it, or
# a gradient by 1e-4: there the record can't tell. The step still can, from a gradient to the bit.
SMALL = ("x (1 + 1e-5)", "x 1.0001")


@every_run
@pytest.mark.parametrize("planted", PLANTED)
def test_a_wrong_number_in_every_epoch_is_not_explained(name, planted, reference):
    column, group, change = PLANTED[planted]
    good = reference[name]
    wrong = good._replace(**{column: change(getattr(good, column))})
    check_fault(RUNS[name], wrong, good, group, 0, column)


@every_run
@pytest.mark.parametrize("planted", [planted for planted in PLANTED if not planted.endswith(SMALL)])
@pytest.mark.parametrize("place", [0, 0.4, 1])
def test_a_wrong_number_in_one_epoch_is_not_explained(name, planted, place, reference):
    column, group, change = PLANTED[planted]
    good = reference[name]
    epoch = round(place * (RUNS[name].epochs - 1))
    numbers = getattr(good, column).copy()
    # Not one that is 0 but for rounding, as MAE's gradients are where the signs cancel.
    epoch += int((np.abs(numbers[epoch:]) > VERDICT_SHOWS * np.abs(numbers).max()).argmax())
    numbers[epoch] = change(numbers[epoch])
    check_fault(RUNS[name], good._replace(**{column: numbers}), good, group, epoch, column)


def check_fault(run, wrong, good, group, epoch, column):
    """Assert that the verdict names epoch, column, both numbers and their ratio, on either side."""
    recorded, right = (float(getattr(t, column)[epoch]) for t in (wrong, good))
    start = f": epoch {epoch}, {column} is {recorded:.9g}, "
    if group == "gradients":  # a step is only as right as its gradient
        assert verdict.explain(run, wrong, good, "parameters").startswith(f"NOT EXPLAINED{start}")
    for words, whose in (
        (verdict.explain(run, wrong, good, group), ""),
        (verdict.explain(run, good, wrong, group), " (torch_optim)"),
        (verdict.explain(run, wrong, wrong, group), ""),  # equal to the bit, and wrong
    ):
        assert words.startswith(f"NOT EXPLAINED{whose}{start}")
        shown, ratio = map(float, words.split(" gives ")[1].split(", ratio "))
        if group == "parameters":  # but for the rounding of the step, which a fault can hide
            assert abs(shown - right) <= np.spacing(np.float32(abs(right)))
        assert shown == pytest.approx(right, rel=VERDICT_SHOWS)
        assert ratio == pytest.approx(recorded / right, rel=VERDICT_SHOWS, nan_ok=True)
