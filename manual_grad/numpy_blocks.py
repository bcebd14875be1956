"""Trainer 5: numpy_closed_form made fast. The same formulas, block by block.

New here: the loss and both gradients are sums over the points, so the points may be taken in
blocks, and a block's share is just added:

    n L          = sum over blocks of sum_i l_i
    n dL/dweight = sum over blocks of sum_i g_i x_i        l_i: the loss of point i
    n dL/dbias   = sum over blocks of sum_i g_i            g_i: its derivative by y_pred_i

What that is good for: numpy_closed_form makes several arrays as long as the data in each epoch. For
ten million points, each is fetched from the system, written to memory and read back. A block's
arrays fit into the processor's cache, all blocks and epochs share them (`out=`), and memory is read
once: X and y. A dot product multiplies and adds up in one pass, and the division by n waits for
the three sums. No float32 sum is longer than a block, and the blocks' sums are added up as Python
floats, in float64: the error doesn't grow with n.
"""

import numpy as np

from manual_grad.losses import sigmoid
from manual_grad.trajectory import as_trajectory, check_arguments

# Points in a block. At float32, its five arrays take 320 KB, which fits into the L2 cache of most
# processors; in much smaller blocks, calling NumPy would cost more than computing.
BLOCK = 16_384


def mae(y_pred, y, y_pred_grad):
    """Return the sum of |r|, which is r sign(r), and write the gradient sign(r) to y_pred_grad."""
    residual = np.subtract(y_pred, y, out=y_pred)
    np.sign(residual, out=y_pred_grad)
    return float(residual.dot(y_pred_grad))


def mse(y_pred, y, y_pred_grad):
    """Return the sum of r^2, and write the gradient 2 r to y_pred_grad."""
    residual = np.subtract(y_pred, y, out=y_pred)
    np.add(residual, residual, out=y_pred_grad)
    return float(residual.dot(residual))


def bce(y_pred, y, y_pred_grad):
    """Return the sum of log(1 + e^z) - y z, and write the gradient p - y to y_pred_grad."""
    np.subtract(sigmoid(y_pred), y, out=y_pred_grad)
    return float((np.logaddexp(0, y_pred) - y * y_pred).sum())


LOSSES = {"mae": mae, "mse": mse, "bce": bce}


@np.errstate(over="ignore", invalid="ignore")  # as_trajectory names the epoch where that happens
def train(X, y, weight, bias, *, loss="mae", lr=0.01, epochs=100):
    """Train as numpy_closed_form.train does, with less than 2 MB beside the data."""
    X, y = np.asarray(X), np.asarray(y)
    check_arguments(X, y, weight, bias, loss, lr, epochs)
    y = y.astype(X.dtype, copy=False)
    weight, bias, lr = map(X.dtype.type, (weight, bias, lr))
    loss_fn = LOSSES[loss]
    n = len(X)
    blocks = as_blocks(X[:, 0], y[:, 0])
    rows = []

    for _ in range(epochs):
        loss_sum = weight_sum = bias_sum = 0.0
        for X_block, y_block, y_pred, y_pred_grad, ones in blocks:
            # 1. Forward pass
            np.multiply(X_block, weight, out=y_pred)
            np.add(y_pred, bias, out=y_pred)

            # 2. Loss
            loss_sum += loss_fn(y_pred, y_block, y_pred_grad)

            # 3. Zero gradients: each epoch's sums start at 0, above

            # 4. Backpropagation
            weight_sum += float(y_pred_grad.dot(X_block))
            bias_sum += float(y_pred_grad.dot(ones))
        loss, weight_grad, bias_grad = loss_sum / n, weight_sum / n, bias_sum / n

        # 5. Gradient descent
        weight -= lr * weight_grad
        bias -= lr * bias_grad

        rows.append((loss, weight_grad, bias_grad, weight, bias))

    return as_trajectory(rows, X.dtype)


def as_blocks(X, y):
    """Return, block by block, views of X and y and of three arrays that all blocks share.

    These are room for the predictions, room for their gradients, and ones: a dot product with ones
    is the fastest sum.
    """
    y_pred, y_pred_grad = np.empty((2, min(BLOCK, len(X))), X.dtype)
    ones = np.ones_like(y_pred)
    views = []
    for start in range(0, len(X), BLOCK):
        block = slice(start, start + BLOCK)
        length = len(X[block])
        views.append((X[block], y[block], y_pred[:length], y_pred_grad[:length], ones[:length]))
    return views
