"""Is your solution of an exercise right? If not, what is off?

    python -m check.exercise 3 mine.py

Your file defines what the stub of that exercise in docs/exercises.md defines, and it is held
against torch: its autograd, its losses, its optimizers. The exit status is 0 if it is right, 1 if
it is not, and 2 if it can't be checked.
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
from torch.optim import SGD

from check.reader import FACTORS, NOT_RIGHT, load, refusing
from manual_grad import numpy_closed_form, program, tensor_updates, torch_optim
from manual_grad.engine import Tensor
from manual_grad.published_runs import TRUE_BIAS, TRUE_WEIGHT, published_runs
from manual_grad.trajectory import find_cycle

RUNS = published_runs()
# Most exercises are about section 3's first epochs. In float64 any two right ways of computing them
# agree to 1e-12.
LINE = RUNS["section 3"]._replace(epochs=20)
LINE = LINE._replace(X=LINE.X.double(), y=LINE.y.double())
N = len(LINE.X)
Y = np.linspace(0, 1, N).reshape(N, 1)
Y_PRED = Y + np.resize([0.05, -0.3, 0, 0.1, -0.02, 0.8, -0.1], (N, 1))
MSE, HUBER = nn.MSELoss(), nn.HuberLoss(delta=0.1)
NOT_HUBER = {
    "that is the MAE": nn.L1Loss(),
    "that is the loss for delta = 1": nn.HuberLoss(),
    "that is nn.SmoothL1Loss, which divides by delta": nn.SmoothL1Loss(beta=0.1),
}


class Comparison(NamedTuple):
    """What the reader's file computes, beside what it should be: right if |ours - right| <= room.

    `mistakes` maps a mistake, in words, to the numbers that it leads to. The FACTORS of reader.py
    are tried too unless `n` is 0: it is the number of points of a mean, and 1 where there is none.
    `hint` must be true of every other wrong number.
    """

    name: str
    ours: object
    right: object
    room: float
    mistakes: dict = {}
    n: int = 0
    hint: str = ""


def judge(comparison):
    """Return in words what is off, or None if it is right, in shape and in numbers."""
    name, ours, right, room, mistakes, n, hint = comparison
    right = np.asarray(right)
    cure_of_none = hint or ". A function without `return` returns None"
    if unfit := not_numbers(ours, right.shape, cure_of_none):
        return f"{name} must be {unfit}"
    numbers = np.asarray(ours, np.float64).reshape(right.shape)
    wrong = np.argwhere(np.abs(numbers - right) > room)
    if not len(wrong):
        return None
    size = np.abs(right).max()
    factors = {words: factor(n) * right for words, factor in FACTORS.items() if n}
    for words, mistake in (mistakes | factors).items():
        # Less room for a small number, or lr times a gradient would be anything near 0.
        if (np.abs(numbers - mistake) <= room * min(1, np.abs(mistake).max() / size)).all():
            return f"{name}: {words}"
    single, close = in_float32(numbers), (np.abs(numbers - right) <= 1e-5 * size).all()
    if right.shape and close and single != in_float32(right):
        kinds = ("float32", "float64") if single else ("float64", "float32")
        return "{}: these numbers are {}. The data are {}: stay in their dtype".format(name, *kinds)
    place = tuple(wrong[0].tolist())
    where = f" at {list(place)}" if place else ""
    if right.shape[1:] == (2,):  # of a run
        where = f" after step {place[0]}, {('weight', 'bias')[place[1]]}"
    way = "lower" if numbers[place] > right[place] else "higher"
    return f"{name}{where}: {numbers[place]:.9g} should be {way}{hint}"


def not_numbers(ours, shape, cure_of_none):
    """Return "finite numbers of shape ..., not ..." and a cure unless `ours` is that, else None.

    A number may stand in an array of size 1, and a row of numbers may be a column.
    """
    wanted = f"finite numbers of shape {shape}" if shape else "a finite number"
    got = " ".join(f"{type(ours).__name__} {ours!r}".split())
    got = got if len(got) <= 60 else f"{got[:57]}..."
    tensor = ". Use .detach()" if torch.is_tensor(ours) and shape else ". Use .item()"
    try:
        values = np.asarray(ours)
    except (TypeError, ValueError, RuntimeError):  # rows that differ in length, tensors
        return f"{wanted}, not {got}{tensor if 'ensor' in got else ''}"
    if shape not in (values.shape, values.squeeze().shape):
        of = f" of shape {values.shape}" if values.shape else ""
        return f"{wanted}, not {got}{of}{cure_of_none if ours is None else ''}"
    for place, value in np.ndenumerate(values.astype(object)):
        # NumPy would also read numbers out of strings, and drop the imaginary part of others.
        if not isinstance(value, Real) or not abs(value) < np.inf:
            other = f". At {list(place)} it is {value!r}" if shape else f", not {got}"
            cure = cure_of_none if value is None else ""
            return f"{wanted}{other}{tensor if 'ensor' in got else cure}"
    return None


def in_float32(numbers):
    """Return whether float32 can hold each of these numbers without rounding it."""
    return bool((numbers == numbers.astype(np.float32)).all())


def value_of(loss):
    """Return one of torch's losses at Y_PRED and Y."""
    return loss(torch.tensor(Y_PRED), torch.tensor(Y)).item()


