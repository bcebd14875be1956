"""Is your solution of an exercise right, and if it isn't, where is it off?

    python -m check.exercise 3 mine.py

Your file defines what the stub of that exercise in docs/exercises.md defines, and what it computes
is compared with what torch does: its autograd, its losses, its optimizers. The exit status is 0 if
it is right, 1 if it is not, and 2 if it can't be checked.
"""

import sys
from numbers import Real
from pathlib import Path
from typing import NamedTuple

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from torch import nn

from check.loading import NOT_RIGHT, load, name_factor, refusing
from manual_grad import numpy_closed_form, program, torch_optim
from manual_grad.engine import Tensor
from manual_grad.published_runs import TRUE_BIAS, TRUE_WEIGHT, Run, published_runs
from manual_grad.trajectory import find_cycle

RUNS = published_runs()
# Most exercises are about section 3's first epochs. In float64 any two right ways of computing them
# agree to 1e-12.
LINE = RUNS["section 3"]._replace(epochs=20)
LINE = LINE._replace(X=LINE.X.double(), y=LINE.y.double())
N = len(LINE.X)
Y = LINE.y.numpy()
Y_PRED = Y + np.resize([0.05, -0.3, 0, 0.1, -0.02, 0.8], (N, 1))


class Comparison(NamedTuple):
    """What the reader's file computes, beside what it should be: right if |ours - right| <= room.

    `n` is the number of points of a mean, or 1, for the FACTORS of loading, which aren't tried if
    it is 0. `run` is the training run whose (weight, bias) after each step the numbers are.
    `mistakes` holds pairs, the words for a mistake and the numbers that it computes, because only
    equal numbers prove one. `hint` ends the answer to every other wrong number, so it names none.
    """

    name: str
    ours: object
    right: object
    room: float
    n: int = 0
    run: Run | None = None
    mistakes: tuple | list = ()
    hint: str = ""


def judge(comparison):
    """Return where a Comparison is off and in what direction, or None if it is right.

    A number may stand in an array of size 1, and a row of numbers may be a column.
    """
    name, ours, right, room, n, run, mistakes, hint = comparison
    try:
        right, values = np.asarray(right), np.asarray(ours)
    except RuntimeError:  # torch's, because numbers alone would lose the tensor's graph
        return f"{name} must be numbers, not tensors that require a gradient: write .item()"
    if right.shape not in (values.shape, values.squeeze().shape):
        wanted = f"numbers of shape {right.shape}" if right.shape else "one number"
        return f"{name} must be {wanted}, not {values.shape or in_words(ours)}"
    for place, value in np.ndenumerate(values.astype(object)):
        # NumPy would also read numbers out of strings, and drop the imaginary part of others.
        if not isinstance(value, Real) or not abs(value) < np.inf:
            return f"{name}{at(place)} must be a finite number, not {in_words(value)}"
    numbers = values.astype(np.float64).reshape(right.shape)
    wrong = np.argwhere(~np.isclose(numbers, right, rtol=0, atol=room))
    if not len(wrong):
        return None
    if factor := n and name_factor(numbers, right, room, n):
        return f"{name}: {factor}"
    for words, computed in mistakes:
        if np.allclose(numbers, computed, rtol=0, atol=1e-6):
            return f"{name}: {words}"
    place = tuple(wrong[0].tolist())
    number, wanted = numbers[place], right[place]
    if not run:
        way = "lower" if number > wanted else "higher"
        return f"{name}{at(place)}: {number:.12g} should be {way}{hint}"
    before = np.array([(run.weight, run.bias), *right])[place]
    parameter, ratio = ("weight", "bias")[place[1]], (number - before) / (wanted - before)
    is_and_should_be = f"{parameter} is {number:.12g}, should be {wanted:.12g}"
    return f"{name} after step {place[0]}: {is_and_should_be}, ratio of the steps {ratio:.7g}"


def in_words(value):
    """Return what Python shows of a value, and of None, where a beginner meets it."""
    none = "None, as a function without `return` gives, also if it prints the number"
    return none if value is None else repr(value)


def at(place):
    """Return a place in an array in words; a number on its own has none."""
    return f" at {list(place)}" if place else ""


def value_and_gradient(f, *values):
    """Return torch's value of f, and its gradient by the first argument, both in float64."""
    first, *others = (torch.tensor(value, dtype=torch.float64) for value in values)
    value = f(first.requires_grad_(), *others)
    value.backward()
    return value.item(), first.grad.numpy()


