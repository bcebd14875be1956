"""SGD and Adam by hand against torch.optim, for every combination of options."""

import copy
import itertools

import numpy as np
import pytest
import torch
from problems import ROOT, mutant
from programs import run_python
from tolerances import GROWTH_IN_THE_LOOP, OPTIMIZER_FLOAT64, OPTIMIZER_LOOP_FLOAT64

from manual_grad import optimizer_paths, optimizers
from manual_grad.losses import mse_gradient
from manual_grad.published_runs import published_runs


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
    lr=[0.05],
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


AT_REST = combinations("SGD", lr=[0.0], momentum=[0.9]) + combinations("Adam", lr=[0.0])
LEGAL = [case for case in SGD + ADAM + NO_MEMORY + AT_REST if is_legal(*case.values)]


def problem():
    """Return X, y, weight, bias: the tutorial's data in float64, and its start."""
    run = published_runs()["section 3"]
    return run.X.double().numpy(), run.y.double().numpy(), run.weight, run.bias


def check_steps(module, name, options, steps):
    """Assert that an optimizer stays with torch's, both given the same random gradients."""
    rng = np.random.default_rng(0)
    starts = rng.normal(size=3), rng.normal(size=(2, 2))
    ours = [start.copy() for start in starts]
    theirs = [torch.tensor(start, requires_grad=True) for start in starts]
    optimizer = getattr(module, name)(ours, **options)
    reference = getattr(torch.optim, name)(theirs, **options)
    same = [id(param) for param in ours]
    for _ in range(steps):
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


