"""The rows of the drift report that tell how far each trainer by hand is from torch.optim."""

import numpy as np
import pytest
from drift import float32_steps
from trained import by_torch

from beyond import numpy_blocks
from beyond.limit_cycle import find_cycle, state_after
from manual_grad import numpy_autograd, numpy_closed_form, tensor_updates
from manual_grad.published_runs import published_runs
from manual_grad.verdict import COLUMNS

RUNS = published_runs()
BY_HAND = {
    "numpy_closed_form": numpy_closed_form.train,
    "numpy_autograd": numpy_autograd.train,
    "tensor_updates": tensor_updates.train,
    "numpy_blocks": numpy_blocks.train,
}
# Section 3 goes on past its 100 epochs until its cycle shows.
WITH_A_CYCLE = {name: run._replace(epochs=1000) for name, run in RUNS.items() if run.loss == "mae"}


def first_difference(ours, theirs, columns):
    """Return the first epoch and column in which two arrays (columns, epochs) differ, or None."""
    differs = ours != theirs
    if not differs.any():
        return None
    epoch = int(np.argmax(differs.any(axis=0)))
    column = int(np.argmax(differs[:, epoch]))
    got, expected = float(ours[column, epoch]), float(theirs[column, epoch])
    return dict(at=f"epoch {epoch}", column=columns[column], expected=expected, got=got)


@pytest.fixture(scope="module")
def references():
    return {name: by_torch(name) for name in RUNS}


@pytest.mark.parametrize("trainer", BY_HAND)
@pytest.mark.parametrize("name", RUNS)
def test_a_row_for_each_trainer_on_each_published_run(name, trainer, references, drift):
    trajectory, reference = RUNS[name].train(BY_HAND[trainer]), references[name]
    for group, columns in COLUMNS.items():
        ours, theirs = (
            np.stack([getattr(t, column) for column in columns]) for t in (trajectory, reference)
        )
        assert ours.shape == theirs.shape == (len(columns), RUNS[name].epochs)
        assert ours.dtype == theirs.dtype == np.float32
        pairs = zip(ours[ours != theirs].tolist(), theirs[ours != theirs].tolist())
        row = dict(
            table="trainers",
            name=f"{name}: {trainer} {group}",
            total=ours.shape[1],
            equal=int((ours == theirs).all(axis=0).sum()),
            steps=max((float32_steps(a, b) for a, b in pairs), default=0),
            difference=float(np.abs(ours - theirs).max()),
        )
        if row["equal"] < row["total"]:
            row["first"] = first_difference(ours, theirs, columns)
        drift(row)


@pytest.mark.parametrize("name", RUNS)
def test_a_row_for_torchs_own_parameters_after_the_last_epoch(name, references, drift):
    end = [float(value) for value in state_after(references[name], -1)]
    assert np.isfinite(end).all()
    drift(dict(table="ends", name=name, value=end))


@pytest.mark.parametrize("name", WITH_A_CYCLE)
def test_a_row_for_each_cycle(name, drift):
    trajectory = by_torch(name, WITH_A_CYCLE[name].epochs)
    first, period = find_cycle(trajectory)
    states = [state_after(trajectory, first + i) for i in range(period)]
    assert period == len(set(states)) > 1
    drift(
        dict(
            table="cycles",
            name=name,
            value=[first, period, *(float(value) for state in states for value in state)],
        )
    )