def states(run, **options):
    """Return (weight, bias) after each epoch of a run, an array of shape (epochs, 2)."""
    trajectory = run.train(torch_optim.train, **options)
    return np.column_stack([trajectory.weight, trajectory.bias])


def train(mine, run):
    """Return what the reader's trainer makes of a run, of whose data it gets copies."""
    return mine.train(run.X.clone(), run.y.clone(), run.weight, run.bias, run.lr, run.epochs)


def exercise_1(mine):
    first = LINE._replace(epochs=1).train(torch_optim.train)
    for name in ("weight_grad", "bias_grad"):
        right = getattr(first, name).item()
        mistakes = [
            ("this is lr times the gradient", LINE.lr * right),
            ("this is the step, -lr times the gradient", -LINE.lr * right),
        ]
        yield Comparison(name, getattr(mine, name), right, 0.005, N, mistakes=mistakes)


def exercise_2(mine):
    run = LINE.train(torch_optim.train)
    yield Comparison("fall", mine.fall, run.loss[0] - run.loss[1], 2e-5, N)
    epochs = np.flatnonzero(run.bias_grad > -0.99)  # it is -1 while all residuals are negative
    yield Comparison("epoch", mine.epoch, epochs[0], 0)


def exercise_3(mine):
    for name, f, x in ("x ** 3", lambda x: x**3, 2.0), ("1 / x", lambda x: 1 / x, -0.5):
        name, places, right = f"slope of {name} at {x:g}", [], value_and_gradient(f, x)[1]
        noting = lambda x, f=f, places=places: places.append(np.real(x)) or f(x)  # noqa: E731
        ours = mine.slope(noting, x)
        if not places:
            yield f"{name}: f was not called"
        low, high = min(places), max(places)
        left, end = f"x{low - x:+.1e}", f"x{high - x:+.1e}"
        hint = f". You looked at f from {left} to {end}"
        if low < high:
            slope = (f(high) - f(low)) / (high - low)
            hint += f", where (f({end}) - f({left})) / {high - low:.1e} is {slope:.9g}"
        yield Comparison(name, ours, right, 1e-6 * abs(right), 1, hint=hint)


def exercise_4(mine):
    value, grad = value_and_gradient(nn.MSELoss(), Y_PRED, Y)
    yield Comparison("loss", mine.loss(Y_PRED.copy(), Y.copy()), value, 1e-12, N)
    yield Comparison("gradient", mine.gradient(Y_PRED.copy(), Y.copy()), grad, 1e-12, N)


def exercise_5(mine):
    run = RUNS["section 6"]._replace(epochs=150).train(torch_optim.train)
    pairs = list(zip(run.weight.tolist(), run.bias.tolist()))
    yield Comparison("find_cycle", mine.find_cycle(pairs), find_cycle(pairs), 0)
    pairs = [(0, 0), *[(1, 0), (1, 1), (2, 1)] * 3]
    yield Comparison(f"find_cycle of {pairs[:5]} ...", mine.find_cycle(pairs), (1, 3), 0)


def exercise_6(mine):
    columns = torch.hstack([LINE.X, torch.ones_like(LINE.X)])
    steepest = torch.linalg.eigvalsh(2 * columns.T @ columns / N).max().item()
    yield Comparison("largest_stable_rate", mine.largest_stable_rate, 2 / steepest, 1e-3, 1)


def exercise_7(mine):
    run = RUNS["section 6"]
    rates = [mine.rate(epoch) for epoch in range(run.epochs)]
    middle, hint = np.full(run.epochs, 0.005), ", between 0 and 0.01"
    yield Comparison("rates", rates, middle, 0.005 + 1e-12, hint=hint)
    path = run.train_at(np.ravel(rates).astype(float), numpy_closed_form.train)
    last = np.ptp([path.weight[-2:], path.bias[-2:]], axis=1).max()
    yield Comparison("the last step", last, 0, 1e-4, hint=", below 0.0001")
    for name, right in ("weight", TRUE_WEIGHT), ("bias", TRUE_BIAS):
        end, hint = getattr(path, name)[-1], f", within 0.001 of {right}"
        yield Comparison(f"the last {name}", end, right, 1e-3, hint=hint)


