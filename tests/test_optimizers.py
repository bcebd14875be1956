"""SGD and Adam by hand against torch.optim, for every combination of options."""

import itertools

import numpy as np
import pytest
import torch
from tolerances import OPTIMIZER_FLOAT64

from manual_grad import compare, optimizers


def combinations(name, **options):
    rows = [dict(zip(options, choice)) for choice in itertools.product(*options.values())]
    return [pytest.param(name, row, id=f"{name} {row}") for row in rows]


SGD = combinations(
    "SGD",
    lr=[0.05],
    momentum=[0, 0.9],
    dampening=[0, 0.3],
    weight_decay=[0, 0.01],
    nesterov=[False, True],
)
ADAM = combinations(
    "Adam",
    lr=[0.0, 0.05],
    betas=[(0.9, 0.999), (0.0, 0.5), (0.8, 0.5)],
    eps=[1e-8, 0.1],
    weight_decay=[0, 0.01],
)
# Without memory (beta2 = 0) a step divides by the size of a single gradient, and where that nearly
# vanishes, eps alone keeps its last bit from deciding the step: such a run needs a larger eps.
NO_MEMORY = combinations("Adam", lr=[0.05], betas=[(0.8, 0.0)], eps=[0.1], weight_decay=[0, 0.01])


def is_legal(name, options):
    """Nesterov's variant needs momentum, and no dampening."""
    return not options.get("nesterov") or (options["momentum"] > 0 and not options["dampening"])


LEGAL = [case for case in SGD + ADAM + NO_MEMORY if is_legal(*case.values)]


@pytest.mark.parametrize(("name", "options"), LEGAL)
def test_1000_steps_stay_with_torch_optim(name, options):
    """Both get the same random gradients, so that nothing but the optimizers can part them."""
    rng = np.random.default_rng(0)
    starts = rng.normal(size=3), rng.normal(size=(2, 2))
    ours = [start.copy() for start in starts]
    theirs = [torch.tensor(start, requires_grad=True) for start in starts]
    optimizer = getattr(optimizers, name)(ours, **options)
    reference = getattr(torch.optim, name)(theirs, **options)
    same = [id(param) for param in ours]
    for _ in range(1000):
        grads = [rng.normal(size=start.shape) for start in starts]
        optimizer.step(grads)
        for param, grad in zip(theirs, grads):
            param.grad = torch.tensor(grad)
        reference.step()
        for a, b in zip(ours, theirs):
            b = b.detach().numpy()
            assert np.abs(a - b).max() <= OPTIMIZER_FLOAT64 * np.abs(b).max()
    assert [id(param) for param in ours] == same, "updated in place"
    assert options["lr"] == 0 or not np.array_equal(ours[0], starts[0])


@pytest.mark.parametrize(("name", "options"), compare.OPTIMIZERS, ids=str)
def test_1000_steps_downhill_stay_with_torch_optim(name, options):
    """On the tutorial's data, where each side's gradients come from its own parameters."""
    by_hand, by_torch = compare.optimizer_paths(name, options)
    assert by_hand.shape == (1000, 2)
    assert np.abs(by_hand - by_torch).max() <= OPTIMIZER_FLOAT64
    assert np.abs(by_hand[-1] - [0.7, 0.3]).max() < 0.25


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_the_defaults_are_torchs(name):
    params = [np.ones(2)]
    tensors = [torch.ones(2, dtype=torch.float64, requires_grad=True)]
    optimizer, reference = getattr(optimizers, name)(params), getattr(torch.optim, name)(tensors)
    for _ in range(3):
        optimizer.step([np.array([1.0, -2.0])])
        tensors[0].grad = torch.tensor([1.0, -2.0], dtype=torch.float64)
        reference.step()
    np.testing.assert_allclose(params[0], tensors[0].detach().numpy(), rtol=OPTIMIZER_FLOAT64)


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_float32_stays_float32(name):
    param = np.ones(3, np.float32)
    options = dict(momentum=0.9) if name == "SGD" else {}
    optimizer = getattr(optimizers, name)([param], lr=0.1, weight_decay=0.1, **options)
    for _ in range(3):
        optimizer.step([param * 2])
    assert param.dtype == np.float32
    assert (param < 1).all()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("SGD", dict(lr=-1.0), "lr must be 0 or more, not -1.0"),
        ("SGD", dict(momentum=-0.1), "momentum must be 0 or more"),
        ("SGD", dict(weight_decay=-0.1), "weight_decay must be 0 or more"),
        ("SGD", dict(nesterov=True), "nesterov needs a momentum above 0"),
        ("SGD", dict(nesterov=True, momentum=0.9, dampening=0.1), "dampening of 0"),
        ("Adam", dict(lr=-1.0), "lr must be 0 or more"),
        ("Adam", dict(eps=-1.0), "eps must be 0 or more"),
        ("Adam", dict(weight_decay=-1.0), "weight_decay must be 0 or more"),
        ("Adam", dict(betas=(1.0, 0.999)), "betas must both be 0 or more and below 1"),
        ("Adam", dict(betas=(0.9, -0.1)), "betas must both be 0 or more and below 1"),
    ],
)
def test_what_torch_refuses_is_refused(name, options, message):
    with pytest.raises(ValueError, match="Invalid|Nesterov"):
        getattr(torch.optim, name)([torch.ones(1, requires_grad=True)], **options)
    with pytest.raises(ValueError, match=message):
        getattr(optimizers, name)([np.ones(1)], **options)


@pytest.mark.parametrize("make", [optimizers.SGD, optimizers.Adam])
def test_bad_parameters_and_gradients_are_refused(make):
    with pytest.raises(ValueError, match="params is empty"):
        make([])
    with pytest.raises(TypeError, match="params must be NumPy arrays of floats, not int64"):
        make([np.ones(2, int)])
    with pytest.raises(TypeError, match="params must be NumPy arrays of floats, not float"):
        make([1.0])
    with pytest.raises(TypeError, match="params must be a list of arrays, not one array"):
        make(np.ones((2, 2)))
    with pytest.raises(ValueError, match="lr must be 0 or more, not nan"):
        make([np.ones(1)], lr=float("nan"))
    param = np.ones((2, 1))
    optimizer = make([param])
    for grads in ([np.ones(2)], [], [np.ones((2, 1)), np.ones(1)], [np.ones((1, 1))]):
        with pytest.raises(ValueError, match="grads have shapes"):
            optimizer.step(grads)
    np.testing.assert_array_equal(param, 1)
