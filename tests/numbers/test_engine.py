"""The autograd engine: each operation, random expressions, and its manners, against torch."""

import ast
import doctest
import math
import operator
from pathlib import Path

import numpy as np
import pytest
import torch
from problems import mutant
from tolerances import ENGINE_CHAIN, ENGINE_FLOAT64, ENGINE_SIGMOID

from manual_grad import engine
from manual_grad.engine import Tensor

SOURCE = Path(engine.__file__).read_text(encoding="utf-8")

SHAPES = {"scalar": (), "vector": (3,), "row": (1, 3), "column": (4, 1), "matrix": (4, 3)}
BINARY = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "truediv": operator.truediv,
    "pow": operator.pow,
}
UNARY = {
    "neg": operator.neg,
    "abs": lambda x: x.abs(),
    "exp": lambda x: x.exp(),
    "log": lambda x: (x * x + 0.1).log(),
    "relu": lambda x: x.relu(),
    "tanh": lambda x: x.tanh(),
    "sigmoid": lambda x: x.sigmoid(),
    "softplus": lambda x: x.softplus() if isinstance(x, Tensor) else torch.nn.Softplus()(x),
    "square": lambda x: x**2,
    "cube": lambda x: x**3,
    "to_the_power_0": lambda x: x**0,
    "power_of_2": lambda x: 2**x,
    "reciprocal": lambda x: 1 / (x + 9),
    "number_minus": lambda x: 3 - x,
}


def both(*arrays):
    """Return the arrays as our tensors and as torch's, both of which require gradients."""
    ours = [Tensor(array.copy(), requires_grad=True) for array in arrays]
    theirs = [torch.tensor(array, requires_grad=True) for array in arrays]
    return ours, theirs


def check_same(function, *arrays):
    """Check value and gradients of function(*tensors) against torch's, from a random gradient."""
    ours, theirs = both(*arrays)
    a, b = function(*ours), function(*theirs)
    seed = np.random.default_rng(0).normal(size=a.shape)
    a.backward(seed)
    b.backward(torch.tensor(seed))
    pairs = [(a.data, b.detach()), *((x.grad, t.grad) for x, t in zip(ours, theirs))]
    for x, t in pairs:
        assert isinstance(x, np.ndarray)
        assert x.dtype == np.float64
        assert x.shape == tuple(t.shape)
        t = t.numpy()
        assert np.abs(x - t).max() <= ENGINE_FLOAT64 * max(1, np.abs(t).max())


def values(shape, seed=0, positive=False):
    array = np.random.default_rng([seed, *shape]).normal(size=shape)
    return np.abs(array) + 0.5 if positive else array


@pytest.mark.parametrize("b", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("a", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("name", BINARY)
def test_binary_operations_with_broadcasting(name, a, b):
    positive = name in ("truediv", "pow")
    check_same(BINARY[name], values(a, 1, positive), values(b, 2, positive))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("name", UNARY)
def test_unary_operations(name, shape):
    check_same(UNARY[name], values(shape))


@pytest.mark.parametrize(
    ("a", "b"),
    [((4, 3), (3, 2)), ((3,), (3,)), ((4, 3), (3,)), ((4,), (4, 3)), ((5, 4, 3), (3, 2)),
     ((5, 4, 3), (5, 3, 2)), ((1, 4, 3), (5, 3, 2)), ((5, 4, 3), (3,)), ((3,), (5, 3, 2))],
    ids=str,
)  # fmt: skip
def test_matrix_products(a, b):
    check_same(operator.matmul, values(a, 1), values(b, 2))


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1)])
@pytest.mark.parametrize("name", ["sum", "mean"])
def test_reductions(name, axis, keepdims):
    def reduce(x):
        if isinstance(x, Tensor):
            return getattr(x, name)(axis=axis, keepdims=keepdims)
        return getattr(x, name)(dim=axis, keepdim=keepdims)

    check_same(reduce, values((4, 3)))


def test_reshape_and_transpose():
    check_same(lambda x: x.reshape(3, 4) * x.T, values((4, 3)))
    check_same(lambda x: x.reshape(12), values((4, 3)))
    check_same(lambda x: x.reshape((2, -1)), values((4, 3)))


