"""One epoch of the tutorial on paper: what `backward` and `step` do, with all the numbers.

For each of the 40 training points: the prediction, the residual r = y_pred - y, its sign (the slope
of |r|), and sign * x. Their means are the gradients of the MAE; a step of lr against them gives the
new parameters. Beside each stands what autograd says.
"""

from importlib import import_module

import torch
from torch import nn

from manual_grad import numpy_closed_form
from manual_grad.losses import mae

data = import_module("01_data")
model = import_module("02_model")


def main():
    """Print the table, the two gradients and the step, by hand and by autograd."""
    lr = 0.01
    X_train, y_train, *_ = data.split(*data.make_line())
    torch.manual_seed(42)
    model_0 = model.LinearRegressionModel()
    weight, bias = model_0.weights.item(), model_0.bias.item()

    X, y = X_train.numpy(), y_train.numpy()
    y_pred = X.dtype.type(weight) * X + X.dtype.type(bias)
    loss, slope = mae(y_pred, y)
    sign = slope * len(X)

    optimizer = torch.optim.SGD(model_0.parameters(), lr=lr)
    loss_autograd = nn.L1Loss()(model_0(X_train), y_train)
    loss_autograd.backward()
    optimizer.step()

    print("\n# The first epoch: forward pass, residuals and signs")
    print(f"start: weight = {weight:.8f}, bias = {bias:.8f}\n")
    columns = ("i", "x", "y", "y_pred", "residual", "sign", "sign * x")
    print("{:>4}{:>8}{:>10}{:>12}{:>12}{:>6}{:>10}".format(*columns))
    rows = zip(*(column.ravel() for column in (X, y, y_pred, y_pred - y, sign, sign * X)))
    for i, row in enumerate(rows):
        print("{:>4}{:>8.2f}{:>10.4f}{:>12.6f}{:>12.6f}{:>6.0f}{:>10.2f}".format(i, *row))

    by_hand = numpy_closed_form.train(X, y, weight, bias, lr=lr, epochs=1)
    pairs = [
        ("loss", "mean of |residual|", by_hand.loss, loss_autograd),
        ("weight gradient", "mean of sign * x", by_hand.weight_grad, model_0.weights.grad),
        ("bias gradient", "mean of sign", by_hand.bias_grad, model_0.bias.grad),
        ("new weight", "weight - lr * its gradient", by_hand.weight, model_0.weights),
        ("new bias", "bias - lr * its gradient", by_hand.bias, model_0.bias),
    ]
    print("\n# The first epoch: loss, gradients and step, by hand and by autograd")
    print(f"{'':<17}{'':<28}{'by hand':>14}{'autograd':>14}{'difference':>12}")
    for name, formula, hand, autograd in pairs:
        hand, autograd = hand.item(), autograd.item()
        print(f"{name:<17}{formula:<28}{hand:>14.9f}{autograd:>14.9f}{hand - autograd:>12.1e}")


if __name__ == "__main__":
    main()
