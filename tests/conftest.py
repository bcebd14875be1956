"""Fixtures of all tests, and the drift report that closes every run."""

import json
import tempfile
from pathlib import Path

import drift as drift_report
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import versions
import workers
from programs import ROOT, SCRIPTS, Programs

matplotlib.use("Agg")
# Agg has no windows. Where there is a display, plt.show() would warn of that.
plt.show = lambda: None
drift_report.TORCH_THREADS = torch.get_num_threads()  # as many as the programs use
torch.set_num_threads(1)  # small tensors: threads would only wait for each other on a busy machine

PROGRAMS = {name: [ROOT / f"{name}.py"] for name in SCRIPTS}
PROGRAMS |= {"first_epoch": ["manual_grad.first_epoch"]}
STARTED = pytest.StashKey()


@pytest.fixture
def runs(pytestconfig):
    """Return a function from a program's name to its finished run; each program runs only once."""

    def finished(name):
        run = pytestconfig.stash[STARTED].finished(name)
        assert run.returncode == 0, f"{name} failed:\n{run.stderr}"
        return run

    return finished


def pytest_collection_modifyitems(items):
    """Put slow tests first, as the quick ones fill gaps; put those that wait for programs last."""
    items.sort(key=lambda item: ("slow" not in item.keywords, "runs" in item.fixturenames))


def pytest_collection_finish(session):
    """Start the programs beside the tests, if a test waits for them."""
    wanted = any("runs" in item.fixturenames for item in session.items)
    if wanted and not session.config.option.collectonly:
        folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        session.config.add_cleanup(folder.cleanup)
        session.config.stash[STARTED] = Programs(PROGRAMS, Path(folder.name))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    """Run the tests on all cores, where that can be done."""
    return workers.run(session)


@pytest.fixture(
    params=[
        "cpu",
        pytest.param(
            "cuda",
            marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
        ),
    ]
)
def device(request):
    """Each device that there is: the CPU always, CUDA where torch finds it."""
    return request.param


@pytest.fixture
def drift(record_property):
    """Return a function that adds a row to the drift report (and to --junitxml)."""
    return lambda row: record_property(f"drift {row['table']} {row['name']}", json.dumps(row))


def pytest_configure(config):
    """End with one line where torch or NumPy is too old, or the report can't be written."""
    line = versions.too_old(torch=torch.__version__, NumPy=np.__version__)
    if line:
        raise pytest.UsageError(line)
    file = config.option.drift
    if file and not Path(file).absolute().parent.is_dir():
        raise pytest.UsageError(f"--drift {file}: there is no such folder to write to")


def pytest_addoption(parser):
    parser.addoption("--drift", metavar="FILE", help="write the drift report to FILE, as JSON")


def pytest_terminal_summary(terminalreporter, config):
    """Print the drift report: what was computed here, beside what is expected of such a machine."""
    if config.option.collectonly:
        return
    reports = [report for group in terminalreporter.stats.values() for report in group]
    rows = {
        name: json.loads(value)
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name.startswith("drift ")
    }
    report = drift_report.make(list(rows.values()))
    terminalreporter.section("drift report")
    for line in drift_report.as_lines(report):
        terminalreporter.write_line(line)
    if config.option.drift:
        text = json.dumps(report, indent=1, ensure_ascii=False)
        Path(config.option.drift).write_text(text + "\n", encoding="utf-8")
