"""Why are two float32 runs equal, or not? Every number is computed again, in every epoch.

A Trajectory records where each epoch stood and what it found there. So each run can be checked by
itself, without the other:

- Loss and gradients are computed again in float64, at the run's own parameters. The recorded ones
  may be off by float32's roundings, as many as there are, in whatever order a mean is added up.
- The step is computed again from the run's own parameters and gradients, to the bit. float32 can
  round theta - lr * grad in two ways: `theta -= lr * grad` rounds twice, the product and the
  difference; a fused multiply-add, torch.optim's step on most CPUs, rounds once. One of the two
  must hold in all epochs.

What fails is NOT EXPLAINED. Two runs that pass differ for two reasons only, which `explain` names:
a mean was added up in another order, or a step was rounded in another way.

Sources: Higham, "Accuracy and Stability of Numerical Algorithms" (2002), chapters 2 to 4; Boldo and
Melquiond, "Emulation of FMA and Correctly Rounded Sums" (2008).
"""

import numpy as np

from manual_grad.trajectory import COLUMNS, in_words, parameters_apart, stack

U = 2.0**-24  # one float32 rounding changes a number by at most this share of it


def parameters_before(run, trajectory):
    """Return weight and bias before the step of each epoch: float32, of shape (2, epochs)."""
    start = [[run.weight], [run.bias]]
    return np.hstack([start, stack(trajectory, COLUMNS["parameters"])])[:, :-1].astype(np.float32)


def roundings(k):
    """Return the largest change by k roundings, one after the other, as a share of a number."""
    return k * U / (1 - k * U)


def in_float64(run, trajectory):
    """Return {name: (value in float64, error bound of float32)} for loss and both gradients.

    Both have shape (epochs,). The loss is "mae" or "mse", as in all published runs.
    """
    X, y = (np.asarray(values, np.float64).ravel() for values in (run.X, run.y))
    weight, bias = parameters_before(run, trajectory).astype(np.float64)[:, :, None]
    y_pred = weight * X + bias
    residual = y_pred - y
    # Product, sum and difference are each rounded, in proportion to their own size. A later
    # rounding also scales the earlier errors. So the factor is a little more than U.
    error = roundings(3) / 3 * (np.abs(weight * X) + np.abs(y_pred) + np.abs(residual))
    if run.loss == "mae":
        losses, losses_error = np.abs(residual), error
        sign_known = np.abs(residual) > error  # elsewhere float32 may take any slope from -1 to 1
        slope, slope_error = np.where(sign_known, np.sign(residual), 0), ~sign_known
    elif run.loss == "mse":
        losses, losses_error = residual**2, (2 * np.abs(residual) + error) * error
        slope, slope_error = 2 * residual, 2 * error
    else:
        raise ValueError(f"the loss of the run must be 'mae' or 'mse', not {run.loss!r}")
    terms = {
        "loss": (losses, losses_error),
        "weight_grad": (slope * X, slope_error * np.abs(X)),
        "bias_grad": (slope, slope_error),
    }
    # A mean has n - 1 additions, in any order. Up to 3 more roundings make its term, the division
    # by n among them: 2 / n, times r, times x. The last one stands for float64's own, far smaller.
    k = len(X) - 1 + 3 + 1
    return {
        name: (term.mean(axis=1), (error + roundings(k) * (np.abs(term) + error)).mean(axis=1))
        for name, (term, error) in terms.items()
    }


def rounded_twice(theta, grad, lr):
    """Return theta - lr * grad, all float32, with the product rounded and then the difference."""
    return theta - lr * grad


def rounded_once(theta, grad, lr):
    """Return theta - lr * grad, all float32, with one rounding at the end: a fused multiply-add.

    A float64 holds the product exactly, but not always the difference. Rounding that to float64 and
    then to float32 can end at the wrong neighbour, if the first rounding hits the middle of two
    float32. So an inexact difference takes the neighbour with an odd last bit: no middle has one.
    """
    theta, product = np.asarray(theta, np.float64), np.float64(lr) * np.asarray(grad, np.float64)
    difference = theta - product
    part = difference - theta
    lost = (theta - (difference - part)) - (product + part)  # exactly what that rounding lost
    even = difference.view(np.int64) % 2 == 0
    odd_neighbour = np.nextafter(difference, np.copysign(np.inf, lost))
    return np.where((lost != 0) & even, odd_neighbour, difference).astype(np.float32)


STEPS = {"twice": rounded_twice, "once": rounded_once}


