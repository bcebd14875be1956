"""The engine: values and gradients are torch's, and gradients are the slopes of differences.

One checker for each operation, each pair of shapes, and random expressions. Then the walk back.
"""

import doctest
import operator
from functools import partial
from itertools import product

import numpy as np
import pytest
import torch

from manual_grad import engine
from manual_grad.engine import Tensor

RELATIVE = 1e-12  # torch: a short expression in float64, each operation of which rounds by 1e-16
SLOPE = 1e-7  # differences: rounding (1e-16) over the step (1e-6), times a thousand for large terms

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
    "max": lambda x: x.max(),
}


def values(shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape)


def check_torch(function, *arrays):
    """Check value and gradients against torch's. Return the gradient given, and those found."""
    ours = [Tensor(array.copy(), requires_grad=True) for array in arrays]
    theirs = [torch.tensor(array, requires_grad=True) for array in arrays]
    a, b = function(*ours), function(*theirs)
    gradient = np.asarray(values(a.shape))
    a.backward(gradient)
    b.backward(torch.tensor(gradient))
    gradients = [x.grad for x in ours]
    for x, t in zip([a.data, *gradients], [b.detach(), *(t.grad for t in theirs)]):
        t = t.numpy()
        assert (type(x), x.dtype, x.shape) == (np.ndarray, np.float64, t.shape)
        np.testing.assert_allclose(x, t, rtol=0, atol=RELATIVE * abs(t).max(initial=1))
    return gradient, gradients


def check_slope(function, arrays, gradient, gradients):
    """Check the gradients of the arrays, in a random direction, against a central difference."""
    directions = [values(array.shape, seed=9) for array in arrays]
    ends = ([Tensor(x + h * d) for x, d in zip(arrays, directions)] for h in (1e-6, -1e-6))
    right, left = ((gradient * function(*tensors).data).sum() for tensors in ends)
    slope = sum((g * d).sum() for g, d in zip(gradients, directions))
    allowed = SLOPE * max(1, abs(right), *(abs(g).max(initial=0) for g in gradients))
    assert abs((right - left) / 2e-6 - slope) <= allowed


def check(function, *arrays):
    check_slope(function, arrays, *check_torch(function, *arrays))


@pytest.mark.parametrize("factor", [-1, 2, 1.0001])
def test_both_checks_see_a_wrong_gradient(factor, monkeypatch):
    exp, x = UNARY["exp"], values((4, 3))
    gradient, (right,) = check_torch(exp, x)
    with pytest.raises(AssertionError):
        check_slope(exp, [x], gradient, [factor * right])
    monkeypatch.setattr(Tensor, "exp", engine._unary(np.exp, lambda x, y: factor * y))
    with pytest.raises(AssertionError):
        check_torch(exp, x)


def test_each_operation_with_broadcasting():
    for operation in BINARY:
        for a in SHAPES:
            for b in SHAPES:
                check(operation, abs(values(a, 1)) + 0.5, abs(values(b, 2)) + 0.5)
    for operation in UNARY.values():
        for shape in SHAPES:
            check(operation, values(shape))
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
    check(lambda x: (y := (x - x.max()).exp()) / y.sum(1).reshape((4, 1)), values((4, 3)))


def test_tied_maxima_share_the_gradient_evenly_as_in_torch_amax():
    ties = np.array([[2.0, 5.0, 5.0], [5.0, 1.0, 5.0], [0.0, -0.0, 0.0]])
    for axis in (0, 1, (0, 1)):
        check_torch(partial(reduced, name="max", axis=axis), ties)


def test_indexing_gives_each_use_of_an_element_its_gradient():
    mask = values((4, 3)) > 0
    for index in (
        0, -1, (2, 1), slice(1, 3), slice(None, None, 2), (slice(None), 1), (..., None, 0), None,
        [3, 0, 3, 3], (np.array([0, 1, 0]), np.array([2, 2, 2])), (slice(1, 4), [0, 0]), mask,
        mask[:, 0], np.array([[1, 1], [2, 1]]), [],
    ):  # fmt: skip
        check(lambda x, index=index: x[index], values((4, 3)))
    check(lambda x: sum(row * row for row in x), values((4, 3)))


def test_gradients_at_a_kink_and_at_zero_are_torchs():
    for name in ("abs", "relu"):
        check_torch(UNARY[name], np.array([0.0, -0.0, 1.0, -1.0]))
    for exponent in (0, 1, 2, 3, 0.0, 1.5):
        check_torch(lambda x, e=exponent: x**e, np.array([0.0, 2.0]))
    check_torch(operator.pow, np.array([0.0, 2.0, 0.0, 0.0]), np.array([2.0, 3.0, 1.0, 0.0]))
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


