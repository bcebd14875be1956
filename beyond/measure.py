"""How the benchmark measures: its data, an epoch's time, a trainer's memory."""

import statistics
import sys
import time
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np

from manual_grad.numpy_closed_form import START


def make_data(n):
    """Return X, evenly from 0 to 0.8 as in the tutorial, and y = 0.7 X + 0.3: (n, 1), float32."""
    X = np.linspace(0, 0.8, n, endpoint=False, dtype=np.float32).reshape(-1, 1)
    return X, np.float32(0.7) * X + np.float32(0.3)


def seconds(function, *arguments, **settings):
    """Return how long one call takes."""
    started = time.perf_counter()
    function(*arguments, **settings)
    return time.perf_counter() - started


def time_epochs(trains, X, y, epochs, repeats):
    """Return the median cost of an epoch in microseconds, by the names of `trains`.

    Each is called as train(X, y, weight, bias, epochs=epochs). A run of no epochs is timed too: it
    only checks the arguments. The difference, at least one clock tick, is divided by the epochs.
    """
    tick = time.get_clock_info("perf_counter").resolution
    costs = {name: [] for name in trains}
    for train in trains.values():
        train(X, y, *START, epochs=1)
    for _ in range(repeats):
        for name, train in trains.items():
            overhead = seconds(train, X, y, *START, epochs=0)
            cost = seconds(train, X, y, *START, epochs=epochs) - overhead
            costs[name].append(max(cost, tick) / epochs * 1e6)
    return {name: statistics.median(values) for name, values in costs.items()}


def memory(field):
    """Return VmRSS (memory held now) or VmHWM (the most held) of this process, in MB. Linux."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024 / 1e6


def extra_memory(module, settings, n):
    """Return how much memory the trainer of a module takes beside n points, at its peak, in MB.

    To be called in a process of its own. The system counts it, so arrays of NumPy and tensors count
    alike. The answer is None where the system doesn't reset the peak: elsewhere than on Linux, and
    in some containers.
    """
    train = partial(import_module(module).train, **settings)
    train(*make_data(100_000), *START, epochs=2)  # what is loaded or set up once
    X, y = make_data(n)
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    except OSError:
        return None
    before = memory("VmRSS")
    train(X, y, *START, epochs=2)
    return memory("VmHWM") - before


def progress(text):
    """Say on the terminal what is being measured. Say nothing where the output goes to a file."""
    if sys.stdout.isatty():
        print(f"\r{text:<60}", end="" if text else "\r", flush=True)
