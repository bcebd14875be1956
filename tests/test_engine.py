"""The engine: values and gradients are torch's, and nothing leaves the graph without a word.

One checker for each operation and each pair of shapes. Then the walk back.
"""

import doctest
import math
import operator
import warnings
from functools import partial
from itertools import product

import numpy as np
import pytest
import torch

from manual_grad import engine
from manual_grad.engine import Tensor

# Of an eps each, relative to the largest number, or 1. A gradient sums up to a dozen elements, and
# each of them takes a few roundings, which lie within half an eps.
ROUNDINGS = 20

SHAPES = [(), (3,), (1, 3), (4, 1), (4, 3)]
BINARY = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
UNARY = {name: operator.methodcaller(name) for name in ("abs", "exp", "relu", "tanh", "sigmoid")}
UNARY |= {
    "neg": operator.neg,
    "log": lambda x: (x * x + 0.1).log(),
    "sqrt": lambda x: (x * x + 0.1).sqrt(),
    "softplus": lambda x: x.softplus() if isinstance(x, Tensor) else torch.nn.Softplus()(x),
    "cube": lambda x: x**3,
    "power of 2": lambda x: 2**x,
    "numbers on the left": lambda x: 3 - 1 / (x + 9),
    "max, mean and parts": lambda x: x.max() - x.mean() / 2 + x[..., None] * True,
}


def values(shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape)


def check(function, *arrays):
    """Check the value and the gradients of the floats among the arrays against torch's."""
    ours = [Tensor(array.copy(), requires_grad=array.dtype.kind == "f") for array in arrays]
    theirs = [torch.tensor(x.data, requires_grad=x.requires_grad) for x in ours]
    a, b = function(*ours), function(*theirs)
    gradient = np.asarray(values(a.shape))
    a.backward(gradient)
    b.backward(torch.tensor(gradient, dtype=b.dtype))
    for x, t in [(a.data, b.detach()), *((x.grad, t.grad) for x, t in zip(ours, theirs))]:
        assert (x is None) == (t is None)  # the gradient of what has no part in the result
        if t is not None:
            t = t.numpy()
            assert (type(x), x.dtype, x.shape) == (np.ndarray, t.dtype, t.shape)
            tolerance = ROUNDINGS * np.finfo(t.dtype).eps * abs(t).max(initial=1)
            assert (abs(x - t) <= tolerance).all(), f"{x} is not {t}"


def test_each_operation_with_broadcasting():
    for dtype, (a, b) in product(("float32", "float64"), product(SHAPES, SHAPES)):
        x, y = ((abs(values(*case)) + 0.5).astype(dtype) for case in ((a, 1), (b, 2)))
        for operation in BINARY:
            check(operation, x, y)
            check(operation, x, np.ones(b, "int8"))
        check(operator.mul, np.ones(a, bool), y)
    for dtype, shape in product(("float32", "float64"), SHAPES):
        for operation in UNARY.values():
            check(operation, values(shape).astype(dtype))
    for a, b in [
        ((4, 3), (3, 2)), ((3,), (3,)), ((4, 3), (3,)), ((4,), (4, 3)), ((5, 4, 3), (3, 2)),
        ((1, 4, 3), (5, 3, 2)), ((5, 4, 3), (3,)), ((3,), (5, 3, 2)),
    ]:  # fmt: skip
        check(operator.matmul, values(a, 1), values(b, 2))


def reduced(x, name, **words):
    """Return x.sum, x.mean or x.max. torch calls a maximum whose ties share the gradient amax."""
    return getattr(x, name if isinstance(x, Tensor) else name.replace("max", "amax"))(**words)


def test_reductions_reshape_and_transpose():
    for name in ("sum", "mean", "max"):
        for keep in (False, True):
            for axis in (0, 1, -1, (0, 1)):
                check(partial(reduced, name=name, axis=axis, keepdims=keep), values((4, 3)))
            check(partial(reduced, name=name, axis=-1, keepdims=keep), values(()))
        for shape in SHAPES:
            check(partial(reduced, name=name), values(shape))
    check(partial(reduced, name="mean", axis=1), np.ones((0, 3)))
    check(lambda x: x.reshape(3, 4) * x.T, values((4, 3)))
    check(lambda x: x.reshape((2, 6)), values((4, 3)))
    ties = np.array([[2.0, 5.0, 5.0], [5.0, 1.0, 5.0], [0.0, -0.0, 0.0]])
    for axis in (0, 1, (0, 1)):
        check(partial(reduced, name="max", axis=axis), ties)


