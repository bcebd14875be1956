"""What the programs here share: --help, `| head`, and the look of pictures.

A numbered script takes no options and draws its own pictures, so that it needs nothing of this.
"""

import argparse
import os
import sys
from pathlib import Path

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


def run(main, doc, arguments=()):
    """Read the command line and call main with its options; --help shows `doc`.

    `arguments` are (name, settings) pairs for argparse's add_argument. An unknown option ends the
    program, and so does, without a traceback, a reader that has closed the pipe (`| head`).
    """
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, settings in arguments:
        parser.add_argument(name, **settings)
    options = vars(parser.parse_args())
    try:
        main(**options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes stdout once more at its end: let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def save_figure(figure, name):
    """Save a figure as figures/<name>.png in the current folder, and print where."""
    path = Path("figures") / f"{name}.png"
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path)
    print(f"Saved {path.as_posix()}")


def show_figures():
    """Open a window for each figure where there is a display; elsewhere do nothing."""
    import matplotlib.pyplot as plt

    if plt.gcf().canvas.required_interactive_framework:
        plt.show()
