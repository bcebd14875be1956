"""What an epoch costs: all five trainers, from 40 points to ten million.

    python -m manual_grad.benchmark             about a minute
    python -m manual_grad.benchmark --quick     small sizes only, some seconds

Times one epoch of each trainer (float32, MAE, the full Trajectory recorded) in microseconds, and
how many times as fast as torch_optim that is. The trainers take turns, so that a busy moment of the
machine hits all of them, and medians count. Beside them stands the floor: the time that np.sum
takes to read X and y once, which no trainer can do without. Prints a table in Markdown, and saves
figures/benchmark.png.
"""

import argparse
import os
import platform
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from manual_grad.numpy_closed_form import START

# Imported where they are used: a trainer in NumPy alone is measured in a process without torch.
TRAINERS = ["numpy_blocks", "numpy_closed_form", "numpy_autograd", "tensor_updates", "torch_optim"]

# Points: epochs in one measurement (some 10 ms at least), and measurements.
SIZES = {40: (300, 21), 1_000: (300, 21), 100_000: (20, 11), 1_000_000: (5, 9), 10_000_000: (3, 7)}
QUICK_SIZES = {40: (200, 9), 1_000: (200, 9), 100_000: (10, 5)}

LOOKS = {
    "numpy_blocks": dict(color="#0072B2", marker="o", ls="-"),
    "numpy_closed_form": dict(color="#009E73", marker="s", ls="--"),
    "numpy_autograd": dict(color="#CC79A7", marker="^", ls="-."),
    "tensor_updates": dict(color="#E69F00", marker="v", ls=(0, (1, 1))),
    "torch_optim": dict(color="#D55E00", marker="D", ls=(0, (5, 1, 1, 1, 1, 1)), mfc="none"),
    "floor": dict(color="black", marker="", ls="-", lw=3, alpha=0.45),
}


def make_data(n):
    """Return X, evenly from 0 to 0.8 as in the tutorial, and y = 0.7 X + 0.3: (n, 1), float32."""
    X = np.linspace(0, 0.8, n, endpoint=False, dtype=np.float32).reshape(-1, 1)
    return X, np.float32(0.7) * X + np.float32(0.3)


def seconds(function, *arguments, **settings):
    """Return how long one call takes."""
    started = time.perf_counter()
    function(*arguments, **settings)
    return time.perf_counter() - started


def time_epochs(n, epochs, repeats):
    """Return the median cost of an epoch on n points, in microseconds, by trainer, and the floor.

    An epoch's cost is that of a run less that of a run of no epochs, which checks the arguments.
    """
    X, y = make_data(n)
    trains = {name: import_module(f"manual_grad.{name}").train for name in TRAINERS}
    costs = {name: [] for name in LOOKS}
    for train in trains.values():
        train(X, y, *START, epochs=1)  # the first call loads and allocates
    for _ in range(repeats):
        for name, train in trains.items():
            overhead = seconds(train, X, y, *START, epochs=0)
            cost = seconds(train, X, y, *START, epochs=epochs) - overhead
            costs[name].append(cost / epochs * 1e6)
        reading = [seconds(np.sum, X) + seconds(np.sum, y) for _ in range(epochs)]
        costs["floor"].append(statistics.mean(reading) * 1e6)
    return {name: statistics.median(values) for name, values in costs.items()}


def memory(field):
    """Return VmRSS (memory held now) or VmHWM (the most held) of this process, in MB. Linux."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024 / 1e6


def extra_memory(name, n):
    """Return how much memory a trainer takes beside n points, at its peak, in MB.

    To be called in a process of its own. The system counts it, so arrays of NumPy and tensors count
    alike. On other systems than Linux, where nothing resets the peak, the answer is None.
    """
    if not sys.platform.startswith("linux"):
        return None
    train = import_module(f"manual_grad.{name}").train
    train(*make_data(100_000), *START, epochs=2)  # what is loaded or set up once
    X, y = make_data(n)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts at what is held now
    before = memory("VmRSS")
    train(X, y, *START, epochs=2)
    return memory("VmHWM") - before


def measure(sizes):
    """Return the costs by size and the memory at the largest size; show progress on the way."""
    costs = {}
    for n, (epochs, repeats) in sizes.items():
        started = time.perf_counter()
        print(f"{n:>10,} points, {repeats} times {epochs} epochs of each ...", end="", flush=True)
        costs[n] = time_epochs(n, epochs, repeats)
        print(f" {time.perf_counter() - started:.0f} s", flush=True)
    print(f"{n:>10,} points, memory of each, in a process of its own ...", flush=True)
    spawn = get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn, max_tasks_per_child=1) as processes:
        megabytes = list(processes.map(extra_memory, TRAINERS, [n] * len(TRAINERS)))
    return costs, megabytes


def as_table(costs, megabytes):
    """Return the lines of a table in Markdown."""

    def row(*cells):
        return "| " + " | ".join(cells) + " |"

    def us(cost):
        return f"{cost:,.{1 if cost < 100 else 0}f} us"

    lines = [row("points", *TRAINERS, "floor"), row(*["---"] * 7)]
    for n, cost in costs.items():
        faster = {name: cost["torch_optim"] / cost[name] for name in TRAINERS}
        cells = [f"{us(cost[name])} ({faster[name]:.3g}x)" for name in TRAINERS]
        lines.append(row(f"{n:,}", *cells, us(cost["floor"])))
    cells = ["not known" if mb is None else f"{mb:.1f} MB" for mb in megabytes]
    return [*lines, row(f"peak extra memory, {n:,}", *cells, "")]


def plot(costs):
    """Draw cost per epoch against the number of points; return the Axes of a new figure."""
    import matplotlib.pyplot as plt

    axes = plt.figure(figsize=(10, 7), layout="constrained").subplots()
    for name, look in LOOKS.items():
        label = "floor: reading X and y once" if name == "floor" else name
        axes.plot(costs.keys(), [cost[name] for cost in costs.values()], label=label, **look)
    axes.set(xscale="log", yscale="log", title="What an epoch costs (float32, MAE)")
    axes.set(xlabel="Number of points", ylabel="Time per epoch (microseconds)")
    axes.grid(alpha=0.3)
    axes.legend(prop={"size": 12})
    return axes


def main():
    parser = argparse.ArgumentParser(description="Time one epoch of each trainer.")
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    sizes = QUICK_SIZES if parser.parse_args().quick else SIZES
    costs, megabytes = measure(sizes)

    import torch

    print(f"\n{platform.system()} {platform.machine()}, {os.cpu_count()} cores, ", end="")
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, torch {torch.__version__}")
    print("Time per epoch, and how many times as fast as torch_optim:\n")
    print("\n".join(as_table(costs, megabytes)))
    data = import_module("01_data")
    print()
    data.save_figure(plot(costs), "benchmark")


if __name__ == "__main__":
    main()
