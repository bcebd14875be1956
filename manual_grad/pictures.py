"""What the pictures here share: colours, the size of a slide, saving, showing.

A numbered script draws its own pictures, so that it needs nothing of this.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

# Colours that stay apart for colour-blind readers (Okabe and Ito). Lines also differ in marker or
# dash, so that a grey print shows which is which.
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
SKY, YELLOW, PINK = "#56B4E9", "#F0E442", "#CC79A7"

# The size of a slide, 13.33 x 7.5 inches, and text of 16 pt on it: legible at the back of a room.
# Use it as `@plt.rc_context(SLIDE)` above a function that draws.
SLIDE = {
    "figure.figsize": (13.33, 7.5),
    "figure.constrained_layout.use": True,
    "font.size": 16,
    "axes.titlesize": 18,
    "legend.fontsize": 14,
    "legend.framealpha": 1,
    "lines.linewidth": 2.5,
    "lines.markersize": 9,
}


def write(axes, text, point, offset=(10, 8)):
    """Write beside a point, `offset` printer's points away, on white; return the Annotation."""
    white = dict(fc="white", ec="none", pad=1.5)
    return axes.annotate(text, point, offset, textcoords="offset points", bbox=white)


def draw_band(axes, losses, every, **look):
    """Draw losses over epochs 0, 1, ... as a band from each loss to the one before it.

    Where a loss jumps to and fro in every epoch, a line would fill the place between its two
    values; a band does so in one colour, and has the width of the jumps. There is a marker `every`
    so many epochs, an odd number, because an even one would show one edge of the band only.
    """
    low, high = np.minimum(losses[1:], losses[:-1]), np.maximum(losses[1:], losses[:-1])
    epochs = np.arange(len(losses))
    axes.fill_between(epochs[1:], low, high, color=look["color"], alpha=0.5, lw=2.5)
    axes.plot(epochs[::every], losses[::every], **look, lw=0)


def save_figure(figure, name):
    """Save a figure as figures/<name>.png in the current folder, and print where."""
    file = Path("figures") / f"{name}.png"
    file.parent.mkdir(exist_ok=True)
    figure.savefig(file)
    print(f"Saved {file.as_posix()}")


def show_figures():
    """Open a window for each figure where there is a display; elsewhere do nothing."""
    if plt.gcf().canvas.required_interactive_framework:
        plt.show()
