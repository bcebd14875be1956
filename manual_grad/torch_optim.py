"""Trainer 4: torch's autograd and torch.optim, the reference for the others.

New here: nothing is by hand. The optimizer zeroes the gradients and takes the step. The lessons and
the checks use this loop for other losses and other optimizers too.
"""

import torch
from torch import nn
from torch.optim import SGD

from manual_grad.trajectory import as_arrays, as_trajectory, check_arguments

LOSSES = {"mae": nn.L1Loss(), "mse": nn.MSELoss(), "bce": nn.BCEWithLogitsLoss()}


def train(
    X, y, weight, bias, *, loss="mae", lr=0.01, epochs=100, loss_fn=None, optim=SGD, **options
):
    """Train as numpy_closed_form.train does, on tensors: torch's gradients, torch's optimizer.

    Where `loss_fn` is given, loss_fn(y_pred, y) is the loss, whatever `loss` says. The optimizer is
    optim([weight, bias], lr=lr, **options), so that optim=torch.optim.SGD, momentum=0.9 is one.
    """
    check_arguments(X, y, weight, bias, loss, lr, epochs)
    X, y = as_tensors(X, y)
    weight, bias = (X.new_tensor(start, requires_grad=True) for start in (weight, bias))
    optimizer = optim([weight, bias], lr=lr, **options)
    loss_fn = loss_fn or LOSSES[loss]
    rows = []

    for _ in range(epochs):
        # 1. Forward pass
        y_pred = weight * X + bias

        # 2. Loss
        loss_value = loss_fn(y_pred, y)

        # 3. Zero gradients
        optimizer.zero_grad()

        # 4. Backpropagation
        loss_value.backward()

        # 5. Gradient descent
        optimizer.step()

        row = loss_value, weight.grad, bias.grad, weight, bias
        rows.append([number.item() for number in row])

    return as_trajectory(rows, X.numpy(force=True).dtype)


def as_tensors(X, y):
    """Return X and y as tensors in the dtype and on the device of X, without their gradients."""
    device = X.device if torch.is_tensor(X) else "cpu"
    return [torch.from_numpy(values).to(device) for values in as_arrays(X, y)]
