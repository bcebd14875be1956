"""Reverse-mode automatic differentiation from scratch, over NumPy arrays.

An operation on Tensors computes its value at once. For each input it keeps a function that turns
the gradient of the output into that of the input; autograd libraries call it `vjp`, because it is a
vector-Jacobian product. `backward` walks from the loss back to the leaves, the tensors that the
caller made, and calls these functions: the chain rule. Where a tensor was used more than once, its
gradients add up.

    >>> weight = Tensor(0.5, requires_grad=True)
    >>> X, y = np.array([1.0, 2.0]), np.array([2.0, 4.0])
    >>> loss = ((weight * X - y) ** 2).mean()
    >>> loss.backward()
    >>> weight.grad  # by hand: 2/n sum_i (weight * x_i - y_i) x_i = -1.5 * 1 - 3.0 * 2
    array(-7.5)

As in torch, only leaves keep a `grad`, which accumulates until you reset it to None. |x| and
relu(x) have gradient 0 at 0, and elements that tie for the maximum share its gradient evenly, as in
torch.amax. As in NumPy, shapes broadcast, Tensor(data) shares its array, and dtypes of arrays
promote; a Python number takes the tensor's dtype, so that float32 stays float32.

Each backward needs a forward pass of its own, because it frees the graph. Change `x.data` after it
and not between the two: that goes unnoticed, here as in torch, and makes the gradient wrong.
"""

from heapq import heappop, heappush
from itertools import count
from warnings import warn

import numpy as np

INSTEAD = (
    "use the Tensor's own operations, such as a @ b, x.exp() or x.sum(), "
    "or where no gradient is wanted x.data or x.item()"
)


def _result(value, *inputs):
    """Return an operation's output, which keeps its `inputs`: pairs of a Tensor and its vjp."""
    output = Tensor.__new__(Tensor)  # without __init__: what an operation made needs no check
    output._data, output.grad, output._age = np.asarray(value), None, next(Tensor._ages)
    output._inputs = [pair for pair in inputs if pair[0]._requires_grad]  # backward sees no other
    output._requires_grad = bool(output._inputs)
    return output


def _unary(f, derivative):
    """Return the operation y = f(x), whose derivative is given in terms of x and y."""

    def operation(self):
        x = self._data
        # Before NumPy 2, a float32 of shape () would become a float64.
        y = np.asarray(f(x), x.dtype if x.dtype.kind == "f" else None)
        return _result(y, (self, lambda g: g * derivative(x, y)))

    return operation


def _reflected(operation):
    """Return the operation for a Tensor on the right: `2 - x` calls x.__rsub__(2)."""
    return lambda self, other: operation(self._operand(other), self)


def _sum_to(gradient, shape):
    """Undo broadcasting: sum over the axes, from the right, along which `shape` was repeated."""
    if gradient.shape == shape:
        return gradient
    if shape == ():
        return gradient.sum()
    repeated = tuple(i for i in range(-gradient.ndim, 0) if -i > len(shape) or shape[i] == 1)
    return gradient.sum(axis=repeated).reshape(shape)


def _refuse(message):
    """Return a method that raises TypeError: else Python or NumPy would make up a result."""

    def method(self, *args, **kwargs):
        raise TypeError(message)

    return method


