"""Is your solution of an exercise right? If not, what is off?

    python -m check.exercise 3 mine.py

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

from manual_grad import program, torch_optim
from manual_grad.engine import Tensor
from manual_grad.published_runs import TRUE_BIAS, TRUE_WEIGHT, published_runs
from manual_grad.trajectory import find_cycle

RUNS = published_runs()
LINE = RUNS["section 3"]._replace(X=RUNS["section 3"].X.double(), y=RUNS["section 3"].y.double())
N = len(LINE.X)
Y = np.linspace(0, 1, N).reshape(N, 1)
Y_PRED = Y + np.resize([0.05, -0.3, 0, 0.1, -0.02, 0.8, -0.1], (N, 1))
MAE, MSE, HUBER = nn.L1Loss(), nn.MSELoss(), nn.HuberLoss(delta=0.1)
FACTORS = {
    "its sign is wrong": -1,
    "it is twice as large": 2,
    "it is half as large": 1 / 2,
    "it is ten times as large": 10,
    "the loss is a mean: divide by n": N,
}


def judge(name, ours, right, room, mistakes=(), hint=""):
    """Return what is off, or None if `ours` has the shape of `right`, and |ours - right| <= room.

    `mistakes` maps words to the number that they explain; `hint` suits any other wrong number.
    """
    right = np.asarray(right)
    try:  # NumPy reads numbers out of strings too: not here
        numbers = np.asarray(None if np.asarray(ours).dtype.kind in "SU" else ours, np.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        numbers = np.array(np.nan)
    if numbers.size != right.size or not np.isfinite(numbers).all():
        wanted = f"finite numbers of shape {right.shape}" if right.shape else "a finite number"
        got = " ".join(f"{type(ours).__name__} {ours!r}".split())
        of = f" of shape {numbers.shape}" if numbers.shape else ""
        cure = ". Use .item()" if "ensor" in got else ""
        cure = ". Does every way through it end in `return`?" if ours is None else cure
        return f"{name} must be {wanted}, not {got:.60}{of}{cure}"
    numbers = numbers.reshape(right.shape)
    wrong = np.argwhere(np.abs(numbers - right) > room)
    if not len(wrong):
        return None
    factors = {words: factor * right for words, factor in FACTORS.items()}
    for words, mistake in (dict(mistakes) | factors).items():
        if (np.abs(numbers - mistake) <= room).all():
            return f"{name}: {words}"
    place = tuple(wrong[0].tolist())
    where = f" at {list(place)}" if place else ""
    if right.shape[1:] == (2,):  # of a run
        where = f" after epoch {place[0]}, {('weight', 'bias')[place[1]]}"
    way = "lower" if numbers[place] > right[place] else "higher"
    return f"{name}{where}: {numbers[place]:.9g} should be {way}{hint}"


def gradient(f, *values):
    """Return torch's gradient of f with respect to its first argument, in float64."""
    first, *others = (torch.tensor(value, dtype=torch.float64) for value in values)
    f(first.requires_grad_(), *others).backward()
    return first.grad.numpy()


