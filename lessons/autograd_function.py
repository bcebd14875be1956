"""A gradient by hand inside torch: the MAE of losses.py as a torch.autograd.Function.

New here: torch knows the gradient of each of its own operations, and a Function adds one of ours.
`forward` computes the value, and saves what `backward` needs. `backward` gets the gradient of the
final loss with respect to that value, and returns one gradient for each input of `forward`: the
vjp of engine.py. `MAE.apply(y_pred, y)` calls it. The model, its gradients and the optimizer stay
torch's.

torch believes whatever `backward` returns. So check it: torch.autograd.gradcheck compares it with
central differences, which are precise enough in float64 only.
"""

import sys
from pathlib import Path

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from torch import nn

from manual_grad import program
from manual_grad.losses import check_shapes
from manual_grad.published_runs import published_runs
from manual_grad.trajectory import Trajectory, as_trajectory


class MAE(torch.autograd.Function):
    """mean |r| with r = y_pred - y. Raises ValueError unless both tensors have one shape.

    Value and gradients are nn.L1Loss's to the bit, on any CPU: torch computes the value in the same
    operations, and a gradient, loss_grad * sign(r) / n, rounds only once in whatever order.
    """

    @staticmethod
    def forward(ctx, y_pred, y):
        check_shapes(y_pred, y)
        residual = y_pred - y
        ctx.save_for_backward(residual)
        return residual.abs().mean()

    @staticmethod
    def backward(ctx, loss_grad):
        (residual,) = ctx.saved_tensors
        y_pred_grad = loss_grad * residual.sign() / residual.numel()
        return y_pred_grad, -y_pred_grad


class MAEWithoutN(MAE):
    """A typical mistake, for gradcheck to find: nothing is divided by n."""

    @staticmethod
    def backward(ctx, loss_grad):
        (residual,) = ctx.saved_tensors
        y_pred_grad = loss_grad * residual.sign()
        return y_pred_grad, -y_pred_grad


def train(run, loss_fn):
    """Train one of the published runs with torch.optim on `loss_fn`; return the Trajectory."""
    weight, bias = (torch.tensor(start, requires_grad=True) for start in (run.weight, run.bias))
    optimizer = torch.optim.SGD([weight, bias], lr=run.lr)
    rows = []

    for _ in range(run.epochs):
        # 1. Forward pass
        y_pred = weight * run.X + bias

        # 2. Loss
        loss_value = loss_fn(y_pred, run.y)

        # 3. Zero gradients
        optimizer.zero_grad()

        # 4. Backpropagation
        loss_value.backward()

        # 5. Gradient descent
        optimizer.step()

        row = loss_value, weight.grad, bias.grad, weight, bias
        rows.append([number.item() for number in row])

    return as_trajectory(rows, np.float32)


def gradient_is_right(loss_fn):
    """Tell whether gradcheck accepts the gradients of both inputs, at residuals of either sign."""
    y_pred = torch.tensor([0.3, -0.7, 0.5], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([0.1, 0.2, -0.4], dtype=torch.float64, requires_grad=True)
    return torch.autograd.gradcheck(loss_fn, (y_pred, y), raise_exception=False)


def main():
    run = published_runs()["section 3"]
    by_hand, by_torch = train(run, MAE.apply), train(run, nn.L1Loss())
    print("\n# Section 3, trained with MAE.apply and with nn.L1Loss: epochs equal to the bit")
    for name, ours, theirs in zip(Trajectory._fields, by_hand, by_torch):
        print(f"{name:<13}{(ours == theirs).sum()} of {run.epochs}, the last {ours[-1]}")

    print("\n# torch.autograd.gradcheck")
    for function in (MAE, MAEWithoutN):
        verdict = "right" if gradient_is_right(function.apply) else "wrong"
        print(f"{function.__name__:<13}{verdict}")


if __name__ == "__main__":
    program.run(main, __doc__)
