"""Trainer 2: the same loop on our own autograd, in NumPy alone.

New here: nobody works out a gradient. The loss is written down as operations on engine.Tensor, and
`backward` finds its gradients by the chain rule, operation by operation.
"""

import numpy as np

from manual_grad.engine import Tensor
from manual_grad.trajectory import as_arrays, as_trajectory, check_arguments

LOSSES = {
    "mae": lambda y_pred, y: (y_pred - y).abs().mean(),
    "mse": lambda y_pred, y: ((y_pred - y) ** 2).mean(),
    "bce": lambda y_pred, y: (y_pred.softplus() - y * y_pred).mean(),
}


@np.errstate(over="ignore", invalid="ignore")  # as_trajectory names the epoch where that happens
def train(X, y, weight, bias, *, loss="mae", lr=0.01, epochs=100):
    """Train as numpy_closed_form.train does, with gradients from engine.Tensor."""
    check_arguments(X, y, weight, bias, loss, lr, epochs)
    X, y = as_arrays(X, y)
    weight, bias, lr = map(X.dtype.type, (weight, bias, lr))
    weight, bias = (Tensor(start, requires_grad=True) for start in (weight, bias))
    X, y = Tensor(X), Tensor(y)
    loss_fn = LOSSES[loss]
    rows = []

    for _ in range(epochs):
        # 1. Forward pass
        y_pred = weight * X + bias

        # 2. Loss
        loss_value = loss_fn(y_pred, y)

        # 3. Zero gradients
        weight.grad = bias.grad = None

        # 4. Backpropagation
        loss_value.backward()

        # 5. Gradient descent
        weight.data -= lr * weight.grad
        bias.data -= lr * bias.grad

        row = loss_value, weight.grad, bias.grad, weight, bias
        rows.append([number.item() for number in row])

    return as_trajectory(rows, X.dtype)
