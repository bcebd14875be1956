"""The exercises of docs/teaching.md: each answer prints what the page shows, and torch agrees."""

import contextlib
import io
import re
from functools import cache
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest
import torch
from problems import mutant
from programs import ROOT
from tolerances import (
    DIFFERENCE_ON_A_PLANE,
    HUBER_FLOAT64,
    ONE_OF_THE_LAST_DIGIT,
    OPTIMIZER_LOOP_FLOAT64,
    ROOM,
)
from torch import nn

from manual_grad import compare, gradient_check, losses, numpy_autograd, torch_optim
from manual_grad.published_runs import published_runs

PAGE = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
_, *EXERCISES = re.split(r"^### \d+\. ", PAGE, flags=re.MULTILINE)
ALL_TEN = range(1, 11)


def block(text, language):
    """Return the only code block of a language in a text."""
    (code,) = re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return code


@cache
def answer(number):
    """Run the answer of an exercise in an empty folder; return what it prints, and its names."""
    replaced = losses.LOSSES, numpy_autograd.LOSSES, torch_optim.LOSSES, compare.TRAINERS
    names, printed = {"__name__": "__main__"}, io.StringIO()
    with contextlib.ExitStack() as stack:
        for dictionary in replaced:
            stack.enter_context(patch.dict(dictionary))
        stack.enter_context(contextlib.chdir(stack.enter_context(TemporaryDirectory())))
        stack.enter_context(contextlib.redirect_stdout(printed))
        exec(block(EXERCISES[number - 1], "python"), names)
    return SimpleNamespace(printed=printed.getvalue(), **names)


def numbers_of(text):
    """Return each number of a text, and the unit of its last digit, 0 for a whole number."""
    found = re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w])", text)
    decimals = [len(number.partition(".")[2]) for number in found]
    units = [10.0**-places if places else 0 for places in decimals]
    return np.array(found, float).reshape(-1), np.array(units).reshape(-1)


def assert_shown(text, numbers):
    """Assert that these are the numbers that a text shows, but for one of their last digit."""
    shown, units = numbers_of(text)
    assert len(shown) == len(numbers)
    # 1e-9: a difference of exactly one unit isn't exact in binary.
    assert (np.abs(shown - numbers) <= (ONE_OF_THE_LAST_DIGIT + 1e-9) * units).all()


def by_torch(run, loss_fn, factor=None, **options):
    """Train a run by torch.optim alone; return the losses and the states, from the start on."""
    weight, bias = (run.X.new_tensor(start, requires_grad=True) for start in (run.weight, run.bias))
    optimizer = torch.optim.SGD([weight, bias], lr=run.lr, **options)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor) if factor else None
    values, states = [], [(weight.item(), bias.item())]
    for _ in range(run.epochs):
        optimizer.zero_grad()
        loss = loss_fn(weight * run.X + bias, run.y)
        loss.backward()
        optimizer.step()
        if scheduler:
            scheduler.step()
        values.append(loss.item())
        states.append((weight.item(), bias.item()))
    return np.array(values), np.array(states)


def in_float64(run, **changes):
    return run._replace(X=run.X.double(), y=run.y.double(), **changes)


def states_of(trajectory):
    return np.array([trajectory.weight, trajectory.bias]).T


def mae_of(state, X, y):
    weight, bias = map(X.new_tensor, state)
    return nn.L1Loss()(weight * X + bias, y).item()


RUNS = published_runs()
SECTION_3, SECTION_6 = RUNS["section 3"], RUNS["section 6"]


def first_gradient():
    """Return the gradients of section 3's MAE at its start, by autograd in float64."""
    start = torch.tensor([SECTION_3.weight, SECTION_3.bias], dtype=torch.float64)
    start.requires_grad = True
    run = in_float64(SECTION_3)
    nn.L1Loss()(start[0] * run.X + start[1], run.y).backward()
    return start.grad.tolist()


def torch_1():
    y_pred = SECTION_3.weight * SECTION_3.X + SECTION_3.bias
    assert (y_pred < SECTION_3.y).all(), "all predictions are too low"
    return [SECTION_3.weight, SECTION_3.bias, SECTION_3.X.mean().item(), *first_gradient()]


def torch_2():
    values, states = by_torch(SECTION_3, nn.L1Loss())
    steps = np.diff(states[:, 1])
    other = np.abs(steps - steps[0]) > SECTION_3.lr * 0.01
    return [values[0] - values[1], values[0] - values[1], other.argmax()]


def torch_3():
    names, gradient = answer(3), first_gradient()
    assert np.abs(np.subtract(names.ours, gradient)).max() <= DIFFERENCE_ON_A_PLANE
    assert (np.abs(names.theirs - gradient) <= names.room).all()
    assert (names.room <= ROOM).all()
    return gradient * 2


def torch_4():
    y_pred, y = torch.ones(3, 1, requires_grad=True), torch.zeros(3, 1)
    nn.MSELoss()(y_pred, y).backward()
    ratios = answer(4).broken(y_pred.detach().numpy(), y.numpy()) / y_pred.grad.numpy()
    return [0, ratios[0].item()]  # wrong from the first epoch on


