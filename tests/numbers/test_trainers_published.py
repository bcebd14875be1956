"""The trainers on the published runs: each number of each epoch, on any CPU; and x86-64's law."""

import numpy as np
import pytest
from platform_runs import agree, tolerances_on
from published_numbers import PUBLISHED, X86
from trained import by_all

from beyond import numpy_blocks
from manual_grad import compare, verdict
from manual_grad.published_runs import published_runs
from manual_grad.trajectory import Trajectory

RUNS = published_runs()
EVERY_TRAINER = compare.TRAINERS | {"numpy_blocks": numpy_blocks.train}
BY_HAND = [name for name in compare.TRAINERS if name != "torch_optim"]
MAE_RUNS = [name for name in RUNS if RUNS[name].loss == "mae"]


@pytest.fixture(scope="module")
def results():
    return {
        name: trajectories | {"numpy_blocks": RUNS[name].train(numpy_blocks.train)}
        for name, trajectories in by_all().items()
    }


@pytest.mark.parametrize("trainer", EVERY_TRAINER)
@pytest.mark.parametrize("name", RUNS)
def test_each_number_is_right_up_to_float32s_roundings(name, trainer, results):
    """Loss and gradients are float64's at the same parameters, each step is right to the bit.

    This holds wherever a last bit may lead a run, so it is asked for on every platform.
    """
    run, trajectory = RUNS[name], results[name][trainer]
    for column in trajectory:
        assert column.dtype == np.float32
        assert column.shape == (run.epochs,)
    assert verdict.first_fault(run, trajectory, Trajectory._fields) == ""


@pytest.mark.parametrize("trainer", BY_HAND)
@pytest.mark.parametrize("name", RUNS)
def test_what_differs_from_torch_optim_is_explained(name, trainer, results):
    run, ours, theirs = RUNS[name], results[name][trainer], results[name]["torch_optim"]
    for group in verdict.COLUMNS:
        assert "NOT EXPLAINED" not in verdict.explain(run, ours, theirs, group)


@pytest.mark.parametrize("name", RUNS)
def test_the_reference_learns(name, results):
    reference = results[name]["torch_optim"]
    assert reference.loss[-1] < reference.loss[0]


@pytest.mark.skipif(not X86, reason="measured on x86-64 CPUs, promised nowhere")
@pytest.mark.parametrize("trainer", BY_HAND)
@pytest.mark.parametrize("name", MAE_RUNS)
def test_on_x86_64_the_parameters_of_the_mae_runs_are_torch_optims_to_the_bit(
    name, trainer, results
):
    columns = Trajectory._fields if trainer == "tensor_updates" else ["weight", "bias"]
    for column in columns:
        ours, theirs = (getattr(results[name][t], column) for t in (trainer, "torch_optim"))
        np.testing.assert_array_equal(ours, theirs, err_msg=column)


@pytest.mark.parametrize(
    ("name", "key", "tutorial"),
    [
        ("section 3", "3_training", "workflow_notebook"),
        ("section 6", "6_training", "workflow_notebook"),
        ("exercise", "3_training", "exercise_solutions"),
        ("exercise, author's", "3_training", "author_solutions"),
    ],
)
def test_the_reference_has_the_published_train_losses(name, key, tutorial, results):
    """torch_optim's `weight * X + bias` and the tutorial's models follow the same path."""
    rows = PUBLISHED[tutorial][key]["rows"]
    assert len(rows) >= 10
    tolerances = tolerances_on("cpu", name)[:, 0]
    for epoch, expected, _ in rows:
        loss = float(results[name]["torch_optim"].loss[epoch])
        digits = len(expected.split(".")[1])
        got = str(loss) if digits > 8 else f"{loss:.{digits}f}"
        tolerance = None if X86 else tolerances[epoch]
        assert agree(got, expected, tolerance), f"epoch {epoch}: {got}, published {expected}"