def rounding_and_steps(run, trajectory):
    """Return how a run rounded its steps, "twice" or "once", and weight and bias after each.

    Weight and bias have shape (2, epochs). They are computed again from the recorded parameters and
    gradients. The rounding returned is the one that reproduces more of the recorded numbers.
    """
    recorded = stack(trajectory, COLUMNS["parameters"])
    before, lr = parameters_before(run, trajectory), np.float32(run.lr)
    grad = stack(trajectory, COLUMNS["gradients"]).astype(np.float32)
    steps = {name: step(before, grad, lr) for name, step in STEPS.items()}
    return max(steps.items(), key=lambda item: (item[1] == recorded).sum())


def first_fault(run, trajectory, columns):
    """Describe the first wrong number in these columns. Return "" if there is none."""
    _, (weight, bias) = rounding_and_steps(run, trajectory)
    should_be = {name: (*pair, "float64") for name, pair in in_float64(run, trajectory).items()}
    should_be["weight"] = weight, 0, "a step with its gradient"
    should_be["bias"] = bias, 0, "a step with its gradient"
    faults = []
    for name in columns:
        recorded, (right, error, source) = getattr(trajectory, name), should_be[name]
        wrong = ~(np.abs(recorded - right) <= error)  # nan is wrong too
        if wrong.any():
            epoch = int(wrong.argmax())
            recorded, right = float(recorded[epoch]), float(right[epoch])
            ratio = f"ratio {recorded / right:.9g}" if right else "no ratio"
            words = f"{name} is {recorded:.9g}, {source} gives {right:.9g}, {ratio}"
            faults.append((epoch, f"epoch {epoch}, {words}"))
    return min(faults, key=lambda fault: fault[0], default=(None, ""))[1]


def share_of_bound(run, trajectory, columns):
    """Return the largest error against float64, divided by its bound."""
    right = in_float64(run, trajectory)
    errors = {name: np.abs(getattr(trajectory, name) - right[name][0]) for name in columns}
    return max(float((error / right[name][1]).max()) for name, error in errors.items())


def explain(run, ours, theirs, group):
    """Say why a group of columns of our Trajectory is, or isn't, that of torch_optim, `theirs`."""
    columns, gradients = COLUMNS[group], COLUMNS["gradients"]
    # A step is only as right as its gradient.
    checked = [*gradients, *columns] if group == "parameters" else columns
    for whose, trajectory in (("", ours), (" (torch_optim)", theirs)):
        if fault := first_fault(run, trajectory, checked):
            return f"NOT EXPLAINED{whose}: {fault}"

    apart = stack(ours, columns) != stack(theirs, columns)
    differ = apart.any(axis=0)
    if not differ.any():
        return "equal to the bit"
    other_start = (parameters_before(run, ours) != parameters_before(run, theirs)).any(axis=0)
    if group == "parameters":
        # Parameters that differ stay apart for some epochs. The reason is in the first of these, in
        # which both runs still started alike.
        other_gradient = stack(ours, gradients) != stack(theirs, gradients)
        parted = apart & ~other_start
        ways = [rounding_and_steps(run, trajectory)[0] for trajectory in (ours, theirs)]
        reasons = {
            f"our step rounds {ways[0]}, torch_optim's {ways[1]}": parted & ~other_gradient,
            "a gradient rounded in another order": parted & other_gradient,
        }
        reasons = " and ".join(reason for reason, epochs in reasons.items() if epochs.any())
        return f"{reasons} ({in_words(differ)})"
    reasons = {
        "a mean rounded in another order": differ & ~other_start,
        "the parameters already differ": differ & other_start,
    }
    return "; ".join(
        f"{reason} ({in_words(epochs)})" for reason, epochs in reasons.items() if epochs.any()
    )


def in_short(runs, results, trainer):
    """Return in a few lines how a trainer compares with torch_optim over all runs."""
    wrong, differ, reasons = [], [], set()
    for name, run in runs.items():
        ours, theirs = (results[name].get(key) for key in (trainer, "torch_optim"))
        words = {group: explain(run, ours, theirs, group) for group in COLUMNS if ours}
        if not ours or "NOT EXPLAINED" in "".join(words.values()):
            wrong.append(name)
            continue
        apart = parameters_apart(results[name])[trainer]
        if apart.any():
            epochs = f"{(apart > 0).sum()} of {run.epochs} epochs"
            differ.append(f"In {name!r} they differ in {epochs}, by {apart.max():.1e} at most.")
        parts = f"{words['gradients']}; {words['loss']}".split("; ")
        reasons |= {part.split(" (")[0] for part in parts} - {"equal to the bit"}
    if wrong:
        return f"NOT EXPLAINED in {len(wrong)} of {len(runs)} runs: {'; '.join(wrong)}."
    equal = f"in every epoch of {len(runs) - len(differ)} of {len(runs)} runs."
    first = f"weight and bias are equal to torch_optim's, to the bit, {equal}"
    why = f"Where losses or gradients differ: {'; '.join(sorted(reasons))}." if reasons else ""
    return "\n".join([first, *differ, why or "Losses and gradients are equal to the bit."])
