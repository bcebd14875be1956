"""docs/errors.md: each message is raised by the code beside it, and not with its cure."""

import re

import pytest
import torch
from pages import PAGES, assert_shows, blocks, run, table

PAGE = PAGES["errors.md"]
PARTS = re.split(r"^### (.*)\n", PAGE, flags=re.MULTILINE)
ENTRIES = {title: text for title, text in zip(PARTS[1::2], PARTS[2::2]) if "# <- here" in text}
ROWS = [
    row
    for text in PAGE.split("\n## ")[1:]
    if "| message" in text
    for row in table(text, "message |")
]
BEFORE = blocks(PAGE, "python")[0]


@pytest.mark.parametrize("title", ENTRIES)
def test_the_code_of_an_entry_shows_its_text_and_with_the_cure_nothing(
    title, tmp_path, monkeypatch
):
    monkeypatch.setenv("DISPLAY", ":0")  # without it, plt.show() is silent on Linux
    text = ENTRIES[title]
    (quoted,), (code,) = blocks(text, "text"), blocks(text, "python")
    (line,) = re.findall(r"^ *(.*  # <- here)$", code, flags=re.MULTILINE)
    assert_shows(run(code, tmp_path), quoted)
    cure = re.search(r"[Ww]rite\s+`([^`]+)`", text)[1]
    assert run(code.replace(line, cure), tmp_path).strip() == ""


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].strip("`"))
def test_the_line_of_a_row_shows_its_message_and_with_the_cure_nothing(row, tmp_path, monkeypatch):
    message, wrong, _, right = row
    if torch.backends.cuda.is_built() and "CUDA" in message:
        pytest.skip("a torch for CUDA says something else, or nothing")
    with monkeypatch.context() as patch:  # a file that says that its tensor lay on a GPU
        patch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
        torch.save(torch.ones(1), tmp_path / "gpu.pth")
    assert_shows(run(BEFORE + wrong.strip("`"), tmp_path), message.strip("`"))
    assert run(BEFORE + right.strip("`"), tmp_path).strip() == ""


def test_weights_only_load_failed_is_told_by_later_lines_and_by_what_no_weights_only_says(tmp_path):
    load = '\ntorch.load("model.pth", weights_only={})'
    for later, without, line, cure in table(PAGE, "later lines |"):
        made = BEFORE + line.strip("`")
        later, without = later.split(", or")[0].strip("`"), without.split(", or")[0].strip("`")
        seen = run(made + load.format(True), tmp_path)
        assert_shows(seen, f"UnpicklingError: Weights only load failed. ... {later}")
        seen = run(made + load.format(False), tmp_path).strip()
        if without == "it loads":
            assert seen == ""
        else:
            assert_shows(seen, without)
        if "lfs" in line:
            assert f"{round((tmp_path / 'model.pth').stat().st_size, -1)} bytes" in cure
        if code := re.search("Write `([^`]+)`", cure):
            assert run(f"{made}\n{code[1]}{load.format(True)}", tmp_path).strip() == ""