def gradient(f, *values):
    """Return torch's gradient of f with respect to its first argument, in float64."""
    first, *others = (torch.tensor(value, dtype=torch.float64) for value in values)
    f(first.requires_grad_(), *others).backward()
    return first.grad.numpy()


def states(run, trainer=torch_optim.train, **options):
    """Return (weight, bias) after each epoch of a run, an array of shape (epochs, 2)."""
    trajectory = run.train(trainer, **options)
    return np.column_stack([trajectory.weight, trajectory.bias])


class NeverZeroed(SGD):
    """torch.optim.SGD in a loop that forgets zero_grad, so that the gradients add up."""

    def zero_grad(self):
        pass


def exercise_1(mine):
    run, mse = LINE.train(torch_optim.train), LINE._replace(loss="mse").train(torch_optim.train)
    weight_grad, bias_grad = run.weight_grad[0], run.bias_grad[0]
    for name, right, other, of_mse in (
        ("weight_grad", weight_grad, {"that is bias_grad": bias_grad}, mse.weight_grad[0]),
        ("bias_grad", bias_grad, {"that is weight_grad": weight_grad}, mse.bias_grad[0]),
    ):
        mistakes = other | {
            "that is lr times the gradient": LINE.lr * right,
            "that is the step": -LINE.lr * right,
            "that is the gradient of the MSE": of_mse,
            "that is the mean over all 50 points": right - 0.1 * (name == "weight_grad"),
        }
        yield Comparison(name, getattr(mine, name), right, 0.005, mistakes, N)


def exercise_2(mine):
    run = LINE.train(torch_optim.train)
    fall = run.loss[0] - run.loss[1]
    mistakes = {
        "the weight moves the predictions too": 0.01,
        "the bias moves the predictions too": 0.0039 * 0.39,
        "at x, the weight's step moves a prediction by x times that step": 0.0039 + 0.01,
        "that is the fall in ten epochs": 10 * fall,
    }
    yield Comparison("fall", mine.fall, fall, 2e-5, mistakes, 1)
    epoch = np.argmax(np.abs(run.bias_grad - run.bias_grad[0]) > 0.01)
    mistakes = {
        "then each residual is still below 0. Did you round the bias?": epoch - 1,
        "epochs count from 0": epoch + 1,
        "the table shows each tenth epoch only. Look between": 20,
    }
    yield Comparison("epoch", mine.epoch, epoch, 0, mistakes)


def exercise_3(mine):
    for name, f, x in ("x ** 3", lambda x: x**3, 2.0), ("1 / x", lambda x: 1 / x, -0.5):
        places = []

        def called(place, f=f, places=places):
            places.append(np.real(place))
            return f(place)

        ours, right = mine.slope(called, x), gradient(f, x)
        low, high = min([x, *places]), max([x, *places])
        run, rise = max(high - x, x - low), f(high) - f(low)
        mistakes, hint = {}, ""
        if run:
            mistakes = {
                "the rise isn't divided by the run": rise,
                "a / 2 * h is half of a, times h. Is a bracket missing?": rise / 2 * run,
                "a - b / h divides b alone. Is a bracket missing?": f(high) - f(low) / (high - low),
            }
            if run < 1e-9:
                hint = f". Rounding drowns a run of {run:.0e}"
            elif x in (low, high):
                mistakes["a run to one side only is too rough"] = rise / run
            else:
                mistakes[f"a run of {run:.0e} is too long"] = rise / (high - low)
        elif len(places) > 1:
            mistakes = {"x + h is x itself, because h is lost in rounding": 0}
        yield Comparison(
            f"slope of {name} at {x:g}", ours, right, 1e-6 * abs(right), mistakes, 1, hint
        )


