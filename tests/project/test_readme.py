"""What the README says can't go stale: its commands, its links, each line that it quotes."""

import re
import warnings

import matplotlib.pyplot as plt
import pytest
from programs import ROOT, SCRIPTS
from published_numbers import X86

README = (ROOT / "README.md").read_text(encoding="utf-8")


def table_after(heading):
    """Return the cells of the first table below a heading: a list of rows, the header first."""
    lines = README.split(f"{heading}\n", 1)[1].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        cells = re.split(r"(?<!\\)\|", line.strip("|"))
        rows.append([cell.strip().replace(r"\|", "|") for cell in cells])
    return [rows[0], *rows[2:]]


def test_the_two_commands_are_single_lines():
    blocks = re.findall(r"^```sh\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    first, second = (block.strip() for block in blocks[:2])
    assert "\n" not in first
    assert "\n" not in second
    assert first.endswith(".venv/bin/python 03_train.py")
    assert "pip install -r requirements.txt" in first
    assert second == ".venv/bin/python -m pytest"


def test_each_link_leads_to_a_file():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    local = [link for link in links if "://" not in link]
    assert len(local) > 30
    assert [link for link in local if not (ROOT / link).exists()] == []


def test_each_script_and_module_stands_in_the_readme():
    modules = [*(ROOT / "manual_grad").glob("*.py"), *(ROOT / "beyond").glob("*.py")]
    names = [f"{name}.py" for name in SCRIPTS] + [path.name for path in modules]
    unnamed = {"__init__.py", "__main__.py", "manual_grad.py"}
    assert [name for name in names if name not in README and name not in unnamed] == []


def test_what_the_readme_shows_of_the_first_command_is_what_it_prints(runs):
    shown = re.search(r"^```text\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)[1]
    printed = runs("03_train").stdout

    def words(text):  # Python 3.12 prints an OrderedDict with other brackets
        return [re.findall(r"[-\w.]+", line) for line in text.splitlines()]

    if X86:
        assert [line for line in words(shown) if line not in [*words(printed), ["..."]]] == []


def test_the_table_of_the_five_steps_quotes_the_files():
    header, *rows = table_after("### The five steps, side by side")
    files = [re.search(r"\(([^)]+)\)", cell)[1] for cell in header[1:]]
    sources = [(ROOT / file).read_text(encoding="utf-8") for file in files]
    assert [row[0] for row in rows] == [
        "1. Forward pass",
        "2. Loss",
        "3. Zero gradients",
        "4. Backpropagation",
        "5. Gradient descent",
    ]
    assert len(files) == 4
    for step, *cells in rows:
        for cell, source, file in zip(cells, sources, files, strict=True):
            section = source.split(f"# {step}", 1)[1].split("\n        # ", 1)[0]
            lines = [line.strip() for line in section.splitlines()]
            quotes = re.findall(r"`([^`]+)`", cell)
            assert quotes or cell == "-"
            for quote in quotes:
                assert quote in lines, f"{file} has no line '{quote}' in step {step}"


BREAKS = table_after("## Try breaking it")[1:]


@pytest.mark.parametrize("row", BREAKS, ids=[row[0] for row in BREAKS])
def test_breaking_it_does_what_the_readme_says(row, tmp_path, monkeypatch, capsys):
    _, edit, seen, _ = row
    edits = dict(re.findall(r"`([^`]+)` → `([^`]+)`", edit))
    claims = re.findall(r"`([^`]+)`", seen)
    assert edits
    assert claims
    source = (ROOT / "03_train.py").read_text(encoding="utf-8")
    assert all(source.count(old) == 1 for old in edits)
    pattern = "|".join(map(re.escape, edits))
    broken = re.sub(pattern, lambda match: edits[match[0]], source)
    monkeypatch.chdir(tmp_path)
    failed = ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            exec(compile(broken, "03_train.py", "exec"), {"__name__": "__main__"})
        except RuntimeError as error:
            failed = f"RuntimeError: {error}"
    plt.close("all")
    printed = capsys.readouterr().out
    shown = "\n".join([printed, *(str(warning.message) for warning in caught), failed])
    assert bool(failed) == seen.startswith("`RuntimeError")
    assert bool(caught) == seen.startswith("A warning")
    if X86:
        assert [claim for claim in claims if claim not in shown] == []
    if not failed:  # it trains, but not as it should
        losses = re.findall(r"Train Loss: (\S+)", printed)
        assert float(losses[-1]) > 0.1


def test_requirements_are_pinned_to_exact_versions():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").split()
    assert [line.split("==")[0] for line in lines] == ["torch", "numpy", "matplotlib", "pytest"]
    assert all(re.fullmatch(r"[a-z]+==\d+(\.\d+)+", line) for line in lines)


@pytest.mark.parametrize("folder", [".", "manual_grad", "beyond", "docs", "tests"])
def test_files_are_text_that_ends_in_a_newline(folder):
    pattern = "**/*" if folder == "tests" else "*"
    files = [f for f in (ROOT / folder).glob(pattern) if f.suffix in (".md", ".py", ".toml")]
    assert files
    for file in files:
        assert file.read_text(encoding="utf-8").endswith("\n"), file
