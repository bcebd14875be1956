"""The trainers as files: what differs between two of them is the lesson, and torch is no need."""

import importlib
import inspect

import pytest
from problems import ROOT
from programs import run_python

from manual_grad import compare


def test_numpy_modules_load_no_torch(tmp_path):
    names = ["beyond.numpy_blocks"] + [
        f"manual_grad.{name}"
        for name in "numpy_closed_form numpy_autograd engine losses optimizers trajectory".split()
    ]
    code = f"import sys, {', '.join(names)}; assert 'torch' not in sys.modules"
    run = run_python("-c", code, folder=tmp_path)
    assert run.returncode == 0, run.stderr


STEPS = ["Forward pass", "Loss", "Zero gradients", "Backpropagation", "Gradient descent"]


def steps(name):
    """Return the lines of each of the five steps of a trainer, without comments."""
    path = ROOT / "manual_grad" / f"{name}.py"
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    lines = [line for line in lines if line]
    start = lines.index("for _ in range(epochs):")
    end = next(i for i in range(start, len(lines)) if lines[i].startswith("row"))
    heads = [i for i in range(start, end) if lines[i].startswith("# ")]
    words = [lines[i].split(":")[0] for i in heads]
    assert words == [f"# {number}. {step}" for number, step in enumerate(STEPS, start=1)]
    return [lines[a + 1 : b] for a, b in zip(heads, [*heads[1:], end])]


def test_the_loops_differ_only_where_the_lesson_is():
    """Between two files, only the lines of a step that the lesson is about are different."""
    by_closed_form, by_autograd, by_tensors, by_torch = map(steps, compare.TRAINERS)
    for step in (0, 1):
        assert by_closed_form[step] == by_autograd[step] == by_tensors[step] == by_torch[step]
        assert len(by_torch[step]) == 1
    assert by_autograd[:4] == by_tensors[:4]
    assert [a == b for a, b in zip(by_tensors, by_torch)] == [True, True, False, True, False]


def test_the_whole_backward_pass_of_the_closed_form_stands_in_step_4():
    first, *rest = steps("numpy_closed_form")[3]
    assert first.startswith("y_pred_grad = ")
    assert [line.split(" = ")[0] for line in rest] == ["weight_grad", "bias_grad"]


@pytest.mark.parametrize("name", compare.TRAINERS)
def test_each_file_says_how_to_see_it_at_work(name):
    module = importlib.import_module(f"manual_grad.{name}")
    assert module.__doc__.startswith("Trainer ")
    assert "__main__" in inspect.getsource(module)
