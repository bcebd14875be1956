"""A run of the tutorial as a point in a small space, and what that run prints.

`Settings` holds all that decides the numbers of a run of this tutorial, with the tutorial's own
values as its defaults, so that whatever differs from the defaults is what differs from the
tutorial. Training is deterministic: from the settings follow the parameters after every epoch, and
from these all losses. The gradient is the closed form, because then a thousand runs train side by
side as rows of one tensor. It is computed with torch's operations in the order of torch's autograd,
so that on the CPUs that were tried it has torch.optim's parameters and losses to the bit;
`confirm` trains the same settings with torch's own loss and its own backward.
"""

from functools import cache, lru_cache
from typing import NamedTuple

import torch

from manual_grad import optimizers
from manual_grad.numpy_closed_form import START as SECTION_3

SECTION_6 = 0.7645385265350342, 0.8300079107284546  # nn.Linear(1, 1) after manual_seed(42)


class Settings(NamedTuple):
    """What decides the numbers of a run. The defaults are those of the tutorial's section 3."""

    X: tuple = (0, 1, 0.02)  # of torch.arange, or ("linspace", start, end, steps)
    weight: float = 0.7  # of the line that the data lie on
    bias: float = 0.3
    split: float = 0.8  # the share of the points that trains
    start: tuple = SECTION_3  # the model's weight and bias before its first step
    loss: str = "mae"  # "mae", "mse" or "huber"
    optimizer: str = "SGD"  # or "Adam", "AdamW"
    lr: float = 0.01
    momentum: float = 0.0
    earlier: tuple = ()  # training before the first row: ((epochs, lr), ...)
    trains: str = "both"  # "weight": forward adds the line's bias; "nothing": no step
    zero_grad: bool = True
    test_after_step: bool = True
    test_target: str = "y_test"  # or "X_test"
    columns: tuple = ("train", "test")  # what the printed numbers are, or ("train",), ...
    dtype: str = "float32"


# A loss is the mean of terms(r) at the residuals r = y_pred - y, and its gradient with respect to
# y_pred is slope(r) * (factor / n), multiplied in this order because torch rounds it so.
LOSSES = {
    "mae": (lambda r: r.abs(), lambda r: r.sign(), 1),
    "mse": (lambda r: r * r, lambda r: r, 2),
    "huber": (
        lambda r: torch.where(r.abs() < 1, 0.5 * r * r, r.abs() - 0.5),
        lambda r: r.clamp(-1, 1),
        1,
    ),
}
OPTIMIZERS = {"SGD": optimizers.SGD, "Adam": optimizers.Adam, "AdamW": optimizers.AdamW}


@cache
def inputs(X, split, dtype):
    """Return X_train and X_test as the tutorial makes them, of shapes (n,) and (m,)."""
    dtype = getattr(torch, dtype)
    if X[0] == "linspace":
        X = torch.linspace(*X[1:3], steps=X[3], dtype=dtype)
    else:
        X = torch.arange(*X, dtype=dtype)
    n = int(split * len(X))
    return X[:n], X[n:]


def losses_at(settings, states, data="train"):
    """Return the loss of each state (weight, bias): states of shape (..., 2), losses (...,).

    `data` is "train" or "test"; the target of the test is the settings' own.
    """
    X_train, X_test = inputs(settings.X, settings.split, settings.dtype)
    X = X_train if data == "train" else X_test
    y = settings.weight * X + settings.bias
    if data == "test" and settings.test_target == "X_test":
        y = X
    terms, *_ = LOSSES[settings.loss]
    weight, bias = states[..., :1], states[..., 1:]
    return terms(weight * X + bias - y).mean(-1)


def as_states(settings, starts):
    """Return pairs (weight, bias) as a tensor of shape (S, 2), as the settings' model holds them.

    Where forward adds the line's own bias, that is the model's bias, whatever self.bias holds.
    """
    states = torch.tensor(starts, dtype=getattr(torch, settings.dtype)).reshape(-1, 2)
    if settings.trains == "weight":
        states[:, 1] = settings.bias
    return states


