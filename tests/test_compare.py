"""compare: its table and its picture say what the trainers did."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from pictures import assert_key

from manual_grad import compare
from manual_grad.published_runs import published_runs
from manual_grad.trajectory import Trajectory

RUNS = published_runs()


@pytest.mark.slow
def test_the_text_has_a_table_for_each_run_and_a_row_for_each_trainer(ran):
    versions, *tables, _ = ran(compare)[0].split("\n\n# ")
    assert versions.startswith(f"torch {torch.__version__} with its kernels for ")
    assert versions.endswith(f", NumPy {np.__version__}")
    for table, name in zip(tables, RUNS, strict=True):
        assert table.startswith(f"{name}: ")
        assert [row.split()[0] for row in table.splitlines()[3:]] == list(compare.TRAINERS)


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


@pytest.fixture(scope="module")
def drawn(reference):
    """The picture of both starts, and its runs, in which each trainer's bias is moved up by 1/8."""

    def moved(theirs):
        return {
            name: theirs._replace(bias=theirs.bias + np.float32(i / 8))
            for i, name in zip((3, 2, 1, 0), compare.TRAINERS)
        }

    runs = [(name, RUNS[name], moved(reference[name])) for name in ("section 3", "section 6")]
    return compare.plot_paths(runs).axes[0], runs


def lines_of(axes):
    """Return the lines that are drawn for each trainer."""
    lines = axes.get_lines()
    return {name: [line for line in lines if line.get_label() == name] for name in compare.TRAINERS}


def test_each_trainers_path_is_drawn_from_each_start(drawn):
    axes, runs = drawn
    for trainer, lines in lines_of(axes).items():
        for line, (_, run, trajectories) in zip(lines, runs, strict=True):
            assert_array_equal(line.get_xdata(), [run.weight, *trajectories[trainer].weight])
            assert_array_equal(line.get_ydata(), [run.bias, *trajectories[trainer].bias])


def test_the_legend_is_that_of_the_lines(drawn):
    axes, _ = drawn
    lines = {line.get_label(): [line] for line in axes.get_lines()}
    assert list(lines) == ["true parameters", *compare.TRAINERS, "end"]
    assert_key(axes.get_legend(), lines | lines_of(axes))


def test_each_line_leaves_the_edges_of_the_one_below_to_be_seen(drawn):
    lines = [line for line in drawn[0].get_lines() if line.get_label() in compare.TRAINERS]
    assert [line.get_label() for line in lines] == [*compare.TRAINERS] * 2
    assert len({line.get_zorder() for line in lines}) == 1, "the later one lies above"
    widths = [line.get_linewidth() for line in lines[:4]]
    assert max(np.diff(widths)) <= -4


def test_each_path_bears_its_runs_name_at_its_start_and_its_end(drawn):
    axes, runs = drawn
    words = {text.get_text(): text.xy for text in axes.texts if hasattr(text, "xy")}
    for name, run, trajectories in runs:
        end = trajectories["torch_optim"].weight[-1], trajectories["torch_optim"].bias[-1]
        assert_array_equal(words[f"start, {name}"], [run.weight, run.bias])
        assert_array_equal(words[f"end, {name}"], end)


def test_the_title_says_how_far_the_paths_are_apart(drawn, reference):
    axes, runs = drawn
    assert axes.get_title().startswith("Paths of 4 trainers")
    assert axes.get_title().endswith(": at most 4e-01 apart")
    alike = [(name, run, {"torch_optim": reference[name]}) for name, run, _ in runs]
    assert compare.plot_paths(alike).axes[0].get_title().endswith(": the same")
