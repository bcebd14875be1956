"""Trainer 1: gradient descent with closed-form gradients, in NumPy alone.

Nothing here differentiates: the derivative is worked out on paper, once. The model is y_pred_i =
weight * x_i + bias. The loss L depends on the parameters through the predictions only, so by the
chain rule each gradient is the loss's gradient times the model's, summed over the points:

    dL/dweight = sum_i dL/dy_pred_i * dy_pred_i/dweight = sum_i dL/dy_pred_i * x_i
    dL/dbias   = sum_i dL/dy_pred_i * dy_pred_i/dbias   = sum_i dL/dy_pred_i

With the residual r_i = y_pred_i - y_i and n points:

    mae   L = 1/n sum_i |r_i|     dL/dy_pred_i = sign(r_i) / n
          |r| has no derivative at r = 0, but subgradients: the slopes, from -1 to 1, of the lines
          that touch it there and lie below. torch takes 0, which is sign(0), and so do we.
    mse   L = 1/n sum_i r_i^2     dL/dy_pred_i = 2 r_i / n
    bce   the prediction is a logit z_i, with p_i = sigmoid(z_i) the probability of label 1:
          L = -1/n sum_i (y_i log p_i + (1 - y_i) log(1 - p_i))
            =  1/n sum_i (log(1 + e^z_i) - y_i z_i)
          dL/dz_i = (p_i - y_i) / n, as log(1 + e^z) has the derivative e^z / (1 + e^z) = p
"""

import numpy as np

from manual_grad.losses import LOSSES
from manual_grad.trajectory import as_trajectory, check_arguments

# What torch.randn draws for the tutorial's model after torch.manual_seed(42): weight and bias.
START = 0.33669036626815796, 0.12880940735340118


@np.errstate(over="ignore", invalid="ignore")  # as_trajectory names the epoch where that happens
def train(X, y, weight, bias, *, loss="mae", lr=0.01, epochs=100):
    """Train y_pred = weight * X + bias from the given start, and return the Trajectory.

    X and y have shape (n, 1), the start and lr are floats, all computed in the dtype of X; `loss`
    is "mae", "mse" or "bce" (on the logit). Raises TypeError or ValueError for what can't be
    trained, FloatingPointError if a number is no longer finite.
    """
    X, y = np.asarray(X), np.asarray(y)
    check_arguments(X, y, weight, bias, loss, lr, epochs)
    y = y.astype(X.dtype, copy=False)
    weight, bias, lr = map(X.dtype.type, (weight, bias, lr))
    loss_fn = LOSSES[loss]
    rows = []

    for _ in range(epochs):
        # 1. Forward pass
        y_pred = weight * X + bias

        # 2. Loss
        loss, y_pred_grad = loss_fn(y_pred, y)

        # 3. Zero gradients: nothing to do, step 4 makes new ones

        # 4. Backpropagation
        weight_grad = (y_pred_grad * X).sum()
        bias_grad = y_pred_grad.sum()

        # 5. Gradient descent
        weight -= lr * weight_grad
        bias -= lr * bias_grad

        rows.append((loss, weight_grad, bias_grad, weight, bias))

    return as_trajectory(rows, X.dtype)


def tutorial_data(weight=0.7, bias=0.3):
    """Return the tutorial's 50 points: X = torch.arange(0, 1, 0.02) and y = weight * X + bias.

    Shape (50, 1), float32, equal to torch's to the bit, on x86-64 CPUs. np.arange differs in 9 of
    the values by one rounding: torch makes them eight at a time, from the first of the eight, which
    is already rounded to float32. The last two, which make up no eight, it makes one by one.
    """
    i = np.arange(50)
    first = np.where(i < 48, i // 8 * 8, i)
    X = ((first * 0.02).astype(np.float32) + (i - first) * 0.02).astype(np.float32).reshape(-1, 1)
    return X, np.float32(weight) * X + np.float32(bias)


if __name__ == "__main__":
    true_weight, true_bias = 0.7, 0.3
    X, y = tutorial_data(true_weight, true_bias)
    X_train, y_train, X_test, y_test = X[:40], y[:40], X[40:], y[40:]

    trajectory = train(X_train, y_train, *START, loss="mae", lr=0.01, epochs=100)

    # The train losses are those before an epoch's step, the test losses those after it, as in the
    # tutorial. NumPy and torch add up a mean in different orders: a last bit may differ.
    print("\n# 3. Train model: losses")
    for epoch in range(0, 100, 10):
        y_pred = trajectory.weight[epoch] * X_test + trajectory.bias[epoch]
        loss, test_loss = trajectory.loss[epoch], LOSSES["mae"](y_pred, y_test)[0]
        print(f"Epoch: {epoch} | MAE Train Loss: {loss.item()} | MAE Test Loss: {test_loss.item()}")

    print("\n# 3. Train model: learned parameters")
    print(f"weight: {trajectory.weight[-1]}, bias: {trajectory.bias[-1]}")
    print("\n# 3. Train model: true parameters")
    print(f"weight: {true_weight}, bias: {true_bias}")