def torch_5():
    _, states = by_torch(SECTION_6, nn.L1Loss())
    after = states[1:].tolist()
    first = next(epoch for epoch, state in enumerate(after) if state in after[epoch + 1 :])
    period = after.index(after[first], first + 1) - first
    a, b = (
        [epoch, *(mae_of(after[epoch], *data) for data in (SECTION_6[:2], SECTION_6[2:4]))]
        for epoch in (119, 120)
    )
    assert a[2] < a[1], "the first one is better on the test data"
    return [period, first, *a, *b]


def torch_6():
    run = in_float64(SECTION_3, epochs=300)

    def loss(state):
        return nn.MSELoss()(state[0] * run.X + state[1], run.y)

    hessian = torch.autograd.functional.hessian(loss, torch.zeros(2, dtype=torch.float64))
    limit = 2 / torch.linalg.eigvalsh(hessian).max().item()
    for rate, stable in ((0.99 * limit, True), (1.01 * limit, False)):
        values, _ = by_torch(run._replace(lr=rate), nn.MSELoss())
        assert (values[-1] < values[0]) == stable
        assert answer(6).is_stable(rate) == stable
    return [limit, limit]


def torch_7():
    numbers = []
    for factor in (None, lambda epoch: 1 - epoch / SECTION_6.epochs):
        _, states = by_torch(SECTION_6, nn.L1Loss(), factor)
        maes = (mae_of(states[-1], *data) for data in (SECTION_6[:2], SECTION_6[2:4]))
        numbers += [*states[-1], *maes]
    return numbers


def torch_8():
    _, states = by_torch(in_float64(SECTION_3), nn.MSELoss(), momentum=0.9)
    assert np.abs(states_of(answer(8).ours) - states[1:]).max() <= OPTIMIZER_LOOP_FLOAT64
    return [*states[-1], 0]


def torch_9():
    values, states = by_torch(RUNS["pipeline, custom"], nn.MSELoss())
    mine = answer(9).trajectories["mine"]
    assert np.array_equal(mine.loss, values)
    assert np.array_equal(states_of(mine), states[1:])
    return []


def torch_10():
    run = in_float64(SECTION_3, lr=0.1)
    values, states = by_torch(run, nn.HuberLoss(delta=0.1))
    trajectories = answer(10).trajectories
    assert list(trajectories) == list(compare.TRAINERS)
    for trajectory in trajectories.values():
        assert np.abs(trajectory.loss - values).max() <= HUBER_FLOAT64
        assert np.abs(states_of(trajectory) - states[1:]).max() <= HUBER_FLOAT64
    return [*states[-1]] * 4


@pytest.mark.parametrize("number", ALL_TEN)
def test_an_answer_prints_what_the_page_shows(number):
    shown, printed = block(EXERCISES[number - 1], "text"), answer(number).printed
    words = [re.sub(r"-?\d+(\.\d+)?", "number", text) for text in (shown, printed)]
    assert words[0] == words[1]
    assert_shown(shown, numbers_of(printed)[0])


@pytest.mark.parametrize("number", ALL_TEN)
def test_torch_finds_the_numbers_of_the_answer(number):
    assert_shown(block(EXERCISES[number - 1], "text"), globals()[f"torch_{number}"]())


@pytest.mark.parametrize("number", ALL_TEN)
def test_each_answer_is_hidden_and_states_no_number_that_its_code_does_not_show(number):
    question, hidden = EXERCISES[number - 1].split("<details><summary>Answer</summary>\n\n")
    assert hidden.endswith("\n\n</details>\n\n" if number < 10 else "\n\n</details>\n")
    assert "```" not in question
    prose, *rest = re.split(r"^```", hidden, flags=re.MULTILINE)
    decimals = re.findall(r"\d+\.\d+", prose)
    assert [decimal for decimal in decimals if decimal not in "".join(rest)] == []


def test_a_factor_taken_out_of_losses_is_found_by_both_programs(monkeypatch, capsys):
    sources = {
        name: (ROOT / "manual_grad" / f"{name}.py").read_text(encoding="utf-8")
        for name in ("losses", "numpy_closed_form")
    }
    assert sources["losses"].count("return 2 * (y_pred - y)") == 1
    source = sources["losses"].replace("return 2 * (y_pred - y)", "return (y_pred - y)")
    broken = mutant("manual_grad", "losses", source, monkeypatch)
    monkeypatch.setattr(gradient_check, "LOSSES", {"mse": broken.LOSSES["mse"]})
    gradient_check.print_checks()
    assert re.search(
        r"^mse, as it is +WRONG: the gradient is half as large as it should be\.$",
        capsys.readouterr().out,
        re.MULTILINE,
    )

    trainer = mutant("manual_grad", "numpy_closed_form", sources["numpy_closed_form"], monkeypatch)
    monkeypatch.setitem(compare.TRAINERS, "numpy_closed_form", trainer.train)
    name = "pipeline, nn.Linear"
    compare.print_comparison(name, RUNS[name], compare.train_all({name: RUNS[name]})[name])
    row = next(line for line in capsys.readouterr().out.splitlines() if "gradients" in line)
    assert "NOT EXPLAINED: epoch 0, weight_grad" in row
    assert float(row.split()[-1]) == pytest.approx(0.5, rel=1e-6)
