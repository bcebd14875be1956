"""Is your solution of an exercise right? If not, what is off?

    python -m lessons.check 3 mine.py

Your file defines what the stub of that exercise in docs/exercises.md defines. It is held against
torch: its autograd, its losses, its optimizers. The exit status is 0 if it is right, else 1.
"""

import runpy
import sys
import traceback
from pathlib import Path
from types import ModuleType

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from torch import nn

from manual_grad import program, tensor_updates
from manual_grad.engine import Tensor
from manual_grad.published_runs import TRUE_BIAS, TRUE_WEIGHT, published_runs

RUNS = published_runs()
LINE = RUNS["section 3"]._replace(X=RUNS["section 3"].X.double(), y=RUNS["section 3"].y.double())
START = LINE.weight, LINE.bias
Y = np.linspace(0, 1, 7).reshape(7, 1)
Y_PRED = Y + np.array([[0.05], [-0.3], [0], [0.1], [-0.02], [0.8], [-0.1]])
MAE, MSE, HUBER = nn.L1Loss(), nn.MSELoss(), nn.HuberLoss(delta=0.1)
FACTORS = {"its sign is wrong": -1, "it is twice as large": 2, "it is half as large": 1 / 2}


class Off(Exception):
    """Says what is off in a solution."""


def judge(name, ours, right, room, mistakes):
    """Raise Off unless `ours` has the shape of `right`, and |ours - right| <= room.

    `mistakes` maps words to the number that they explain, or to None if they suit any other one.
    """
    shape = np.shape(right)
    try:
        numbers = np.asarray(ours, np.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        numbers = np.array(np.nan)
    if numbers.size != np.size(right) or not np.isfinite(numbers).all():
        wanted = f"finite numbers of shape {shape}" if shape else "a finite number"
        got = " ".join(f"{type(ours).__name__} {ours!r}".split())
        of = f" of shape {numbers.shape}" if numbers.shape else ""
        raise Off(f"{name} must be {wanted}, not {got:.60}{of}")
    numbers = numbers.reshape(shape)
    wrong = ~(np.abs(numbers - right) <= room)
    if not wrong.any():
        return
    factors = {words: factor * np.asarray(right) for words, factor in FACTORS.items()}
    for words, mistake in (mistakes | factors).items():
        if mistake is not None and (np.abs(numbers - mistake) <= room).all():
            raise Off(f"{name}: {words}")
    first = wrong.ravel().argmax()
    number = numbers.ravel()[first]
    size = "large" if number > np.ravel(right)[first] else "small"
    other = [words for words, mistake in mistakes.items() if mistake is None]
    raise Off(f"{name}: {number:.6g} is too {size}" + ". ".join(["", *other]))


def gradient(f, *values):
    """Return torch's gradient of f with respect to its first argument, in float64."""
    first, *others = (torch.tensor(value, dtype=torch.float64) for value in values)
    f(first.requires_grad_(), *others).backward()
    return first.grad.numpy()


def by_torch(run, loss_fn, rates=None, **options):
    """Train by torch.optim.SGD; return each epoch's loss, and the state (weight, bias) after it."""
    weight, bias = (run.X.new_tensor(start, requires_grad=True) for start in (run.weight, run.bias))
    optimizer = torch.optim.SGD([weight, bias], lr=run.lr, **options)
    losses, states = [], []
    for epoch in range(run.epochs):
        loss = loss_fn(weight * run.X + bias, run.y)
        optimizer.zero_grad()
        loss.backward()
        if rates is not None:
            optimizer.param_groups[0]["lr"] = rates[epoch]
        optimizer.step()
        losses.append(loss.item())
        states.append((weight.item(), bias.item()))
    return np.array(losses), np.array(states)


def loss_at(parameters, loss_fn=MAE):
    return loss_fn(parameters[0] * LINE.X + parameters[1], LINE.y)


def exercise_1(mine):
    for name, right in zip(("weight_grad", "bias_grad"), gradient(loss_at, START)):
        yield name, getattr(mine, name), right, 0.006, {"the loss is a mean, no sum": 40 * right}


def exercise_2(mine):
    losses, states = by_torch(LINE, MAE)
    steps = np.diff(states[:, 1], prepend=LINE.bias)
    epoch = np.argmax(np.abs(steps - steps[0]) > 1e-4)
    forgotten = {"the weight moves the predictions too": 0.01}
    forgotten["at x, the weight's step moves a prediction by x times that step"] = 0.01 * 1.39
    yield "fall", mine.fall, losses[0] - losses[1], 2e-5, forgotten
    early = {"then each residual is still below 0. Did you round the bias?": epoch - 1}
    yield "epoch", mine.epoch, epoch, 0, early


def exercise_3(mine):
    rough = {"Look to both sides, by a small step, but not by a tiny one": None}
    for name, f, x in (
        ("x ** 3 at 2", lambda x: x**3, 2.0),
        ("1 / x at -0.5", lambda x: 1 / x, -0.5),
        ("the loss by the weight", lambda weight: loss_at((weight, LINE.bias)), LINE.weight),
    ):
        ours = mine.slope(lambda x, f=f: float(f(torch.tensor(x, dtype=torch.float64))), x)
        right = gradient(f, x)
        yield f"slope of {name}", ours, right, 1e-6 * abs(right), rough


def exercise_4(mine):
    ours, right = mine.gradient(Y_PRED.copy(), Y.copy()), gradient(MSE, Y_PRED, Y)
    yield "gradient", ours, right, 1e-12, {"the loss is a mean: divide by n": len(Y) * right}


def exercise_5(mine):
    states = [tuple(state) for state in by_torch(RUNS["section 6"], MAE)[1].tolist()]
    first = next(epoch for epoch, state in enumerate(states) if state in states[epoch + 1 :])
    period = states.index(states[first], first + 1) - first
    mistakes = {
        "so says the table. Look at every epoch": (120, 10),
        "the state after that epoch has been there before": (first + period, period),
    }
    yield "find_cycle", mine.find_cycle(states), (first, period), 0, mistakes
    states = [(0, 0), *[(1, 0), (1, 1), (2, 1)] * 3]
    one = {"Compare weight and bias": None}
    yield f"find_cycle of {states[:5]} ...", mine.find_cycle(states), (1, 3), 0, one


def exercise_6(mine):
    hessian = torch.autograd.functional.hessian(
        lambda parameters: loss_at(parameters, MSE), torch.zeros(2, dtype=torch.float64)
    )
    h = torch.linalg.eigvalsh(hessian).tolist()
    flat = {"that is the flattest direction's. The steepest one diverges first": 2 / h[0]}
    yield "largest_stable_rate", mine.largest_stable_rate, 2 / h[1], 1e-3, flat


def exercise_7(mine):
    run = RUNS["section 6"]
    rates = [mine.rate(epoch) for epoch in range(run.epochs)]
    yield "rates between 0 and 0.01", rates, np.full(run.epochs, 0.005), 0.005 + 1e-12, {}
    states = by_torch(run, MAE, rates)[1]
    jumps = {"It still jumps. Let the rate come nearer to 0": None}
    yield "the last step of the bias", abs(states[-1, 1] - states[-2, 1]), 0, 1e-4, jumps
    early = {"It stops on its way. The rate falls too soon": None}
    yield "the last weight and bias", states[-1], (TRUE_WEIGHT, TRUE_BIAS), 1e-3, early


def exercise_8(mine):
    ours = mine.train(LINE.X.clone(), LINE.y.clone(), *START, LINE.lr, LINE.epochs)
    tenth = by_torch(LINE._replace(lr=LINE.lr / 10), MSE, momentum=0.9)[1]
    mistakes = {"that is SGD without momentum": by_torch(LINE, MSE)[1]}
    mistakes["a new gradient counts whole, not 1 - momentum of it"] = tenth
    yield "train", ours, by_torch(LINE, MSE, momentum=0.9)[1], 1e-9, mistakes


def exercise_9(mine):
    run = RUNS["pipeline, custom"]
    plain, right = run.train(tensor_updates.train), by_torch(run, MSE)[1]
    plain = np.stack([plain.weight, plain.bias], axis=1)
    differ = (plain != right).any(axis=1).sum()
    mistakes = {f"{differ} epochs differ in a last bit. How often does a step round?": plain}
    start = run.X.clone(), run.y.clone(), run.weight, run.bias
    yield "train", mine.train(*start, run.lr, run.epochs), right, 0, mistakes


def exercise_10(mine):
    value, grad = HUBER(*map(torch.tensor, (Y_PRED, Y))).item(), gradient(HUBER, Y_PRED, Y)
    leaf = Tensor(Y_PRED, requires_grad=True)
    loss = mine.huber_of_tensors(leaf, Tensor(Y))
    if isinstance(loss, Tensor):
        loss.backward()
        loss = loss.item()
    for name, ours, right in (
        ("huber", mine.huber(Y_PRED.copy(), Y.copy()), value),
        ("huber_gradient", mine.huber_gradient(Y_PRED.copy(), Y.copy()), grad),
        ("huber_of_tensors", loss, value),
        ("its gradient by the engine", leaf.grad, grad),
    ):
        mistakes = {"that is nn.SmoothL1Loss, which is Huber's loss / delta": right / 0.1}
        yield name, ours, right, 1e-12, mistakes | {"the loss is a mean": len(Y) * right}


# fmt: off
EXERCISES = [exercise_1, exercise_2, exercise_3, exercise_4, exercise_5,
             exercise_6, exercise_7, exercise_8, exercise_9, exercise_10]
# fmt: on


def main(number, file):
    """Judge the reader's file, and end with the exit status."""
    sys.argv = [file]  # a file may read its own command line, and import what lies beside it
    sys.path.insert(0, str(Path(file).resolve().parent))
    try:
        mine = ModuleType(file)
        vars(mine).update(runpy.run_path(file, run_name="mine"))
        for name, *case in EXERCISES[number - 1](mine):
            judge(name, *case)
            print(f"{name}: right")
    except Off as off:
        print(f"Exercise {number}, not yet. {off}")
        sys.exit(1)
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        line = [f", line {frame.lineno}" for frame in frames if frame.filename == file][-1:]
        print(f"{file}{''.join(line)}: {type(error).__name__}: {error}")
        sys.exit(1)
    print(f"Exercise {number} is solved: torch says the same.")


if __name__ == "__main__":
    settings = dict(type=int, choices=range(1, 11), help="the exercise, 1 to 10")
    program.run(main, __doc__, [("number", settings), ("file", dict(help="your solution"))])