def random_expression(rng, leaves):
    """Return a function that builds a random expression from tensors, ours or torch's."""
    unary = ["neg", "abs", "relu", "tanh", "sigmoid", "softplus"]
    binary = ["add", "sub", "mul", "matmul", "quotient", "mean"]
    plan = [
        (rng.choice(unary + binary + binary), *rng.integers(0, leaves + k, size=2))
        for k in range(int(rng.integers(3, 12)))
    ]

    def build(*tensors):
        pool = list(tensors)
        for name, i, j in plan:
            a, b = pool[i], pool[j]
            if name in UNARY:
                pool.append(UNARY[name](a))
            elif name == "matmul" and len(a.shape) == len(b.shape) == 2:
                pool.append((a.T @ a) @ (b.T @ a).T if a.shape[0] == b.shape[0] else a @ a.T)
            elif name == "quotient":
                pool.append(a / (1 + b * b))
            elif name == "mean":
                pool.append(a.mean() + b)
            else:
                pool.append(BINARY.get(name, operator.mul)(a, b))
            try:
                pool[-1] + tensors[-1]
            except (ValueError, RuntimeError):  # a product whose shape fits no other
                pool[-1] = pool[-1].sum()
        total = pool[-1].sum()
        for tensor in tensors:
            total = total + (tensor * 0.5).sum()
        return total

    return build


def test_500_random_expressions_with_broadcasting():
    shapes = list(SHAPES.values())
    for seed in range(500):
        rng = np.random.default_rng(seed)
        chosen = [shapes[i] for i in rng.integers(0, len(shapes), size=3)] + [(4, 3)]
        arrays = [rng.normal(size=shape) for shape in chosen]
        check_same(random_expression(rng, len(arrays)), *arrays)


@pytest.mark.parametrize("point", [0.0, -0.0])
def test_gradients_at_a_kink_are_torchs(point):
    for name in ("abs", "relu"):
        check_same(UNARY[name], np.array([point, 1.0, -1.0]))
    for exponent in (0, 1, 2, 3, 0.0, 1.5):
        check_same(lambda x, e=exponent: x**e, np.array([abs(point), 2.0]))
    check_same(operator.pow, np.array([0.0, 2.0, 0.0]), np.array([2.0, 3.0, 1.0]))


@pytest.mark.parametrize("axis", [None, 0, -1])
@pytest.mark.parametrize("name", ["sum", "mean"])
def test_a_scalar_can_be_reduced_along_an_axis_as_in_torch(name, axis):
    def reduce(x):
        return getattr(x, name)(**{"axis" if isinstance(x, Tensor) else "dim": axis})

    check_same(reduce, np.array(3.0))


def test_the_exponents_gradient_where_the_base_is_zero():
    zero, exponents = np.array([0.0, 0.0, 0.0]), np.array([-1.0, 0.0, 2.0])
    (a, b), (c, d) = both(zero, exponents)
    with np.errstate(divide="ignore"):
        (a**b).sum().backward()
    (c**d).sum().backward()
    np.testing.assert_array_equal(b.grad, d.grad.numpy())


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_multi_layer_perceptron_trains_as_in_torch(activation):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(20, 3))
    y = (X[:, :1] * X[:, 1:2] > 0).astype(float)
    layers = rng.normal(size=(3, 8)), np.zeros(8), rng.normal(size=(8, 1)), np.zeros(1)
    ours, theirs = both(*layers)

    def logits(X, w1, b1, w2, b2):
        return getattr(X @ w1 + b1, activation)() @ w2 + b2

    for _ in range(50):
        z = logits(Tensor(X), *ours)
        loss = (z.softplus() - y * z).mean()
        loss.backward()
        z = logits(torch.tensor(X), *theirs)
        expected = torch.nn.BCEWithLogitsLoss()(z, torch.tensor(y))
        expected.backward()
        assert loss.item() == pytest.approx(expected.item(), rel=ENGINE_FLOAT64)
        for a, b in zip(ours, theirs):
            np.testing.assert_allclose(a.grad, b.grad.numpy(), rtol=0, atol=ENGINE_FLOAT64)
            a.data -= 0.5 * a.grad
            with torch.no_grad():
                b -= 0.5 * b.grad
            a.grad = b.grad = None
    assert loss.item() < 0.5


def test_a_chain_of_10_000_operations():
    x = Tensor(np.array(1.0), requires_grad=True)
    out = x
    for _ in range(5_000):
        out = out * 1.0001 + 0.0
    out.backward()
    assert x.grad == pytest.approx(1.0001**5_000, rel=ENGINE_CHAIN)


def check_each_edge_is_visited_once(Tensor):
    """Double a number 30 times: 2^30 paths from the end to x, on 90 edges."""
    x = out = Tensor(1.0, requires_grad=True)
    visits = []

    def counted(vjp):
        def count_and_call(g):
            visits.append(vjp)
            assert len(visits) <= 90
            return vjp(g)

        return count_and_call

    for _ in range(30):
        twin = out * 1
        out = out + twin  # one path through the younger twin, one past it
        for tensor in (twin, out):
            tensor._inputs = [(source, counted(vjp)) for source, vjp in tensor._inputs]
    out.backward()
    assert x.grad == 2.0**30
    assert len(visits) == 90


def test_backward_visits_each_edge_once():
    check_each_edge_is_visited_once(Tensor)


