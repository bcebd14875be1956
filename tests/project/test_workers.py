"""workers: what forked processes report is what one process reports, and none is lost unseen."""

import re
import sys

import pytest
from programs import run_program

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="tests are forked on Linux alone"),
]

CONFTEST = """
import os
import pytest
import workers

os.sched_getaffinity = lambda pid: {0, 1}
for name in ("CI", "BUILD_NUMBER"):  # with them, pytest says more of an error that it has not sent
    os.environ.pop(name, None)

@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    return None if os.path.exists("alone") else workers.run(session)

@pytest.fixture(scope="module")
def once():
    print("a fixture of the module")
    yield
    assert False, "its end"
"""
TESTS = """
import os, warnings
import pytest

def test_passes(record_property):
    record_property("a number", 7)

@pytest.mark.parametrize("n", [0, 1])
def test_fails(n):
    print("printed")
    assert n

@pytest.mark.slow
def test_warns():
    warnings.warn("a warning")

@pytest.mark.xfail
def test_is_expected_to_fail():
    raise OSError

def test_is_skipped():
    pytest.skip("why")

def test_has_no_fixture(nothing):
    pass

def test_is_in_a_process(once):
    with open("processes", "a") as file:
        file.write(f"{os.getpid()} ")
"""


@pytest.fixture
def run_tests(tmp_path):
    """Return a function that runs pytest on two or three files, and returns the finished run."""

    def run(*options, **files):
        (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
        for name in ("test_a", "test_b"):
            (tmp_path / f"{name}.py").write_text(files.get(name, TESTS), encoding="utf-8")
        plain = "-p", "no:cacheprovider", "-p", "no:randomly", "--junitxml", "junit.xml"
        return run_program("pytest", *plain, *options, folder=tmp_path)

    return run


def told(run):
    """Return what pytest tells of each test, and at the end: in any order, without durations."""
    outcomes = re.findall(r"^(test_\w+\.py::\S+ [A-Z]+)", run.stdout, re.MULTILINE)
    summary = re.findall(r"^[A-Z]+ test_\S+|^E  .*|.*Warning: .*", run.stdout, re.MULTILINE)
    return sorted(outcomes), sorted(summary), run.stdout.splitlines()[-1].split(" in ")[0]


def test_workers_report_what_one_process_reports(run_tests, tmp_path):
    (tmp_path / "alone").touch()
    alone = run_tests("-v")
    xml = [(tmp_path / "junit.xml").read_text(encoding="utf-8")]
    (tmp_path / "alone").unlink()
    (tmp_path / "processes").unlink()
    forked = run_tests("-v")
    xml.append((tmp_path / "junit.xml").read_text(encoding="utf-8"))
    assert told(forked) == told(alone)
    outcomes, _, line = told(forked)
    assert len(outcomes) == 2 * 8 + 2, "a test each, and the end of the module's fixture"
    for words in ("2 failed", "8 passed", "2 skipped", "2 xfailed", "6 warnings", "4 errors"):
        assert words in line
    assert forked.returncode == alone.returncode == pytest.ExitCode.TESTS_FAILED
    for text in xml:
        assert text.count('<property name="a number" value="7"') == 2
        assert 'errors="4" failures="2" skipped="4" tests="16"' in text


@pytest.mark.parametrize("at_the_end", ["os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_a_worker_that_is_gone_is_named(at_the_end, run_tests):
    run = run_tests(test_b=f"import os\n\ndef test_ends():\n    {at_the_end}\n")
    code = -9 if "kill" in at_the_end else 0
    line = f"a process of the tests ended in test_b.py::test_ends, exit code {code}: no word of it"
    assert line in run.stdout
    assert run.returncode == pytest.ExitCode.TESTS_FAILED


def test_the_first_failure_ends_all(run_tests):
    slow = "import time\n\ndef test_waits():\n    time.sleep(600)\n"
    run = run_tests("-x", test_b=slow)
    assert run.returncode == pytest.ExitCode.TESTS_FAILED
    assert "stopping after 1 failures" in run.stdout
    assert re.search(r"\b1 (failed|error)", run.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("line", "status", "words"),
    [
        ("pytest.exit('the reason', returncode=7)", 7, "the reason"),
        ("raise KeyboardInterrupt", pytest.ExitCode.INTERRUPTED, "KeyboardInterrupt"),
    ],
)
def test_what_ends_one_process_ends_all(line, status, words, run_tests):
    run = run_tests(test_b=f"import pytest\n\ndef test_ends():\n    {line}\n")
    assert run.returncode == status
    assert words in run.stdout
