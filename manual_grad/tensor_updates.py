"""Trainer 3: torch's autograd, with the optimizer's work by hand.

New here: tensors and gradients are torch's. What torch.optim would do, the loop does itself, and
three things must be right:

- The update runs under `torch.no_grad()`: autograd must not record it.
- It works in place (`-=`), because `weight = weight - lr * weight.grad` would make a new tensor,
  one that requires no gradient, and the next `backward` would fail.
- The gradients are reset before each backward pass, because `backward` adds to the old ones.

The plain formula stands here because everybody writes it, although it rounds the product and then
the difference. torch.optim.SGD calls `weight.add_(weight.grad, alpha=-lr)`, which on most CPUs
rounds once, so that a last bit may differ: docs/platforms.md counts how often.
"""

import torch

from manual_grad.torch_optim import LOSSES, as_tensors
from manual_grad.trajectory import as_trajectory, check_arguments


def train(X, y, weight, bias, *, loss="mae", lr=0.01, epochs=100):
    """Train as numpy_closed_form.train does, on tensors: torch's gradients, updates by hand."""
    check_arguments(X, y, weight, bias, loss, lr, epochs)
    X, y = as_tensors(X, y)
    weight, bias = (X.new_tensor(start, requires_grad=True) for start in (weight, bias))
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
        with torch.no_grad():
            weight -= lr * weight.grad
            bias -= lr * bias.grad

        row = loss_value, weight.grad, bias.grad, weight, bias
        rows.append([number.item() for number in row])

    return as_trajectory(rows, X.numpy(force=True).dtype)
