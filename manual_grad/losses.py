"""The three losses by hand: value, and gradient with respect to the predictions.

Each takes predictions and labels, arrays of one shape, and returns (loss, gradient): a scalar, and
an array of that shape, in their dtype. Raises ValueError if the shapes differ. With n the number of
predictions and r = y_pred - y the residuals:

    mae     mean of |r|                 sign(r) / n            torch.nn.L1Loss
    mse     mean of r^2                 2 r / n                torch.nn.MSELoss
    bce     mean of -(y log p           (p - y) / n            torch.nn.BCEWithLogitsLoss
            + (1 - y) log(1 - p))

|r| has a kink at 0, where any number between -1 and 1 is a subgradient; like torch, we take 0. In
the binary cross-entropy (`bce`), y_pred is the logit z and p = sigmoid(z) the probability of label
1.
"""

import numpy as np


def check_shapes(y_pred, y):
    """Raise ValueError unless both have one shape: (n, 1) and (n,) would make (n, n) losses."""
    if np.shape(y_pred) != np.shape(y):
        raise ValueError(f"y has shape {np.shape(y)}, but must have y_pred's, {np.shape(y_pred)}")


def mae(y_pred, y):
    """Return the mean absolute error and its gradient with respect to y_pred."""
    check_shapes(y_pred, y)
    residual = y_pred - y
    gradient = np.sign(residual)
    gradient /= residual.size
    return np.abs(residual, out=residual).mean(), gradient


def mse(y_pred, y):
    """Return the mean squared error and its gradient with respect to y_pred."""
    check_shapes(y_pred, y)
    residual = y_pred - y
    return (residual * residual).mean(), 2 * residual / residual.size


def bce_with_logits(y_pred, y):
    """Return the binary cross-entropy of the logits y_pred and its gradient with respect to them.

    Inserting p = 1 / (1 + e^-z) leaves log(1 + e^z) - y z. Both terms stay finite for every z, as
    `logaddexp` and `sigmoid` don't overflow; the formula with log p would end in log 0.
    """
    check_shapes(y_pred, y)
    loss = np.logaddexp(0, y_pred) - y * y_pred
    return loss.mean(), (sigmoid(y_pred) - y) / y_pred.size


def sigmoid(z):
    """Return 1 / (1 + e^-z), from e^-|z|, which is at most 1 and can't overflow."""
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, small) / (1 + small)


LOSSES = {"mae": mae, "mse": mse, "bce": bce_with_logits}