def exercise_8(mine):
    run = LINE._replace(loss="mse")
    ours, right = train(mine, run), states(run, momentum=0.9)
    mistakes = [
        ("these are the numbers without momentum", states(run)),
        ("right to float32's digits only: keep the dtype of X", right),
    ]
    yield Comparison("train in float64", ours, right, 1e-9, run=run, mistakes=mistakes)


def exercise_9(mine):
    run = RUNS["pipeline, custom"]
    ours, right = train(mine, run), states(run)
    yield Comparison("train in float32", ours, right, 1e-6, run=run)
    yield Comparison("the last bits of train", ours, right, 0, run=run)


def exercise_10(mine):
    value, grad = value_and_gradient(nn.HuberLoss(delta=0.1), Y_PRED, Y)
    yield Comparison("huber", mine.huber(Y_PRED.copy(), Y.copy()), value, 1e-12, N)
    ours = mine.huber_gradient(Y_PRED.copy(), Y.copy())
    yield Comparison("huber_gradient", ours, grad, 1e-12, N)
    leaf = Tensor(Y_PRED, requires_grad=True)
    loss = mine.huber_of_tensors(leaf, Tensor(Y))
    if not (isinstance(loss, Tensor) and loss.requires_grad):
        yield "huber_of_tensors must return a Tensor made from y_pred: no .item(), no .data"
    loss.backward()
    yield Comparison("huber_of_tensors", loss.item(), value, 1e-12, N)
    yield Comparison("its gradient by the engine", leaf.grad, grad, 1e-12, N)


def exercise_11(mine):
    run, size = LINE._replace(weight=0.6, bias=0.345, epochs=1), 12  # residuals of both signs
    order, at_batch, right = np.random.default_rng(0).permutation(N), run, []
    X, y = run.X.numpy().copy(), run.y.numpy().copy()
    ours = mine.epoch(X, y, run.weight, run.bias, run.lr, size, order.copy())
    for batch in np.split(order, range(size, N, size)):
        weight, bias = states(at_batch._replace(X=LINE.X[batch], y=LINE.y[batch]))[0]
        at_batch = run._replace(weight=weight, bias=bias)
        right.append((weight, bias))
    yield Comparison("epoch", ours, right, 1e-12, run=run)


def exercise_12(mine):
    # A momentum of 1 adds up all gradients, as .grad does where nothing zeroes it.
    path = LINE._replace(epochs=3).train(torch_optim.train, momentum=1.0)
    mistakes = [("these are the gradients with zero_grad", path.weight_grad)]
    right = np.cumsum(path.weight_grad)
    yield Comparison("weight_grads", mine.weight_grads, right, 0.005, mistakes=mistakes)

    half = LINE._replace(X=LINE.X[N // 2 :], y=LINE.y[N // 2 :])
    mistakes = []
    for times in 1, 2:  # a half's loss is divided by all points, or by its own
        second = states(half._replace(lr=LINE.lr * times / 2))
        summed = states(LINE._replace(lr=LINE.lr * times), momentum=1.0)
        mistakes += [
            ("a step takes the second half's gradient alone", second),
            ("a step takes the gradients of all steps before it too", summed),
        ]
    ours, right = train(mine, LINE), states(LINE)
    yield Comparison("train", ours, right, 1e-12, run=LINE, mistakes=mistakes)


EXERCISES = [
    exercise_1, exercise_2, exercise_3, exercise_4, exercise_5, exercise_6,
    exercise_7, exercise_8, exercise_9, exercise_10, exercise_11, exercise_12,
]  # fmt: skip


def main(number, file):
    """Judge the reader's file, and end with the exit status.

    An exercise yields Comparisons, and a sentence where a type or a call shows what is off.
    """
    with refusing(file):
        for comparison in EXERCISES[number - 1](load(file)):
            off = comparison if isinstance(comparison, str) else judge(comparison)
            if off:
                break
            print(f"{comparison.name}: right")
    if off:
        print(f"Exercise {number}, not yet. {off}")
        sys.exit(NOT_RIGHT)
    print(f"Exercise {number} is solved: torch says the same.")


if __name__ == "__main__":
    numbers = range(1, len(EXERCISES) + 1)
    number = dict(type=int, choices=numbers, help=f"the exercise, 1 to {numbers[-1]}")
    program.run(main, __doc__, [("number", number), ("file", dict(help="your solution"))])
