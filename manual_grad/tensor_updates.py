"""Trainer 3: torch's autograd, with the optimizer's work by hand.

New here: tensors and gradients are torch's. What torch.optim would do, the loop does itself, and
three things must be right:

- The update stands under `torch.no_grad()`: it is no part of the function that is differentiated.
- It works in place (`-=`). `weight = weight - lr * weight.grad` would make a new tensor, which is
  no leaf and gets no gradient in the next epoch.
- The gradients go before each backward pass, which adds to what it finds.

`weight -= lr * weight.grad` rounds twice, the product and then the difference. torch.optim.SGD
calls `weight.add_(weight.grad, alpha=-lr)`, on most CPUs and GPUs one fused multiply-add, which
rounds once. The two therefore differ in the last bit now and then (in about 2% of random float32
cases, and in 11 epochs of 100 of training_pipeline's custom module; in none of the tutorial's MAE
runs, by luck of its data). `add_` with alpha is equal to the bit always; the plain formula stands
here because it is the one that everybody writes.
"""

import torch

from manual_grad.torch_optim import LOSSES
from manual_grad.trajectory import as_trajectory, check_arguments


def train(X, y, weight, bias, *, loss="mae", lr=0.01, epochs=100):
    """Train as numpy_closed_form.train does, on tensors: torch's gradients, updates by hand."""
    X, y = torch.as_tensor(X), torch.as_tensor(y)
    check_arguments(X.numpy(force=True), y.numpy(force=True), weight, bias, loss, lr, epochs)
    y = y.to(X)
    weight, bias = (X.new_tensor(start, requires_grad=True) for start in (weight, bias))
    loss_fn = LOSSES[loss]
    rows = []

    for _ in range(epochs):
        # 1. Forward pass
        y_pred = weight * X + bias

        # 2. Loss
        loss = loss_fn(y_pred, y)

        # 3. Zero gradients
        weight.grad = bias.grad = None

        # 4. Backpropagation
        loss.backward()

        # 5. Gradient descent
        with torch.no_grad():
            weight -= lr * weight.grad
            bias -= lr * bias.grad

        rows.append([number.item() for number in (loss, weight.grad, bias.grad, weight, bias)])

    return as_trajectory(rows, X.numpy(force=True).dtype)
