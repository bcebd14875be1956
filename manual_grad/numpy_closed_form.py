"""Trainer 1: gradient descent with closed-form gradients, in NumPy alone.

A closed-form gradient, or analytic gradient, is a formula that was worked out on paper, once, so
that nothing here differentiates. The model is y_pred_i = weight * x_i + bias, and the loss L
depends on the parameters through the predictions only. By the chain rule, a parameter moves
prediction i, and that moves L, so that the two slopes multiply, and all points' shares add up:

    dL/dweight = sum_i dL/dy_pred_i * dy_pred_i/dweight = sum_i dL/dy_pred_i * x_i
    dL/dbias   = sum_i dL/dy_pred_i * dy_pred_i/dbias   = sum_i dL/dy_pred_i

losses.py derives dL/dy_pred for each loss. For MAE it is sign(y_pred_i - y_i) / n.
"""

import sys
from pathlib import Path

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from manual_grad.losses import LOSSES, mae
from manual_grad.trajectory import as_arrays, as_trajectory, check_arguments

TRUE_WEIGHT, TRUE_BIAS = 0.7, 0.3  # the line that the tutorial's data lie on
# What torch.randn draws for the tutorial's model after torch.manual_seed(42): weight and bias.
START = 0.33669036626815796, 0.12880940735340118


def tutorial_data():
    """Return X_train, y_train, X_test, y_test: 40 and 10 points, shape (n, 1), float32."""
    X = np.arange(0, 1, 0.02).astype(np.float32).reshape(-1, 1)
    y = TRUE_WEIGHT * X + TRUE_BIAS
    return X[:40], y[:40], X[40:], y[40:]


@np.errstate(over="ignore", invalid="ignore")  # as_trajectory names the epoch where that happens
def train(X, y, weight, bias, *, loss="mae", lr=0.01, epochs=100):
    """Train y_pred = weight * X + bias from the given start, and return the Trajectory.

    X and y are arrays or tensors of shape (n, 1), float32 or float64. weight, bias and lr are
    floats. All is computed in the dtype of X. `loss` is "mae", "mse" or "bce" (on the logit).
    Raises TypeError or ValueError for bad arguments, and FloatingPointError if a number is no
    longer finite.
    """
    check_arguments(X, y, weight, bias, loss, lr, epochs)
    X, y = as_arrays(X, y)
    weight, bias, lr = map(X.dtype.type, (weight, bias, lr))
    loss_fn, loss_gradient = LOSSES[loss]
    rows = []

    for _ in range(epochs):
        # 1. Forward pass
        y_pred = weight * X + bias

        # 2. Loss
        loss_value = loss_fn(y_pred, y)

        # 3. Zero gradients: nothing to do, step 4 makes new ones

        # 4. Backpropagation
        y_pred_grad = loss_gradient(y_pred, y)
        weight_grad = (y_pred_grad * X).sum()
        bias_grad = y_pred_grad.sum()

        # 5. Gradient descent
        weight -= lr * weight_grad
        bias -= lr * bias_grad

        rows.append((loss_value, weight_grad, bias_grad, weight, bias))

    return as_trajectory(rows, X.dtype)


def main():
    X_train, y_train, X_test, y_test = tutorial_data()
    trajectory = train(X_train, y_train, *START, loss="mae", lr=0.01, epochs=100)

    # As in the tutorial, an epoch's train loss is from before its step, its test loss from after.
    print("\n# Section 3: losses")
    for epoch in range(0, 100, 10):
        y_pred = trajectory.weight[epoch] * X_test + trajectory.bias[epoch]
        train_loss, test_loss = trajectory.loss[epoch].item(), mae(y_pred, y_test).item()
        print(f"Epoch: {epoch} | MAE Train Loss: {train_loss} | MAE Test Loss: {test_loss}")

    print("\n# Section 3: learned parameters")
    print(f"weight: {trajectory.weight[-1]}, bias: {trajectory.bias[-1]}")
    print("\n# Section 3: true parameters")
    print(f"weight: {TRUE_WEIGHT}, bias: {TRUE_BIAS}")
    print("\n# Last digits")
    print("The last digits of a loss may differ from the tutorial's. NumPy rounds some values of X")
    print("another way than torch.arange, and adds up a mean in another order.")


if __name__ == "__main__":
    from manual_grad import program

    program.run(main, __doc__)
