"""The losses by hand: for each, its value and its gradient with respect to the predictions.

A loss L turns all errors of a model into one number. The error of prediction i is its residual,
r_i = y_pred_i - y_i, which is negative where the prediction is too low. (Statistics books often
write label minus prediction, which has the other sign.) Of n predictions, the mean absolute error
takes the mean of the residuals' sizes, and the mean squared error that of their squares:

          L                     dL/dy_pred_i
    mae   1/n sum_i |r_i|       sign(r_i) / n       torch.nn.L1Loss
    mse   1/n sum_i r_i^2       2 r_i / n           torch.nn.MSELoss

The right column is the gradient, a slope: how much L changes, per unit, when prediction i alone
changes a little. |r| rises as fast as r where r is positive and falls as fast where r is
negative, so its slope is 1 or -1, the sign of r. r^2 has the slope 2 r, so that a prediction that
is twice as far off pulls twice as hard. Both are divided by n because L is a mean, in which each
prediction has a share of 1/n.

Every function takes predictions and labels of the same shape, or raises ValueError. It returns a
scalar value, or a gradient of that shape, in their dtype (float64 where one of the two is).

For later
---------
At r = 0, |r| has a kink and no slope. There torch takes 0, and so do we: sign(0) = 0. In theory
every slope from -1 to 1 would do, and is called a subgradient: the line through 0 with that slope
lies nowhere above |r|. L is convex in the parameters, because |r| is convex and r is linear in
them; therefore its subgradients follow the chain rule too.

The third loss, bce, is for labels 0 and 1, and its predictions are logits. A logit z_i stands for
the probability p_i = sigmoid(z_i) = 1 / (1 + e^-z_i) of label 1.

    bce   L = -1/n sum_i (y_i log p_i + (1 - y_i) log(1 - p_i))             torch.nn.
            =  1/n sum_i (log(1 + e^z_i) - y_i z_i)                         BCEWithLogitsLoss
          dL/dz_i = (p_i - y_i) / n

The second line puts in log p = z - log(1 + e^z) and log(1 - p) = -log(1 + e^z). The gradient
follows because log(1 + e^z) has the slope e^z / (1 + e^z) = p. The code uses np.logaddexp(0, z) for
log(1 + e^z), which can't overflow.
"""

import numpy as np


def mae(y_pred, y):
    """Return the mean absolute error."""
    check_shapes(y_pred, y)
    return np.abs(y_pred - y).mean()


def mae_gradient(y_pred, y):
    """Return the gradient of `mae` with respect to y_pred: sign(r) / n."""
    check_shapes(y_pred, y)
    return np.sign(y_pred - y) / y.size


def mse(y_pred, y):
    """Return the mean squared error."""
    check_shapes(y_pred, y)
    return ((y_pred - y) ** 2).mean()


def mse_gradient(y_pred, y):
    """Return the gradient of `mse` with respect to y_pred: 2 r / n."""
    check_shapes(y_pred, y)
    return 2 * (y_pred - y) / y.size


def bce_with_logits(y_pred, y):
    """Return the binary cross-entropy of the logits y_pred and the labels y, from 0 to 1."""
    check_shapes(y_pred, y)
    return (np.logaddexp(0, y_pred) - y * y_pred).mean()


def bce_with_logits_gradient(y_pred, y):
    """Return the gradient of `bce_with_logits` with respect to y_pred: (p - y) / n."""
    check_shapes(y_pred, y)
    return (sigmoid(y_pred) - y) / y.size


def sigmoid(z):
    """Return 1 / (1 + e^-z), from e^-|z|, which is at most 1 and can't overflow."""
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, small) / (1 + small)


def check_shapes(y_pred, y):
    """Raise ValueError if the shapes differ: (n, 1) and (n,) would broadcast to (n, n)."""
    if np.shape(y_pred) != np.shape(y):
        raise ValueError(f"y has shape {np.shape(y)}, but must have y_pred's, {np.shape(y_pred)}")


LOSSES = {
    "mae": (mae, mae_gradient),
    "mse": (mse, mse_gradient),
    "bce": (bce_with_logits, bce_with_logits_gradient),
}