def test_oldest_first_would_visit_edges_again(monkeypatch):
    oldest_first = SOURCE.replace("-self._age", "self._age").replace("-source._age", "source._age")
    assert oldest_first != SOURCE
    with pytest.raises(AssertionError):
        check_each_edge_is_visited_once(
            mutant("manual_grad", "engine", oldest_first, monkeypatch).Tensor
        )


def test_a_tensor_used_twice_accumulates_once_for_each_use():
    x = Tensor(np.array([2.0, 3.0]), requires_grad=True)
    (x * x + x + x).sum().backward()
    np.testing.assert_array_equal(x.grad, [6.0, 8.0])


def test_gradients_accumulate_until_they_are_reset():
    x = Tensor(np.array(2.0), requires_grad=True)
    assert x.grad is None
    for times in (1, 2, 3):
        (x * 5).backward()
        assert x.grad == 5 * times
    x.grad = None
    (x * 5).backward()
    assert x.grad == 5


def test_only_leaves_keep_a_gradient():
    x = Tensor(np.ones(2), requires_grad=True)
    between = x * 2
    loss = between.sum()
    loss.backward()
    np.testing.assert_array_equal(x.grad, [2, 2])
    assert between.grad is None
    assert loss.grad is None


def test_two_leaves_never_share_a_gradient():
    a, b = (Tensor(np.ones(2), requires_grad=True) for _ in range(2))
    seed = np.ones(2)
    (a + b).backward(seed)
    a.grad *= 7
    np.testing.assert_array_equal(b.grad, [1, 1])
    np.testing.assert_array_equal(seed, [1, 1])


def test_nothing_is_remembered_for_branches_that_need_no_gradient():
    x = Tensor(np.ones(3), requires_grad=True)
    constant = Tensor(np.ones(3))
    for _ in range(10):
        constant = constant * 2 + 1
    assert not constant.requires_grad
    assert not constant._inputs
    out = (x * constant).sum()
    calls = []
    product, gradient = out._inputs[0]
    out._inputs = [(product, lambda g: calls.append(1) or gradient(g))]
    assert [source for source, _ in product._inputs] == [x]
    out.backward()
    assert calls == [1]
    assert constant.grad is None


def test_a_change_in_place_goes_unnoticed_where_torch_raises():
    (x,), (t,) = both(np.array([2.0]))
    ours, theirs = x * x, t * t
    x.data -= 1
    with torch.no_grad():
        t -= 1
    ours.backward()
    assert x.grad == 2  # where the product was computed, at 2, the gradient is 4
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        theirs.backward()


def test_a_tensor_shares_its_array_of_any_real_numbers():
    for array in (np.ones(2), np.ones(2, int), np.ones(2, np.uint8), np.array([True, False])):
        assert Tensor(array).data is array


def test_a_misspelt_attribute_is_refused():
    with pytest.raises(AttributeError):
        Tensor(1.0).requires_gard = True


def test_a_gradient_that_is_given_takes_the_dtype_of_the_tensor():
    out = Tensor(np.ones(2, np.float32), requires_grad=True) * 2
    ((source, vjp),) = out._inputs
    seen = []
    out._inputs = [(source, lambda g: seen.append(g.dtype) or vjp(g))]
    out.backward([1, 0.1])
    assert seen == [np.float32]


@pytest.mark.parametrize(("shape", "axis"), [((0, 3), 1), ((0, 3), -1), ((2, 0, 3), (0, 2))])
def test_a_mean_of_nothing_has_no_elements(shape, axis):
    x = Tensor(np.ones(shape), requires_grad=True)
    out = x.mean(axis=axis)
    out.backward(np.ones(0))
    assert out.shape == (0,)
    assert x.grad.shape == shape


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (1,), (4, 3)], ids=str)
@pytest.mark.parametrize("name", [*UNARY, "sum", "mean", "half", "times_true"])
def test_each_operation_keeps_the_dtype(name, shape, dtype):
    others = {
        "sum": lambda x: x.sum(),
        "mean": lambda x: x.mean(),
        "half": lambda x: x / 2,
        "times_true": lambda x: x * True,
    }
    x = Tensor(np.ones(shape, dtype), requires_grad=True)
    out = (UNARY | others)[name](x)
    out.backward(np.ones(out.shape))
    for array in (out.data, x.grad):
        assert isinstance(array, np.ndarray)
        assert array.dtype == dtype


def test_integers_become_floats_only_where_the_result_is_none():
    x = Tensor(np.array([1, 2, 4]))
    for out in (x.exp(), x.mean(), x / 2, x * 0.5, x.sigmoid()):
        assert out.dtype == np.float64
    for out in (x * 2, -x, x.relu(), x.sum(), x**2):
        assert out.dtype == x.dtype


