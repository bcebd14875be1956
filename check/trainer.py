"""Does your training loop follow torch.optim, on all the published runs and on two more?

    python -m check.trainer mine.py

Your file defines train(X, y, weight, bias, *, loss, lr, epochs). X and y are float32 tensors of
shape (n, 1); weight and bias are the numbers that training begins at; loss is "mae" or "mse". It
trains y_pred = weight * X + bias on all points in each epoch, and returns a Trajectory. For that,
note five numbers in each epoch, loss and gradients from before its step, weight and bias after it:

    rows.append((loss.item(), weight.grad.item(), bias.grad.item(), weight.item(), bias.item()))

and end with `return Trajectory(*zip(*rows))`, a class that comes from manual_grad.trajectory.

Each number is computed again from your own parameters and gradients. A line for each run says that
all are right, or which is the first that rounding can't explain, and its ratio to the right one.
Where nothing zeroes the gradients, these are two of the lines:

    section 3: epoch 1, weight_grad is -0.779999971, should be -0.389999992, ratio 2
    pipeline, custom: epoch 1, weight_grad is -41.0245438, should be -18.6449186, ratio 2.200307

All published runs have lr = 0.01. In the two others it is 0.03, so that a loop that ignores lr and
takes 0.01 is seen, by a ratio of the steps of a third. A ratio of 0 there shows that the parameter
is noted before the step. The exit status is 0 if all runs are right, 1 if one isn't, and 2 if no
run can be checked.
"""

import sys
from pathlib import Path

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch

from check.loading import NOT_CHECKED, NOT_RIGHT, RIGHT, in_one_line, load, refusing
from manual_grad import program, torch_optim
from manual_grad.published_runs import published_runs
from manual_grad.rounding import U, first_fault, with_bounds
from manual_grad.trajectory import Trajectory

DIGITS = 6  # a column whose numbers all end within so many decimals has been rounded
START = "does it begin at the given weight {:.6g} and bias {:.6g}, with the given X and y? "


def runs():
    """Return the runs by name: the published ones, and section 3 at a rate of its own."""
    published = published_runs()
    own = published["section 3"]._replace(lr=0.03)
    return published | {f"lr 0.03, {loss}": own._replace(loss=loss) for loss in ("mae", "mse")}


def as_checked(returned, epochs):
    """Return a reader's Trajectory in float64, or raise what keeps it from being one of numbers."""
    if not isinstance(returned, Trajectory):
        kind = type(returned).__name__
        raise TypeError(f"train must return a Trajectory of manual_grad.trajectory, not {kind}")
    columns = []
    for name, values in returned._asdict().items():
        for each in values if isinstance(values, (list, tuple)) else ():
            if isinstance(each, (torch.Tensor, np.ndarray)):  # a step may change it afterwards
                kind = type(each).__name__
                raise TypeError(f"{name} holds {kind}s, not numbers: note each with .item()")
        values = np.asarray(values, np.float64)
        if values.shape != (epochs,):
            wanted = f"({epochs},), one number for each epoch"
            raise ValueError(f"{name} must have shape {wanted}, not {values.shape}")
        columns.append(values)
    return Trajectory(*columns)


def check(run, train, file):
    """Return the status of a reader's trainer in one run, and its reason in words."""
    data = run._replace(X=run.X.clone(), y=run.y.clone())  # it may write into them
    try:
        ours = as_checked(data.train(train), run.epochs)
    except (Exception, SystemExit) as error:
        return NOT_CHECKED, in_one_line(file, error)
    with np.errstate(all="ignore"):  # the numbers may be nan, or near float64's largest
        if fault := first_fault(run, ours):
            asked = START.format(run.weight, run.bias) if fault[:2] == (0, "loss") else ""
            return NOT_RIGHT, rounded(run, ours, fault.column) or f"{asked}{fault}"
    equal = (np.array(ours) == np.array(run.train(torch_optim.train))).all(axis=0).sum()
    others = ", and rounding explains the others" if equal < run.epochs else ""
    epochs = f"{equal} of {run.epochs} epochs"
    return RIGHT, f"right: all numbers of {epochs} are torch.optim's to the bit{others}"


def rounded(run, ours, column):
    """Return in words that a column of losses or gradients is right but for its digits, else ""."""
    noted, known = getattr(ours, column), with_bounds(run, ours)
    for digits in range(DIGITS + 1 if column in known else 0):
        ends = np.abs(noted - noted.round(digits)) <= U * np.abs(noted)  # also in float32
        right, bound = known[column]
        if np.all(ends & (np.abs(noted - right) <= bound + 10.0**-digits / 2)):
            return f"{column} is right, but rounded to {digits} decimals: note all of its digits"
    return ""


def main(file):
    """Check the reader's trainer in each run, and end with the exit status."""
    with refusing(file):
        train = load(file, "train").train
    answers = {name: check(run, train, file) for name, run in runs().items()}
    statuses = {status for status, _ in answers.values()}
    if statuses == {NOT_CHECKED}:
        print(answers["section 3"][1], file=sys.stderr)
        sys.exit(NOT_CHECKED)
    for name, (_, words) in answers.items():
        print(f"{name}: {words}")
    sys.exit(RIGHT if statuses == {RIGHT} else NOT_RIGHT)


if __name__ == "__main__":
    program.run(main, __doc__, [("file", dict(help="your file"))])
