"""SGD, RMSprop, Adam and AdamW by hand, in NumPy.

Each holds a list of float32 or float64 arrays, `params`, no two of which may share memory, because
a step would change that twice. `step(grads)` takes one gradient for each array, of its shape and
dtype, and updates the arrays in place. Argument names and defaults are torch.optim's. Left out are
amsgrad, maximize, and what only makes torch faster.

Bad arguments raise TypeError or ValueError before any parameter changes. Numbers must be finite and
not negative, and alpha and the betas below 1. torch lets through some that are refused here: inf, a
negative dampening, an alpha of 1. Every option is an attribute that may be changed between two
steps, as in torch's param_groups, and like there it isn't checked again. A momentum or `centered`
that comes in later starts from 0, where torch's RMSprop raises KeyError.

Below, theta is a parameter, g its gradient, t = 1, 2, ... the step, and every other letter starts
at 0. Squares, roots and quotients are taken element by element. The formulas follow the notes on
the four classes in PyTorch's documentation, which name the papers.

`python -m lessons.optimizer_paths` compares SGD, RMSprop and Adam with torch.optim, and the tests
compare all four.
"""

from collections.abc import Iterable
from itertools import combinations
from math import inf
from numbers import Real

import numpy as np

from manual_grad.trajectory import require, require_floats


class SGD:
    """Gradient descent with momentum, dampening, weight decay and Nesterov's variant.

        g <- g + weight_decay * theta
        b <- g in the first step with a momentum, then momentum * b + (1 - dampening) * g
        d =  b, or g + momentum * b with nesterov, or g without momentum
        theta <- theta - lr * d

    b, the momentum buffer, sums up the gradients: each step shrinks the old sum by the factor
    `momentum` and adds the new gradient. Classical momentum sums up lr * g, and has other numbers
    as soon as lr changes, because its old gradients keep the lr that they came with.

    Nesterov's method, as textbooks write it, takes the gradient at a look-ahead point, where the
    old sum alone would lead from the parameter phi:

        b <- momentum * b + gradient at (phi - lr * momentum * b)
        phi <- phi - lr * b

    torch's theta is that look-ahead point, theta = phi - lr * momentum * b, so that the gradient is
    taken where the parameters are. Put into these two lines, with a fixed lr, that gives the four
    above. Source of the textbook's form: Sutskever et al., "On the importance of initialization
    and momentum in deep learning" (2013).
    """

    def __init__(
        self, params, lr=1e-3, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False
    ):
        self.params = check_params(params)
        check_options(lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay)
        if nesterov and (momentum == 0 or dampening != 0):
            raise ValueError("nesterov needs a momentum above 0 and a dampening of 0")
        self.lr, self.weight_decay = lr, weight_decay
        self.momentum, self.dampening, self.nesterov = momentum, dampening, nesterov
        self.b = None

    def step(self, grads):
        """Update the parameters in place by one step against their gradients."""
        grads = check_grads(grads, self.params)
        grads = [grad + self.weight_decay * param for param, grad in zip(self.params, grads)]
        directions = grads
        if self.momentum:
            if self.b is None:
                self.b = grads
            else:
                kept, new = self.momentum, 1 - self.dampening
                self.b = [kept * b + new * grad for b, grad in zip(self.b, grads)]
            directions = self.b
            if self.nesterov:
                directions = [grad + self.momentum * b for grad, b in zip(grads, self.b)]
        for param, direction in zip(self.params, directions):
            param -= self.lr * direction


class RMSprop:
    """RMSprop: a gradient is divided by the root mean square of the recent ones.

        g <- g + weight_decay * theta
        v <- alpha * v + (1 - alpha) * g^2        moving average of the gradient's square
        a <- a + (1 - alpha) * (g - a)            moving average of the gradient, for centered
        s =  v, or v - a^2 with centered          the variance
        b <- momentum * b + g / (sqrt(s) + eps)
        theta <- theta - lr * b

    v isn't corrected as Adam's is, so that with a small eps the first step moves each element by
    lr / sqrt(1 - alpha), which is 10 lr by default. TensorFlow divides by sqrt(s + eps), and has
    other numbers, because an eps of 1e-8 inside the root keeps the divisor at 1e-4 or more.

    With centered, a gradient that stays the same, as MAE's does for many epochs, lets s sink to 0,
    so that the steps grow up to lr / eps times the gradient. Rounding can even make s negative and
    the parameter nan, here and in torch alike.
    """

    def __init__(
        self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False
    ):
        self.params = check_params(params)
        check_options(lr=lr, eps=eps, weight_decay=weight_decay, momentum=momentum)
        check_options(limit=1, alpha=alpha)
        self.lr, self.alpha, self.eps = lr, alpha, eps
        self.weight_decay, self.momentum, self.centered = weight_decay, momentum, centered
        self.v, self.a, self.b = ([np.zeros_like(p) for p in self.params] for _ in range(3))

    def step(self, grads):
        """Update the parameters in place by one step against their gradients."""
        grads = check_grads(grads, self.params)
        for param, grad, v, a, b in zip(self.params, grads, self.v, self.a, self.b):
            grad = grad + self.weight_decay * param
            v[...] = self.alpha * v + (1 - self.alpha) * grad**2
            variance = v
            if self.centered:
                a += (1 - self.alpha) * (grad - a)
                variance = v - a**2
            direction = grad / (np.sqrt(variance) + self.eps)
            if self.momentum:
                b[...] = direction = self.momentum * b + direction
            param -= self.lr * direction


