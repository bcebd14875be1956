"""The drift report: it sees what moved, in either direction, and what did not run."""

import copy
import json
import re

import drift
import pytest
from programs import ROOT, run_program, run_python
from published_numbers import SECTIONS, X86, Section, drift_row

KIND = "any machine"


def published(section):
    """Return a section's numbers as a run prints them that reproduces all."""
    return section.published()


@pytest.fixture
def rows():
    """Return the rows of a run in which all is as published, and one trainer differs at times."""
    rows = [drift_row(s, "cpu", published(s)) for s in SECTIONS if s.figures()]
    first = dict(at="epoch 0", column="weight", expected=0.5, got=0.50000006)
    trainer = dict(table="trainers", name="run: trainer parameters", total=100, equal=89)
    end = dict(table="ends", name="run", value=[0.5, 0.25])
    return [*rows, trainer | dict(steps=1, difference=6e-8, first=first), end]


@pytest.fixture
def machine(rows, monkeypatch, tmp_path):
    """Make the rows the expected ones of this machine; return a function that makes a report."""
    monkeypatch.setattr(drift, "BASELINE", tmp_path / "baseline.json")
    drift.BASELINE.write_text("[]", encoding="utf-8")
    drift.expect(drift.make(copy.deepcopy(rows)))
    return lambda changed: drift.make(copy.deepcopy(changed))


def status(report):
    return {row["name"]: row["status"] for row in report["rows"] if row["status"] != "as expected"}


def test_a_run_like_the_baseline_moves_nothing(rows, machine):
    report = machine(rows)
    assert status(report) == {}
    assert report["figures"]["compared"] == report["figures"]["total"] == 652
    assert drift.as_lines(report)[-1].startswith("0 rows moved. ")


@pytest.mark.parametrize("equal", [88, 90, 100])
def test_more_equal_epochs_have_moved_as_well_as_fewer(rows, machine, equal):
    rows[-2]["equal"] = equal
    report = machine(rows)
    assert status(report) == {"run: trainer parameters": "MOVED"}
    text = "\n".join(drift.as_lines(report))
    assert f"{equal} of  100" in text
    assert "expected here: total 100, equal 89" in text
    assert "first: epoch 0, weight: expected 0.5, got 0.50000006, 6.0e-08 or 1 float32" in text


def test_another_value_has_moved(rows, machine):
    rows[-1]["value"] = [0.5, 0.25000003]
    assert status(machine(rows)) == {"run": "MOVED"}


def test_a_wrong_published_number_is_named(rows, machine):
    [section] = [s for s in SECTIONS if str(s) == "workflow_notebook 3_training"]
    got = published(section)
    got[4] = "0.19767134"
    changed = [row for row in rows if row["name"] != str(section)]
    report = machine([drift_row(section, "cpu", got), *changed])
    assert status(report) == {str(section): "MOVED"}
    text = "\n".join(drift.as_lines(report))
    assert "first: epoch 10, train loss: expected 0.1976713240146637, got 0.19767134" in text
    assert report["figures"]["equal"] == 651


def test_a_script_that_crashes_is_a_row_that_did_not_run(rows, machine):
    missing = [row for row in rows if "3_" not in row["name"] or row["table"] != "published"]
    report = machine(missing)
    lost = [row["name"] for row in report["rows"] if row["status"] == "DID NOT RUN"]
    assert "workflow_notebook 3_training" in lost
    assert report["figures"]["total"] == 652
    assert report["figures"]["compared"] < 652
    assert "of 652 published numbers compared" in "\n".join(drift.as_lines(report))


def test_an_unknown_machine_is_first_seen(rows, machine, monkeypatch):
    header = drift.header()
    monkeypatch.setattr(drift, "header", lambda: header | {"machine": "riscv"})
    assert set(status(machine(rows)).values()) == {"first seen"}


def test_no_row_counts_nothing():
    sections = [section for section in SECTIONS if section.figures()]
    assert all(drift_row(section, "cpu", [])["total"] > 0 for section in sections)
    assert sum(map(Section.figures, sections)) == 652


def test_two_reports_are_compared_by_a_program(rows, machine, tmp_path):
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    report = machine(rows)
    old.write_text(json.dumps(report), encoding="utf-8")
    new.write_text(json.dumps(report), encoding="utf-8")
    program = ROOT / "tests" / "drift.py"
    same = run_python(program, old, new, folder=tmp_path)
    assert (same.returncode, same.stderr) == (0, "")
    assert "nothing moved" in same.stdout

    rows[-2]["equal"] = 100
    new.write_text(json.dumps(machine(rows)), encoding="utf-8")
    other = run_python(program, old, new, folder=tmp_path)
    assert (other.returncode, other.stderr) == (1, "")
    assert "trainers: run: trainer parameters: equal 89 -> 100" in other.stdout

    none = run_python(program, old, tmp_path / "none.json", folder=tmp_path)
    assert none.returncode == 2
    assert "none.json is no report" in none.stderr
    assert len(none.stderr.splitlines()) == 1


def test_the_cpu_has_a_name_on_arm_too(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    lines = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n\n"
    cpuinfo.write_text(lines + lines.replace("0xd0c", "0xd40"), encoding="utf-8")
    assert drift.cpu_model(cpuinfo) == "CPU implementer 0x41, CPU part 0xd0c"
    cpuinfo.write_text("model name\t: AMD: EPYC\nmodel\t: 17\n", encoding="utf-8")
    assert drift.cpu_model(cpuinfo) == "AMD: EPYC"


TEST_FILE = """
import pytest
from published_numbers import SECTIONS, drift_row

@pytest.mark.parametrize("section", [s for s in SECTIONS if s.figures()], ids=str)
def test_one(section, drift):
    drift(drift_row(section, "cpu", section.published()))
"""


@pytest.mark.slow
@pytest.mark.parametrize("parallel", [False, True], ids=["alone", "pytest-xdist"])
def test_the_report_is_written_as_json_and_into_junit(tmp_path, parallel):
    if parallel:
        pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    (tmp_path / "test_one.py").write_text(TEST_FILE, encoding="utf-8")
    modules = "conftest", "drift", "programs", "published_numbers", "versions", "workers"
    for name in (f"{module}.py" for module in modules):
        text = (ROOT / "tests" / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text, encoding="utf-8")
    for name in ("baseline.json", "published"):
        (tmp_path / name).symlink_to(ROOT / "tests" / name)
    options = ["-q", "test_one.py", "--drift", "d.json", "--junitxml", "junit.xml"]
    options += ["-n1"] if parallel else []
    run = run_program("pytest", *options, folder=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "652 of 652 published numbers compared" in run.stdout
    report = json.loads((tmp_path / "d.json").read_text(encoding="utf-8"))
    assert report["figures"]["compared"] == 652
    assert report["header"]["torch"]
    assert "workflow_notebook 3_training" in (tmp_path / "junit.xml").read_text(encoding="utf-8")

    only = run_program("pytest", "-q", "test_one.py", "--collect-only", folder=tmp_path)
    assert "test_one[" in only.stdout
    assert "drift report" not in only.stdout


@pytest.mark.skipif(not X86, reason="the page shows the lines of an x86-64 CPU")
def test_the_lines_that_testing_md_shows_are_lines_of_a_report(runs):
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    shown = re.search(r"^```text\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)[1]
    lines = []
    for section in SECTIONS:
        if str(section) in shown:
            got = section.numbers_in(runs(section.program).stdout)
            lines += drift.row_lines(
                drift_row(section, "cpu", got) | {"status": "as expected"}, True
            )
    assert len(lines) == 3
    assert [line for line in lines if line not in shown.splitlines()] == []