@pytest.mark.parametrize("z", [-700.0, -40.0, -1.0, 0.0, 1.0, 40.0, 700.0])
def test_sigmoid_and_softplus_are_right_to_the_last_digits(z):
    x = Tensor(z, requires_grad=True)
    sigmoid = math.exp(z) / (1 + math.exp(z)) if z < 0 else 1 / (1 + math.exp(-z))
    assert x.sigmoid().item() == pytest.approx(sigmoid, rel=ENGINE_SIGMOID, abs=0)
    softplus = x.softplus()
    exact = math.log1p(math.exp(-abs(z))) + max(z, 0)
    assert softplus.item() == pytest.approx(exact, rel=ENGINE_SIGMOID, abs=0)
    softplus.backward()
    assert x.grad == pytest.approx(sigmoid, rel=ENGINE_SIGMOID, abs=0)


def test_sigmoid_and_softplus_never_overflow():
    x = Tensor(np.array([-np.inf, -1e4, 1e4, np.inf]), requires_grad=True)
    np.testing.assert_array_equal(x.sigmoid().data, [0, 0, 1, 1])
    out = x.softplus()
    np.testing.assert_array_equal(out.data, [0, 0, 1e4, np.inf])
    out.backward(np.ones(4))
    np.testing.assert_array_equal(x.grad, [0, 0, 1, 1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_stays(dtype):
    x = Tensor(np.array([1.5, -2.0], dtype), requires_grad=True)
    w = Tensor(np.array(0.5, dtype), requires_grad=True)
    out = ((2 * x + 1 - 0.5 * w) / 3).tanh().mean() + x.softplus().sum() + (x.abs() ** 2).mean()
    out.backward()
    assert out.dtype == x.grad.dtype == w.grad.dtype == dtype
    assert isinstance(w.grad, np.ndarray)
    assert isinstance((w * w).data, np.ndarray)


def test_a_mixed_gradient_takes_the_dtype_of_its_tensor():
    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    out = (x * np.array([1.0, 2.0])).sum()
    out.backward()
    assert out.dtype == np.float64
    assert x.grad.dtype == np.float32


@pytest.mark.parametrize(
    "other", [2.0, 3, np.array([1.0, 2.0]), [1.0, 2.0], np.float64(2), Tensor([1.0, 4.0])]
)
def test_numbers_and_arrays_stand_on_either_side(other):
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    data = getattr(other, "data", other) if isinstance(other, Tensor) else other
    for operation in BINARY.values():
        for a, b in ((x, other), (other, x)):
            expected = operation(*(x.data if v is x else data for v in (a, b)))
            result = operation(a, b)
            assert isinstance(result, Tensor)
            np.testing.assert_array_equal(result.data, expected)
    row = np.ones((1, 2))
    np.testing.assert_array_equal((row @ x).data, [3.0])


def test_item_shape_and_repr():
    x = Tensor(np.array([[1.5]], np.float32), requires_grad=True)
    assert x.item() == 1.5
    assert x.shape == (1, 1)
    assert repr(x) == "Tensor(array([[1.5]], dtype=float32), requires_grad=True)"


X = Tensor(np.ones((2, 3)), requires_grad=True)


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda: X.backward(), RuntimeError, r"a gradient of the tensor's shape, \(2, 3\)"),
        (lambda: X.backward(np.ones(3)), RuntimeError, r"the tensor's shape, \(2, 3\)"),
        (lambda: Tensor(np.ones(2)).sum().backward(), RuntimeError, "does not require a gradient"),
        (lambda: Tensor([1, 2], requires_grad=True), RuntimeError, "only tensors of floats"),
        (lambda: X + None, TypeError, "real numbers, not NoneType of object"),
        (lambda: X * "2", TypeError, "real numbers, not str"),
        (lambda: Tensor(X), TypeError, "real numbers, not Tensor"),
        (lambda: Tensor([1j]), TypeError, "real numbers, not list of complex128"),
        (lambda: X @ 2.0, ValueError, "matmul"),
        (lambda: 2.0 @ X, ValueError, "matmul"),
        (lambda: Tensor(2.0) @ np.ones(2), ValueError, "matmul"),
        (lambda: np.ones(2) @ Tensor(2.0), ValueError, "matmul"),
        (lambda: X + np.ones(4), ValueError, "could not be broadcast"),
        (lambda: X @ np.ones((2, 2)), ValueError, "mismatch"),
        (lambda: X @ np.ones(2), ValueError, "mismatch"),
        (lambda: X.item(), ValueError, "size 1"),
    ],
)
def test_errors_are_raised_where_torch_raises_them(act, error, message):
    with pytest.raises(error, match=message):
        act()
    assert X.grad is None


def test_the_example_in_the_docstring():
    results = doctest.testmod(engine)
    assert results.attempted > 0
    assert results.failed == 0


def test_the_file_stands_alone():
    imports = [
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(SOURCE))
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert imports == ["heapq", "itertools", "numpy"]
