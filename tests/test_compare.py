"""compare: its table and its picture say what the trainers did, the same in every run."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from manual_grad import compare
from manual_grad.published_runs import published_runs
from manual_grad.trajectory import Trajectory

RUNS = published_runs()
# The lines of equal loss join points that are 0.01 apart. Between them the MAE bends so little.
BEND = 1e-3


@pytest.mark.slow
def test_the_text_shows_all_trainers_and_is_the_same_in_every_run(ran, capsys):
    text, _ = ran(compare)
    versions, *tables, _ = text.split("\n\n# ")
    assert versions.startswith(f"torch {torch.__version__} with its kernels for ")
    assert versions.endswith(f", NumPy {np.__version__}")
    for table, name in zip(tables, RUNS, strict=True):
        assert table.startswith(f"{name}: ")
        assert [row.split()[0] for row in table.splitlines()[3:]] == list(compare.TRAINERS)
    compare.print_run("section 3", RUNS["section 3"], compare.train_all(RUNS["section 3"]))
    assert capsys.readouterr().out in text


TABLE = """
# a run: 4 points, mse, lr 0.25, 4 epochs
start: weight 0, bias 0
                  params grads  loss   apart  checksum   last weight          bias          loss
mine                   3     2     1 0.00098  9fe696e9        0.9375 -0.0009765625             3
    NOT EXPLAINED: epoch 1, loss is 1, should be 0.25, ratio 4
torch_optim            4     4     4       0  2d4cd36e        0.9375             0      0.015625
"""


def test_the_table_says_what_was_compared(capsys):
    """The points lie so that nothing rounds: mirrored, and on the line that the start is not."""
    X = torch.tensor([[1.0], [-1], [1], [-1]])
    run = RUNS["pipeline, custom"]._replace(X=X, y=X, weight=0.0, bias=0.0, lr=0.25, epochs=4)
    theirs = run.train(compare.TRAINERS["torch_optim"])
    bias, weight_grad = np.float32([0, 0, 0, -(2**-10)]), np.float32([-2, -3, -1, -0.25])
    mine = theirs._replace(bias=bias, weight_grad=weight_grad, loss=np.float32([1, 1, 2, 3]))
    compare.print_run("a run", run, {"mine": mine, "torch_optim": theirs})
    assert capsys.readouterr().out == TABLE


def test_the_checksum_sees_every_bit_but_not_the_sign_of_0(reference):
    good = reference["section 3"]
    for name, column in good._asdict().items():
        moved = column.copy()
        moved[37] = np.nextafter(moved[37], np.float32(9))
        assert compare.checksum(good._replace(**{name: moved})) != compare.checksum(good)
    zeros = np.zeros((5, 3))
    assert compare.checksum(Trajectory(*zeros)) == compare.checksum(Trajectory(*-zeros))


@pytest.mark.slow
def test_the_picture_shows_the_runs_over_the_mae_and_its_title_follows(ran, reference):
    _, figures = ran(compare)
    [axes] = figures["manual_grad"].axes
    assert axes.get_title() == "Paths over the MAE from two starts: the same in every trainer"
    for trainer in compare.TRAINERS:
        lines = [line for line in axes.get_lines() if line.get_label() == trainer]
        for line, name in zip(lines, ("section 3", "section 6"), strict=True):
            path = reference[name]
            assert_array_equal(line.get_xdata(), [RUNS[name].weight, *path.weight])
            assert_array_equal(line.get_ydata(), [RUNS[name].bias, *path.bias])
    widths = [line["lw"] for line in compare.LINES.values()]
    assert min(-np.diff(widths)) >= 4, "each line leaves its neighbour's edges to be seen"
    [contours] = axes.collections
    run = RUNS["section 6"]
    for level, line in zip(np.arange(1, 6) / 10, contours.get_paths(), strict=True):
        weight, bias = torch.tensor(line.vertices[::20, :, None, None]).unbind(dim=1)
        losses = (weight * run.X + bias - run.y).abs().mean(dim=(1, 2))
        assert_allclose(losses, level, rtol=0, atol=BEND)

    theirs = reference["section 6"]
    moved = theirs._replace(bias=theirs.bias - np.float32(0.25))
    runs = [("section 6", run, {"tensor_updates": moved, "torch_optim": theirs})]
    [axes] = compare.plot_paths(runs).axes
    assert axes.get_title().endswith(": at most 2e-01 apart")