def test_indexing_gives_each_use_of_an_element_its_gradient():
    mask = values((4, 3)) > 0
    for index in (-1, (2, 1), slice(None, None, 2), (..., None, 0), [3, 0, 3, 3], [], mask):
        check(lambda x, index=index: x[index], values((4, 3)))
    check(lambda x: sum(row * row for row in x), values((4, 3)))


def test_gradients_at_a_kink_and_at_zero_are_torchs():
    for name in ("abs", "relu"):
        check(UNARY[name], np.array([0.0, -0.0, 1.0, -1.0]))
    for exponent in (0, 1, 2, 3, 0.0, 1.5):
        check(lambda x, e=exponent: x**e, np.array([0.0, 2.0]))
    check(operator.pow, np.array([0.0, 2.0, 0.0, 0.0]), np.array([2.0, 3.0, 1.0, 0.0]))
    a, b = Tensor([0.0], requires_grad=True), Tensor([-1.0], requires_grad=True)
    with np.errstate(divide="ignore"):
        (a**b).backward()
    assert b.grad == -np.inf


def test_sigmoid_and_softplus_are_exact_and_never_overflow():
    z = np.array([-np.inf, -1e4, -700, -40, -1, 0, 1, 40, 700, 1e4, np.inf])
    x, sigmoid = Tensor(z, requires_grad=True), torch.tensor(z).sigmoid()
    softplus = x.softplus()
    softplus.backward(np.ones(len(z)))
    np.testing.assert_allclose((x.sigmoid().data, x.grad), (sigmoid, sigmoid), rtol=2e-15)
    np.testing.assert_allclose(softplus.data, np.logaddexp(0, z), rtol=2e-15)


def test_backward_visits_each_edge_once_without_recursion():
    """5,000 times there is a short way and one past a twin: 2^5000 ways, on 15,000 edges."""
    x = out = Tensor(1.0, requires_grad=True)
    visits = []

    def half(g):
        visits.append(g)
        assert len(visits) <= 15_000
        return g / 2

    for _ in range(5_000):
        twin = engine._result(out.data, (out, lambda g: 2 * half(g)))
        out = engine._result(out.data, (out, half), (twin, half))
    out.backward()
    assert (x.grad, len(visits)) == (1, 15_000)


def test_only_leaves_keep_a_gradient_which_accumulates():
    x, between = Tensor([2.0, 3.0], requires_grad=True), None
    for times in (1, 2, 3):
        between = x * x + x + x
        between.sum().backward()
        np.testing.assert_array_equal(x.grad, times * np.array([6.0, 8.0]))
    assert between.grad is None
    constant = Tensor(np.ones(2)) * 2 + 1  # nothing is remembered where no gradient is needed
    assert (constant.requires_grad, list(constant._inputs), constant.grad) == (False, [], None)
    assert [source for source, _ in (x * constant)._inputs] == [x]
    a, b = (Tensor(np.ones(2), requires_grad=True) for _ in range(2))
    seed = np.ones(2)
    (a + b).backward(seed)
    a.grad *= 7
    np.testing.assert_array_equal((b.grad, seed), 1)


def test_a_second_backward_through_a_graph_raises_as_in_torch():
    """A loss computed once, before the loop, would give the first gradient in every epoch."""
    x, leaf = Tensor(2.0, requires_grad=True), Tensor(1.0, requires_grad=True)
    square = x * x
    x.data -= 1  # unnoticed, as in torch: the gradient of the loss becomes 6, not 12
    loss = square * 3
    loss.backward()
    for again in (loss, square, square * leaf):
        with pytest.raises(RuntimeError, match="run the forward pass again"):
            again.backward()
    assert (x.grad, leaf.grad) == (6, None)


def test_a_gradient_has_the_dtype_of_its_tensor_and_integers_become_floats_where_they_must():
    x, seen = Tensor(np.ones(2, np.float32), requires_grad=True), []
    engine._result(x.data, (x, lambda g: seen.append(g.dtype) or g)).backward([1, 0.1])
    (x * np.array([1.0, 2.0])).sum().backward()
    assert seen == [x.grad.dtype] == [np.float32]
    x = Tensor(np.array([1, 2, 4]))
    assert {out.dtype for out in (x.exp(), x.mean(), x / 2, x * 0.5)} == {np.dtype(np.float64)}
    assert {out.dtype for out in (x * 2, -x, x.relu(), x.sum(), x.max(), x**2)} == {x.dtype}


