"""What all programs share: they start by file name too, and end quietly when nobody reads on."""

import importlib
import os
import re
import subprocess
import sys

import matplotlib.pyplot as plt
import pytest
from conftest import ROOT

from manual_grad import pictures, program

ROOMS = "manual_grad", "check", "lessons", "beyond"
RUN_BUTTON = """
if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
"""


def test_each_program_finds_the_project_in_the_same_two_lines():
    files = [file for room in ROOMS for file in (ROOT / room).glob("*.py")]
    sources = {file: file.read_text(encoding="utf-8") for file in files}
    programs = [file for file in files if "\n    program.run(" in sources[file]]
    assert programs == [file for file in files if "__package__" in sources[file]]
    for file in programs:
        imports_ours = re.search(rf"^from ({'|'.join(ROOMS)})", sources[file], re.MULTILINE)
        assert RUN_BUTTON in sources[file][: imports_ours.start()], file


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_manual_grad_and_itself_alone(room):
    for file in (ROOT / room).rglob("*.py"):
        imported = re.findall(r"^ *(?:from|import) (\w+)", file.read_text(encoding="utf-8"), re.M)
        assert {*ROOMS, "tests"} & {*imported} <= {"manual_grad", room}, file


def test_help_shows_the_docstring_as_it_stands(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["a program", "--help"])
    with pytest.raises(SystemExit, match="0"):
        program.run(None, "A line.\n\n    a table   of two\n")
    assert "A line.\n\n    a table   of two\n" in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="Windows tells in another way that nobody reads")
def test_a_program_started_elsewhere_ends_without_a_word_when_its_reader_has_gone(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)  # as `| head` does in the end
    file = ROOT / "manual_grad/numpy_closed_form.py"
    ended = subprocess.run(
        [sys.executable, file], cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (1, "")


def test_a_window_opens_only_where_there_is_a_display(monkeypatch):
    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append("a window"))
    canvas = plt.figure().canvas
    pictures.show_figures()
    assert shown == []
    monkeypatch.setattr(type(canvas), "required_interactive_framework", "qt")
    pictures.show_figures()
    assert shown == ["a window"]


PROGRAMS = [f"lessons.{file.stem}" for file in (ROOT / "lessons").glob("[a-z]*.py")]
PROGRAMS = sorted({*PROGRAMS, "manual_grad.compare"} - {"lessons.explore"})  # that one is a window


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_what_a_program_prints_is_at_most_100_wide(name, ran):
    assert max(map(len, ran(importlib.import_module(name))[0].splitlines())) <= 100


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_says_where_it_saves_each_picture(name, ran):
    text, figures = ran(importlib.import_module(name))
    assert re.findall(r"Saved figures/(.*)\.png", text) == list(figures)