class Tensor:
    """A NumPy array that can be differentiated.

    `data` and `grad` are arrays of one shape and dtype; `grad` is None before the first backward.
    Raises TypeError for anything but a plain array of real numbers, and for float16, in which NumPy
    adds up so coarsely that the columns of np.ones((3000, 2)) sum to 2,048. Raises RuntimeError
    where a tensor that holds no floats is to require a gradient, and where new `data` differs from
    the old in shape or dtype.

    NumPy's functions, comparisons and truth values raise TypeError, because they would leave the
    graph. Where a tensor that requires a gradient becomes a Python number, as in float(x), in
    math.exp(x) and on assignment to an element of an array, a UserWarning says so.
    """

    __slots__ = ("_age", "_data", "_inputs", "_requires_grad", "grad")
    _ages = count()

    def __init__(self, data, requires_grad=False):
        self._data = np.asarray(data)
        plain = not isinstance(data, (np.ma.MaskedArray, np.matrix))
        if not plain or self.dtype.kind not in "biu" and self.dtype not in (np.float32, np.float64):
            wanted = "a plain array of bools, integers, float32 or float64"
            raise TypeError(f"Tensor needs {wanted}, not {type(data).__name__} of {self.dtype}")
        self.grad = None
        self._inputs = []
        self.requires_grad = requires_grad
        self._age = next(Tensor._ages)

    @property
    def data(self):  # checks what is set; operations read _data, which costs no call
        return self._data

    @data.setter
    def data(self, value):
        if value is self._data:  # as after x.data -= ...
            return
        new = np.asarray(value)
        if (new.shape, new.dtype) != (self.shape, self.dtype):
            must, found = (f"shape {array.shape} of {array.dtype}" for array in (self, new))
            raise RuntimeError(f"data must keep its {must}, not {found}")
        self._data = new

    @property
    def requires_grad(self):
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value):
        if value and self.dtype.kind != "f":
            raise RuntimeError(f"only tensors of floats can require gradients, not {self.dtype}")
        self._requires_grad = value

    def backward(self, gradient=None):
        """Add d(self)/d(leaf), times `gradient`, to the `grad` of each leaf that requires one.

        `gradient` has the shape of this tensor, and is 1 where it is left out for a single element.
        Raises RuntimeError if no gradient is required, for a gradient that doesn't fit, or where an
        earlier backward has freed the graph (torch raises only if it needs what it freed).
        """
        if not self.requires_grad:
            raise RuntimeError("this tensor does not require a gradient: none of its inputs does")
        if gradient is None and self._data.size == 1:
            gradient = np.array(1.0).reshape(self.shape)
        if np.shape(gradient) != self.shape:
            raise RuntimeError(f"backward needs a gradient of the tensor's shape, {self.shape}")

        gradients, waiting = {self: np.asarray(gradient, self.dtype)}, [(-self._age, self)]
        leaves = []
        while waiting:
            # The youngest waiting tensor has its complete gradient, because whatever was made from
            # it is younger still, and has been processed.
            _, tensor = heappop(waiting)
            gradient = gradients.pop(tensor)
            if tensor._inputs is None:
                raise RuntimeError("backward a second time: run the forward pass again before it")
            for source, vjp in tensor._inputs:
                share = _sum_to(vjp(gradient), source._data.shape)
                if source in gradients:
                    gradients[source] = gradients[source] + share
                else:
                    gradients[source] = share
                    heappush(waiting, (-source._age, source))
            if tensor._inputs:
                tensor._inputs = None  # frees the graph
            else:
                leaves.append((tensor, gradient))
        for leaf, gradient in leaves:
            total = gradient if leaf.grad is None else leaf.grad + gradient
            leaf.grad = np.array(total, leaf.data.dtype)

    def _operand(self, other):
        """Return the other operand as a Tensor, where a Python number takes our floats' dtype."""
        if isinstance(other, Tensor):
            return other
        number = type(other) in (bool, int, float) and self.dtype.kind == "f"
        return Tensor(np.asarray(other, self.dtype) if number else other)

    def __add__(self, other):
        a, b = self, self._operand(other)
        return _result(a._data + b._data, (a, lambda g: g), (b, lambda g: g))

    def __sub__(self, other):
        a, b = self, self._operand(other)
        return _result(a._data - b._data, (a, lambda g: g), (b, lambda g: -g))

    def __mul__(self, other):
        a, b = self, self._operand(other)
        return _result(a._data * b._data, (a, lambda g: g * b._data), (b, lambda g: g * a._data))

    def __truediv__(self, other):
        a, b = self, self._operand(other)
        y = a._data / b._data
        return _result(y, (a, lambda g: g / b._data), (b, lambda g: -g * y / b._data))

    def __pow__(self, other):
        a, b = self, self._operand(other)
        x, n, y = a._data, b._data, a._data**b._data

        def vjp_n(g):  # 0^n is 0 for every n > 0: slope 0, at n = 0 as well
            with np.errstate(divide="ignore", invalid="ignore"):
                return g * np.where((x == 0) & (n >= 0), 0, y * np.log(x))

        # n x^(n-1); but x^0 is 1 for every x, so that its slope is 0 (and 0^-1 is never computed).
        return _result(y, (a, lambda g: g * n * x ** (n - n.astype(bool))), (b, vjp_n))

    def __matmul__(self, other):
        a, b = self, self._operand(other)
        if b._data.ndim == 1:  # a vector on the right is a column
            return (a @ b.reshape(-1, 1)).reshape(a.shape[:-1])
        if a._data.ndim == 1:  # a vector on the left is a row
            return (a.reshape(1, -1) @ b).reshape(b.shape[:-2] + b.shape[-1:])
        y, a_T, b_T = a._data @ b._data, a._data.swapaxes(-1, -2), b._data.swapaxes(-1, -2)
        return _result(y, (a, lambda g: g @ b_T), (b, lambda g: a_T @ g))

    __radd__, __rsub__, __rmul__, __rtruediv__, __rpow__, __rmatmul__ = map(
        _reflected, (__add__, __sub__, __mul__, __truediv__, __pow__, __matmul__)
    )

    # fmt: off
    # The calculus table: y = f(x), and dy/dx in terms of x and y. sigmoid = 1 - e^-softplus.
    __neg__ =  _unary(np.negative,                                 lambda x, y: -1)
    abs =      _unary(np.abs,                                      lambda x, y: np.sign(x))
    exp =      _unary(np.exp,                                      lambda x, y: y)
    log =      _unary(np.log,                                      lambda x, y: 1 / x)
    sqrt =     _unary(np.sqrt,                                     lambda x, y: 1 / (2 * y))
    relu =     _unary(lambda x: np.maximum(x, 0),                  lambda x, y: x > 0)
    tanh =     _unary(np.tanh,                                     lambda x, y: 1 - y * y)
    sigmoid =  _unary(lambda x: -np.expm1(-np.logaddexp(0, x)),    lambda x, y: y * (1 - y))
    softplus = _unary(lambda x: np.logaddexp(0, x),                lambda x, y: -np.expm1(-y))
    # fmt: on
    __abs__ = abs

    def sum(self, axis=None, keepdims=False):
        y = self._data.sum(axis=axis, keepdims=True)
        value = y if keepdims else y.squeeze(axis)
        return _result(value, (self, lambda g: np.full(self.shape, g.reshape(y.shape))))

    def mean(self, axis=None, keepdims=False):
        y = self._data.sum(axis=axis, keepdims=True)
        n = y.dtype.type(self._data.size // max(1, y.size))
        value = (y if keepdims else y.squeeze(axis)) / n
        return _result(value, (self, lambda g: np.full(self.shape, g.reshape(y.shape) / n)))

    def max(self, axis=None, keepdims=False):
        y = self._data.max(axis=axis, keepdims=True)
        value = y if keepdims else y.squeeze(axis)

        def vjp(g):
            largest = (self._data == y).astype(g.dtype)
            return g.reshape(y.shape) * largest / largest.sum(axis=axis, keepdims=True)

        return _result(value, (self, vjp))

    def __getitem__(self, index):
        def vjp(g):
            gradient = np.zeros(self.shape, g.dtype)
            np.add.at(gradient, index, g)  # not +=: an element that was taken twice gets both
            return gradient

        return _result(self._data[index], (self, vjp))

    def reshape(self, *shape):
        return _result(self._data.reshape(*shape), (self, lambda g: g.reshape(self.shape)))

    T = property(lambda self: _result(self._data.T, (self, lambda g: g.T)))
    shape = property(lambda self: self._data.shape)
    dtype = property(lambda self: self._data.dtype)

    def item(self):
        """Return the only element as a Python number."""
        return self._data.item()

    def __float__(self):
        if self.requires_grad:
            warn(f"a Python number has no gradient: {INSTEAD}", stacklevel=2)
        return float(self.item())

    def __len__(self):
        return len(self._data)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __repr__(self):
        return f"Tensor({self._data!r}, requires_grad={self.requires_grad})"

    def __format__(self, spec):
        return format(self.item(), spec) if spec else repr(self)

    __array_priority__ = 1000  # array * tensor: NumPy leaves it to Tensor.__rmul__, as torch's
    __array__ = __array_function__ = _refuse(f"NumPy would lose a Tensor's gradient: {INSTEAD}")
    __bool__ = _refuse("a Tensor is neither true nor false: use x.data or x.item()")
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse(
        "Tensors can't be compared: use a.data < b.data, or `is` for the same Tensor"
    )
    __hash__ = object.__hash__  # a Tensor is a key of `gradients` as itself, not by its values
