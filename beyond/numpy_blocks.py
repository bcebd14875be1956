"""Trainer 5: numpy_closed_form made fast, by the same formulas, block by block, on all cores.

New here: because the loss and both gradients are sums over the points, the points may be taken in
blocks, whose sums are then added, and several threads may share the blocks:

    n L          = sum over blocks of sum_i l_i            l_i: the loss of point i
    n dL/dweight = sum over blocks of sum_i g_i x_i        g_i: its derivative by y_pred_i
    n dL/dbias   = sum over blocks of sum_i g_i

A block's arrays fit into the processor's cache, and they are made only once, for all blocks of a
thread and all epochs, because NumPy writes each result into its last argument. performance.md says
what is gained.

Within a block float32 numbers are added, at most 61 additions one after the other, and the blocks'
sums are added in float64. So a sum is off by at most 61 * 2^-24 * sum_i |term_i|, whatever n, where
2^-24 is one rounding of float32; a term may bring one more, as the product g_i x_i does. The order
of the additions depends on n alone, so that a training is the same to the bit on any number of
threads.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from math import ceil
from numbers import Integral

import numpy as np

from manual_grad.losses import sigmoid
from manual_grad.trajectory import as_array, as_trajectory, check_arguments

# Points in a block, at most. At float32 a thread's arrays take 1.6 MB, which some L2 caches hold.
# Shorter blocks are slower on several threads, because Python lets only one thread at a time go
# from one of NumPy's loops to the next.
BLOCK = 131_072

# The terms of a block stand in this many rows, unless it is short. Adding up the rows takes 31
# additions for each column. np.add.reduce then adds up the columns in pairs, whose longest chain
# for 128 numbers is 15 + 3 + 7 = 25 additions and grows by one with each doubling: 30 for 4,096.
ROWS, SHORT = 32, 1_024

# as_trajectory names the epoch where that happens. NumPy keeps the setting by thread.
QUIET = {"over": "ignore", "invalid": "ignore"}


def mae(y_pred, y, y_pred_grad):
    """Write the derivatives sign(r) to `y_pred_grad`, and the losses |r| over `y_pred`."""
    residual = np.subtract(y_pred, y, y_pred)
    sign(residual, y_pred_grad)
    np.abs(residual, y_pred)


def mse(y_pred, y, y_pred_grad):
    """Write the derivatives 2 r to `y_pred_grad`, and the losses r^2 over `y_pred`."""
    residual = np.subtract(y_pred, y, y_pred)
    np.add(residual, residual, y_pred_grad)
    np.multiply(residual, residual, y_pred)


def bce(y_pred, y, y_pred_grad):
    """Write the derivatives p - y to `y_pred_grad`, and log(1 + e^z) - y z over `y_pred`."""
    for start in range(0, len(y), SHORT):  # sigmoid and logaddexp make arrays of their own
        part = slice(start, start + SHORT)
        z = y_pred[part]
        np.subtract(sigmoid(z), y[part], y_pred_grad[part])
        np.subtract(np.logaddexp(0, z), y[part] * z, z)


def sign(values, out):
    """Write the sign of each value to `out`, as np.sign does, of many in half its time.

    NumPy has vector loops for the signs of whole numbers, and the bits of a float, read as a whole
    number, have the float's sign. Only -0.0 counts as less than 0 then, which `train` keeps out.
    """
    if len(values) > SHORT:
        values = values.view(np.int32 if values.itemsize == 4 else np.int64)
    np.sign(values, out)


LOSSES = {"mae": mae, "mse": mse, "bce": bce}


@np.errstate(**QUIET)
def train(X, y, weight, bias, *, loss="mae", lr=0.01, epochs=100, threads=None):
    """Train as numpy_closed_form.train does, with little memory beside the data.

    A thread takes less than 2 MB at float32, 4 MB at float64. `threads` is the largest number of
    them, all cores of this process if None; there are fewer where a thread would get less than a
    block. Raises ValueError unless `threads` is a whole number, 1 or more.
    """
    if threads is None:
        threads = cores()
    if not isinstance(threads, Integral) or threads < 1:
        raise ValueError(f"threads must be a whole number, 1 or more, or None, not {threads!r}")
    check_arguments(X, y, weight, bias, loss, lr, epochs)
    dtype, n = as_array(X).dtype.type, len(X)
    X, y = (np.asarray(as_array(values), dtype)[:, 0] for values in (X, y))
    weight, lr = dtype(weight), dtype(lr)
    bias = dtype(bias) + dtype(0)  # 0.0 and never -0.0, so that no prediction or residual is -0.0
    own, *others = shares(X, y, threads)
    rows = []

    # A pool starts a thread when it is first given work: where there is one share, none.
    with ThreadPoolExecutor(max(1, len(others)), initializer=partial(np.seterr, **QUIET)) as pool:
        for _ in range(epochs):
            # Steps 1 to 4, of all blocks
            waiting = [pool.submit(add_up, share, weight, bias, LOSSES[loss]) for share in others]
            sums = add_up(own, weight, bias, LOSSES[loss])
            for future in waiting:
                sums += future.result()
            loss_sum, weight_sum, bias_sum = np.sum(sums, axis=0) if len(sums) > 1 else sums[0]
            weight_grad, bias_grad = dtype(weight_sum / n), dtype(bias_sum / n)

            # 5. Gradient descent
            weight -= lr * weight_grad
            bias -= lr * bias_grad

            rows.append((loss_sum / n, weight_grad, bias_grad, weight, bias))

    return as_trajectory(rows, dtype)


def add_up(blocks, weight, bias, loss_fn):
    """Return for each block the three sums: of the losses, and of both gradients' terms."""
    sums = []
    for X, y, terms, (y_pred, weight_terms, y_pred_grad) in blocks:
        # 1. Forward pass
        np.multiply(X, weight, y_pred)
        np.add(y_pred, bias, y_pred)

        # 2. Loss: one for each point, where its prediction was
        loss_fn(y_pred, y, y_pred_grad)

        # 3. Zero gradients: nothing to do, step 4 makes new ones

        # 4. Backpropagation
        np.multiply(y_pred_grad, X, weight_terms)
        if terms.ndim == 3:
            terms = np.add.reduce(terms, 1)
        sums.append(np.add.reduce(terms, 1).tolist())
    return sums