def exercise_4(mine):
    ours, hint = mine.loss(Y_PRED.copy(), Y.copy()), ". Mend the gradient, not the loss"
    yield Comparison("loss", ours, value_of(MSE), 1e-12, hint=hint)
    ours, right = mine.gradient(Y_PRED.copy(), Y.copy()), gradient(MSE, Y_PRED, Y)
    yield Comparison("gradient", ours, right, 1e-12, n=N)


def exercise_5(mine):
    run = RUNS["section 6"]._replace(epochs=150).train(torch_optim.train)
    (first, period), pairs = find_cycle(run), list(zip(run.weight.tolist(), run.bias.tolist()))
    mistakes = {
        "so says the table. Look at every epoch": (120, 10),
        "the state at that index has been there before": (first + period, period),
        "the index comes first": (period, first),
        "that counts from 1": (first + 1, period),
        "return how many epochs later, not where": (first, first + period),
    }
    yield Comparison("find_cycle", mine.find_cycle(pairs), (first, period), 0, mistakes)
    pairs = [(0, 0), *[(1, 0), (1, 1), (2, 1)] * 3]
    mistakes = {
        "that is section 6's cycle again": (first, period),
        "compare the bias too": (1, 1),
        "compare the weight too": (0, 1),
    }
    name = f"find_cycle of {pairs[:5]} ..."
    yield Comparison(name, mine.find_cycle(pairs), (1, 3), 0, mistakes)


def exercise_6(mine):
    def limits(X):
        columns = torch.hstack([X, torch.ones_like(X)])
        flattest, steepest = torch.linalg.eigvalsh(2 * columns.T @ columns / len(X)).tolist()
        return 2 / flattest, 2 / steepest

    flattest, right = limits(LINE.X)
    mistakes = {
        "that is the flattest direction's. The steepest one diverges first": flattest,
        "that is the limit for a sum of squares. The loss is their mean": right / N,
        "that is the limit for all 50 points": limits(torch.vstack([LINE.X, LINE.X[:10] + 0.8]))[1],
    }
    hint = ". Below the limit the loss falls in the end; above it, it grows"
    ours = mine.largest_stable_rate
    yield Comparison("largest_stable_rate", ours, right, 1e-3, mistakes, 1, hint)


def exercise_7(mine):
    run = RUNS["section 6"]
    rates = [mine.rate(epoch) for epoch in range(run.epochs)]
    yield Comparison("rates between 0 and 0.01", rates, np.full(run.epochs, 0.005), 0.005 + 1e-12)
    path = run.train_at(np.ravel(rates).astype(float), numpy_closed_form.train)
    steps = np.diff([path.weight, path.bias]).T
    moved = np.flatnonzero(steps.any(axis=1)) + 1
    last, bias_steps = moved[-1:].sum(), steps[:, 1][steps[:, 1] != 0]
    jumps = bias_steps[-2:].prod() < 0
    hint = ". It jumps to and fro" if jumps else ". It is on its way"
    hint += f", and stands still after epoch {last}" if last < run.epochs - 1 else ""
    hint += ": smaller and smaller rates end that" if jumps else ": larger rates first, small last"
    yield Comparison("the last step", np.abs(steps[-1]).max(), 0, 1e-4, hint=hint)
    end = path.weight[-1], path.bias[-1]
    yield Comparison("the last weight and bias", end, (TRUE_WEIGHT, TRUE_BIAS), 1e-3, hint=hint)


def exercise_8(mine):
    ours = mine.train(LINE.X.clone(), LINE.y.clone(), LINE.weight, LINE.bias, LINE.lr, LINE.epochs)
    run = LINE._replace(loss="mse")
    right = states(run, momentum=0.9)
    mistakes = {
        "that is SGD without momentum": states(run),
        "that is 0.9 * (v + g)": states(run._replace(lr=0.009), momentum=0.9),
        "a new gradient counts whole, not 0.1 of it": states(run._replace(lr=0.001), momentum=0.9),
        "that is Nesterov's": states(run, momentum=0.9, nesterov=True),
        "the gradients are never zeroed": states(run, optim=NeverZeroed, momentum=0.9),
        "the gradients are never zeroed, and nothing else adds up": states(run, optim=NeverZeroed),
        "these are the states before the steps": [(run.weight, run.bias), *right[:-1]],
        "that is the MAE's training": states(LINE, momentum=0.9),
    }
    yield Comparison("train", ours, right, 1e-9, mistakes)


