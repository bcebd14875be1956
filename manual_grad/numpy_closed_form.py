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
