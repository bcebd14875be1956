"""compare: its table and its picture say what the trainers did, the same in every run."""

import re

import numpy as np
import pytest
import torch

from manual_grad import compare, program
from manual_grad.published_runs import published_runs
from manual_grad.trajectory import Trajectory

RUNS = published_runs()
# The lines of equal loss join points that are 0.01 apart. Between them the MAE bends so little.
BEND = 1e-3


@pytest.fixture(scope="module")
def trained():
    return {name: compare.train_all(run) for name, run in RUNS.items()}


@pytest.mark.slow
def test_the_text_is_the_same_in_every_run(trained, monkeypatch, capsys):
    figures = []
    monkeypatch.setattr(program, "save_figure", lambda figure, name: figures.append(name))
    compare.main()
    text = capsys.readouterr().out
    again = iter(trained.values())  # trained another time
    monkeypatch.setattr(compare, "train_all", lambda run: next(again))
    compare.main()
    assert text == capsys.readouterr().out
    assert figures == ["manual_grad"] * 2
    assert max(map(len, text.splitlines())) <= 100
    assert "NOT EXPLAINED" not in text
    versions = re.match("torch (.*) with its kernels for .*, NumPy (.*)\n", text).groups()
    assert versions == (torch.__version__, np.__version__)
    for name in RUNS:
        rows = text.split(f"\n# {name}: ")[1].split("\n\n")[0].splitlines()[3:]
        assert [row.split()[0] for row in rows] == list(compare.TRAINERS)


TABLE = """
# a run: 4 points, mse, lr 0.25, 4 epochs
start: weight 0, bias 0
                    equal epochs   apart   bound  checksum   last weight          bias          loss
mine                 3    2    1 0.00098 8.7e+07  9fe696e9        0.9375 -0.0009765625             3
    NOT EXPLAINED: epoch 1, loss is 1, should be 0.25, ratio 4
torch_optim          4    4    4       0       0  2d4cd36e        0.9375             0      0.015625
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
def test_the_picture_shows_the_runs_over_the_mae_and_its_title_follows(trained):
    runs = [(name, RUNS[name], dict(trained[name])) for name in ("section 3", "section 6")]
    [axes] = compare.plot_paths(runs).axes
    for trainer in compare.TRAINERS:
        lines = [line for line in axes.get_lines() if line.get_label() == trainer]
        for line, (_, run, trajectories) in zip(lines, runs, strict=True):
            trajectory = trajectories[trainer]
            np.testing.assert_array_equal(line.get_xdata(), [run.weight, *trajectory.weight])
            np.testing.assert_array_equal(line.get_ydata(), [run.bias, *trajectory.bias])
    [contours] = axes.collections
    run = RUNS["section 6"]
    for level, line in zip(np.arange(1, 6) / 10, contours.get_paths(), strict=True):
        weight, bias = torch.tensor(line.vertices[::20, :, None, None]).unbind(dim=1)
        losses = (weight * run.X + bias - run.y).abs().mean(dim=(1, 2))
        np.testing.assert_allclose(losses, level, rtol=0, atol=BEND)
    assert axes.get_title() == "Paths over the MAE from two starts: the same in every trainer"
    theirs = runs[1][2]["torch_optim"]
    runs[1][2]["tensor_updates"] = theirs._replace(bias=theirs.bias - np.float32(0.25))
    [axes] = compare.plot_paths(runs).axes
    assert axes.get_title().endswith(": at most 2e-01 apart")