def test_numbers_and_arrays_stand_on_either_side():
    x, tensor = Tensor(np.array([1.0, 2.0]), requires_grad=True), Tensor([1.0, 4.0])
    for other in (2.0, 3, np.float32(2), np.int64(2), np.array([1.0, 2.0]), [1.0, 2.0], tensor):
        data = other.data if other is tensor else other
        for operation in BINARY:
            for a, b in ((x, other), (other, x)):
                expected = operation(*(x.data if v is x else data for v in (a, b)))
                np.testing.assert_array_equal(operation(a, b).data, expected)
    np.testing.assert_array_equal((np.ones((1, 2)) @ x).data, [3.0])


def test_a_tensor_is_a_number_or_a_sequence_as_its_array_is_and_hashed_as_itself():
    assert Tensor(array := np.array([True, False])).data is array
    x = abs(Tensor([[-1.5]]))
    assert (x.item(), float(x), f"{x:.3f}", x.shape, len(x)) == (1.5, 1.5, "1.500", (1, 1), 1)
    assert repr(x) == f"{x}" == "Tensor(array([[1.5]]), requires_grad=False)"
    assert [float(number) for number in Tensor([3, 4])] == [3, 4]
    assert len({x, x, Tensor([[1.5]])}) == 2


def test_a_python_number_warns_that_it_has_no_gradient_unless_item_asks_for_it():
    x, array = Tensor(2.0, requires_grad=True), np.zeros(2)
    for number in (float, math.exp, partial(array.__setitem__, 0), array[1:].fill):
        with pytest.warns(UserWarning, match=r"x\.exp\(\) .* x\.item\(\)") as caught:
            number(x)
        assert [warning.filename for warning in caught] == [__file__]
    with warnings.catch_warnings(action="error"):
        assert (x.item(), float(Tensor(2.0)), *array, f"{x:.1f}") == (2, 2, 2, 2, "2.0")


def test_a_leaf_gets_new_data_and_may_require_a_gradient_later():
    scalar = Tensor(1.0)
    scalar.data = scalar.data / 4  # a NumPy number
    assert type(scalar.data) is np.ndarray
    scalar.requires_grad = True
    (scalar * scalar).backward()
    assert scalar.grad == 0.5


X = Tensor(np.ones((2, 3)), requires_grad=True)
NUMPYS = [lambda: np.dot(X, X), lambda: np.minimum(X, 1.0), lambda: np.array([X, X])]
COMPARISONS = [getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")]


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        *((f, TypeError, "NumPy would lose a Tensor's gradient: use the") for f in NUMPYS),
        *((lambda f=f: f(X, 1.0), TypeError, r"use a\.data < b\.data") for f in COMPARISONS),
        (lambda: bool(X), TypeError, "neither true nor false"),
        (lambda: list(Tensor(1.0)), TypeError, "unsized"),
        (lambda: X + None, TypeError, "float32 or float64, not NoneType of object"),
        (lambda: X * np.float16(1), TypeError, "not float16 of float16"),
        (lambda: np.ma.masked_array([1.0]) * X, TypeError, "not MaskedArray of float64"),
        (lambda: Tensor(np.ones((1, 1)).view(np.matrix)), TypeError, "not matrix of float64"),
        (lambda: X.backward(), RuntimeError, r"a gradient of the tensor's shape, \(2, 3\)"),
        (lambda: X.backward(np.ones(3)), RuntimeError, r"the tensor's shape, \(2, 3\)"),
        (lambda: Tensor(np.ones(2)).sum().backward(), RuntimeError, "does not require a gradient"),
        (lambda: Tensor([1, 2], requires_grad=True), RuntimeError, "only tensors of floats"),
        (lambda: setattr(Tensor(1), "requires_grad", True), RuntimeError, "only tensors of floats"),
        (lambda: setattr(X, "data", np.ones(2)), RuntimeError, r"data must .* not shape \(2,\)"),
        (lambda: setattr(X, "data", X.data.astype("f4")), RuntimeError, r"\(2, 3\) of float32"),
        (lambda: X @ 2.0, ValueError, "matmul"),
        (lambda: np.ones(2) @ Tensor(2.0), ValueError, "matmul"),
        (lambda: setattr(X, "requires_gard", True), AttributeError, "requires_gard"),
    ],
)
def test_what_cannot_be_done_raises(act, error, message):
    with pytest.raises(error, match=message):
        act()
    assert X.grad is None


def test_the_example_in_the_docstring():
    assert doctest.testmod(engine) == (0, 5)
