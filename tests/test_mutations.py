"""The checks are checked: each of these mistakes in a trainer or in what it uses is caught."""

import importlib
import sys
import types

import pytest
from conftest import ROOT
from test_trainers import check_gradients, check_trajectory, random_problem

# The mistake, the trainer that the checks are run on, the module with the mistake, right, wrong.
MUTATIONS = [
    [cell.strip() for cell in line.split(" | ")]
    for line in """
flipped sign | numpy_closed_form | numpy_closed_form | -= lr * weight | += lr * weight
flipped sign | numpy_closed_form | losses | residual = y_pred - y | residual = y - y_pred
flipped sign | numpy_autograd | engine | (b, lambda g: -g) | (b, lambda g: g)
flipped sign | numpy_autograd | numpy_autograd | -= lr * bias | += lr * bias
flipped sign | tensor_updates | tensor_updates | bias -= lr | bias += lr
factor 2 | numpy_closed_form | losses | 2 * residual / residual.size | residual / residual.size
factor 2 | numpy_closed_form | numpy_closed_form | bias_grad = y | bias_grad = 2 * y
factor 2 | numpy_autograd | engine | b.data * a.data ** ( | 2 * b.data * a.data ** (
factor 2 | tensor_updates | tensor_updates | weight -= lr | weight -= 2 * lr
missing / n | numpy_closed_form | losses | gradient /= residual.size | gradient /= 1
missing / n | numpy_closed_form | losses | - y) / y_pred.size | - y)
missing / n | numpy_autograd | engine | g / n, axis | g, axis
mean taken twice | numpy_closed_form | numpy_closed_form | y_pred_grad.sum() | y_pred_grad.mean()
mean taken twice | numpy_autograd | engine | return gradient.sum() | return gradient.mean()
forgotten zeroing | numpy_autograd | numpy_autograd | weight.grad = bias.grad = None | pass
forgotten zeroing | tensor_updates | tensor_updates | weight.grad = bias.grad = None | pass
forgotten zeroing | torch_optim | torch_optim | optimizer.zero_grad() | pass
wrong at zero | numpy_closed_form | losses | np.sign(residual) | np.where(residual > 0, 1.0, -1.0)
wrong at zero | numpy_closed_form | losses | / (1 + small) | / (1 + small) * (z != 0)
wrong at zero | numpy_autograd | engine | np.sign(self.data) | np.where(self.data > 0, 1, -1)
not accumulated | numpy_autograd | engine | gradients[source] + flow if | flow if
""".strip().splitlines()
]


def fresh(name, source, monkeypatch):
    """Execute `source` as manual_grad.<name>, in place of the module of that name."""
    module = types.ModuleType(f"manual_grad.{name}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(importlib.import_module("manual_grad"), name, module)
    exec(compile(source, f"{name}.py", "exec"), module.__dict__)
    return module


def caught(train):
    """Tell whether the checks of the random problems fail for this trainer."""
    try:
        for loss in ("mae", "mse", "bce"):
            for seed in range(8):
                problem = random_problem(seed, loss)
                check_gradients(train, problem, loss)
                check_trajectory(train, problem, loss)
    except (AssertionError, FloatingPointError):
        return True
    return False


@pytest.mark.parametrize(
    ("trainer", "module", "old", "new"),
    [mutation[1:] for mutation in MUTATIONS],
    ids=[f"{what} in {module}: {new}" for what, _, module, _, new in MUTATIONS],
)
def test_the_mutation_is_caught(trainer, module, old, new, monkeypatch):
    sources = {
        name: (ROOT / "manual_grad" / f"{name}.py").read_text() for name in (module, trainer)
    }
    assert old in sources[module], "this mutation changes nothing"
    mutant = {**sources, module: sources[module].replace(old, new)}
    fresh(module, mutant[module], monkeypatch)
    assert caught(fresh(trainer, mutant[trainer], monkeypatch).train)


@pytest.mark.parametrize("trainer", sorted({mutation[1] for mutation in MUTATIONS}))
def test_without_a_mutation_nothing_is_caught(trainer, monkeypatch):
    source = (ROOT / "manual_grad" / f"{trainer}.py").read_text()
    assert not caught(fresh(trainer, source, monkeypatch).train)
