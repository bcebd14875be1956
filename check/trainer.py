"""Does your training loop follow torch.optim, on all the published runs?

    python -m check.trainer mine.py

Your file defines train(X, y, weight, bias, *, loss, lr, epochs). X and y are float32 tensors of
shape (n, 1); weight and bias are the numbers that training begins at; loss is "mae" or "mse". It
trains y_pred = weight * X + bias on all points in each epoch, and returns a Trajectory. For that,
note five numbers in each epoch, loss and gradients from before its step, weight and bias after it:

    rows.append((loss.item(), weight.grad.item(), bias.grad.item(), weight.item(), bias.item()))

and end with `return Trajectory(*zip(*rows))`, a class that comes from manual_grad.trajectory.

Each number is computed again from your own parameters and gradients. A line for each run says that
all are right, or which is the first that rounding can't explain, and its ratio to the right one. Of
a gradient, a ratio of 2 in epoch 1 shows that nothing zeroes it; of a step, a ratio of 0 shows that
the parameter is noted before the step. The exit status is 0 if all runs are right, 1 if one isn't,
and 2 if no run can be checked.
"""

import sys
from pathlib import Path

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from check.loading import NOT_CHECKED, NOT_RIGHT, RIGHT, in_one_line, load, refusing
from manual_grad import program, torch_optim
from manual_grad.published_runs import published_runs
from manual_grad.rounding import first_fault, with_bounds
from manual_grad.trajectory import Trajectory


def as_checked(returned, epochs):
    """Return a reader's Trajectory in float64, or raise why it isn't one of finite numbers."""
    if not isinstance(returned, Trajectory):
        kind = type(returned).__name__
        raise TypeError(f"train must return a Trajectory of manual_grad.trajectory, not {kind}")
    columns = [np.asarray(values, np.float64) for values in returned]
    for name, values in zip(Trajectory._fields, columns):
        if values.shape != (epochs,):
            wanted = f"({epochs},), one number for each epoch"
            raise ValueError(f"{name} must have shape {wanted}, not {values.shape}")
        finite = np.abs(values) <= np.finfo(np.float32).max
        if not finite.all():
            epoch = int(finite.argmin())
            raise ValueError(f"{name} is {values[epoch]} in epoch {epoch}")
    return Trajectory(*columns)


def check(run, train, file):
    """Return the status of a reader's trainer in one run, and its reason in words."""
    data = run._replace(X=run.X.clone(), y=run.y.clone())  # it may write into them
    try:
        ours = as_checked(data.train(train), run.epochs)
    except (Exception, SystemExit) as error:
        return NOT_CHECKED, in_one_line(file, error)
    if fault := first_fault(run, ours):
        return NOT_RIGHT, start_elsewhere(run, ours, fault) or str(fault)
    equal = (np.array(ours) == np.array(run.train(torch_optim.train))).all(axis=0).sum()
    if equal == run.epochs:
        return RIGHT, f"right: all numbers of all {equal} epochs are torch.optim's to the bit"
    epochs = f"all numbers of {equal} of {run.epochs} epochs are torch.optim's to the bit"
    return RIGHT, f"right: {epochs}, and rounding explains the others"


def start_elsewhere(run, ours, fault):
    """Return in words where a run begins if that isn't the given start, else "".

    Taking the first step back leads to where it must have begun, if the loss and the gradients of
    epoch 0 are those of that place. The step has been rounded, for which 4 bounds leave room.
    """
    if fault.epoch > 0 or fault.column in ("weight", "bias"):
        return ""
    weight = ours.weight[0] + run.lr * ours.weight_grad[0]
    bias = ours.bias[0] + run.lr * ours.bias_grad[0]
    first = Trajectory(*(column[:1] for column in ours))
    for name, (value, bound) in with_bounds(run._replace(weight=weight, bias=bias), first).items():
        if abs(getattr(first, name) - value) > 4 * bound:
            return ""
    given = f"the given {run.weight:.6g}, {run.bias:.6g}"
    return f"it begins at weight {weight:.6g}, bias {bias:.6g}, not at {given}"


def main(file):
    """Check the reader's trainer in each run, and end with the exit status."""
    with refusing(file):
        train = load(file, "train").train
    answers = {name: check(run, train, file) for name, run in published_runs().items()}
    statuses = {status for status, _ in answers.values()}
    if statuses == {NOT_CHECKED}:
        print(answers["section 3"][1], file=sys.stderr)
        sys.exit(NOT_CHECKED)
    for name, (_, words) in answers.items():
        print(f"{name}: {words}")
    sys.exit(RIGHT if statuses == {RIGHT} else NOT_RIGHT)


if __name__ == "__main__":
    program.run(main, __doc__, [("file", dict(help="your file"))])
