"""Reverse-mode automatic differentiation from scratch, over NumPy arrays.

An operation on Tensors computes its value at once and remembers how gradients flow back through it:
for each input, a function from the gradient of the output to that of the input (a vector-Jacobian
product). `backward` walks from the loss to the leaves, outputs before inputs, applies the chain
rule at each step, and adds up where a tensor was used more than once. Both stand together below, an
operation's value and, beside each input, its local gradient.

As in torch: only leaves (tensors made by the caller) keep a `grad`, which accumulates until it is
reset to None; |x| and relu(x) have gradient 0 at 0; shapes broadcast, and a gradient is summed back
to the shape of its input. As in NumPy: Tensor(data) shares its array, and dtypes promote (Python
numbers don't: float32 stays float32).
"""

from heapq import heappop, heappush
from itertools import count

import numpy as np

from manual_grad.losses import sigmoid

_ages = count()


def _sum_to(gradient, shape):
    """Undo broadcasting: sum `gradient` over the axes along which a `shape` was repeated."""
    if shape == ():
        return gradient.sum()
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
    repeated = tuple(axis for axis, length in enumerate(shape) if length == 1)
    return gradient.sum(axis=repeated, keepdims=True)


class Tensor:
    """A NumPy array that can be differentiated.

    `data` and `grad` are arrays of one shape and dtype; `grad` is None until the first backward
    pass. Raises TypeError if `data` is not real numbers and, as torch does, RuntimeError if a
    gradient is required of other numbers than floats.
    """

    __slots__ = ("_age", "_inputs", "data", "grad", "requires_grad")
    __array_ufunc__ = None  # array * tensor: NumPy leaves it to Tensor.__rmul__

    def __init__(self, data, requires_grad=False):
        self.data = np.asarray(data)
        self.grad = None
        self.requires_grad = requires_grad
        self._inputs = ()
        self._age = next(_ages)
        if self.data.dtype.kind not in "biuf":
            kind = type(data).__name__
            raise TypeError(f"a Tensor holds real numbers, not {kind} of dtype {self.data.dtype}")
        if requires_grad and not np.issubdtype(self.data.dtype, np.floating):
            raise RuntimeError(f"only tensors of floats can require gradients, not {self.dtype}")

    def _result(self, value, *inputs):
        """Return an operation's output. `inputs`: pairs of an input and its local gradient.

        Inputs that need no gradient are forgotten here, so that backward spends nothing on them.
        """
        output = Tensor(value)
        output._inputs = [pair for pair in inputs if pair[0].requires_grad]
        output.requires_grad = bool(output._inputs)
        return output

    def _constant(self, other):
        """Return the other operand as a Tensor; a Python number takes the dtype of this one."""
        if isinstance(other, Tensor):
            return other
        if isinstance(other, int | float):
            other = np.asarray(other, dtype=np.result_type(self.data.dtype, other))
        return Tensor(other)

    def backward(self, gradient=None):
        """Add d(self)/d(leaf), times `gradient`, to the `grad` of each leaf that requires one.

        `gradient` has the shape of this tensor; it is 1, and may be left out, where that has one
        element. Raises RuntimeError if no gradient is required, or for a gradient that doesn't fit.
        """
        if not self.requires_grad:
            raise RuntimeError("this tensor does not require a gradient: none of its inputs does")
        if gradient is None:
            if self.data.size != 1:
                raise RuntimeError(
                    f"backward needs a gradient for a tensor of shape {self.shape}: only one of a "
                    "single element, such as a loss, has 1 for its gradient"
                )
            gradient = np.array(1.0).reshape(self.shape)
        gradient = np.asarray(gradient, dtype=self.dtype)
        if gradient.shape != self.shape:
            raise RuntimeError(f"gradient has shape {gradient.shape}, but the tensor {self.shape}")

        # An input is older than its output. So among the tensors that a gradient has reached, the
        # youngest has all of its own: nothing that is still to come depends on it.
        gradients, waiting = {self: gradient}, [(-self._age, self)]
        while waiting:
            _, tensor = heappop(waiting)
            gradient = gradients.pop(tensor)
            if not tensor._inputs:
                tensor.grad = np.array(gradient if tensor.grad is None else tensor.grad + gradient)
            for source, local_gradient in tensor._inputs:
                flow = local_gradient(gradient)
                if flow.shape != source.data.shape:
                    flow = _sum_to(flow, source.data.shape)
                if flow.dtype != source.data.dtype:
                    flow = flow.astype(source.data.dtype)
                if source not in gradients:
                    heappush(waiting, (-source._age, source))
                gradients[source] = gradients[source] + flow if source in gradients else flow

    def __add__(self, other):
        a, b = self, self._constant(other)
        return self._result(a.data + b.data, (a, lambda g: g), (b, lambda g: g))

    def __sub__(self, other):
        a, b = self, self._constant(other)
        return self._result(a.data - b.data, (a, lambda g: g), (b, lambda g: -g))

    def __mul__(self, other):
        a, b = self, self._constant(other)
        return self._result(a.data * b.data, (a, lambda g: g * b.data), (b, lambda g: g * a.data))

    def __truediv__(self, other):
        a, b = self, self._constant(other)
        value = a.data / b.data
        return self._result(value, (a, lambda g: g / b.data), (b, lambda g: -g * value / b.data))

    def __pow__(self, other):
        a, b = self, self._constant(other)
        value = a.data**b.data

        def base_gradient(g):  # x^0 is 1 everywhere, 0^0 included: slope 0
            return g * np.where(b.data == 0, 0, b.data * a.data ** (b.data - (b.data != 0)))

        def exponent_gradient(g):  # 0^y is 0 for every y > 0: slope 0, at y = 0 as well
            with np.errstate(divide="ignore", invalid="ignore"):
                slope = value * np.log(a.data)
            return g * np.where((a.data == 0) & (b.data >= 0), 0, slope)

        return self._result(value, (a, base_gradient), (b, exponent_gradient))

    def __matmul__(self, other):
        a, b = self, self._constant(other)
        value = a.data @ b.data
        left = a.data if a.data.ndim > 1 else a.data[None, :]
        right = b.data if b.data.ndim > 1 else b.data[:, None]

        def as_matrix(g):  # a vector operand has no axis in the result: put one back
            g = g if b.data.ndim > 1 else g[..., None]
            return g if a.data.ndim > 1 else g[..., None, :]

        def left_gradient(g):
            product = _sum_to(as_matrix(g) @ right.swapaxes(-1, -2), left.shape)
            return product.reshape(a.shape)

        def right_gradient(g):
            product = _sum_to(left.swapaxes(-1, -2) @ as_matrix(g), right.shape)
            return product.reshape(b.shape)

        return self._result(value, (a, left_gradient), (b, right_gradient))

    def __neg__(self):
        return self._result(-self.data, (self, lambda g: -g))

    def abs(self):
        return self._result(np.abs(self.data), (self, lambda g: g * np.sign(self.data)))

    def exp(self):
        value = np.exp(self.data)
        return self._result(value, (self, lambda g: g * value))

    def log(self):
        return self._result(np.log(self.data), (self, lambda g: g / self.data))

    def relu(self):
        return self._result(np.maximum(self.data, 0), (self, lambda g: g * (self.data > 0)))

    def tanh(self):
        value = np.tanh(self.data)
        return self._result(value, (self, lambda g: g * (1 - value * value)))

    def sigmoid(self):
        value = sigmoid(self.data)
        return self._result(value, (self, lambda g: g * value * (1 - value)))

    def softplus(self):
        """Return log(1 + e^x), which doesn't overflow."""
        value = np.logaddexp(0, self.data)
        return self._result(value, (self, lambda g: g * sigmoid(self.data)))

    def sum(self, axis=None, keepdims=False):
        value = self.data.sum(axis=axis, keepdims=keepdims)
        return self._result(value, (self, lambda g: self._repeat(g, axis, keepdims)))

    def mean(self, axis=None, keepdims=False):
        total = self.data.sum(axis=axis, keepdims=keepdims)
        n = self.data.size // max(1, total.size)
        return self._result(total / n, (self, lambda g: self._repeat(g / n, axis, keepdims)))

    def _repeat(self, gradient, axis, keepdims):
        """Give every summand the gradient of the sum (repeated without taking memory)."""
        if axis is None:  # broadcast_to, at a tenth of its cost: one element, from step to step 0
            steps = (0,) * self.data.ndim
            return np.ndarray(self.shape, gradient.dtype, gradient, strides=steps)
        if not keepdims and self.shape:
            gradient = np.expand_dims(gradient, axis)
        return np.broadcast_to(gradient, self.shape)

    def reshape(self, *shape):
        return self._result(self.data.reshape(*shape), (self, lambda g: g.reshape(self.shape)))

    @property
    def T(self):
        return self._result(self.data.T, (self, lambda g: g.T))

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other):
        return self._constant(other) - self

    def __rtruediv__(self, other):
        return self._constant(other) / self

    def __rpow__(self, other):
        return self._constant(other) ** self

    def __rmatmul__(self, other):
        return self._constant(other) @ self

    def item(self):
        """Return the only element as a Python number."""
        return self.data.item()

    @property
    def shape(self):
        return self.data.shape

    @property
    def dtype(self):
        return self.data.dtype

    def __repr__(self):
        return f"Tensor({self.data!r}, requires_grad={self.requires_grad})"
