"""How far two correct float32 runs of a tutorial may lie apart: bounds that hold on any platform.

A platform may add up a sum in any order, fuse a product and a sum into one rounding or round both,
and make torch.arange in its own way. Each operation is right to u = 2^-24 of its result. Two runs
may err in opposite directions, so every bound is twice the error of one. All is to first order in
u. n is the number of points, L the loss, r = W x + B - y a residual, g the gradient.

MSE: gradient descent on L(t) = mean((A t - y)^2), A of shape (n, p), is linear in t.

    prediction   p products, p - 1 sums, a difference   |dr| <= p u |A| |t| + u |r|
    gradient     2/n r: 2; product, n - 1 sums: n       |dg| <= 2/n |A|' (|dr| + (n + 2) u |r|)
    step         lr, product, difference                |d|  <= lr |dg| + 2 u lr |g| + u |t|

An error is carried on as the parameters are, by M = I - lr H with H = 2/n A'A. With g_k, the slope
before step k, and d_j from the steps before it:

    |error of t_k| <= E = sum_j |M^(k-1-j)| |d_j|
    |error of L_k| <= sum_j |g_k' M^(k-1-j)| |d_j| + 1/2 E' |H| E + 2/n |r|' |dr| + (n + 2) u L_k

The condition of a run is in |g_k' M^i|. Along the steep direction (M = 0.83) an error fades within
a few epochs; along the flat one (M = 0.997) it stays, and the roundings of all steps add up.

MAE: first the losses of two runs whose parameters are the same to the bit.

    data         step, product, sum of torch.arange     |dx| <= 3 u x; in r, only |W - w| |dx|
                 y = w x + b                            2 u |w x| + u |b| + u |y|
    prediction   product, sum; then a difference        u |W x| + u |W x + B| + u |r|
    mean         n - 1 sums, a division                 n u L

Then what other parameters add. While no sign differs, MAE is linear. An error of the parameters
stays as it is: E is the sum of these, and the loss moves by |g|' E.

    gradient     x; s / n, product, n - 1 sums          (n + 4) u mean(x) for W, n u for B
    step         lr, product, difference                2 u lr |g| + u |W| (or |B|)

A step whose signs are all opposite to those of the step before takes the same number back, so the
cycle adds nothing.

A sign may differ only where |r| <= 2 (x E_W + E_B + the roundings of r). It moves the gradient by
2 / n, and the run takes another path, for which no bound is derived.

Source: Higham, "Accuracy and Stability of Numerical Algorithms" (2002), chapters 2 to 4.
"""

from typing import NamedTuple

import numpy as np
from tolerances import ONE_SIGN_IN_A_GRADIENT

U = 2.0**-24


def mse_bounds(A, y, start, lr, epochs):
    """Return bounds of two runs: (epochs,) of the losses before a step, (epochs, p) of t after it.

    A has shape (n, p), y (n,), start (p,).
    """
    A, y, t = (np.asarray(values, np.float64) for values in (A, y, start))
    n, p = A.shape
    H = 2 / n * A.T @ A
    M = np.eye(p) - lr * H
    powers, steps = [], []  # M^0, M^1, ...; |d_0|, |d_1|, ...
    losses, parameters = np.empty(epochs), np.empty((epochs, p))
    for k in range(epochs):
        r = A @ t - y
        g = 2 / n * A.T @ r
        past = list(zip(reversed(powers), steps))
        E = sum((np.abs(power) @ d for power, d in past), np.zeros(p))
        dr = p * U * np.abs(A) @ np.abs(t) + U * np.abs(r)
        losses[k] = sum(np.abs(g @ power) @ d for power, d in past)
        losses[k] += E @ np.abs(H) @ E / 2
        losses[k] += 2 / n * np.abs(r) @ dr + (n + 2) * U * np.mean(r**2)
        dg = 2 / n * np.abs(A).T @ (dr + (n + 2) * U * np.abs(r))
        t = t - lr * g
        steps.append(lr * dg + 2 * U * lr * np.abs(g) + U * np.abs(t))
        powers.append(powers[-1] @ M if powers else np.eye(p))
        parameters[k] = sum(np.abs(power) @ d for power, d in zip(reversed(powers), steps))
    return 2 * losses, 2 * parameters


class MaeBounds(NamedTuple):
    """A run whose steps are rounded once, from float64, and what another may differ by.

    path, gradients: weight and bias after each step, (epochs, 2), and the gradients of that step.
    same, apart: bounds of the train loss before a step and of the test loss after it, (epochs, 2):
        with the same path; and what another path without a flipped sign adds.
    error: bounds of weight and bias on such a path.
    sure: (epochs,), whether no correct run has another sign in that step.
    """

    path: np.ndarray
    gradients: np.ndarray
    same: np.ndarray
    apart: np.ndarray
    error: np.ndarray
    sure: np.ndarray


def mae_bounds(line, start, lr, epochs):
    """Return the MaeBounds of a run on a line (weight, bias, distance of its x)."""
    weight, bias, distance = line
    count = round(1 / distance)
    x = np.arange(count) * distance
    y = weight * x + bias
    n = int(0.8 * count)
    train, test = slice(n), slice(n, count)

    def residuals(W, B):
        r = W * x + B - y
        data = 3 * np.abs(W - weight) * x + 2 * np.abs(weight * x) + abs(bias) + np.abs(y)
        return r, U * (data + np.abs(W * x) + np.abs(W * x + B) + np.abs(r))

    def losses(t, part, E):
        r, dr = (values[part] for values in residuals(*t))
        slope = np.abs([np.mean(np.sign(r) * x[part]), np.mean(np.sign(r))])
        return 2 * (np.mean(dr) + len(r) * U * np.mean(np.abs(r))), 2 * slope @ E

    rows = []
    t, E, E_before, s_before = np.array(start, np.float64), np.zeros(2), None, np.zeros(n)
    for _ in range(epochs):
        r, dr = (values[train] for values in residuals(*t))
        sure = (np.abs(r) > 2 * (x[train] * E[0] + E[1] + dr)).all()
        s = np.sign(r)
        g = np.array([np.mean(s * x[train]), np.mean(s)])
        in_training = losses(t, train, E)
        d = lr * U * np.array([(n + 4) * np.mean(x[train]), n])
        d += U * (2 * lr * np.abs(g) + np.abs(t))
        E, E_before = (E_before if np.array_equal(s, -s_before) else E + d), E
        s_before = s
        t = np.float32(t - lr * g).astype(np.float64)
        same, apart = zip(in_training, losses(t, test, E))
        rows.append((t, g, same, apart, 2 * E, sure))
    return MaeBounds(*map(np.array, zip(*rows)))


def loss_tolerances(bounds, path, gradients):
    """Return the bounds of a run's losses, (epochs, 2): infinite from where a sign flipped.

    A flip counts only where a correct run may have one. Anywhere else it is a fault.
    """
    tolerances = bounds.same + (path != bounds.path).any() * bounds.apart
    flipped = (np.abs(gradients - bounds.gradients) > ONE_SIGN_IN_A_GRADIENT).any(axis=1)
    epoch = int(np.argmax(flipped))
    if flipped[epoch] and not bounds.sure[epoch]:
        tolerances[epoch + 1 :, 0] = tolerances[epoch:, 1] = np.inf
    return tolerances
