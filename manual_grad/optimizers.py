"""SGD, RMSprop, Adam and AdamW by hand, in NumPy.

Each holds a list of float32 or float64 arrays, `params`. `step(grads)` takes one gradient for each
array, of its shape and dtype, and updates the arrays in place. Argument names and defaults are
torch.optim's. Left out are amsgrad, maximize, and what only makes torch faster.

Bad arguments raise TypeError or ValueError before any parameter changes. Numbers must be finite and
not negative; alpha and the betas must also be below 1. torch lets through some that are refused
here: inf, a negative dampening, an alpha of 1.

Below, theta is a parameter, g its gradient, t = 1, 2, ... the step. Every other letter starts at 0.
Squares, roots and quotients are taken element by element. The formulas follow the notes on the four
classes in PyTorch's documentation, which name the papers.

`python -m lessons.optimizer_paths` compares all four with torch.optim.
"""

from collections.abc import Iterable
from math import inf
from numbers import Real

import numpy as np


class SGD:
    """Gradient descent with momentum, dampening, weight decay and Nesterov's variant.

        g <- g + weight_decay * theta
        b <- g in the first step, then momentum * b + (1 - dampening) * g
        d =  b, or g + momentum * b with nesterov, or g without momentum
        theta <- theta - lr * d

    b, the momentum buffer, sums up the gradients. Each step first shrinks the old sum by the factor
    `momentum`, then adds the new gradient.

    Nesterov's method, as textbooks write it, takes the gradient at a look-ahead point, where the
    old sum alone would lead from the parameter phi:

        b <- momentum * b + gradient at (phi - lr * momentum * b)
        phi <- phi - lr * b

    torch's theta is that look-ahead point: theta = phi - lr * momentum * b. Put into these two
    lines, with a fixed lr, that gives the four lines above. So the gradient is taken where the
    parameters are, as in every other optimizer. Source of the textbook's form: Sutskever et al.,
    "On the importance of initialization and momentum in deep learning" (2013).
    """

    def __init__(
        self, params, lr=1e-3, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False
    ):
        self.params = check_params(params)
        check_numbers(lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay)
        check_flag(nesterov=nesterov)
        if nesterov and (momentum == 0 or dampening != 0):
            raise ValueError("nesterov needs a momentum above 0 and a dampening of 0")
        self.lr, self.weight_decay = lr, weight_decay
        self.momentum, self.dampening, self.nesterov = momentum, dampening, nesterov
        self.buffers = None

    def step(self, grads):
        """Update the parameters in place by one step against their gradients."""
        grads = check_grads(grads, self.params)
        grads = [grad + self.weight_decay * param for param, grad in zip(self.params, grads)]
        if self.buffers is None:
            self.buffers = [grad.copy() for grad in grads]
        else:
            self.buffers = [
                self.momentum * buffer + (1 - self.dampening) * grad
                for buffer, grad in zip(self.buffers, grads)
            ]
        for param, grad, buffer in zip(self.params, grads, self.buffers):
            if self.nesterov:
                direction = grad + self.momentum * buffer
            else:
                direction = buffer if self.momentum else grad
            param -= self.lr * direction


class RMSprop:
    """RMSprop: a gradient is divided by the root mean square of the recent ones.

        g <- g + weight_decay * theta
        v <- alpha * v + (1 - alpha) * g^2        moving average of the gradient's square
        a <- alpha * a + (1 - alpha) * g          moving average of the gradient, for centered
        s =  v, or v - a^2 with centered          the variance
        b <- momentum * b + g / (sqrt(s) + eps)
        theta <- theta - lr * b

    v isn't corrected as Adam's is. So with a small eps the first step moves each element by
    lr / sqrt(1 - alpha): 10 lr by default.

    With centered, a gradient that stays the same lets s sink to 0, and MAE's stays the same for
    many epochs. The steps grow without bound. In the end rounding makes s negative, and the
    parameters nan, as in torch.
    """

    def __init__(
        self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False
    ):
        self.params = check_params(params)
        check_numbers(lr=lr, eps=eps, weight_decay=weight_decay, momentum=momentum)
        check_numbers(below=1, alpha=alpha)
        check_flag(centered=centered)
        self.lr, self.alpha, self.eps = lr, alpha, eps
        self.weight_decay, self.momentum, self.centered = weight_decay, momentum, centered
        self.v, self.a, self.b = ([np.zeros_like(p) for p in self.params] for _ in range(3))

    def step(self, grads):
        """Update the parameters in place by one step against their gradients."""
        grads = check_grads(grads, self.params)
        for param, grad, v, a, b in zip(self.params, grads, self.v, self.a, self.b):
            grad = grad + self.weight_decay * param
            v[...] = self.alpha * v + (1 - self.alpha) * grad**2
            a[...] = self.alpha * a + (1 - self.alpha) * grad
            size = np.sqrt(v - a**2 if self.centered else v)
            b[...] = self.momentum * b + grad / (size + self.eps)
            param -= self.lr * b


