"""Trainer 4: torch's autograd and torch.optim, the reference that the others are held against.

New here: nothing is by hand. The optimizer zeroes the gradients and takes the step.
"""

import torch
from torch import nn

from manual_grad.trajectory import as_trajectory, check_arguments

LOSSES = {"mae": nn.L1Loss(), "mse": nn.MSELoss(), "bce": nn.BCEWithLogitsLoss()}


def train(X, y, weight, bias, *, loss="mae", lr=0.01, epochs=100):
    """Train as numpy_closed_form.train does, on tensors: torch's gradients, torch's optimizer."""
    check_arguments(X, y, weight, bias, loss, lr, epochs)
    X = torch.as_tensor(X).detach()
    y = torch.as_tensor(y).detach().to(X)
    weight, bias = (X.new_tensor(start, requires_grad=True) for start in (weight, bias))
    optimizer = torch.optim.SGD([weight, bias], lr=lr)
    loss_fn = LOSSES[loss]
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
