"""derivative: its room holds the error, beside kinks too; the lesson's V has its three powers."""

import numpy as np
import pytest

from lessons import finite_differences
from manual_grad.derivative import STEP, derivative, slopes

NEAR = 0.01  # of a step: where a kink is just near enough to be seen, rounding decides
POWER = 0.1  # the fitted power of h: truncation is a pure power to 0.01, rounding is random


def test_slopes_of_a_parabola_on_paper():
    left, right = slopes(lambda x: (x**2).sum(), np.array([[3.0], [-1.0]]), 0.5)
    np.testing.assert_array_equal(left, [[5.5], [-2.5]])  # 2 x - h
    np.testing.assert_array_equal(right, [[6.5], [-1.5]])  # 2 x + h


def test_a_kink_within_reach_of_the_step_makes_no_right_slope_wrong():
    for curve in 0, 1, 20:
        for beside in np.linspace(-1.2, 1.2, 97):
            x = np.array([beside * STEP])
            slope, room, kink = derivative(lambda x, c=curve: (abs(x) + c * x**2 + 1).sum(), x)
            assert abs(np.sign(x) + 2 * curve * x - slope) <= room
            assert kink == (abs(beside) < 0.2 - NEAR)  # farther off, the room holds both slopes
    slope, room, _ = derivative(lambda x: abs(x).sum(), np.zeros(1))
    assert (slope, room) == (0, pytest.approx(1))


def test_a_flat_function_is_known_to_be_flat_and_a_cubic_within_half_as_much_again():
    for size in -1.0, 0.0, 2.0:
        slope, room, kink = derivative(lambda x, size=size: size, np.ones(3))
        assert not slope.any()
        assert not kink.any()
        assert (room == abs(size) * 1000 * 2.0**-39).all()  # 1000 roundings of 2^-53, STEP is 2^-14
    slope, room, kink = derivative(lambda x: (1e6 * x**3).sum(), np.zeros(1))
    assert room == pytest.approx(1.5 * abs(slope))


def test_the_room_holds_the_error_and_little_more():
    """The sums of sin and tanh are 0 here, so that their rounding comes from the terms."""
    x = np.linspace(-3, 3, 101).reshape(-1, 1)
    for f, exact in (np.exp, np.exp(x)), (np.sin, np.cos(x)), (np.tanh, np.cosh(x) ** -2):
        slope, room, kink = derivative(lambda x, f=f: f(x).sum(), x)
        assert (abs(slope - exact) <= room).all()
        size = abs(f(x)).sum() + abs(exact * x).sum()
        assert 1e-9 * abs(exact * x).sum() <= room.min() <= room.max() <= 1e-8 * size
        assert not kink.any()


def test_the_lesson_prints_both_errors_of_each_power_of_ten(ran):
    text, _ = ran(finite_differences)
    rows = [line.split() for line in text.split("central\n")[1].splitlines()[:13]]
    np.testing.assert_allclose(np.array(rows, float)[:, 0], 10.0 ** -np.arange(13))
    _, *errors = finite_differences.errors()
    np.testing.assert_allclose(np.array(rows, float)[:, 1:], np.transpose(errors)[::-2], rtol=0.06)


def test_the_drawn_errors_have_the_powers_of_h_that_the_picture_names(ran):
    (axes,) = ran(finite_differences)[1]["finite_differences"].axes
    drawn = {line.get_label().split()[0]: line.get_data() for line in axes.lines}
    for name, low, high, power in (
        ("forward", -4, -2, 1), ("forward", -12, -8, -1),
        ("central", -3, -1, 2), ("central", -12, -8, -1),
    ):  # fmt: skip
        steps, errors = drawn[name]
        some = (steps > 0.9 * 10.0**low) & (steps < 1.1 * 10.0**high)
        fitted = np.polyfit(np.log10(steps[some]), np.log10(errors[some]), 1)[0]
        assert fitted == pytest.approx(power, abs=POWER)
    texts = {text.get_text() for text in axes.texts}
    assert texts == {"rounding, like 1 / h", "truncation, like h", "truncation, like h$^2$"}
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
