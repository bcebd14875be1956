"""What an epoch costs: all five trainers, from 40 points to ten million.

    python -m beyond.benchmark            all sizes, and each trainer's memory
    python -m beyond.benchmark --quick    small sizes only, and no memory

Times one epoch of each trainer in microseconds, and how many times as fast as torch_optim that is.
docs/performance.md says how, and what came out. Prints a table in Markdown, and saves
figures/benchmark.png.
"""

import math
import platform
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch

from beyond import numpy_blocks
from manual_grad import numpy_autograd, numpy_closed_form, program, tensor_updates, torch_optim
from manual_grad.program import BLUE, GREEN, ORANGE, PINK, SKY

# Points: epochs in one measurement (some 10 ms at least), and measurements.
QUICK_SIZES = {40: (200, 9), 1_000: (200, 9), 100_000: (10, 5)}
SIZES = {40: (300, 21), 1_000: (300, 21), 100_000: (100, 9)}
SIZES |= {1_000_000: (50, 7), 10_000_000: (10, 5)}
YARDSTICK_FROM = 100_000  # with fewer points it would only time two calls

TRAINERS = {
    "numpy_blocks": numpy_blocks.train,
    "numpy_blocks alone": partial(numpy_blocks.train, threads=1),
    "numpy_closed_form": numpy_closed_form.train,
    "numpy_autograd": numpy_autograd.train,
    "tensor_updates": tensor_updates.train,
    "torch_optim": torch_optim.train,
}
LOOKS = {
    "numpy_blocks": dict(color=BLUE, marker="o", ls="-"),
    "numpy_blocks alone": dict(color=SKY, marker="P", ls=(0, (5, 1))),
    "numpy_closed_form": dict(color=GREEN, marker="s", ls="--"),
    "numpy_autograd": dict(color=PINK, marker="^", ls="-."),
    "tensor_updates": dict(color=ORANGE, marker="v", ls=(0, (1, 1))),
    "torch_optim": dict(color="black", marker="D", ls=(0, (5, 1, 1, 1, 1, 1)), mfc="none"),
    "yardstick": dict(color="0.5", marker="_", ls="-", lw=4, ms=20, mew=4),
}


def make_data(n):
    """Return X, evenly from 0 to 0.8 as in the tutorial, and y = 0.7 X + 0.3: (n, 1), float32."""
    X = np.linspace(0, 0.8, n, endpoint=False, dtype=np.float32).reshape(-1, 1)
    return X, np.float32(0.7) * X + np.float32(0.3)


def read_once(X, y, weight, bias, epochs):
    """Read X and y once an epoch, as np.sum does."""
    for _ in range(epochs):
        np.sum(X)
        np.sum(y)


def seconds(train, data, epochs):
    started = time.perf_counter()
    train(*data, *numpy_closed_form.START, epochs=epochs)
    return time.perf_counter() - started


def time_epochs(trains, data, epochs, repeats):
    """Return the median cost of an epoch in microseconds, by the names of `trains`.

    They take turns, so that a busy moment of the machine hits all of them. A first epoch runs
    before the clock does: it loads code, starts threads and touches memory for the first time. A
    run of no epochs is timed too: it only checks the arguments. The difference, at least one clock
    tick, is divided by the epochs.
    """
    tick = time.get_clock_info("perf_counter").resolution
    costs = {name: [] for name in trains}
    for train in trains.values():
        seconds(train, data, epochs=1)
    for _ in range(repeats):
        for name, train in trains.items():
            overhead = seconds(train, data, epochs=0)
            cost = max(tick, seconds(train, data, epochs) - overhead)
            costs[name].append(cost / epochs * 1e6)
    return {name: statistics.median(values) for name, values in costs.items()}


def measure_time(sizes):
    """Return the costs by size: each trainer's, and from YARDSTICK_FROM on the yardstick's."""
    costs = {}
    for n, (epochs, repeats) in sizes.items():
        progress(f"{n:,} points, {repeats} times {epochs} epochs of each trainer ...")
        yardstick = {"yardstick": read_once} if n >= YARDSTICK_FROM else {}
        costs[n] = time_epochs(TRAINERS | yardstick, make_data(n), epochs, repeats)
    return costs


