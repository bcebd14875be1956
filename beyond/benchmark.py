"""What an epoch costs: all five trainers, from 40 points to ten million.

    python -m beyond.benchmark            all sizes
    python -m beyond.benchmark --quick    small sizes only

Times one epoch of each trainer in microseconds, and how many times as fast as torch_optim that is.
docs/performance.md says how, and what came out. Prints a table in Markdown, and saves
figures/benchmark.png.
"""

import platform
import statistics
import sys
import time
from functools import partial
from pathlib import Path

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import matplotlib.pyplot as plt
import numpy as np
import torch

from beyond import numpy_blocks
from manual_grad import numpy_autograd, numpy_closed_form, program, tensor_updates, torch_optim
from manual_grad.pictures import BLUE, GREEN, ORANGE, PINK, SKY, SLIDE, save_figure

# Points: epochs in one measurement (some 10 ms at least), and measurements.
QUICK_SIZES = {40: (200, 9), 1_000: (200, 9), 100_000: (10, 5)}
SIZES = {40: (300, 21), 1_000: (300, 21), 100_000: (100, 9)}
SIZES |= {1_000_000: (50, 7), 10_000_000: (10, 5)}


def read_once(X, y, weight, bias, epochs):
    """Read X and y once an epoch, as np.sum does: a yardstick, which trains nothing."""
    for _ in range(epochs):
        np.sum(X)
        np.sum(y)


# Each by its name and the number of threads that it computes on.
TORCH_OPTIM = f"torch_optim, {torch.get_num_threads()}"
TRAINERS = {
    f"numpy_blocks, {numpy_blocks.cores()}": numpy_blocks.train,
    "numpy_blocks, 1": partial(numpy_blocks.train, threads=1),
    "numpy_closed_form, 1": numpy_closed_form.train,
    "numpy_autograd, 1": numpy_autograd.train,
    f"tensor_updates, {torch.get_num_threads()}": tensor_updates.train,
    TORCH_OPTIM: torch_optim.train,
    "yardstick: np.sum, 1": read_once,
}
COLORS = BLUE, SKY, GREEN, PINK, ORANGE, "black", "0.5"
MARKERS = "oPs^vDX"


def make_data(n):
    """Return X, evenly from 0 to 0.8 as in the tutorial, and y = 0.7 X + 0.3: (n, 1), float32."""
    X = np.linspace(0, 0.8, n, endpoint=False, dtype=np.float32).reshape(-1, 1)
    return X, np.float32(0.7) * X + np.float32(0.3)


def seconds(train, data, epochs):
    started = time.perf_counter()
    train(*data, *numpy_closed_form.START, epochs=epochs)
    return time.perf_counter() - started


def time_epochs(data, epochs, repeats):
    """Return each trainer's median cost of an epoch in microseconds.

    The trainers take turns, so that a busy moment of the machine hits all of them. A first epoch
    runs before the clock does, because it loads code, starts threads and touches memory for the
    first time. A run of no epochs, which only checks the arguments, is timed too and subtracted.
    """
    costs = {name: [] for name in TRAINERS}
    for train in TRAINERS.values():
        seconds(train, data, epochs=1)
    for _ in range(repeats):
        for name, train in TRAINERS.items():
            overhead = seconds(train, data, epochs=0)
            costs[name].append((seconds(train, data, epochs) - overhead) / epochs * 1e6)
    return {name: statistics.median(values) for name, values in costs.items()}


def measure_time(sizes):
    """Return each trainer's costs by size, and tell meanwhile on stderr how far it is."""
    costs = {}
    for n, (epochs, repeats) in sizes.items():
        print(f"{n:,} points, {repeats} times {epochs} epochs of each trainer ...", file=sys.stderr)
        costs[n] = time_epochs(make_data(n), epochs, repeats)
    return costs


def as_table(costs):
    """Return the lines of a table in Markdown: a row for each trainer, a column for each size."""
    rows = [["trainer, threads", *(f"{n:,}" for n in costs)]]
    for name in TRAINERS:
        times = [f"{c[name]:,.1f} ({c[TORCH_OPTIM] / c[name]:.3g}x)" for c in costs.values()]
        rows.append([name, *times])
    widths = [max(map(len, column)) for column in zip(*rows)]
    rows.insert(1, ["-" * width for width in widths])
    return [" | ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in rows]


@plt.rc_context(SLIDE)
def plot(costs):
    """Draw cost per epoch against the number of points; return the Figure."""
    figure, axes = plt.subplots()
    for name, color, marker in zip(TRAINERS, COLORS, MARKERS):
        times = [cost[name] for cost in costs.values()]
        axes.plot(list(costs), times, label=name, color=color, marker=marker)
    axes.set(xscale="log", yscale="log")
    axes.set_title("An epoch (float32, MAE): flat is a fixed cost, a slope is a cost per point")
    axes.set(xlabel="Number of points", ylabel="Time per epoch (microseconds)")
    axes.grid(alpha=0.3)
    axes.legend(title="trainer, threads")
    return figure


def main(quick):
    costs = measure_time(QUICK_SIZES if quick else SIZES)
    cores = numpy_blocks.cores()
    print(f"# Time per epoch on {platform.system()} {platform.machine()}, {cores} cores")
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, torch {torch.__version__}")
    print("Columns: number of points. Cells: microseconds (times as fast as torch_optim).\n")
    print("\n".join(as_table(costs)))
    save_figure(plot(costs), "benchmark")


if __name__ == "__main__":
    option = dict(action="store_true", help="small sizes only")
    program.run(main, __doc__, [("--quick", option)])
