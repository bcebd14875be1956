"""docs/exercises.md, check/exercise.py: answers are right; stubs and mistakes hear what is off."""

import re
import sys

import pytest
import torch
from conftest import ROOT

from check import exercise

PAGE = (ROOT / "docs" / "exercises.md").read_text(encoding="utf-8")
HEAD, *SECTIONS = re.split(r"^### \d+\. ", PAGE, flags=re.MULTILINE)


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


ANSWERS = {number: blocks(text, "python")[-1] for number, text in enumerate(SECTIONS, 1)}
STUBS = {number: blocks(text, "python")[0] for number, text in enumerate(SECTIONS, 1)}
STUBS[9] = STUBS[8]  # as the page says
W, GRAD = torch.linspace(0, 1, 101), torch.linspace(1, 2, 101)
FUSED = (W.sub(GRAD, alpha=0.01) != W - 0.01 * GRAD).any()  # torch's step rounds once


@pytest.fixture
def judged(tmp_path, monkeypatch, capsys):
    """Return a function that checks code as a solution, and returns (exit status, printed)."""
    monkeypatch.chdir(tmp_path)

    def run(number, code):
        if code is not None:
            (tmp_path / "mine.py").write_text(code, encoding="utf-8")
        monkeypatch.setattr(sys, "argv", [])
        monkeypatch.setattr(sys, "path", list(sys.path))
        status = 0
        try:
            exercise.main(number, "mine.py")
        except SystemExit as end:
            status = end.code
        return status, capsys.readouterr().out

    return run


def test_ten_exercises_have_a_stub_hints_and_an_answer_all_hidden_but_the_stub():
    assert len(SECTIONS) == 10 == len(exercise.EXERCISES)
    for number, text in enumerate(SECTIONS, 1):
        question, hint, answer = text.split("<details>")
        assert len(blocks(question, "python")) == (0 if number == 9 else 1)
        assert hint.startswith("<summary>Hint</summary>\n\n"), number
        assert answer.startswith("<summary>Answer</summary>\n\n"), number
        assert text.count("</details>") == 2, number


def test_each_answer_is_right_and_the_page_shows_what_the_check_prints(judged):
    for number, code in ANSWERS.items():
        (shown,) = blocks(SECTIONS[number - 1], "text")
        assert judged(number, code) == (0, shown)


def test_each_stub_runs_and_is_not_right_yet(judged):
    for number, code in STUBS.items():
        if number == 9 and not FUSED:
            continue  # there torch.optim rounds twice too
        status, printed = judged(number, code)
        assert status == 1, number
        assert f"Exercise {number}, not yet. " in printed
    assert blocks(HEAD, "text") == [judged(1, STUBS[1])[1]]


# exercise, what the answer has, what stands there instead, what the reader is told
MISTAKES = [
    (1, "-0.39", "0.39", "weight_grad: its sign is wrong"),
    (1, "-0.39", "0.0039", "weight_grad: that is the step"),
    (1, "-1.00", "-0.01", "bias_grad: that is lr times the gradient"),
    (1, "-0.39", "-15.6", "weight_grad: the loss is a mean"),
    (1, "-1.00", "'-1'", "bias_grad must be a finite number, not str '-1'"),
    (1, "bias_grad", "bias", "no attribute 'bias_grad'"),
    (2, "0.0039 * 0.39 + 0.01", "0.01", "fall: the weight moves the predictions too"),
    (2, "0.0039 * 0.39", "0.0039", "fall: at x, the weight's step moves a prediction by x times"),
    (2, "18", "17", "epoch: then each residual is still below 0"),
    (3, "- f(x - h)) / (2 * h)", "- f(x)) / h", "a run to one side only is too rough"),
    (3, "(2 * h)", "2 * h", "slope of x ** 3 at 2: is a bracket missing?"),
    (3, "1e-5", "1e-12", "so short that rounding drowns it?"),
    (3, "/ (2 * h)", "/ h", "slope of x ** 3 at 2: it is twice as large"),
    (3, "return", "_ =", "NoneType None. Does every way through it end in `return`?"),
    (3, "1e-5", "0", "mine.py, line 3: ZeroDivisionError"),
    (4, "2 *", "-2 *", "gradient: its sign is wrong"),
    (5, "seen[state], epoch - seen[state]", "115, 2", "section 6's cycle again"),
    (5, "return seen[state],", "return epoch,", "the state after that epoch has been there before"),
    (5, "in enumerate(states)", "in enumerate([s for s, _ in states])", "Compare weight and bias"),
    (5, "seen[state], epoch - seen[state]", "120, 10", "so says the table"),
    (6, "= 2 / np", "= 1 / np", "largest_stable_rate: it is half as large"),
    (6, ".max()", ".min()", "largest_stable_rate: that is the flattest direction's"),
    (7, "(1 - epoch / 1000)", "0.9**epoch", "It stays on its way: larger rates, for longer"),
    (7, "(1 - epoch / 1000)", "0.02", "should be lower. It stays on its way"),
    (7, "(1 - epoch / 1000)", "(epoch < 999)", "should be higher. It still jumps"),
    (7, "(1 - epoch / 1000)", "(1 - epoch / 500)", "0.01 at [501]: -2e-05 should be higher"),
    (8, "0.9 *", "0 *", "train: that is SGD without momentum"),
    (8, "weight.item()", "weight", "requires_grad=Tru. Use .item()"),
    (8, "0.9 * bias_sum + bias", "0.8 * bias_sum + bias", "train after epoch 1, bias: "),
    (8, "_sum + ", "_sum + 0.9 * ", "that is 0.9 * (v + g)"),
    (9, "alpha=-lr)", "alpha=-lr * 1.000001)", "train: right\nExercise 9, not yet. the last bits"),
    (8, "_sum + ", "_sum + 0.1 * ", "train: a new gradient counts whole, not 1 - momentum of it"),
    (8, "return states", "return states[1:]", "train must be finite numbers of shape (100, 2)"),
    (10, " / len(y)\n", "\n", "huber_gradient: the loss is a mean"),
    (10, "-DELTA, DELTA", "-1, 1", "huber_gradient at [1, 0]: -0.0075 should be higher"),
    (10, "near / 2)).mean()", "near / 2)).mean() / DELTA", "huber: it is ten times as large"),
    (10, ").relu()", ")", "huber_gradient: right\nExercise 10, not yet. huber_of_tensors: "),
    (10, "import numpy as np", "import numpy as np; raise SystemExit", "mine.py, line 1: "),
    (10, "import numpy as np", "import numpy as", "mine.py: SyntaxError: "),
]


@pytest.mark.slow
def test_typical_mistakes_are_named(judged):
    for number, old, new, told in MISTAKES:
        assert old in ANSWERS[number], (number, old)
        status, printed = judged(number, ANSWERS[number].replace(old, new))
        assert status == 1, (number, new)
        assert told in printed, printed


def test_a_bad_command_line_says_what_would_be_right(start, judged, tmp_path, capsys):
    for arguments, told in (((11, "mine.py"), "choose from 1, 2, 3"), ((1,), "required: file")):
        with pytest.raises(SystemExit) as end:
            start("check/exercise.py", *arguments, folder=tmp_path)
        assert end.value.code == 2
        assert told in capsys.readouterr().err
    assert judged(1, None)[1].startswith("mine.py: FileNotFoundError: ")
    (tmp_path / "mine.py").write_text(ANSWERS[1], encoding="utf-8")
    assert "is solved" in start("check/exercise.py", 1, "mine.py", folder=tmp_path)
