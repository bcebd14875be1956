"""SGD and Adam by hand, in NumPy.

Both hold a list of float arrays, `params`. `step(grads)` takes one gradient for each array, of the
same shape, and updates the arrays in place. Argument names and defaults are torch.optim's. What
torch refuses raises ValueError here too. What is no array of floats raises TypeError.

Below, theta is a parameter, g its gradient, t = 1, 2, ... the step. Formulas: the notes on
torch.optim.SGD and torch.optim.Adam in PyTorch's documentation; Kingma and Ba, "Adam: A Method for
Stochastic Optimization" (2015).

`python -m lessons.optimizer_paths` compares both with torch.optim.
"""

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
    """

    def __init__(
        self, params, lr=1e-3, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False
    ):
        self.params = check_params(params)
        check_not_negative(lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(
                "nesterov needs a momentum above 0 and a dampening of 0, "
                f"not momentum={momentum} and dampening={dampening}"
            )
        self.lr, self.weight_decay = lr, weight_decay
        self.momentum, self.dampening, self.nesterov = momentum, dampening, nesterov
        self.buffers = None

    def step(self, grads):
        """Update the parameters in place by one step against their gradients."""
        grads = check_grads(grads, self.params)
        grads = [g + self.weight_decay * p for p, g in zip(self.params, grads)]
        if self.buffers is None:
            self.buffers = [g.copy() for g in grads]
        else:
            self.buffers = [
                self.momentum * b + (1 - self.dampening) * g for b, g in zip(self.buffers, grads)
            ]
        for param, grad, buffer in zip(self.params, grads, self.buffers):
            if self.nesterov:
                direction = grad + self.momentum * buffer
            else:
                direction = buffer if self.momentum else grad
            param -= self.lr * direction


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
        check_not_negative(lr=lr, eps=eps, weight_decay=weight_decay)
        beta1, beta2 = betas
        if not (0 <= beta1 < 1 and 0 <= beta2 < 1):
            raise ValueError(f"betas must both be 0 or more and below 1, not {betas}")
        self.lr, self.betas, self.eps, self.weight_decay = lr, betas, eps, weight_decay
        self.t = 0
        self.m = [np.zeros_like(param) for param in self.params]
        self.v = [np.zeros_like(param) for param in self.params]

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


def check_params(params):
    """Return the parameters as a list; raise unless it is one of float arrays, at least one."""
    if isinstance(params, np.ndarray):
        raise TypeError("params must be a list of arrays, not one array")
    params = list(params)
    if not params:
        raise ValueError("params is empty: give at least one array to optimize")
    for param in params:
        if not isinstance(param, np.ndarray) or not np.issubdtype(param.dtype, np.floating):
            kind = param.dtype if isinstance(param, np.ndarray) else type(param).__name__
            raise TypeError(f"params must be NumPy arrays of floats, not {kind}")
    return params


def check_grads(grads, params):
    """Return the gradients as a list; raise ValueError unless each has its parameter's shape."""
    grads = list(grads)
    shapes = [np.shape(grad) for grad in grads]
    needed = [param.shape for param in params]
    if shapes != needed:
        raise ValueError(f"grads have shapes {shapes}, but the parameters {needed}")
    return grads


def check_not_negative(**values):
    """Raise TypeError for a value that is no number, ValueError for a negative one or nan."""
    for name, value in values.items():
        if not isinstance(value, Real):
            raise TypeError(f"{name} must be a number, not {value!r} of {type(value).__name__}")
        if not value >= 0:
            raise ValueError(f"{name} must be 0 or more, not {value}")
