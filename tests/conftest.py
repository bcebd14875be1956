"""What the tests share: no windows, one thread, programs that run in the tests' own process."""

import contextlib
import functools
import gc
import io
import runpy
import sys
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from published_numbers import ROOT, TOTAL

from manual_grad import torch_optim
from manual_grad.published_runs import published_runs

matplotlib.use("Agg")
torch.set_num_threads(1)  # several threads add up a sum in another order
gc.freeze()  # or Python looks through all of torch, again and again: a tenth of the time


@pytest.fixture(autouse=True)
def no_figures_left():
    yield
    plt.close("all")


@pytest.fixture(scope="session")
def reference():
    """Return torch.optim's Trajectory of each published run by name."""
    return {name: run.train(torch_optim.train) for name, run in published_runs().items()}


@pytest.fixture(scope="session")
def start():
    """Return a function that starts a program as an editor's run button does, in this process.

    start("lessons/first_epoch.py", "--option", folder=tmp_path) returns what the program prints,
    and raises SystemExit where it ends by that. Pictures go to `folder`.
    """

    def run(file, *arguments, folder):
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.chdir(folder),
            contextlib.redirect_stdout(io.StringIO()) as printed,
        ):
            patch.setattr(sys, "argv", [str(ROOT / file), *map(str, arguments)])
            patch.setattr(sys, "path", list(sys.path))
            runpy.run_path(sys.argv[0], run_name="__main__")
        return printed.getvalue()

    return run


@pytest.fixture(scope="session")
def ran(tmp_path_factory):
    """Return a function that runs a program's main, once a session and without rendering.

    ran(program) returns what main prints, and its figures by the names of their files.
    """

    @functools.cache
    def run(program):
        figures = {}
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.chdir(tmp_path_factory.mktemp("ran")),
            contextlib.redirect_stdout(io.StringIO()) as printed,
        ):
            save = lambda figure, path: figures.update({path.stem: figure})  # noqa: E731
            patch.setattr(Figure, "savefig", save)
            program.main()
        return printed.getvalue(), figures

    return run


@pytest.fixture
def checked(tmp_path, monkeypatch, capsys):
    """Return a function that gives a checker's answer to a reader's file, mine.py.

    checked(main, source) returns the exit status of main("mine.py"), its stdout and its stderr.
    """

    def check(main, source):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [])
        monkeypatch.setattr(sys, "path", list(sys.path))
        Path("mine.py").write_text(source, encoding="utf-8")
        status = 0
        try:
            main("mine.py")
        except SystemExit as ended:
            status = ended.code
        return status, *capsys.readouterr()

    return check


def assert_is_the_band_of(losses, band, **near):
    """Assert that a band reaches, in each epoch, from the lower to the higher of two losses."""
    (path,) = band.get_paths()
    epochs, edges = path.vertices.T
    low, high = np.full(len(losses), np.inf), np.full(len(losses), -np.inf)
    np.minimum.at(low, epochs.astype(int), edges)
    np.maximum.at(high, epochs.astype(int), edges)
    pairs = np.sort([losses[:-1], losses[1:]], axis=0)
    np.testing.assert_allclose([low[1:], high[1:]], pairs, **near)


def pytest_terminal_summary(terminalreporter):
    """Say how many published numbers were compared, and how many are equal."""
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    told = [pair for report in reports for pair in getattr(report, "user_properties", ())]
    if counts := [value for name, value in told if name == "published numbers"]:
        compared, digits, losses, bits = map(sum, zip(*counts))
        terminalreporter.write_line(
            f"{compared} of {TOTAL} published numbers compared: {digits} to the digit, "
            f"{bits} of {losses} losses to the bit"
        )
