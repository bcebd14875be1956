"""README.md and docs/: links lead somewhere, commands start, tables and quotes are the programs'.

Each change of docs/breaking.md is made.
"""

import re

import matplotlib.pyplot as plt
import published_numbers
import pytest
import torch
from pages import FILES, PAGES, assert_shows, blocks, run, table
from published_numbers import ROOT
from torch import nn

from lessons import limit_cycle
from manual_grad import tensor_updates
from manual_grad.published_runs import published_runs

README, TEACHING = PAGES["README.md"], PAGES["teaching.md"]
RUNS = published_runs()


def sections(page):
    """Return the text below each heading of level 3, by its title."""
    parts = re.split(r"^#{2,3} (.*)\n", PAGES[page], flags=re.MULTILINE)
    return {title: text for title, text in zip(parts[1::2], parts[2::2]) if "```text" in text}


def test_the_readme_names_the_pinned_torch():
    pinned = (ROOT / "requirements.txt").read_text(encoding="utf-8").split()[0]
    assert f"pip install {pinned} --index-url https://download.pytorch.org/whl/cpu" in README


def test_each_link_leads_to_a_file_and_a_heading():
    for file in FILES:
        links = re.findall(r"\]\(([^)\s]+)\)", PAGES[file.name])
        for link in (link for link in links if "://" not in link):
            path, _, anchor = link.partition("#")
            target = file.parent / path if path else file
            assert target.exists(), f"{file.name}: {link}"
            if anchor:
                titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
                words = re.sub(r"[^\w \n-]", "", "\n".join(titles)).lower()
                assert anchor in words.replace(" ", "-").splitlines(), f"{file.name}: {link}"


def test_the_page_on_the_tests_names_each_of_their_files():
    named = set(re.findall(r"`(test_\w+\.py)`", PAGES["testing.md"]))
    assert named == {file.name for file in (ROOT / "tests").glob("test_*.py")}


def test_each_word_of_the_glossary_shows_a_statement_that_its_file_has():
    words = re.split(r"^### (.*)\n", PAGES["glossary.md"], flags=re.MULTILINE)[1:]
    for word, text in zip(words[::2], words[1::2], strict=True):
        ((statement, file),) = re.findall(r"`([^`]+)`\s\(\[[^]]+\]\(\.\./([^)]+)\)\)", text)
        lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
        statements = [line.split("  # ")[0].strip() for line in lines]
        assert statement in statements, f"{word}: {statement}"


def test_each_command_starts_a_program_and_each_program_stands_in_the_readme():
    for name, page in PAGES.items():
        for module in re.findall(
            r"(?:python -m |`)((?:manual_grad|check|lessons|beyond)\.(?!png)\w+)", page
        ):
            file = ROOT / module.replace(".", "/")
            file = file / "__main__.py" if file.is_dir() else file.with_suffix(".py")
            started = '__name__ == "__main__"' in file.read_text(encoding="utf-8")
            assert started, f"{name}: {module}"
    for file in [*ROOT.glob("0*.py"), *ROOT.glob("[mclb]*/*.py")]:
        if "\nif __name__ ==" in file.read_text(encoding="utf-8") or file.parent == ROOT:
            module = f"{file.parent.name}.{file.stem}"
            assert file.name in README or f"python -m {module}" in README, module


def test_the_table_of_the_five_steps_quotes_the_trainers():
    steps = table(README, "step |")
    files = re.findall(r"\[\w+\]\((manual_grad/\w+\.py)\)", README.split("| step |")[1])[:4]
    assert [step[0] for step, *_ in steps] == list("12345")
    for step, *cells in steps:
        for file, cell in zip(files, cells, strict=True):
            source = (ROOT / file).read_text(encoding="utf-8")
            code = source.split(f"        # {step}", 1)[1].split("\n\n", 1)[0].splitlines()[1:]
            code = [line.strip() for line in code if not line.strip().startswith("#")]
            assert re.findall(r"`([^`]+)`", cell) == code, f"{file}, {step}"


def test_the_path_takes_the_exercises_in_the_order_that_their_page_says():
    path = " ".join(README.split("## The path")[1].split("\n### ")[0].split())
    taken = re.findall(r"[Ee]xercises? (\d+)(?: and (\d+))?", path)
    order = re.search(r"in this order: ([\d ]+)\.", PAGES["exercises.md"])[1].split()
    assert list(dict.fromkeys(number for pair in taken for number in pair if number)) == order


def test_the_readme_shows_what_03_prints():
    assert_shows("".join(published_numbers.ran("03_train").printed), blocks(README, "text")[0])


def test_the_readme_is_right_about_section_6_and_about_the_last_run(ran, reference):
    states, words = reference["section 6"], " ".join(README.split())
    printed, _ = ran(limit_cycle)
    pairs = re.findall(r"\n +[AB] .* (\S+) +(\S+)", printed.split("section 6: ")[1])
    (train_a, test_a), (train_b, test_b) = [map(float, pair) for pair in pairs[:2]]
    assert f"train loss {train_a:.7f}, test loss {test_b:.7f}" in words
    assert f"train loss {train_a:.4f} and test loss {test_a:.4f}" in words
    assert f"the other {train_b:.4f} and {test_b:.4f}" in words
    assert states.weight[999] == states.weight[119], "the last epoch leaves the better one"

    run, theirs = RUNS["pipeline, custom"], reference["pipeline, custom"]
    ours = run.train(tensor_updates.train)
    w, grad = torch.linspace(0, 1, 101), torch.linspace(1, 2, 101)
    if (w.sub(grad, alpha=run.lr) != w - run.lr * grad).any():  # one fused multiply-add
        differ = (ours.bias != theirs.bias).sum()
        assert f"the bias differs in {differ} of {run.epochs} epochs" in words


@pytest.mark.parametrize("title", sections("breaking.md"))
def test_breaking_03_shows_what_the_page_says(title, tmp_path, monkeypatch):
    monkeypatch.setattr(plt, "savefig", lambda *args: None)  # slow, and nobody looks
    text = sections("breaking.md")[title]
    source = (ROOT / "03_train.py").read_text(encoding="utf-8")
    edits = {}
    for part in text.split("The cure"):
        edits |= re.findall(r"`([^`]+)`\s+to\s+`([^`]+)`", part)
        assert edits
        assert all(source.count(old) == 1 for old in edits)
        one_of_them = "|".join(map(re.escape, edits))  # some swap two lines
        changed = re.sub(one_of_them, lambda match, edits=edits: edits[match[0]], source)
        seen = run(changed, tmp_path)
        (quoted,) = blocks(part, "text")
        assert_shows(seen, quoted)
        for kind in ("RuntimeError", "Using a target size"):
            assert (kind in seen) == (kind in quoted)


def test_the_handouts_five_lines_train_as_the_tutorial_does(reference):
    start, model = RUNS["section 3"], nn.Linear(1, 1)
    for parameter, value in zip(model.parameters(), (start.weight, start.bias)):
        nn.init.constant_(parameter, value)
    names = {"model": model, "loss_fn": nn.L1Loss(), "X_train": start.X, "y_train": start.y}
    names["optimizer"] = torch.optim.SGD(model.parameters(), lr=start.lr)
    for _ in range(start.epochs):
        exec(blocks(PAGES["handout.md"], "python")[0], names)
    assert model.weight.item() == pytest.approx(reference["section 3"].weight[-1], abs=1e-6)


def test_the_teachers_page_prints_what_it_shows(tmp_path):
    assert_shows(run(*blocks(TEACHING, "python"), tmp_path), *blocks(TEACHING, "text"))
