"""Derivatives without calculus: move one number a little, and see how much the function changes.

A derivative f'(x) is a slope: how much f changes, per unit, when x changes a little.

    forward difference    (f(x + h) - f(x)) / h              leaves out h / 2 f''(x) + ...
    central difference    (f(x + h) - f(x - h)) / (2 h)      leaves out h^2 / 6 f'''(x) + ...

What is left out, the truncation, is what a straight line through two points misses of the curve
between them, and it grows like h or h^2. A float64 rounds f by about 1.1e-16 of its size, and that
is divided by h, so that it grows like 1/h towards small steps. On two logarithmic axes each power
of h is a straight line, and together they make a V, at whose bottom the forward difference is right
to about 7 digits and the central one to 10.

Prints the largest errors of both, among 20 derivatives of BCE on logits, for each h, and saves
figures/finite_differences.png.
"""

import sys
from pathlib import Path

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import matplotlib.pyplot as plt
import numpy as np

from manual_grad import pictures, program
from manual_grad.derivative import slopes
from manual_grad.losses import LOSSES


def errors():
    """Return steps h and the largest error at 20 points of both differences: arrays of one shape.

    The function is BCE on logits, because MSE's third derivative is 0, and so is MAE's second.
    """
    rng = np.random.default_rng(0)
    z, y = rng.uniform(-3, 3, (20, 1)), rng.uniform(0, 1, (20, 1))
    loss, gradient = LOSSES["bce"]
    exact = gradient(z, y)
    steps = 10.0 ** np.arange(-12, 0.5, 0.5)
    sides = [slopes(lambda z: loss(z, y), z, h) for h in steps]
    forward = np.array([abs(right - exact).max() for _, right in sides])
    central = np.array([abs((left + right) / 2 - exact).max() for left, right in sides])
    return steps, forward, central


def print_errors():
    """Print the errors of both differences for each power of ten."""
    print("\n# The largest error of 20 derivatives of BCE on logits")
    print(f"{'h':>8}{'forward':>12}{'central':>12}")
    for h, *pair in list(zip(*errors()))[::-2]:
        print("{:>8.0e}{:>12.1e}{:>12.1e}".format(h, *pair))
    print("The smaller h, the smaller the truncation, and the larger the rounding.")


@plt.rc_context(pictures.SLIDE)
def plot_errors():
    """Draw the errors against h, both axes logarithmic; return the figure."""
    steps, forward, central = errors()
    figure, axes = plt.subplots()
    axes.loglog(steps, forward, "o-", color=pictures.BLUE, label="forward difference")
    axes.loglog(steps, central, "s--", color=pictures.ORANGE, label="central difference")
    for text, place in (
        ("rounding, like 1 / h", (3e-12, 3e-8)),
        ("truncation, like h", (8e-6, 3e-5)),
        ("truncation, like h$^2$", (1e-2, 1e-9)),
    ):
        axes.text(*place, text)
    axes.set_title(
        "A derivative from two points: a large step misses the curve, a tiny one drowns in rounding"
    )
    axes.set(xlabel="step h (no unit)", ylabel="largest error of 20 derivatives of BCE (no unit)")
    axes.legend()
    return figure


def main():
    print_errors()
    print("\n# The picture")
    pictures.save_figure(plot_errors(), "finite_differences")
    pictures.show_figures()


if __name__ == "__main__":
    program.run(main, __doc__)
