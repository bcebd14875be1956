"""SGD and Adam by hand, in NumPy.

Both hold a list of float arrays, `params`, and update them in place by `step(grads)`, which takes
one gradient of the same shape for each. The arguments have torch.optim's names and defaults; what
torch refuses raises ValueError here too. Below, theta is a parameter, g its gradient, t = 1, 2, ...
the step. Formulas: the notes on torch.optim.SGD and torch.optim.Adam in PyTorch's documentation;
Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2015).
"""

import numpy as np


class SGD:
    """Stochastic gradient descent with momentum, dampening, weight decay and Nesterov's variant.

        g <- g + weight_decay * theta
        b <- g in the first step, then momentum * b + (1 - dampening) * g
        d =  b, or g + momentum * b with nesterov, or g without momentum
        theta <- theta - lr * d

    b is the momentum buffer: past gradients, each weighted less by `momentum` with every step.
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
    """Adam: each element's step is scaled by the size that its gradients have had.

        g <- g + weight_decay * theta
        m <- beta1 * m + (1 - beta1) * g          mean of the gradients
        v <- beta2 * v + (1 - beta2) * g^2        mean of their squares
        m' = m / (1 - beta1^t),  v' = v / (1 - beta2^t)
        theta <- theta - lr * m' / (sqrt(v') + eps)

    m and v start at 0, which makes them too small in the first steps; m' and v' correct this bias.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        self.params = check_params(params)
        check_not_negative(lr=lr, eps=eps, weight_decay=weight_decay)
        beta1, beta2 = betas
        if not (0 <= beta1 < 1 and 0 <= beta2 < 1):
            raise ValueError(f"betas must both be 0 or more and below 1, not {betas}")
        self.lr, self.betas, self.eps, self.weight_decay = lr, betas, eps, weight_decay
        self.steps = 0
        self.means = [np.zeros_like(param) for param in self.params]
        self.squares = [np.zeros_like(param) for param in self.params]

    def step(self, grads):
        """Update the parameters in place by one step against their gradients."""
        grads = check_grads(grads, self.params)
        self.steps += 1
        beta1, beta2 = self.betas
        for param, grad, mean, square in zip(self.params, grads, self.means, self.squares):
            grad = grad + self.weight_decay * param
            mean[...] = beta1 * mean + (1 - beta1) * grad
            square[...] = beta2 * square + (1 - beta2) * grad * grad
            corrected_mean = mean / (1 - beta1**self.steps)
            corrected_square = square / (1 - beta2**self.steps)
            param -= self.lr * corrected_mean / (np.sqrt(corrected_square) + self.eps)


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
    """Raise ValueError for a value that is negative or nan, by its name."""
    for name, value in values.items():
        if not value >= 0:
            raise ValueError(f"{name} must be 0 or more, not {value}")