def shares(X, y, threads):
    """Return a list of blocks for each thread, whose edges depend on n alone.

    The blocks have nearly the same length, with more than SHORT points a multiple of ROWS, so that
    up to ROWS - 1 points are left, which make one more block.
    """
    n = len(X)
    whole = n - n % ROWS if n > SHORT else n
    length = ceil(whole / ceil(whole / BLOCK) / ROWS) * ROWS
    starts = range(0, whole, length)
    bounds = list(pairwise(sorted({*starts, whole, n})))
    threads = min(threads, len(starts))
    cuts = [len(bounds) * thread // threads for thread in range(threads + 1)]
    return [as_blocks(X, y, bounds[first:last]) for first, last in pairwise(cuts)]


def as_blocks(X, y, bounds):
    """Return the blocks within these bounds: views of X and y, and the arrays to work in.

    All blocks work in the same ones: `terms`, whose three rows hold predictions and then losses,
    weight's terms, and derivatives by y_pred, and the rows themselves.
    """
    memory = np.empty(3 * max(stop - start for start, stop in bounds), X.dtype.type)
    blocks = []
    for start, stop in bounds:
        rows = memory[: 3 * (stop - start)].reshape(3, -1)
        terms = rows.reshape(3, ROWS, -1) if stop - start > SHORT else rows
        blocks.append((X[start:stop], y[start:stop], terms, list(rows)))
    return blocks


def cores():
    """Return how many cores this process may use: on Linux those it is bound to, elsewhere all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