def exercise_9(mine):
    run = RUNS["pipeline, custom"]
    ours = mine.train(run.X.clone(), run.y.clone(), run.weight, run.bias, run.lr, run.epochs)
    yield Comparison("train", ours, states(run), 1e-6)
    twice = {"each step rounds twice, torch.optim's once": states(run, tensor_updates.train)}
    yield Comparison("the last bits of train", ours, states(run), 0, twice)


def exercise_10(mine):
    value, grad = value_of(HUBER), gradient(HUBER, Y_PRED, Y)
    values = {words: value_of(loss) for words, loss in NOT_HUBER.items()}
    grads = {words: gradient(loss, Y_PRED, Y) for words, loss in NOT_HUBER.items()}
    yield Comparison("huber", mine.huber(Y_PRED.copy(), Y.copy()), value, 1e-12, values, N)
    ours = mine.huber_gradient(Y_PRED.copy(), Y.copy())
    yield Comparison("huber_gradient", ours, grad, 1e-12, grads, N)
    leaf = Tensor(Y_PRED, requires_grad=True)
    loss = mine.huber_of_tensors(leaf, Tensor(Y))
    if isinstance(loss, Tensor):
        loss.backward()
        loss = loss.item()
    yield Comparison("huber_of_tensors", loss, value, 1e-12, values, N)
    hint = ". Does all of the loss come from y_pred, by the Tensor's own operations?"
    yield Comparison("its gradient by the engine", leaf.grad, grad, 1e-12, hint=hint)


def exercise_11(mine):
    run, size = LINE._replace(weight=0.6, bias=0.345, epochs=1), 12  # residuals of both signs
    order = np.random.default_rng(0).permutation(N)
    data = run.X.numpy().copy(), run.y.numpy().copy()

    def in_batches(order=order, share=lambda points: 1):
        pairs = [(run.weight, run.bias)]
        for batch in np.split(order, range(size, N, size)):
            weight, bias = pairs[-1]
            X, y, lr = run.X[batch], run.y[batch], run.lr * share(len(batch))
            pairs.extend(states(run._replace(X=X, y=y, weight=weight, bias=bias, lr=lr)).tolist())
        return np.array(pairs[1:])

    ours = mine.epoch(*data, run.weight, run.bias, run.lr, size, order.copy())
    steps = len(ours) if isinstance(ours, (list, tuple, np.ndarray)) else ours
    forgotten = {"the last 4 points have their turn too": 3, "that is a step for each point": N}
    yield Comparison("steps", steps, 4, 0, forgotten)
    mistakes = {
        "each step takes all the points": states(run._replace(epochs=4)),
        "the points don't have their turn in the order of `order`": in_batches(np.arange(N)),
        "divide by the number of points in the batch": in_batches(share=lambda points: points / N),
        "the last batch has 4 points: divide by 4": in_batches(share=lambda points: points / size),
    }
    yield Comparison("epoch", ours, in_batches(), 1e-12, mistakes)


EXERCISES = [
    exercise_1, exercise_2, exercise_3, exercise_4, exercise_5,
    exercise_6, exercise_7, exercise_8, exercise_9, exercise_10,
    exercise_11,
]  # fmt: skip


def main(number, file):
    """Judge the reader's file, and end with the exit status."""
    with refusing(file):
        for comparison in EXERCISES[number - 1](load(file)):
            off = judge(comparison)
            if off:
                break
            print(f"{comparison.name}: right")
    if off:
        print(f"Exercise {number}, not yet. {off}")
        sys.exit(NOT_RIGHT)
    print(f"Exercise {number} is solved: torch says the same.")


if __name__ == "__main__":
    numbers = range(1, len(EXERCISES) + 1)
    settings = dict(type=int, choices=numbers, help=f"the exercise, 1 to {numbers[-1]}")
    program.run(main, __doc__, [("number", settings), ("file", dict(help="your solution"))])