class Adam:
    """Adam: each element of a parameter gets a step of its own length.

        g <- g + weight_decay * theta
        m <- beta1 * m + (1 - beta1) * g          moving average of the gradient
        v <- beta2 * v + (1 - beta2) * g^2        moving average of its square
        m' = m / (1 - beta1^t),  v' = v / (1 - beta2^t)
        theta <- theta - lr * m' / (sqrt(v') + eps)

    sqrt(v') is the root mean square of the element's recent gradients; the step is divided by it.
    m and v start at 0, so they are too small at first. m' and v' correct that.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        self.params = check_params(params)
        check_numbers(lr=lr, eps=eps, weight_decay=weight_decay)
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise TypeError(f"betas must be two numbers, as in (0.9, 0.999), not {betas!r}")
        check_numbers(below=1, **{"betas[0]": betas[0], "betas[1]": betas[1]})
        self.lr, self.betas, self.eps, self.weight_decay = lr, betas, eps, weight_decay
        self.t = 0
        self.m, self.v = ([np.zeros_like(p) for p in self.params] for _ in range(2))

    def step(self, grads):
        """Update the parameters in place by one step against their gradients."""
        grads = check_grads(grads, self.params)
        self.t += 1
        beta1, beta2 = self.betas
        for param, grad, m, v in zip(self.params, grads, self.m, self.v):
            grad = grad + self.weight_decay * param
            m[...] = beta1 * m + (1 - beta1) * grad
            v[...] = beta2 * v + (1 - beta2) * grad**2
            m_corrected = m / (1 - beta1**self.t)
            v_corrected = v / (1 - beta2**self.t)
            param -= self.lr * m_corrected / (np.sqrt(v_corrected) + self.eps)


class AdamW(Adam):
    """Adam with decoupled weight decay: it shrinks the parameter and stays out of m and v.

        theta <- theta - lr * weight_decay * theta - Adam's step without weight decay

    Adam's own weight decay is part of g, so its step divides it by sqrt(v') like the rest of g.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
        super().__init__(params, lr, betas, eps)
        check_numbers(weight_decay=weight_decay)
        self.decay = weight_decay

    def step(self, grads):
        """Update the parameters in place by one step against their gradients."""
        decays = [self.lr * self.decay * param for param in self.params]
        super().step(grads)
        for param, decay in zip(self.params, decays):
            param -= decay


def check_params(params):
    """Return the parameters as a list; raise unless each is an array that can be trained."""
    if isinstance(params, np.ndarray) or not isinstance(params, Iterable):
        raise TypeError(f"params must be a list of arrays, not {type(params).__name__}")
    params = list(params)
    if not params:
        raise ValueError("params is empty: give at least one array to optimize")
    for i, param in enumerate(params):
        if not isinstance(param, np.ndarray):
            raise TypeError(f"params[{i}] must be an array, not {type(param).__name__}")
        if param.dtype not in (np.float32, np.float64):
            raise TypeError(f"params[{i}] must hold float32 or float64, not {param.dtype}")
        if not param.flags.writeable:
            raise ValueError(f"params[{i}] is read-only: give a copy")
    return params


def check_grads(grads, params):
    """Return the gradients as a list; raise unless each has its parameter's shape and dtype."""
    if not isinstance(grads, Iterable):
        raise TypeError(f"grads must be a list of arrays, not {type(grads).__name__}")
    grads = list(grads)
    if len(grads) != len(params):
        raise ValueError(f"{len(grads)} grads for {len(params)} params: each needs one")
    for i, (grad, param) in enumerate(zip(grads, params)):
        if not isinstance(grad, (np.ndarray, np.generic)):
            raise TypeError(f"grads[{i}] must be an array, not {type(grad).__name__}")
        if grad.shape != param.shape:
            raise ValueError(f"grads[{i}] has shape {grad.shape}, but params[{i}] {param.shape}")
        if grad.dtype != param.dtype:
            raise TypeError(f"grads[{i}] holds {grad.dtype}, but params[{i}] {param.dtype}")
    return grads


def check_numbers(below=inf, **values):
    """Raise TypeError for a value that is no number, ValueError unless 0 <= value < below."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, Real):
            raise TypeError(f"{name} must be a number, not {value!r} of {type(value).__name__}")
        if not 0 <= value < below:
            limit = "finite" if below == inf else f"below {below}"
            raise ValueError(f"{name} must be 0 or more and {limit}, not {value}")


def check_flag(**flags):
    """Raise TypeError for a value that is neither True nor False."""
    for name, flag in flags.items():
        if not isinstance(flag, bool):
            raise TypeError(f"{name} must be True or False, not {flag!r}")