@torch.no_grad()
def train(settings, states, epochs):
    """Train from each of the states (S, 2), and return all states, of shape (epochs + 1, S, 2).

    states[t] stands after t steps. What `settings.earlier` says is trained before states[0]: a
    stage with the next one's lr is the same optimizer going on, and another lr has its own.
    """
    X, _ = inputs(settings.X, settings.split, settings.dtype)
    y = settings.weight * X + settings.bias
    _, slope, factor = LOSSES[settings.loss]
    share = torch.tensor([factor / len(X)], dtype=X.dtype)
    inputs_of_each = torch.stack([X, torch.ones_like(X)])  # what weight and bias are multiplied by
    held = {"both": 2, "weight": 1, "nothing": 0}[settings.trains]  # columns that a step changes
    plain = settings.optimizer == "SGD" and not settings.momentum
    states = states.unsqueeze(0)
    gradient, last_lr, optimizer = 0, None, None
    for steps, lr in (*settings.earlier, (epochs, settings.lr)):
        path = [states[-1]]
        if lr != last_lr and not plain:
            parameters = path[0][:, :held].numpy().copy()
            options = dict(momentum=settings.momentum) if settings.optimizer == "SGD" else {}
            optimizer = OPTIMIZERS[settings.optimizer]([parameters], lr=lr, **options)
        last_lr = lr
        while len(path) <= steps:
            if plain and settings.zero_grad and len(path) % 500 == 0 and (period := repeats(path)):
                path += [path[-period + i % period] for i in range(steps + 1 - len(path))]
                break
            state = path[-1]
            residual = state[:, :1] * X + state[:, 1:] - y
            slopes = slope(residual) * share
            new = (slopes.unsqueeze(1) * inputs_of_each).sum(-1)
            gradient = new if settings.zero_grad else gradient + new
            state = state.clone()
            if plain:
                state[:, :held].add_(gradient[:, :held], alpha=-lr)
            else:
                optimizer.step([gradient[:, :held].numpy()])
                state[:, :held] = torch.from_numpy(parameters)
            path.append(state)
        states = torch.stack(path)
    return states


def repeats(path, most=60):
    """Return after how many steps the last states have come again, all of them, or 0."""
    return next((p for p in range(1, most) if torch.equal(path[-1], path[-1 - p])), 0)


def simulate(settings, epochs):
    """Return train loss and test loss of each epoch, a NumPy array of shape (epochs, 2)."""
    states = train(settings, as_states(settings, [settings.start]), epochs)[:, 0]
    tested = states[1:] if settings.test_after_step else states[:-1]
    losses = losses_at(settings, states[:-1]), losses_at(settings, tested, "test")
    return torch.stack(losses, dim=-1).numpy()


@lru_cache(maxsize=64)
def confirm(settings, epochs):
    """Return what simulate returns, trained by torch's own loss, backward and optimizer.

    It is kept for the next table, because most tables of a class are the same few runs. For plain
    SGD the step is add_ with alpha, which is torch.optim.SGD's to the bit without loading it. There
    a state (weight, bias) decides all that follows, so that the last stage ends early when a state
    comes again.
    """
    from torch.nn import functional

    kinds = dict(mae=functional.l1_loss, mse=functional.mse_loss, huber=functional.huber_loss)
    loss_fn = kinds[settings.loss]
    X, X_test = (X.unsqueeze(1) for X in inputs(settings.X, settings.split, settings.dtype))
    y, y_test = (settings.weight * X + settings.bias for X in (X, X_test))
    target = X_test if settings.test_target == "X_test" else y_test
    weight, bias = (
        torch.tensor([value], dtype=X.dtype, requires_grad=True) for value in settings.start
    )
    plain = settings.optimizer == "SGD" and not settings.momentum

    def forward(X):
        return weight * X + (settings.bias if settings.trains == "weight" else bias)

    last_lr, optimizer = None, None
    stages = (*settings.earlier, (epochs, settings.lr))
    for stage, (steps, lr) in enumerate(stages, start=1):
        rows, seen = [], {}
        may_end = plain and settings.zero_grad and stage == len(stages)
        if lr != last_lr and not plain:
            kind = getattr(torch.optim, settings.optimizer)
            options = dict(momentum=settings.momentum) if settings.optimizer == "SGD" else {}
            optimizer = kind([weight, bias], lr=lr, **options)
        last_lr = lr
        for _ in range(steps):
            state = weight.item(), bias.item()
            if may_end:
                if state in seen:
                    cycle = rows[seen[state] :]
                    rows += [cycle[i % len(cycle)] for i in range(epochs - len(rows))]
                    break
                seen[state] = len(rows)
            loss = loss_fn(forward(X), y)
            if settings.zero_grad:
                weight.grad = bias.grad = None
            loss.backward()
            with torch.no_grad():
                if not settings.test_after_step:
                    test_loss = loss_fn(forward(X_test), target)
                if settings.trains == "nothing":
                    pass
                elif plain:
                    for parameter in (weight, bias):
                        if parameter.grad is not None:
                            parameter.add_(parameter.grad, alpha=-lr)
                else:
                    optimizer.step()
                if settings.test_after_step:
                    test_loss = loss_fn(forward(X_test), target)
            rows.append((loss.item(), test_loss.item()))
    return torch.tensor(rows, dtype=X.dtype).reshape(-1, 2).numpy()
