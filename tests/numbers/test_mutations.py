"""The checks are checked: each of these mistakes in a trainer or in what it uses is caught."""

import pytest
from problems import LOSSES, ROOT, check_gradients, check_trajectory, mutant, random_problem

# The mistake, the trainer that the checks are run on, the module with the mistake, right, wrong.
MUTATIONS = [
    [cell.strip() for cell in line.split(" | ")]
    for line in """
flipped sign | numpy_closed_form | numpy_closed_form | -= lr * weight | += lr * weight
flipped sign | numpy_closed_form | losses | np.sign(y_pred - y) | np.sign(y - y_pred)
flipped sign | numpy_closed_form | losses | return 2 * (y_pred - y) | return 2 * (y - y_pred)
flipped sign | numpy_closed_form | losses | (sigmoid(y_pred) - y) | (y - sigmoid(y_pred))
flipped sign | numpy_autograd | engine | (b, lambda g: -g) | (b, lambda g: g)
flipped sign | numpy_autograd | numpy_autograd | -= lr * bias | += lr * bias
flipped sign | tensor_updates | tensor_updates | bias -= lr | bias += lr
factor 2 | numpy_closed_form | losses | return 2 * (y_pred - y) / | return (y_pred - y) /
factor 2 | numpy_closed_form | numpy_closed_form | bias_grad = y | bias_grad = 2 * y
factor 2 | numpy_autograd | engine | - b.data, (a, lambda g: g) | - b.data, (a, lambda g: 2 * g)
factor 2 | tensor_updates | tensor_updates | weight -= lr | weight -= 2 * lr
missing / n | numpy_closed_form | losses | np.sign(y_pred - y) / y.size | np.sign(y_pred - y)
missing / n | numpy_closed_form | losses | 2 * (y_pred - y) / y.size | 2 * (y_pred - y)
missing / n | numpy_closed_form | losses | (sigmoid(y_pred) - y) / y.size | sigmoid(y_pred) - y
missing / n | numpy_closed_form | losses | ** 2).mean() | ** 2).sum()
missing / n | numpy_autograd | numpy_autograd | .abs().mean() | .abs().sum()
missing x | numpy_closed_form | numpy_closed_form | (y_pred_grad * X).sum() | y_pred_grad.sum()
mean taken twice | numpy_closed_form | numpy_closed_form | y_pred_grad.sum() | y_pred_grad.mean()
mean taken twice | numpy_autograd | engine | return gradient.sum() | return gradient.mean()
forgotten zeroing | numpy_autograd | numpy_autograd | weight.grad = bias.grad = None | pass
forgotten zeroing | tensor_updates | tensor_updates | weight.grad = bias.grad = None | pass
forgotten zeroing | torch_optim | torch_optim | optimizer.zero_grad() | pass
wrong at zero | numpy_closed_form | losses | np.sign(y_pred - y) | np.where(y_pred > y, 1.0, -1.0)
wrong at zero | numpy_closed_form | losses | / (1 + small) | / (1 + small) * (z != 0)
wrong at zero | numpy_autograd | engine | np.sign( | (lambda x: np.where(x > 0, 1, -1))(
not accumulated | numpy_autograd | engine | gradients[source] + | 0 *
value times 2 | numpy_closed_form | numpy_closed_form | (loss_value, | (2 * loss_value,
""".strip().splitlines()
]


def source(name):
    """Return the source of a module of manual_grad."""
    return (ROOT / "manual_grad" / f"{name}.py").read_text(encoding="utf-8")


def caught(train):
    """Tell whether the checks of the random problems fail for this trainer."""
    try:
        for loss in LOSSES:
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
    sources = {name: source(name) for name in (module, trainer)}
    assert old in sources[module], "this mutation changes nothing"
    sources[module] = sources[module].replace(old, new)
    for name, text in sources.items():  # the trainer last: it imports the other
        module = mutant("manual_grad", name, text, monkeypatch)
    assert caught(module.train)


@pytest.mark.parametrize("trainer", sorted({mutation[1] for mutation in MUTATIONS}))
def test_without_a_mutation_nothing_is_caught(trainer, monkeypatch):
    assert not caught(mutant("manual_grad", trainer, source(trainer), monkeypatch).train)
