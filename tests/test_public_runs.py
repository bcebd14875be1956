"""What public notebooks print on CUDA, MPS and ARM64: how far from ours, and why.

check/notebook/public_runs.json has the numbers, docs/platforms.md a table.
"""

import re

import numpy as np
import pytest
from conftest import ROOT
from published_numbers import BOUND, PUBLIC_RUNS, PUBLISHED, X86
from torch import nn

from manual_grad import numpy_closed_form, torch_optim
from manual_grad.published_runs import published_runs

RUNS = published_runs()
SETTLED = 298  # from epoch 246 on, a run has two states in turn: all even epochs print the same


def public(run, device):
    return [series for series in PUBLIC_RUNS if series["run"] == run and device in series["said"]]


def torch_versions(series):
    """Return the oldest and the newest torch that printed a public run, without their builds."""
    versions = [re.match(r"\d+\.\d+\.\d+", version)[0] for version in series["torch"]]
    by_age = sorted(versions, key=lambda version: [int(part) for part in version.split(".")])
    return " to ".join(dict.fromkeys(by_age[:1] + by_age[-1:])) or "unknown"


def test_each_public_run_is_within_the_bound_of_ours_and_stands_on_the_page(reference):
    """The run in float64 is the farthest, by 1.1e-6."""
    page = (ROOT / "docs/platforms.md").read_text(encoding="utf-8")
    longer = RUNS["section 3"]._replace(epochs=300).train(torch_optim.train)
    trained = reference | {"section 3": longer}
    for series in PUBLIC_RUNS:
        run, states, apart = RUNS[series["run"]], trained[series["run"]], []
        for epoch, train_loss, test_loss, _ in series["rows"]:
            epoch = min(epoch, SETTLED)
            y_pred = states.weight[epoch].item() * run.X_test + states.bias[epoch].item()
            apart.append(abs(float(train_loss) - states.loss[epoch].item()))
            apart.append(abs(float(test_loss) - nn.L1Loss()(y_pred, run.y_test).item()))
        assert max(apart) <= BOUND["mae"], f"{series['run']} with torch {torch_versions(series)}"
        if X86:
            farthest = f"{max(apart):.1e}".replace("e-0", "e-").replace("0.0e+00", "0")
            found = f"{apart.count(0)} of {len(apart)} | {farthest} |"
            row = f"| {torch_versions(series)} | {series['notebooks']} | {found}"
            assert re.search(rf"\| {series['run']} \|[^|]+{re.escape(row)}\n", page), row


def test_the_author_printed_on_a_gpu_what_72_notebooks_print():
    group = public("section 6", "cuda")[0]
    rows = [row[:3] for row in group["rows"]]
    assert group["notebooks"] == 72
    assert all(row in rows for row in PUBLISHED["todays_edition"]["6_training"]["rows"])


def arange(n, lanes, step):
    """Return n values from 0 to 1 as torch.arange makes them: (n, 1), float32.

    It goes on from every eighth value on x86-64. A Mac's ARM64 goes on from every fourth one, by a
    step that is rounded to float32.
    """
    i = np.arange(n)
    lane = np.where(i < (n - 1) // lanes * lanes, i % lanes, 0)
    return np.float32(np.float32((i - lane) / n) + lane * float(step)).reshape(-1, 1)


def gpu_mean(terms, neighbours_first):
    """Return the mean of each column as a GPU computes it, whose last step is times 1 / n.

    Its threads are 32 or the largest power of two that n reaches. Of t threads, each adds up every
    t-th term. Then the first half of them, or every second one, adds another's sum to its own, and
    so on: that of the thread half of them away, or its neighbour's.
    """
    n = len(terms)
    threads = min(32, 1 << n.bit_length() - 1)
    sums = np.pad(terms, [(0, -n % threads), (0, 0)]).reshape(-1, threads, terms.shape[1]).sum(0)
    while len(sums) > 1:
        half = len(sums) // 2
        sums = sums[::2] + sums[1::2] if neighbours_first else sums[:half] + sums[half:]
    return sums[0] * np.float32(1 / n)


@pytest.mark.parametrize(
    ("run", "device", "group", "fused", "neighbours_first"),
    [
        ("section 6", "cuda", 0, (True, True), True),  # torch 1.10 to 2.9.1
        ("section 6", "cuda", 1, (True, True), False),  # torch 2.11
        ("section 6", "cuda", 2, (False, True), True),  # torch 2.4.1
        ("section 6", "mps", 0, (False, False), False),
        ("exercise", "cuda", 0, (True, True), True),
        ("exercise", "mps", 0, (False, False), False),
        ("exercise, author's", "cuda", 0, (False, False), True),  # weights * x + bias, no nn.Linear
    ],
)
def test_what_a_gpu_prints_follows_from_how_it_rounds(run, device, group, fused, neighbours_first):
    """With a CPU's weight and bias, each digit follows from the order of a mean and from nn.Linear.

    That adds the bias to a rounded product or, if it is `fused`, to an exact one: (for the training
    data, for the test data).
    """
    slope, intercept, n = (0.7, 0.3, 50) if run == "section 6" else (0.3, 0.9, 100)
    X = arange(n, 4, np.float32(1 / n)) if device == "mps" else arange(n, 8, 1 / n)
    y, train, test = slope * X + intercept, slice(n * 4 // 5), slice(n * 4 // 5, n)
    start = RUNS[run].weight, RUNS[run].bias
    after = numpy_closed_form.train(X[train], y[train], *start, epochs=SETTLED + 1)[3:]
    before = [np.float32([first, *column[:-1]]) for first, column in zip(start, after)]
    losses = []
    for (weight, bias), part, is_fused in zip((before, after), (train, test), fused):
        product = weight * (X[part].astype(float) if is_fused else X[part])
        losses.append(gpu_mean(abs(np.float32(product + bias) - y[part]), neighbours_first))
    for epoch, *printed, _ in public(run, device)[group]["rows"]:
        assert printed == [repr(column[min(epoch, SETTLED)].item()) for column in losses], epoch