def by_torch(run, loss_fn, rates=None, **options):
    """Train by torch.optim.SGD; return the state (weight, bias) after each epoch."""
    weight, bias = (run.X.new_tensor(start, requires_grad=True) for start in (run.weight, run.bias))
    optimizer = torch.optim.SGD([weight, bias], lr=run.lr, **options)
    states = []
    for rate in [run.lr] * run.epochs if rates is None else rates:
        optimizer.param_groups[0]["lr"] = rate
        loss = loss_fn(weight * run.X + bias, run.y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        states.append((weight.item(), bias.item()))
    return np.array(states)


def exercise_1(mine):
    run = LINE.train(torch_optim.train)
    for name, right in ("weight_grad", run.weight_grad[0]), ("bias_grad", run.bias_grad[0]):
        steps = {"that is lr times the gradient": 0.01 * right, "that is the step": -0.01 * right}
        yield name, getattr(mine, name), right, 0.003, steps


def exercise_2(mine):
    run = LINE.train(torch_optim.train)
    epoch = np.argmax(np.abs(run.bias_grad - run.bias_grad[0]) > 0.01)
    forgotten = {"the weight moves the predictions too": 0.01}
    forgotten["at x, the weight's step moves a prediction by x times that step"] = 0.01 * 1.39
    yield "fall", mine.fall, run.loss[0] - run.loss[1], 2e-5, forgotten
    early = {"then each residual is still below 0. Did you round the bias?": epoch - 1}
    yield "epoch", mine.epoch, epoch, 0, early


def exercise_3(mine):
    for name, f, x in ("x ** 3", lambda x: x**3, 2.0), ("1 / x", lambda x: 1 / x, -0.5):
        places, mistakes, hint = [x], {}, ""

        def called(place, f=f, places=places):
            places.append(place)
            return f(place)

        ours, right = mine.slope(called, x), gradient(f, x)
        if run := max(np.subtract(places, x), key=abs):
            mistakes["is a bracket missing?"] = right * run**2
            mistakes["a run to one side only is too rough"] = (f(x + run) - f(x)) / run
            hint = ". Is the run too long, or so short that rounding drowns it?"
        yield f"slope of {name} at {x:g}", ours, right, 1e-6 * abs(right), mistakes, hint


def exercise_4(mine):
    yield "gradient", mine.gradient(Y_PRED.copy(), Y.copy()), gradient(MSE, Y_PRED, Y), 1e-12


def exercise_5(mine):
    run = RUNS["section 6"].train(torch_optim.train)
    (first, period), states = find_cycle(run), list(zip(run.weight.tolist(), run.bias.tolist()))
    mistakes = {
        "so says the table. Look at every epoch": (120, 10),
        "the state after that epoch has been there before": (first + period, period),
    }
    yield "find_cycle", mine.find_cycle(states), (first, period), 0, mistakes
    states = [(0, 0), *[(1, 0), (1, 1), (2, 1)] * 3]
    name, again = f"find_cycle of {states[:5]} ...", {"section 6's cycle again": (first, period)}
    yield name, mine.find_cycle(states), (1, 3), 0, again, ". Compare weight and bias"


def exercise_6(mine):
    columns = torch.hstack([LINE.X, torch.ones_like(LINE.X)])
    h = torch.linalg.eigvalsh(2 * columns.T @ columns / N).tolist()
    flat = {"that is the flattest direction's. The steepest one diverges first": 2 / h[0]}
    yield "largest_stable_rate", mine.largest_stable_rate, 2 / h[1], 1e-3, flat


def exercise_7(mine):
    run = RUNS["section 6"]
    rates = [mine.rate(epoch) for epoch in range(run.epochs)]
    yield "rates between 0 and 0.01", rates, np.full(run.epochs, 0.005), 0.005 + 1e-12
    states = by_torch(run, MAE, rates)
    steps = np.diff(states[:, 1])
    to_and_fro = steps[steps != 0][-2:].prod() < 0
    hint = ". It still jumps" if to_and_fro else ". It stays on its way: larger rates, for longer"
    yield "the last step of the bias", abs(steps[-1]), 0, 1e-4, {}, hint
    yield "the last weight and bias", states[-1], (TRUE_WEIGHT, TRUE_BIAS), 1e-3, {}, hint


def exercise_8(mine):
    ours = mine.train(LINE.X.clone(), LINE.y.clone(), LINE.weight, LINE.bias, LINE.lr, LINE.epochs)
    tenth, nine = (by_torch(LINE._replace(lr=lr), MSE, momentum=0.9) for lr in (0.001, 0.009))
    mistakes = {"that is SGD without momentum": by_torch(LINE, MSE), "that is 0.9 * (v + g)": nine}
    mistakes["that is Nesterov's"] = by_torch(LINE, MSE, momentum=0.9, nesterov=True)
    mistakes["a new gradient counts whole, not 1 - momentum of it"] = tenth
    yield "train", ours, by_torch(LINE, MSE, momentum=0.9), 1e-9, mistakes


def exercise_9(mine):
    run = RUNS["pipeline, custom"]
    start = run.X.clone(), run.y.clone(), run.weight, run.bias
    ours, right = mine.train(*start, run.lr, run.epochs), by_torch(run, MSE)
    yield "train", ours, right, 1e-6
    yield "the last bits of train", ours, right, 0, {}, ". How often does a step round?"


def exercise_10(mine):
    value, grad = HUBER(*map(torch.tensor, (Y_PRED, Y))).item(), gradient(HUBER, Y_PRED, Y)
    yield "huber", mine.huber(Y_PRED.copy(), Y.copy()), value, 1e-12
    yield "huber_gradient", mine.huber_gradient(Y_PRED.copy(), Y.copy()), grad, 1e-12
    leaf = Tensor(Y_PRED, requires_grad=True)
    loss = mine.huber_of_tensors(leaf, Tensor(Y))
    if isinstance(loss, Tensor):
        loss.backward()
        loss = loss.item()
    yield "huber_of_tensors", loss, value, 1e-12
    yield "its gradient by the engine", leaf.grad, grad, 1e-12


EXERCISES = [
    exercise_1, exercise_2, exercise_3, exercise_4, exercise_5,
    exercise_6, exercise_7, exercise_8, exercise_9, exercise_10,
]  # fmt: skip


def main(number, file):
    """Judge the reader's file, and end with the exit status."""
    sys.argv = [file]  # a file may read its own command line, and import what lies beside it
    sys.path.insert(0, str(Path(file).resolve().parent))
    try:
        mine = ModuleType(file)
        vars(mine).update(runpy.run_path(file, run_name="mine"))
        for name, *case in EXERCISES[number - 1](mine):
            off = judge(name, *case)
            if off:
                break
            print(f"{name}: right")
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        line = [f", line {frame.lineno}" for frame in frames if frame.filename == file][-1:]
        print(f"{file}{''.join(line)}: {type(error).__name__}: {error}")
        sys.exit(1)
    if off:
        print(f"Exercise {number}, not yet. {off}")
        sys.exit(1)
    print(f"Exercise {number} is solved: torch says the same.")


if __name__ == "__main__":
    settings = dict(type=int, choices=range(1, 11), help="the exercise, 1 to 10")
    program.run(main, __doc__, [("number", settings), ("file", dict(help="your solution"))])
