"""What an epoch costs: all five trainers, from 40 points to ten million.

    python -m beyond.benchmark             all sizes
    python -m beyond.benchmark --quick     small sizes only, and no memory
    python -m beyond.benchmark --others    against other libraries, see beyond/benchmark_others.py

Times one epoch of each trainer (float32, MAE, the full Trajectory recorded) in microseconds, and
how many times as fast as torch_optim that is. The trainers take turns, so that a busy moment of the
machine hits all of them, and medians count. A first epoch runs before the clock does: it loads
code, starts threads and touches memory for the first time. What a trainer allocates again in every
epoch stays in its time.

From 100,000 points on, the floor stands beside them: the time that np.sum takes to read X and y
once, on one thread. For fewer points it is left out: it would only time two calls. Prints a
table in Markdown, and saves figures/benchmark.png.

The other libraries are no part of this project. Give them an environment of their own:

    python -m venv others
    others/bin/pip install torch numpy matplotlib jax autograd mygrad micrograd
    others/bin/python -m beyond.benchmark --others

(On Windows: others\\Scripts.) torch.compile needs a C++ compiler. What isn't installed gets a row
that says so.
"""

import math
import platform
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from beyond.measure import extra_memory, make_data, progress, time_epochs
from beyond.numpy_blocks import cores
from manual_grad import program

# The module of each trainer, and what its train is given. Imported where they are used: a trainer
# in NumPy alone is measured in a process without torch.
TRAINERS = {
    "numpy_blocks": ("beyond.numpy_blocks", {}),
    "numpy_blocks alone": ("beyond.numpy_blocks", {"threads": 1}),
    "numpy_closed_form": ("manual_grad.numpy_closed_form", {}),
    "numpy_autograd": ("manual_grad.numpy_autograd", {}),
    "tensor_updates": ("manual_grad.tensor_updates", {}),
    "torch_optim": ("manual_grad.torch_optim", {}),
}

# Points: epochs in one measurement (some 10 ms at least), and measurements.
QUICK_SIZES = {40: (200, 9), 1_000: (200, 9), 100_000: (10, 5)}
SIZES = {40: (300, 21), 1_000: (300, 21), 100_000: (100, 9)}
SIZES |= {1_000_000: (50, 7), 10_000_000: (10, 5)}
FLOOR_FROM = 100_000

LOOKS = {
    "numpy_blocks": dict(color="#0072B2", marker="o", ls="-"),
    "numpy_blocks alone": dict(color="#56B4E9", marker="P", ls=(0, (5, 1))),
    "numpy_closed_form": dict(color="#009E73", marker="s", ls="--"),
    "numpy_autograd": dict(color="#CC79A7", marker="^", ls="-."),
    "tensor_updates": dict(color="#E69F00", marker="v", ls=(0, (1, 1))),
    "torch_optim": dict(color="#D55E00", marker="D", ls=(0, (5, 1, 1, 1, 1, 1)), mfc="none"),
    "floor": dict(color="black", marker="", ls="-", lw=4, alpha=0.5),
}


def trainer(name):
    """Return the train function of that name, with its settings."""
    module, settings = TRAINERS[name]
    return partial(import_module(module).train, **settings)


def read_once(X, y, weight, bias, epochs):
    """Read X and y once an epoch, as fast as one thread of NumPy does."""
    for _ in range(epochs):
        np.sum(X)
        np.sum(y)


def measure_time(sizes):
    """Return the costs by size: those of each trainer, and from FLOOR_FROM on the floor's."""
    costs = {}
    trains = {name: trainer(name) for name in TRAINERS}
    for n, (epochs, repeats) in sizes.items():
        progress(f"{n:,} points, {repeats} times {epochs} epochs of each trainer ...")
        timed = trains | ({"floor": read_once} if n >= FLOOR_FROM else {})
        costs[n] = time_epochs(timed, *make_data(n), epochs, repeats)
    return costs


def measure_memory(n):
    """Return how much memory each trainer takes beside n points, in MB, or None."""
    progress(f"{n:,} points, the memory of each trainer ...")
    modules, settings = zip(*TRAINERS.values())
    spawn = get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn, max_tasks_per_child=1) as processes:
        return list(processes.map(extra_memory, modules, settings, [n] * len(TRAINERS)))


def three_digits(number):
    """Return a positive number with three digits at least: 0.0123, 1.23, 123, 12,345."""
    return f"{number:,.{max(0, 2 - math.floor(math.log10(number)))}f}"


def row(*cells):
    """Return a row of a table in Markdown."""
    return "| " + " | ".join(cells) + " |"


def head(name, torch_threads):
    """Return what a column is called: the trainer, and how many threads it computes on."""
    threads = {"numpy_blocks": cores(), "tensor_updates": torch_threads}
    threads = (threads | {"torch_optim": torch_threads}).get(name, 1)
    name = name.removesuffix(" alone")
    return f"{name}, {threads} thread{'s' if threads > 1 else ''}"


def as_table(costs, megabytes, torch_threads):
    """Return the lines of a table in Markdown."""
    floor = f"floor: {head('np.sum', 1)}"
    lines = [row("points", *(head(name, torch_threads) for name in TRAINERS), floor)]
    lines.append(row(*["---"] * (len(TRAINERS) + 2)))
    for n, cost in costs.items():
        cells = [
            f"{three_digits(cost[name])} us ({three_digits(cost['torch_optim'] / cost[name])}x)"
            for name in TRAINERS
        ]
        floor = f"{three_digits(cost['floor'])} us" if "floor" in cost else ""
        lines.append(row(f"{n:,}", *cells, floor))
    cells = ["not known" if mb is None else f"{mb:.1f} MB" for mb in megabytes]
    return [*lines, row(f"peak extra memory, {n:,}", *cells, "")] if cells else lines


def plot(costs, torch_threads):
    """Draw cost per epoch against the number of points; return the Figure."""
    import matplotlib.pyplot as plt

    with plt.rc_context(program.SLIDE):
        figure, axes = plt.subplots()
        for name, look in LOOKS.items():
            sizes = [n for n in costs if name in costs[n]]
            label = head(name, torch_threads) if name in TRAINERS else "floor: np.sum reads X and y"
            axes.plot(sizes, [costs[n][name] for n in sizes], label=label, **look)
        axes.set(xscale="log", yscale="log", title="What an epoch costs (float32, MAE)")
        axes.set(xlabel="Number of points", ylabel="Time per epoch (microseconds)")
        axes.grid(alpha=0.3)
        axes.legend()
    return figure


def main(quick, others):
    started = time.perf_counter()
    if others:
        from beyond import benchmark_others

        lines = benchmark_others.as_table(progress)
    else:
        costs = measure_time(QUICK_SIZES if quick else SIZES)
        megabytes = [] if quick else measure_memory(max(costs))
    progress("")

    import torch

    print(f"# Time per epoch on {platform.system()} {platform.machine()}, {cores()} cores")
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, torch {torch.__version__}")
    print("In brackets: how many times as fast as torch_optim.\n")
    if not others:
        lines = as_table(costs, megabytes, torch.get_num_threads())
    print("\n".join(lines))
    print(f"\nMeasured in {time.perf_counter() - started:.0f} s.")
    if not others:
        program.save_figure(plot(costs, torch.get_num_threads()), "benchmark")


OPTIONS = [
    ("--quick", dict(action="store_true", help="small sizes only, and no memory")),
    ("--others", dict(action="store_true", help="other libraries, from their own environment")),
]

if __name__ == "__main__":
    program.run(main, __doc__, OPTIONS)
