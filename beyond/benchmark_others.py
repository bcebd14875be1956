"""What an epoch costs with the libraries that a user would pick instead.

Started by `python -m beyond.benchmark --others`; benchmark.py says how to install them. Each
library trains the same: MAE, weight and bias, lr = 0.01, float32 (micrograd: Python's floats),
written as its own documentation would, with the loss and both gradients at hand in each epoch.
Where it ends is compared with torch_optim before it is timed.
"""

from importlib.metadata import version

import numpy as np

import manual_grad  # noqa: F401  (before beyond: it finds both if this file is started by name)
from beyond.benchmark import row, three_digits, trainer
from beyond.measure import make_data, time_epochs
from manual_grad.numpy_closed_form import START

LR = np.float32(0.01)
SIZES = {40: (100, 15), 1_000_000: (30, 5)}  # points: epochs in one measurement, measurements

# How far apart two float32 runs may end: a rounding that flips one sign moves a gradient on 40
# points by 2 |x| / 40, and a parameter by lr times that. A few signs may flip in 100 epochs.
AGREE = 5 * 0.01 * 2 * 0.8 / 40


def hips_autograd():
    """HIPS autograd: differentiates functions of NumPy arrays."""
    from autograd import numpy as anp
    from autograd import value_and_grad

    def train(X, y, weight, bias, epochs):
        def loss_of(weight, bias):
            return anp.mean(anp.abs(weight * X + bias - y))

        gradients_of = value_and_grad(loss_of, argnum=(0, 1))
        weight, bias = np.float32(weight), np.float32(bias)
        for _ in range(epochs):
            loss, (weight_grad, bias_grad) = gradients_of(weight, bias)
            weight, bias = weight - LR * weight_grad, bias - LR * bias_grad
        return weight, bias

    return train


def mygrad():
    """MyGrad: tensors around NumPy's arrays."""
    import mygrad as mg

    def train(X, y, weight, bias, epochs):
        weight, bias = mg.tensor(np.float32(weight)), mg.tensor(np.float32(bias))
        for _ in range(epochs):
            loss = mg.mean(mg.abs(weight * X + bias - y))
            loss.backward()
            weight = mg.tensor(weight.data - LR * weight.grad)
            bias = mg.tensor(bias.data - LR * bias.grad)
        return weight.item(), bias.item()

    return train


def micrograd():
    """micrograd: an object for each number. It has no abs: |r| = relu(r) + relu(-r)."""
    from micrograd.engine import Value

    def train(X, y, weight, bias, epochs):
        weight, bias = Value(weight), Value(bias)
        points = list(zip(X.ravel().tolist(), y.ravel().tolist()))
        for _ in range(epochs):
            residuals = [weight * x + bias - label for x, label in points]
            loss = sum(r.relu() + (-r).relu() for r in residuals) / len(points)
            weight.grad = bias.grad = 0
            loss.backward()
            weight.data -= 0.01 * weight.grad
            bias.data -= 0.01 * bias.grad
        return weight.data, bias.data

    return train


def jax_jit():
    """JAX: the whole step compiled."""
    import jax

    def loss_of(parameters, X, y):
        return jax.numpy.abs(parameters[0] * X + parameters[1] - y).mean()

    @jax.jit
    def step(parameters, X, y):
        loss, gradients = jax.value_and_grad(loss_of)(parameters, X, y)
        return [p - LR * g for p, g in zip(parameters, gradients)], loss, gradients

    def train(X, y, weight, bias, epochs):
        X, y = jax.numpy.asarray(X), jax.numpy.asarray(y)
        parameters, rows = [np.float32(weight), np.float32(bias)], []
        for _ in range(epochs):
            parameters, loss, gradients = step(parameters, X, y)
            rows.append((loss, *gradients, *parameters))
        jax.device_get(rows)  # JAX runs ahead of Python: wait for it
        return tuple(map(float, parameters))

    return train


def torch_compile():
    """torch.compile: forward and backward pass compiled, torch.optim's step."""
    import torch

    @torch.compile
    def loss_of(weight, bias, X, y):
        return (weight * X + bias - y).abs().mean()

    def train(X, y, weight, bias, epochs):
        X, y = torch.as_tensor(X), torch.as_tensor(y)
        weight, bias = (torch.tensor(start, requires_grad=True) for start in (weight, bias))
        optimizer = torch.optim.SGD([weight, bias], lr=0.01)
        for _ in range(epochs):
            loss = loss_of(weight, bias, X, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return weight.item(), bias.item()

    return train


OTHERS = {
    "autograd": hips_autograd,
    "mygrad": mygrad,
    "micrograd": micrograd,
    "jax": jax_jit,
    "torch": torch_compile,
}
OURS = ["numpy_blocks", "numpy_autograd", "torch_optim"]


def check_agreement(name, train):
    """Raise ValueError unless 100 epochs of a library end where torch_optim ends."""
    X, y = make_data(40)
    ours = trainer("torch_optim")(X, y, *START, epochs=100)
    end = train(X, y, *START, epochs=100)
    expected = ours.weight[-1].item(), ours.bias[-1].item()
    if not np.abs(np.subtract(end, expected)).max() <= AGREE:
        raise ValueError(
            f"{name} ends at {end}, but torch_optim at {expected}: they don't train alike"
        )


def as_table(progress):
    """Measure all of them; return the lines of a table in Markdown, a row for each."""
    trains, missing = {}, []
    for name, prepare in OTHERS.items():
        try:
            trains[name] = prepare()
        except ImportError:
            missing.append(name)
            continue
        progress(f"{name}: does it train alike?")
        check_agreement(name, trains[name])
    titles = {name: f"{OTHERS[name].__doc__.split(':')[0]} {version(name)}" for name in trains}
    trains |= {name: trainer(name) for name in OURS}
    costs = {}
    for n, (epochs, repeats) in SIZES.items():
        progress(f"{n:,} points, {repeats} times {epochs} epochs of each ...")
        # micrograd would make some ten million objects, and recurse too deep.
        timed = {name: train for name, train in trains.items() if name != "micrograd" or n == 40}
        costs[n] = time_epochs(timed, *make_data(n), epochs, repeats)

    lines = [row("trained with", *(f"{n:,} points" for n in SIZES)), row("---", "---", "---")]
    for name in [*OURS, *OTHERS]:
        if name in missing:
            cells = ["not installed"] * len(SIZES)
        else:
            cells = [cell(cost, name) for cost in costs.values()]
        lines.append(row(titles.get(name, name), *cells))
    return lines


def cell(cost, name):
    """Return the cost of one library at one size, beside torch_optim's."""
    if name not in cost:
        return "not run: an object for each number"
    return f"{three_digits(cost[name])} us ({three_digits(cost['torch_optim'] / cost[name])}x)"


if __name__ == "__main__":
    print("This is a module, not a program. Start with: python -m beyond.benchmark --others")
