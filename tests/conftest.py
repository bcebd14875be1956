"""Run each program once, as a reader does, and close every run of the suite with a drift report."""

import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib
import numpy
import pytest
import torch

matplotlib.use("Agg")

ROOT = Path(__file__).parent.parent
MODULES = ("first_epoch", "training_pipeline", "compare", "limit_cycle")
PROGRAMS = {path.stem: [str(path)] for path in sorted(ROOT.glob("0*.py"))}
PROGRAMS |= {name: ["-m", f"manual_grad.{name}"] for name in MODULES}
DRIFT, TRAINER_DRIFT = pytest.StashKey[list](), pytest.StashKey[list]()

# A reader's machine without a display. Elsewhere than on Linux there always is one, which would
# open windows and wait for somebody to close them.
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if "DISPLAY" not in name},
    "MPLBACKEND": "" if sys.platform == "linux" else "Agg",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONPATH": str(ROOT),  # python -m manual_grad runs from the root, here from another folder
}


def run_python(*arguments, folder, input="", **environment):
    """Run Python in `folder`, type `input`, and return the finished process, its output as text."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=ENVIRONMENT | environment,
        input=input,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Return a function from a program's name to its finished run, each program run only once.

    The runs follow one another, each in an empty folder of its own, beside the tests.
    """
    pool = ThreadPoolExecutor(max_workers=1)
    folders = {name: tmp_path_factory.mktemp(name) for name in PROGRAMS}
    futures = {
        name: pool.submit(run_python, *arguments, folder=folders[name])
        for name, arguments in PROGRAMS.items()
    }

    def finished(name):
        run = futures[name].result()
        assert run.returncode == 0, f"{name} failed:\n{run.stderr}"
        run.folder = folders[name]
        return run

    yield finished
    pool.shutdown(cancel_futures=True)


def pytest_collection_modifyitems(items):
    """Put the tests that wait for the programs later, when those have run, and slow tests last."""
    items.sort(key=lambda item: ("slow" in item.keywords, "runs" in item.fixturenames))


@pytest.fixture(scope="session", autouse=True)
def programs_start_first(request):
    """Start the programs, if a test waits for them, beside the tests that don't."""
    if any("runs" in item.fixturenames for item in request.session.items):
        request.getfixturevalue("runs")


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
def drift(request):
    """Return the list that the drift report of the published numbers is printed from."""
    return request.config.stash.setdefault(DRIFT, [])


@pytest.fixture
def trainer_drift(request):
    """Return the list that the drift report of the trainers is printed from."""
    return request.config.stash.setdefault(TRAINER_DRIFT, [])


def pytest_terminal_summary(terminalreporter, config):
    """Print the drift report: what was computed here, against what is published."""
    write = terminalreporter.write_line
    terminalreporter.section("drift report")
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    write(f"torch {torch.__version__}, NumPy {numpy.__version__}, Python {sys.version.split()[0]}")
    capability = torch.backends.cpu.get_cpu_capability()
    write(f"{platform.system()} {platform.machine()}, CPU capability {capability}, CUDA GPU: {gpu}")
    write_published(write, sorted(config.stash.get(DRIFT, [])))
    write_trainers(write, sorted(config.stash.get(TRAINER_DRIFT, [])))


def write_published(write, rows):
    """Write how far the printed numbers are from the published ones."""
    write("")
    if not rows:
        write("no published number was compared in this run")
        return
    write(f"{'section':<48}{'device':>7}{'equal digits':>15}{'equal bits':>13}{'max steps':>11}")
    for row in rows:
        exact = row.with_all_digits
        bits = f"{row.to_the_bit} of {exact}" if exact else "-"
        digits = f"{row.to_the_digit} of {row.numbers}"
        steps = row.steps if exact else "-"
        write(f"{row.section:<48}{row.device:>7}{digits:>15}{bits:>13}{steps:>11}")
    write("")
    numbers, digits = (sum(getattr(r, f) for r in rows) for f in ("numbers", "to_the_digit"))
    exact, bits = (sum(getattr(r, f) for r in rows) for f in ("with_all_digits", "to_the_bit"))
    write(f"{digits} of {numbers} published figures equal to the printed digit;")
    write(
        f"{bits} of the {exact} printed with all their digits equal to the bit as float32, "
        f"the others at most {max(row.steps for row in rows)} float32 steps away"
    )


def write_trainers(write, rows):
    """Write how far the trainers by hand are from torch.optim on the published runs."""
    write("")
    if not rows:
        write("no trainer was compared with torch.optim in this run")
        return
    write(f"{'run':<21}{'trainer':<19}{'column':<12}{'equal epochs':>15}{'largest difference':>20}")
    for run, trainer, group, equal, epochs, largest in rows:
        epochs = f"{equal} of {epochs}"
        write(f"{run:<21}{trainer:<19}{group:<12}{epochs:>15}{largest:>20.1e}")
