"""On a torch or NumPy that is too old, the tests end with one line that says so."""

import sys

import pytest
import torch
from programs import ROOT, call
from versions import too_old


@pytest.mark.parametrize(
    ("version", "numpy", "line"),
    [
        ("2.2.0", "1.26.4", "the tests need torch 2.2.1 or newer, this is torch 2.2.0"),
        ("2.1.2+cpu", "1.26.4", "the tests need torch 2.2.1 or newer, this is torch 2.1.2+cpu"),
        ("2.6.0", "1.25.2", "the tests need NumPy 1.26.0 or newer, this is NumPy 1.25.2"),
        ("2.2.2", "2.0.2", "torch 2.2.2 can't use NumPy 2.0.2: install 'numpy<2'"),
        ("2.2.1", "1.26.0", None),
        ("2.3.0", "2.0.0", None),
        ("2.13.0+cpu", "2.4.6", None),
        ("2.16.0a0+git1234567", "3.0.0rc1", None),
    ],
)
def test_what_is_too_old_is_named(version, numpy, line):
    """Two numbers of a version are compared as numbers: 2.13 is newer than 2.2."""
    assert too_old(torch=version, NumPy=numpy) == line


def with_torch_2_0():
    """Start the suite as torch 2.0.1 would."""
    torch.__version__ = "2.0.1"
    sys.exit(pytest.main(["--collect-only", "-c", str(ROOT / "pyproject.toml"), str(ROOT)]))


def test_the_suite_ends_with_that_line(tmp_path):
    """No test is collected, no traceback is printed, and pytest's exit status is 4."""
    run = call(with_torch_2_0, folder=tmp_path)
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    line = "the tests need torch 2.2.1 or newer, this is torch 2.0.1"
    assert run.stdout == ""
    assert run.stderr.endswith(f"ERROR: {line}\n\n")
    assert "Traceback" not in run.stderr
