"""Programs as beginners start them: by file name, from another folder, with --help, into head."""

import re
import subprocess
import sys

import pytest
from programs import ENVIRONMENT, ROOT, SCRIPTS, run_program

FILES = {
    path.stem: path
    for folder in ("manual_grad", "beyond")
    for path in sorted((ROOT / folder).glob("*.py"))
    if path.stem not in ("__init__", "__main__", "manual_grad")
}
SOURCES = {name: path.read_text(encoding="utf-8") for name, path in FILES.items()}
IS_PROGRAM = [name for name, source in SOURCES.items() if "program.run(" in source]
IS_MODULE = [name for name in FILES if name not in IS_PROGRAM]

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", IS_PROGRAM)
def test_help_prints_what_a_program_does(name, tmp_path):
    run = run_program(FILES[name], "--help", folder=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    what = "optimizer_paths" if name == "optimizers" else name  # its program stands in a file apart
    assert re.match(r'"""(.*)', SOURCES[what])[1] in run.stdout
    assert not list(run.folder.iterdir())


@pytest.mark.parametrize("name", IS_PROGRAM)
def test_an_unknown_option_is_refused(name, tmp_path):
    run = run_program(FILES[name], "--colour", "red", folder=tmp_path)
    assert run.returncode == 2
    assert "unrecognized arguments: --colour" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("name", IS_MODULE)
def test_a_module_says_in_one_line_what_to_run(name, tmp_path):
    run = run_program(FILES[name], folder=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    [line] = run.stdout.splitlines()
    assert line.startswith("This is a module, not a program. ")
    command = re.search(r"python (?:-m \w+\.)?(\w+)", line)[1]
    assert command in IS_PROGRAM or command in SCRIPTS


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end another way there")
def test_output_into_head_ends_without_a_traceback(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-u", str(FILES["numpy_closed_form"])],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    process.stdout.readline()
    process.stdout.close()  # head has read enough
    assert process.stderr.read() == ""
    process.wait(timeout=120)


def test_python_m_beyond_names_the_programs_there(tmp_path):
    run = run_program("beyond", folder=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    [line] = run.stdout.splitlines()
    named = re.findall(r"beyond\.(\w+)", line)
    assert sorted(named) == sorted(n for n in IS_PROGRAM if FILES[n].parent.name == "beyond")
