"""A fault in torch, in a script or in the data is seen: each is planted, and its test fails.

SGD rounds its step twice    test_torch_step.py::test_a_step_is_add_with_alpha
SGD's lr times (1 + 1e-6)    test_torch_step.py::test_a_step_is_add_with_alpha
L1Loss with sign(0) = 1      test_trainers.py::test_the_subgradient_of_mae_at_zero_is_zero[OPTIM]
a mean divides by n - 1      test_published.py::test_printed_numbers_are_the_published_ones[LOSSES]
zero_grad does nothing       test_published.py::test_printed_numbers_are_the_published_ones[LOSSES]
a script crashes             test_published.py::test_printed_numbers_are_the_published_ones[LOSSES]
one published digit differs  test_published.py::test_printed_numbers_are_the_published_ones[LOSSES]

OPTIM is torch_optim. LOSSES are those of the notebook's section 3, which 03_train.py prints. If
that crashes, the drift report has a row for them that says so. tests/mutants.py plants more than
200 mistakes in our own modules.
"""

import contextlib
import io
import json
import runpy
import traceback
from pathlib import Path
from types import SimpleNamespace

import programs
import published_numbers
import pytest
import torch
import torch.nn.functional as F
from programs import ROOT, call
from published_numbers import X86

LOSSES = "workflow_notebook 3_training"
ROWS = [line.split("  ", 1) for line in __doc__.splitlines() if ".py::" in line]
CAUGHT_BY = {
    fault: test.strip().replace("LOSSES", LOSSES).replace("OPTIM", "torch_optim")
    for fault, test in ROWS
}
# 02_model.py doesn't train, so it goes on where 03_train.py crashes.
UNTRAINED = CAUGHT_BY["a script crashes"].replace(LOSSES, "workflow_notebook 2_parameters")

pytestmark = pytest.mark.slow

# --- the faults


def round_twice():
    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for param in group["params"]:
                param -= group["lr"] * param.grad

    torch.optim.SGD.step = step


def lr_times_one_and_a_bit():
    init = torch.optim.SGD.__init__

    def larger(self, params, lr, **options):
        init(self, params, lr * (1 + 1e-6), **options)

    torch.optim.SGD.__init__ = larger


def slope_1_at_0():
    F.l1_loss = lambda y_pred, y, **_: torch.where(y_pred >= y, y_pred - y, y - y_pred).mean()


def mean_of_n_minus_1():
    F.l1_loss = lambda y_pred, y, **_: (y_pred - y).abs().sum() / (y.numel() - 1)


def zero_nothing():
    torch.optim.Optimizer.zero_grad = lambda self, set_to_none=True: None


def crash():
    def step(self):
        raise RuntimeError("planted")

    torch.optim.SGD.step = step


def change_a_digit():
    row = published_numbers.PUBLISHED["workflow_notebook"]["3_training"]["rows"][5]
    row[1] = row[1].replace("6", "7", 1)


PLANT = {
    "SGD rounds its step twice": round_twice,
    "SGD's lr times (1 + 1e-6)": lr_times_one_and_a_bit,
    "L1Loss with sign(0) = 1": slope_1_at_0,
    "a mean divides by n - 1": mean_of_n_minus_1,
    "zero_grad does nothing": zero_nothing,
    "a script crashes": crash,
    "one published digit differs": change_a_digit,
}

# --- a process with the fault runs the tests


class InThisProcess:
    """In place of programs.Programs: the programs run here, where the fault is."""

    def __init__(self, names, folder):
        self.runs = {}

    def finished(self, name):
        if name not in self.runs:
            output, error, status = io.StringIO(), "", 0
            try:
                with contextlib.redirect_stdout(output):
                    runpy.run_path(str(ROOT / f"{name}.py"), run_name="__main__")
            except Exception:
                error, status = traceback.format_exc(), 1
            self.runs[name] = SimpleNamespace(
                stdout=output.getvalue(), stderr=error, returncode=status
            )
        return self.runs[name]


def run_tests(fault, tests):
    """Plant a fault in this process and run tests; write their outcomes to a file, as JSON."""
    outcomes = {}

    class Recorder:
        def pytest_runtest_logreport(self, report):
            if report.when == "call" or report.failed:
                outcomes[report.nodeid.split("/")[-1]] = report.outcome

    programs.Programs = InThisProcess
    torch.set_num_threads(1)
    if fault:
        PLANT[fault]()
    paths = [str(ROOT / "tests" / "numbers" / test) for test in tests]
    pytest.main(["-c", str(ROOT / "pyproject.toml"), "-q", *paths], [Recorder()])
    Path("outcomes.json").write_text(json.dumps(outcomes), encoding="utf-8")


def under(fault, tests, folder):
    """Return {test: outcome} and what pytest printed, in a process of its own with the fault."""
    run = call(run_tests, fault, tests, folder=folder)
    assert (run.returncode, run.stderr) == (0, "")
    return json.loads((folder / "outcomes.json").read_text(encoding="utf-8")), run.stdout


def drift_row(section, output):
    """Return the line of the drift report on a section of the tutorial."""
    [line] = [line for line in output.splitlines() if line.strip().startswith(section)]
    return line


def test_without_a_fault_these_tests_pass(tmp_path):
    tests = list(dict.fromkeys(CAUGHT_BY.values()))
    outcomes, output = under(None, tests, tmp_path)
    assert outcomes == dict.fromkeys(tests, "passed"), output
    row = drift_row(LOSSES, output)
    assert " of   20 " in row
    assert "[DID NOT RUN]" not in row
    assert "20 of   20" in row or not X86


def fuses():
    """Tell whether torch computes theta.add_(grad, alpha=-lr) with one rounding here."""
    theta, grad = torch.randn(2, 1000, generator=torch.Generator().manual_seed(0))
    return not torch.equal(theta.clone().add_(grad, alpha=-0.01), theta - 0.01 * grad)


@pytest.mark.parametrize("fault", CAUGHT_BY)
def test_the_fault_is_caught(fault, tmp_path):
    if PLANT[fault] is round_twice and not fuses():
        pytest.skip("torch itself rounds a step twice on this CPU: there is nothing to plant")
    if PLANT[fault] is crash:
        outcomes, output = under(fault, [UNTRAINED, CAUGHT_BY[fault]], tmp_path)
        assert outcomes.pop(UNTRAINED) == "passed", output
        assert "[DID NOT RUN]" in drift_row(LOSSES, output)
        assert "[DID NOT RUN]" not in drift_row("workflow_notebook 2_parameters", output)
        assert "2 of 652 published numbers compared" in output
    else:
        outcomes, output = under(fault, [CAUGHT_BY[fault]], tmp_path)
    assert outcomes == {CAUGHT_BY[fault]: "failed"}, output


def test_each_fault_of_the_table_is_planted():
    assert PLANT.keys() == CAUGHT_BY.keys()
