"""A gradient by hand inside torch: the MAE of losses.py as a torch.autograd.Function.

New here: torch knows the gradient of each of its own operations, and a Function adds one of ours.
`forward` computes the value and saves what `backward` needs. `backward` gets the gradient of the
final loss with respect to that value, and returns one gradient for each input of `forward`: the
slope times what came in, which engine.py calls a vjp. `MAE.apply(y_pred, y)` calls it, so that it
can stand where nn.L1Loss() stands, while the training loop and the optimizer stay torch's.

torch believes whatever `backward` returns, so that a wrong gradient trains without an error. Hence
the check at the end: torch.autograd.gradcheck compares it with central differences (see
finite_differences.py), which are precise enough in float64 only.
"""

import sys
from pathlib import Path

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from torch import nn

from manual_grad import program, torch_optim
from manual_grad.losses import check_shapes
from manual_grad.published_runs import published_runs


class MAE(torch.autograd.Function):
    """mean |r| with r = y_pred - y, two tensors of one shape (or it raises ValueError).

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


def gradient_is_right(loss_fn):
    """Tell whether gradcheck accepts the gradients of both inputs, at residuals of either sign."""
    y_pred = torch.tensor([0.3, -0.7, 0.5], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([0.1, 0.2, -0.4], dtype=torch.float64, requires_grad=True)
    return torch.autograd.gradcheck(loss_fn, (y_pred, y), raise_exception=False)


def main():
    run = published_runs()["section 3"]
    ours, theirs = (run.train(torch_optim.train, loss_fn=fn) for fn in (MAE.apply, nn.L1Loss()))
    equal = np.equal(ours, theirs).all(axis=0).sum()
    print("\n# Section 3, trained with MAE.apply and with nn.L1Loss")
    print(f"loss, gradients and parameters are equal to the bit in {equal} of {run.epochs} epochs")

    print("\n# torch.autograd.gradcheck")
    for function in (MAE, MAEWithoutN):
        verdict = "right" if gradient_is_right(function.apply) else "wrong"
        print(f"{function.__name__:<13}{verdict}")


if __name__ == "__main__":
    program.run(main, __doc__)