class Adam:
    """Adam: each element of a parameter gets a step of its own length.

        g <- g + weight_decay * theta
        m <- beta1 * m + (1 - beta1) * g          moving average of the gradient
        v <- beta2 * v + (1 - beta2) * g^2        moving average of its square
        m' = m / (1 - beta1^t),  v' = v / (1 - beta2^t)
        theta <- theta - lr * m' / (sqrt(v') + eps)

    sqrt(v') is the root mean square of the element's recent gradients, by which the step is
    divided. m and v are too small at first, because they start at 0; m' and v' correct that.
    TensorFlow corrects lr, by sqrt(1 - beta2^t) / (1 - beta1^t), and not m and v. That scales its
    eps too: in the first steps it counts as much as eps / sqrt(1 - beta2^t) would here.
    """

    decoupled = False  # True where weight decay stays out of m and v

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        self.params = check_params(params)
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise TypeError(f"betas must be two numbers, as in (0.9, 0.999), not {betas!r}")
        check_options(lr=lr, eps=eps, weight_decay=weight_decay)
        check_options(limit=1, **{"betas[0]": betas[0], "betas[1]": betas[1]})
        self.lr, self.betas, self.eps, self.weight_decay = lr, betas, eps, weight_decay
        self.t = 0
        self.m, self.v = ([np.zeros_like(p) for p in self.params] for _ in range(2))

    def step(self, grads):
        """Update the parameters in place by one step against their gradients."""
        grads = check_grads(grads, self.params)
        self.t += 1
        beta1, beta2 = self.betas
        for param, grad, m, v in zip(self.params, grads, self.m, self.v):
            decay = self.weight_decay * param
            if not self.decoupled:
                grad = grad + decay
            m[...] = beta1 * m + (1 - beta1) * grad
            v[...] = beta2 * v + (1 - beta2) * grad**2
            m_corrected = m / (1 - beta1**self.t)
            v_corrected = v / (1 - beta2**self.t)
            direction = m_corrected / (np.sqrt(v_corrected) + self.eps)
            param -= self.lr * (direction + decay if self.decoupled else direction)


class AdamW(Adam):
    """Adam with decoupled weight decay: it shrinks the parameter and stays out of m and v.

        theta <- theta - lr * (m' / (sqrt(v') + eps) + weight_decay * theta)

    Adam's own weight decay is part of g, so that its step divides it by sqrt(v') like all of g.
    """

    decoupled = True

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
        super().__init__(params, lr, betas, eps, weight_decay)


def check_params(params):
    """Return the parameters as a list; raise unless each can be trained, apart from the others."""
    params = as_list("params", params)
    require(params, "params is empty: give at least one array to optimize", ValueError)
    for i, param in enumerate(params):
        require(param.flags.writeable, f"params[{i}] is read-only: give a copy", ValueError)
    for (i, a), (j, b) in combinations(enumerate(params), 2):
        # Exact but for views with many odd strides, some of which are refused without need.
        shared = np.may_share_memory(a, b, max_work=1000)
        twice = "share memory, which each step would change twice: give it once"
        require(not shared, f"params[{i}] and params[{j}] {twice}", ValueError)
    return params


def check_grads(grads, params):
    """Return the gradients as a list; raise unless each has its parameter's shape and dtype."""
    grads = as_list("grads", grads)
    each = f"{len(grads)} grads for {len(params)} params: each needs one"
    require(len(grads) == len(params), each, ValueError)
    for i, (grad, param) in enumerate(zip(grads, params)):
        if grad.shape != param.shape or grad.dtype.type != param.dtype.type:
            must, found = ((array.shape, array.dtype.name) for array in (param, grad))
            raise ValueError(f"grads[{i}] is {found}, but params[{i}] {must}")
    return grads


def as_list(name, arrays):
    """Return the arrays as a list; raise TypeError for what is no list of arrays of floats."""
    several = isinstance(arrays, Iterable) and not isinstance(arrays, np.ndarray)
    require(several, f"{name} must be a list of arrays, not {type(arrays).__name__}")
    arrays = list(arrays)
    for i, array in enumerate(arrays):
        require_floats(f"{name}[{i}]", array)
    return arrays


def check_options(limit=inf, **options):
    """Raise TypeError unless each is a number, ValueError unless it is 0 or more, below limit."""
    for name, value in options.items():
        number = isinstance(value, Real) and not isinstance(value, bool)
        require(number, f"{name} must be a number, not {value!r} of {type(value).__name__}")
        wanted = f"{name} must be 0 or more and below {limit}, not {value}"
        require(0 <= value < limit, wanted, ValueError)