def measure_memory(n):
    """Return how much memory each trainer takes beside n points, in MB, or None."""
    progress(f"{n:,} points, the memory of each trainer ...")
    spawn = get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn, max_tasks_per_child=1) as processes:
        return list(processes.map(extra_memory, TRAINERS.values(), [n] * len(TRAINERS)))


def extra_memory(train, n):
    """Return how much memory a trainer takes beside n points, at its peak, in MB.

    To be called in a process of its own. The system counts it, so arrays of NumPy and tensors count
    alike. The answer is None where the system doesn't reset the peak: elsewhere than on Linux, and
    in some containers.
    """
    seconds(train, make_data(100_000), epochs=2)  # what is loaded or set up once
    data = make_data(n)
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    except OSError:
        return None
    before = memory("VmRSS")
    seconds(train, data, epochs=2)
    return memory("VmHWM") - before


def memory(field):
    """Return VmRSS (memory held now) or VmHWM (the most held) of this process, in MB. Linux."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024 / 1e6


def progress(text):
    """Say on the terminal what is being measured. Say nothing where the output goes to a file."""
    if sys.stdout.isatty():
        print(f"\r{text:<60}", end="" if text else "\r", flush=True)


def digits(number, count):
    """Return a positive number with `count` digits at least: 0.0123, 1.23, 123, 12,345 for 3."""
    return f"{number:,.{max(0, count - 1 - math.floor(math.log10(number)))}f}"


def label(name):
    """Return a trainer's name with the number of threads that it computes on."""
    threads = {"numpy_blocks": numpy_blocks.cores()}
    threads |= dict.fromkeys(["tensor_updates", "torch_optim"], torch.get_num_threads())
    return f"{name.removesuffix(' alone')}, {threads.get(name, 1)}"


def as_table(costs):
    """Return the lines of a table in Markdown: a row for each trainer, a column for each size."""
    rows = [["trainer, threads", *(f"{n:,}" for n in costs)]]
    for name in TRAINERS:
        times = [
            f"{digits(cost[name], 3)} ({digits(cost['torch_optim'] / cost[name], 2)}x)"
            for cost in costs.values()
        ]
        rows.append([label(name), *times])
    times = [digits(c["yardstick"], 3) if "yardstick" in c else "" for c in costs.values()]
    rows.append(["yardstick: np.sum, 1", *times])
    widths = [max(map(len, column)) for column in zip(*rows)]
    rows.insert(1, ["-" * width for width in widths])
    padded = [[cell.ljust(width) for cell, width in zip(row, widths)] for row in rows]
    return [" | ".join(row).rstrip() for row in padded]


def plot(costs):
    """Draw cost per epoch against the number of points; return the Figure."""
    import matplotlib.pyplot as plt

    with plt.rc_context(program.SLIDE):
        figure, axes = plt.subplots()
        for name, look in LOOKS.items():
            sizes = [n for n in costs if name in costs[n]]
            title = label(name) if name in TRAINERS else "yardstick: np.sum reads X and y"
            axes.plot(sizes, [costs[n][name] for n in sizes], label=title, **look)
        axes.set(xscale="log", yscale="log", title="What an epoch costs (float32, MAE)")
        axes.set(xlabel="Number of points", ylabel="Time per epoch (microseconds)")
        axes.grid(alpha=0.3)
        axes.legend(title="trainer, threads")
    return figure


def main(quick):
    started = time.perf_counter()
    costs = measure_time(QUICK_SIZES if quick else SIZES)
    peaks = [] if quick else measure_memory(max(costs))
    progress("")
    cores = numpy_blocks.cores()
    print(f"# Time per epoch on {platform.system()} {platform.machine()}, {cores} cores")
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, torch {torch.__version__}")
    print("Columns: number of points. Cells: microseconds (times as fast as torch_optim).\n")
    print("\n".join(as_table(costs)))
    if peaks:
        print(f"\nMemory beside {max(costs):,} points, at its peak:")
    for name, peak in zip(TRAINERS, peaks):
        print(f"{label(name):<22}{'not known' if peak is None else f'{peak:.1f} MB':>9}")
    print(f"\nMeasured in {time.perf_counter() - started:.0f} s.")
    program.save_figure(plot(costs), "benchmark")


OPTIONS = [("--quick", dict(action="store_true", help="small sizes only, and no memory"))]

if __name__ == "__main__":
    program.run(main, __doc__, OPTIONS)