def test_200_random_expressions_with_broadcasting():
    steps = [operator.add, operator.sub, operator.mul, lambda a, b: a / (1 + b * b)]
    steps += [lambda a, b: a.mean() + b, lambda a, b: a.reshape(-1)[[0, -1, 0]] * b.max()]
    for name in ("abs", "relu", "tanh", "sigmoid", "softplus"):
        steps.append(lambda a, b, f=UNARY[name]: f(a))
    for seed in range(200):
        rng = np.random.default_rng(seed)
        plan = [rng.integers(0, (len(steps), 4 + k, 4 + k)) for k in range(rng.integers(3, 12))]

        def expression(*tensors, plan=plan):
            pool = list(tensors)
            for step, i, j in plan:
                pool.append(steps[step](pool[i], pool[j]))
            return sum(((tensor * 0.5).sum() for tensor in tensors), pool[-1].sum())

        check(expression, *(values(SHAPES[i], seed + i) for i in rng.integers(0, 5, size=4)))


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
    for x in (Tensor(2.0, requires_grad=True), torch.tensor(2.0, requires_grad=True)):
        square = x * x
        x.data -= 1  # unnoticed by both: the gradient becomes 2, while that of 2^2 is 4
        loss = square * 3
        loss.backward()
        for again in (loss, square, square * x):
            with pytest.raises(RuntimeError, match="backward .*a second time"):
                again.backward()
        assert float(x.grad) == 3 * 2
    freed, leaf = Tensor(1.0, requires_grad=True) * 2, Tensor(1.0, requires_grad=True)
    freed.backward()
    with pytest.raises(RuntimeError, match="run the forward pass again"):
        (freed * leaf).backward()
    assert leaf.grad is None


def test_each_operation_keeps_the_dtype():
    others = [lambda x: x.mean(), lambda x: x[..., None], lambda x: x / 2, lambda x: x * True]
    shapes_and_dtypes = product(((), (1,), (4, 3)), (np.float16, np.float32, np.float64))
    for (shape, dtype), operation in product(shapes_and_dtypes, [*UNARY.values(), *others]):
        x = Tensor(np.ones(shape, dtype), requires_grad=True)
        out = operation(x)
        out.backward(np.ones(out.shape))
        assert {type(out.data), type(x.grad)} == {np.ndarray}
        assert out.dtype == x.grad.dtype == dtype
    x, seen = Tensor(np.ones(2, np.float32), requires_grad=True), []
    engine._result(x.data, (x, lambda g: seen.append(g.dtype) or g)).backward([1, 0.1])
    (x * np.array([1.0, 2.0])).sum().backward()
    assert seen == [x.grad.dtype] == [np.float32]
    x = Tensor(np.array([1, 2, 4]))  # integers become floats only where the result is none
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


def test_what_python_asks_of_a_number_and_of_a_sequence():
    assert Tensor(array := np.array([True, False])).data is array
    x = abs(Tensor([[-1.5]]))
    assert (x.item(), float(x), f"{x:.3f}", x.shape, len(x)) == (1.5, 1.5, "1.500", (1, 1), 1)
    assert repr(x) == f"{x}" == "Tensor(array([[1.5]]), requires_grad=False)"
    assert [float(number) for number in Tensor([3.0, 4.0])] == [3, 4]
    assert len({x, x, Tensor([[1.5]])}) == 2


X = Tensor(np.ones((2, 3)), requires_grad=True)
COMPARISONS = [getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")]
BAD_PRODUCTS = [(X, 2.0), (2.0, X), (Tensor(2.0), np.ones(2)), (np.ones(2), Tensor(2.0))]


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda: np.dot(X, X), TypeError, "its own operations, such as a @ b for np.dot"),
        (lambda: np.exp(X), TypeError, "does not support ufuncs"),
        (lambda: np.array([X, X]), TypeError, "use x.data"),
        (lambda: X[X], TypeError, "use x.data"),
        (lambda: bool(X), TypeError, "neither true nor false"),
        *((lambda f=f: f(X, 1.0), TypeError, r"use a\.data < b\.data") for f in COMPARISONS),
        (lambda: list(Tensor(1.0)), TypeError, "unsized"),
        (lambda: X + None, TypeError, "real numbers, not NoneType of object"),
        (lambda: Tensor([1j]), TypeError, "real numbers, not list of complex128"),
        (lambda: X.backward(), RuntimeError, r"a gradient of the tensor's shape, \(2, 3\)"),
        (lambda: X.backward(np.ones(3)), RuntimeError, r"the tensor's shape, \(2, 3\)"),
        (lambda: Tensor(np.ones(2)).sum().backward(), RuntimeError, "does not require a gradient"),
        (lambda: Tensor([1, 2], requires_grad=True), RuntimeError, "only tensors of floats"),
        *((lambda a=a, b=b: a @ b, ValueError, "matmul") for a, b in BAD_PRODUCTS),
        (lambda: X.item(), ValueError, "size 1"),
        (lambda: X[2], IndexError, "out of bounds"),
        (lambda: setattr(X, "requires_gard", True), AttributeError, "requires_gard"),
    ],
)
def test_what_cannot_be_done_raises(act, error, message):
    with pytest.raises(error, match=message):
        act()
    assert X.grad is None


def test_the_example_in_the_docstring():
    assert doctest.testmod(engine) == (0, 5)
