"""A reader's own file: load it, and say in one line why it can't be checked."""

import contextlib
import runpy
import sys
import traceback
from pathlib import Path
from types import ModuleType

import numpy as np

RIGHT, NOT_RIGHT, NOT_CHECKED = 0, 1, 2  # the exit statuses of all four programs

# What a wrong number is often multiplied by; n is the number of points.
WRONG_SIGN = "its sign is wrong"
FACTORS = {
    WRONG_SIGN: lambda n: -1,
    "it is twice as large as it should be": lambda n: 2,
    "it is half as large as it should be": lambda n: 1 / 2,
    "it is n times as large as it should be: the loss is a mean, so divide by n": lambda n: n,
    "it is 1/n of what it should be: is it divided by n twice?": lambda n: 1 / n,
}


def name_factor(ours, right, room, n):
    """Return in words the factor that makes `right` all of `ours`, or "" if there is none.

    `ours`, `right` and `room` are numbers or arrays of one shape; ours over the factor may differ
    by as much as `room` from what is right.
    """
    for words, factor in FACTORS.items():
        if np.all(np.abs(ours / factor(n) - right) <= room):
            return words
    return ""


def load(file, *functions):
    """Run a reader's Python file, and return what it defines as a module.

    It finds its own name alone in sys.argv, because it may read a command line of its own, and it
    may import what lies beside it. Raises what the file raises, and ValueError unless it defines
    each of these functions.
    """
    sys.argv = [file]
    sys.path.insert(0, str(Path(file).resolve().parent))
    mine = ModuleType("mine")
    vars(mine).update(runpy.run_path(file, run_name="mine"))
    for name in functions:
        if not callable(getattr(mine, name, None)):
            raise ValueError(f"it must define the function {name}")
    return mine


def in_one_line(file, error):
    """Return an error as "mine.py, line 3: TypeError: ...", with the last line in the file."""
    frames = traceback.extract_tb(error.__traceback__)
    line = [f", line {frame.lineno}" for frame in frames if frame.filename == file][-1:]
    return " ".join(f"{file}{''.join(line)}: {type(error).__name__}: {error}".split())


@contextlib.contextmanager
def refusing(file):
    """End the program with status 2, and with one line on stderr, if anything raises in the block.

    SystemExit of the reader's file counts too: a file that ends the program can't be checked.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        print(in_one_line(file, error), file=sys.stderr)
        sys.exit(NOT_CHECKED)
