"""The verdict on two runs: it holds on every kind of CPU, and gives the right reason and epochs."""

import numpy as np
import pytest
import torch
from trained import by_torch

from manual_grad import torch_optim, verdict
from manual_grad.published_runs import published_runs
from manual_grad.trajectory import as_trajectory

RUNS = published_runs()
every_run = pytest.mark.parametrize("name", RUNS)


@pytest.fixture(scope="module")
def reference():
    return {name: by_torch(name) for name in RUNS}


ORDERS = {
    "one by one": lambda terms: np.cumsum(terms)[-1],
    "from the end": lambda terms: np.cumsum(terms[::-1])[-1],
    "in four lanes": lambda terms: np.cumsum([np.cumsum(terms[i::4])[-1] for i in range(4)])[-1],
    "in float64": lambda terms: np.float32(terms.astype(np.float64).sum()),
}


def as_on_another_cpu(order, step, fused_prediction=False):
    """Return a trainer in float32 that adds up in an order of ORDERS and steps as in STEPS."""

    def train(X, y, weight, bias, *, loss, lr, epochs):
        X, y = np.asarray(X).ravel(), np.asarray(y).ravel()
        n, lr = np.float32(len(X)), np.float32(lr)
        theta, rows = np.float32([weight, bias]), []
        for _ in range(epochs):
            y_pred = theta[0] * X + theta[1]
            if fused_prediction:
                y_pred = verdict.rounded_once(theta[1], -theta[0], X)
            residual = y_pred - y
            losses = np.abs(residual) if loss == "mae" else residual * residual
            slope = np.sign(residual) / n if loss == "mae" else np.float32(2) / n * residual
            grad = np.stack([ORDERS[order](slope * X), ORDERS[order](slope)])
            theta = verdict.STEPS[step](theta, grad, lr)
            rows.append((ORDERS[order](losses) / n, *grad, *theta))
        return as_trajectory(rows, np.float32)

    return train


def with_data_as_on_arm(run):
    """Return the run with X as torch.arange rounds it there: a float32 step, four at a time."""
    step = np.float32(1 / 50 if len(run.X) == 40 else 1 / 100)
    first = (np.arange(0, len(run.X), 4) * np.float64(step)).astype(np.float32)
    X = (first[:, None] + np.arange(4, dtype=np.float32) * step).reshape(-1, 1)
    return run._replace(X=torch.from_numpy(X))


def verdicts(run, ours, theirs):
    return {group: verdict.explain(run, ours, theirs, group) for group in verdict.COLUMNS}


@every_run
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("step", verdict.STEPS)
def test_any_order_of_a_sum_and_any_rounding_of_a_step_is_explained(name, order, step, reference):
    run = RUNS[name]
    ours = run.train(as_on_another_cpu(order, step, fused_prediction=order == "in four lanes"))
    words = verdicts(run, ours, reference[name])
    assert [text for text in words.values() if "NOT EXPLAINED" in text] == []


@pytest.mark.parametrize("name", [name for name in RUNS if len(RUNS[name].X) % 40 == 0])
def test_the_data_of_another_cpu_are_explained(name):
    run = with_data_as_on_arm(RUNS[name])
    assert (run.X != RUNS[name].X).any()
    ours = run.train(as_on_another_cpu("in four lanes", "twice", fused_prediction=True))
    words = verdicts(run, ours, run.train(torch_optim.train))
    assert [text for text in words.values() if "NOT EXPLAINED" in text] == []


def test_the_reason_and_its_epochs_are_named():
    """Two CPUs that differ in one thing only get this one for a reason, in the right epochs.

    These trainers do one float32 operation after the other: their bits are the same everywhere.
    """
    run = RUNS["pipeline, custom"]
    twice = run.train(as_on_another_cpu("one by one", "twice"))
    once = run.train(as_on_another_cpu("one by one", "once"))
    reverse = run.train(as_on_another_cpu("from the end", "twice"))
    assert verdicts(run, twice, once) == {
        "loss": "the parameters already differ (epoch 9)",
        "gradients": "the parameters already differ (epochs 9 to 10)",
        "parameters": "our step rounds twice, torch_optim's once (epochs 0 to 10)",
    }
    assert verdict.explain(run, once, twice, "parameters") == (
        "our step rounds once, torch_optim's twice (epochs 0 to 10)"
    )
    assert verdicts(run, reverse, twice) == {
        "loss": "a mean rounded in another order (21 epochs from 33 to 96); "
        "the parameters already differ (14 epochs from 1 to 25)",
        "gradients": "a mean rounded in another order (epoch 0); "
        "the parameters already differ (12 epochs from 1 to 25)",
        "parameters": "a gradient rounded in another order (epochs 0 to 24)",
    }
    assert set(verdicts(run, twice, twice).values()) == {"equal to the bit"}


@pytest.mark.parametrize(
    ("epochs", "words"),
    [
        ([0, 1, 0, 0], "epoch 1"),
        ([1, 1, 1, 0], "epochs 0 to 2"),
        ([0, 0, 1, 1], "epochs 2 to 3"),
        ([1, 0, 1, 1], "3 epochs from 0 to 3"),
    ],
)
def test_epochs_in_words(epochs, words):
    assert verdict.in_words(np.array(epochs, bool)) == words


def test_a_run_on_another_loss_is_refused(reference):
    run = RUNS["section 3"]._replace(loss="bce")
    with pytest.raises(ValueError, match="must be 'mae' or 'mse', not 'bce'"):
        verdict.explain(run, reference["section 3"], reference["section 3"], "loss")
