"""finite_differences: its room holds the error, and the V has the slopes that the picture names."""

import numpy as np
import pytest
from tolerances import ROOM, SLOPE_OF_ROUNDING, SLOPE_OF_TRUNCATION

from manual_grad import finite_differences
from manual_grad.finite_differences import STEP, derivative


def test_slopes_of_a_parabola_on_paper():
    left, right = finite_differences.slopes(lambda x: (x**2).sum(), np.array([[3.0], [-1.0]]), 0.5)
    np.testing.assert_array_equal(left, [[5.5], [-2.5]])  # 2 x - h
    np.testing.assert_array_equal(right, [[6.5], [-1.5]])  # 2 x + h


@pytest.mark.parametrize("curve", [0, 1, 20], ids="curvature {}".format)
@pytest.mark.parametrize("beside", np.linspace(-1.2, 1.2, 49).round(3).tolist() + [1 / 3, -1 / 3])
def test_a_kink_within_reach_of_the_step_makes_no_right_slope_wrong(beside, curve):
    x = np.array([beside * STEP])
    slope, room, _ = derivative(lambda x: (abs(x) + 0.3 * x + curve * x**2 + 1).sum(), x)
    assert abs(np.sign(x) + 0.3 + 2 * curve * x - slope) <= room


@pytest.mark.parametrize(
    ("function", "exact"),
    [(np.exp, np.exp), (np.sin, np.cos), (np.tanh, lambda x: 1 / np.cosh(x) ** 2)],
    ids=["exp", "sin", "tanh"],
)
def test_the_room_holds_the_error_and_little_more(function, exact):
    """The sums of sin and tanh are 0 here. Their rounding comes from the terms."""
    x = np.linspace(-3, 3, 101).reshape(-1, 1)
    slope, room, kink = derivative(lambda x: function(x).sum(), x)
    assert (abs(slope - exact(x)) <= room).all()
    size = abs(function(x)).sum() + abs(exact(x) * x).sum()
    assert room.max() <= ROOM * size
    assert not kink.any()


def slope_of(errors, low, high):
    """Return the slope of log error against log h from h = 10^low to 10^high."""
    steps = finite_differences.errors()[0]
    some = (steps > 0.9 * 10.0**low) & (steps < 1.1 * 10.0**high)
    return np.polyfit(np.log10(steps[some]), np.log10(errors[some]), 1)[0]


def test_truncation_and_rounding_have_the_slopes_of_the_picture():
    _, forward, central = finite_differences.errors()
    assert slope_of(forward, -4, -2) == pytest.approx(1, abs=SLOPE_OF_TRUNCATION)
    assert slope_of(central, -3, -1) == pytest.approx(2, abs=SLOPE_OF_TRUNCATION)
    assert slope_of(forward, -12, -8) == pytest.approx(-1, abs=SLOPE_OF_ROUNDING)
    assert slope_of(central, -12, -8) == pytest.approx(-1, abs=SLOPE_OF_ROUNDING)


def test_the_picture_shows_the_errors_and_names_the_slopes():
    figure = finite_differences.plot_errors()
    (axes,) = figure.axes
    steps, *errors = finite_differences.errors()
    for line, error in zip(axes.lines, errors, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), steps)
        np.testing.assert_array_equal(line.get_ydata(), error)
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    texts = {text.get_text() for text in axes.texts}
    assert texts == {"rounding: slope -1", "truncation: slope 1", "truncation: slope 2"}
    assert min(text.get_fontsize() for text in (*axes.texts, *axes.get_legend().texts)) >= 14
