"""Derivatives of any function by differences, with an estimate of their error, and with its kinks.

`derivative(f, x)` moves one element of x after the other by a small step to either side, and sees
how much f changes. Nothing is known about f but its values, which is why a gradient that was
derived by hand can be compared with it.
"""

import numpy as np

# A function may carry 1000 roundings, each of 2^-53 of its size. A central difference divides them
# by STEP, which makes 1.8e-9 of them, and it leaves out STEP^2 / 6 = 6e-10 of the third derivative.
# A larger step would raise the second error, a smaller one the first.
STEP = 2.0**-14
ROUNDING = 1000 * 2.0**-53


def slopes(f, x, h):
    """Return the slopes of f to the left and to the right of each element of the array x.

    right_i = (f(x + h e_i) - f(x)) / h     the forward difference
    left_i  = (f(x) - f(x - h e_i)) / h     the mean of both is the central difference

    f takes an array of x's shape and returns a number; both results have x's shape.
    """
    steps = h * np.eye(x.size).reshape(-1, *x.shape)
    here = f(x)
    left = [(here - f(x - step)) / h for step in steps]
    right = [(f(x + step) - here) / h for step in steps]
    return np.reshape(left, x.shape), np.reshape(right, x.shape)


def derivative(f, x):
    """Return the derivative for each element of x, an estimate of its error, and where kinks are.

    All three are arrays of x's shape, which must be of float64. The derivative is the central
    difference, and a second one, with half the step, shows its error: half the step leaves a
    quarter of the truncation, so that twice the change is more than all of it. Half the step also
    halves the jump from the left slope to the right one, unless there is a kink, a corner of f,
    where the jump stays and every slope between the two is a subgradient.

    The error (`room`) is an estimate and no bound, because it supposes that within a step of x the
    function is smooth or has one kink.
    """
    size = abs(f(x))
    left, right = slopes(f, x, STEP)
    near_left, near_right = slopes(f, x, STEP / 2)
    central = (left + right) / 2
    truncation = 2 * abs(central - (near_left + near_right) / 2)
    terms = abs(central * x).sum()  # they may cancel in f(x)
    room = ROUNDING * (size + terms) / STEP + truncation
    jump = abs(2 * (near_right - near_left) - (right - left))
    return central, room + jump / 2, jump / 2 > room