@pytest.mark.parametrize("steps", [50, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("name", "options"), LEGAL)
def test_many_steps_stay_with_torch_optim(name, options, steps):
    check_steps(optimizers, name, options, steps)


SGD_MUTATIONS = """
grads = [g + self.weight_decay * p | grads = [g - self.weight_decay * p
grads = [g + self.weight_decay * p | grads = [g + 2 * self.weight_decay * p
[g.copy() for g in grads] | [(1 - self.dampening) * g for g in grads]
self.momentum * b + (1 | b + (1
(1 - self.dampening) * g for b | g for b
(1 - self.dampening) * g for b | self.dampening * g for b
if self.nesterov: | if False:
grad + self.momentum * buffer | buffer + self.momentum * buffer
direction = buffer if self.momentum else grad | direction = grad
direction = buffer if self.momentum else grad | direction = buffer
param -= self.lr * direction | param += self.lr * direction
param -= self.lr * direction | param = param - self.lr * direction
"""
ADAM_MUTATIONS = """
grad + self.weight_decay * param | grad
grad + self.weight_decay * param | grad - self.weight_decay * param
self.t += 1 | self.t += 2
self.t += 1 | self.t = 1
beta1 * m + (1 - beta1) * grad | beta1 * m + grad
beta1 * m + (1 - beta1) * grad | beta2 * m + (1 - beta2) * grad
beta2 * v + (1 - beta2) * grad**2 | beta2 * v + (1 - beta2) * grad
beta2 * v + (1 - beta2) * grad**2 | beta1 * v + (1 - beta1) * grad**2
m / (1 - beta1**self.t) | m
v / (1 - beta2**self.t) | v
np.sqrt(v_corrected) + self.eps | np.sqrt(v_corrected + self.eps)
np.sqrt(v_corrected) + self.eps | np.sqrt(v_corrected)
np.sqrt(v_corrected) + self.eps | v_corrected + self.eps
param -= self.lr * m | param += self.lr * m
"""
MUTATIONS = [
    pytest.param(name, *line.split(" | "), id=f"{name}: {line.split(' | ')[1]}")
    for name, lines in (("SGD", SGD_MUTATIONS), ("Adam", ADAM_MUTATIONS))
    for line in lines.strip().splitlines()
]


@pytest.mark.parametrize(("name", "right", "wrong"), MUTATIONS)
def test_each_mistake_in_an_optimizer_is_caught(name, right, wrong, monkeypatch):
    source = (ROOT / "manual_grad" / "optimizers.py").read_text(encoding="utf-8")
    assert source.count(right) == 1
    module = mutant("manual_grad", "optimizers", source.replace(right, wrong), monkeypatch)

    def fails(options):
        try:
            check_steps(module, name, options, 5)
        except (AssertionError, RuntimeWarning):
            return True
        return False

    assert any(fails(case.values[1]) for case in LEGAL if case.values[0] == name)


@pytest.mark.parametrize("title", optimizer_paths.OPTIMIZERS)
def test_1000_epochs_by_hand_stay_with_torchs_loop(title):
    """Each side's gradients come from its own parameters."""
    case = *problem(), *optimizer_paths.OPTIMIZERS[title], 1000
    by_hand, by_torch = (
        train(*case) for train in (optimizer_paths.train_by_hand, optimizer_paths.train_by_torch)
    )
    assert by_hand.shape == by_torch.shape == (2, 1001)
    assert by_hand[:, 0].tolist() == list(case[2:4])
    assert np.abs(by_hand - by_torch).max() <= OPTIMIZER_LOOP_FLOAT64
    X, y = case[:2]
    losses = [np.square(w * X + b - y).mean() for w, b in by_hand[:, [0, -1]].T]
    assert losses[1] < losses[0] / 50


@pytest.mark.parametrize("title", optimizer_paths.OPTIMIZERS)
def test_a_difference_in_the_loop_stays_small(title):
    """So the tolerance of the loop may count roundings: none of them is enlarged."""
    X, y, *start = problem()
    name, options = optimizer_paths.OPTIMIZERS[title]
    params = [np.array(start)]
    optimizers_there = [getattr(optimizers, name)(params, **options)]
    planted = 1e-8
    for epoch in range(1000):
        if epoch % 200 == 0:
            for element in range(2):
                moved = copy.deepcopy(optimizers_there[0])
                moved.params[0][element] += planted
                optimizers_there.append(moved)
        for optimizer in optimizers_there:
            weight, bias = optimizer.params[0]
            y_pred_grad = mse_gradient(weight * X + bias, y)
            optimizer.step([np.array([(y_pred_grad * X).sum(), y_pred_grad.sum()])])
        points = np.array([optimizer.params[0] for optimizer in optimizers_there])
        assert np.abs(points - points[0]).max() <= GROWTH_IN_THE_LOOP * planted


def test_the_table_holds_what_both_loops_give(capsys):
    paths = optimizer_paths.print_table(problem(), epochs=20)
    lines = capsys.readouterr().out.splitlines()
    assert list(paths) == list(optimizer_paths.OPTIMIZERS)
    for title, (name, options) in optimizer_paths.OPTIMIZERS.items():
        by_torch = optimizer_paths.train_by_torch(*problem(), name, options, 20)
        (line,) = (line for line in lines if line.startswith(title + " "))
        equal, _, total, largest, weight, bias = line[20:].split()[:6]
        by_hand = paths[title]
        assert (by_hand == optimizer_paths.train_by_hand(*problem(), name, options, 20)).all()
        assert (int(equal), total) == ((by_hand == by_torch)[:, 1:].all(axis=0).sum(), "20")
        assert largest == f"{np.abs(by_hand - by_torch).max():.1e}"
        assert [weight, bias] == [f"{number:.6f}" for number in by_hand[:, -1]]
        assert f"  {name}(lr=0.01" in line


def test_the_optimizers_need_neither_torch_nor_matplotlib(tmp_path):
    code = "import sys, manual_grad.optimizers; print({'torch', 'matplotlib'} & {*sys.modules})"
    run = run_python("-c", code, folder=tmp_path)
    assert (run.returncode, run.stdout) == (0, "set()\n")


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
    with pytest.raises(TypeError, match="lr must be a number, not '0.1' of str"):
        make([np.ones(1)], lr="0.1")
    with pytest.raises(ValueError, match="lr must be 0 or more, not nan"):
        make([np.ones(1)], lr=float("nan"))
    param = np.ones((2, 1))
    optimizer = make([param])
    for grads in ([np.ones(2)], [], [np.ones((2, 1)), np.ones(1)], [np.ones((1, 1))]):
        with pytest.raises(ValueError, match="grads have shapes"):
            optimizer.step(grads)
    np.testing.assert_array_equal(param, 1)
