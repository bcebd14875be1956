"""limit_cycle.py: what it prints and draws is what was computed."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.text import Text
from published_numbers import PUBLISHED, X86
from trained import by_torch, states_of

from beyond import limit_cycle
from manual_grad.trajectory import Trajectory

RUNS = limit_cycle.mae_runs()
NAMES = pytest.mark.parametrize("name", RUNS)
ROWS = PUBLISHED["workflow_notebook"]["6_training"]["rows"]


@pytest.fixture(scope="module")
def trajectories():
    return {name: by_torch(name, run.epochs) for name, run in RUNS.items()}


def test_a_cycle_of_three_states_is_shown_as_one(capsys):
    states, nothing = np.array([1, 2, 3] * 5, np.float32), np.zeros(15, np.float32)
    trajectory = Trajectory(nothing, nothing, nothing, states, -states)
    limit_cycle.print_cycle("section 6", RUNS["section 6"], trajectory)
    limit_cycle.print_explanation("section 6", RUNS["section 6"], trajectory)
    output = capsys.readouterr().out
    assert (
        "section 6: from epoch 0 on, 3 states (shown: those around the next printed row)\n"
        in output
    )
    assert output.count("\n    C  ") == 2


@NAMES
def test_the_output_shows_both_states_and_the_row_put_together(name, trajectories, capsys):
    run, every = RUNS[name], limit_cycle.EVERY[name]
    limit_cycle.print_cycle(name, run, trajectories[name])
    limit_cycle.print_explanation(name, run, trajectories[name])
    output = capsys.readouterr().out
    first, _ = limit_cycle.find_cycle(trajectories[name])
    assert f"# 1. The cycle, {name}: from epoch {first} on, 2 states" in output
    a, b = states_of(name)
    for label, (weight, bias) in (("A", a), ("B", b)):
        [line] = [line for line in output.splitlines() if f"{float(weight)} " in line]
        assert line.split()[0] == label
        losses = [limit_cycle.loss_at((weight, bias), *data) for data in (run[:2], run[2:4])]
        assert [float(number) for number in line.split()[3:]] == [float(bias), *losses]
    last = output.partition("\n\n# 2.")[0].splitlines()[-1]
    epoch, train_loss, test_loss = (part.split(": ")[1] for part in last.split(" | "))
    assert int(epoch) % every == 0
    assert first < int(epoch) <= first + every
    assert float(train_loss) == limit_cycle.loss_at(a, run.X, run.y)
    assert float(test_loss) == limit_cycle.loss_at(b, run.X_test, run.y_test)
    _, signs = limit_cycle.gradient_at(a, run.X.numpy(), run.y.numpy())
    counts = [len(signs), 0] if signs[0] > 0 else [0, len(signs)]
    explained = [line.split()[1:3] for line in output.splitlines()[-2:]]
    assert explained == [list(map(str, counts)), list(map(str, counts[::-1]))]
    assert output.count("to the bit") + output.count("off by") == 2
    assert not X86 or "off by" not in output


def test_the_picture_holds_the_loss_curves_the_rows_and_both_states(trajectories):
    run, trajectory = RUNS["section 6"], trajectories["section 6"]
    constant = trajectory._replace(weight=trajectory.weight[:1].repeat(1000))
    figure = limit_cycle.plot(run, trajectory, "a schedule", constant)
    near, whole = figure.axes
    train, train_rows, test, test_rows, _ = near.get_lines()
    np.testing.assert_array_equal(train.get_ydata(), trajectory.loss)
    assert test.get_ydata()[500] == limit_cycle.loss_at(
        limit_cycle.state_after(trajectory, 500), run.X_test, run.y_test
    )
    for rows, losses, column in ((train_rows, train, 1), (test_rows, test, 2)):
        assert list(rows.get_xdata()) == [row[0] for row in ROWS]
        np.testing.assert_array_equal(rows.get_ydata(), losses.get_ydata()[::10])
        if X86:
            assert [str(float(loss)) for loss in rows.get_ydata()][12:] == [
                str(float(np.float32(row[column]))) for row in ROWS[12:]
            ]
    arrows = {text.get_text(): text.xy for text in near.texts}
    first, _ = limit_cycle.find_cycle(trajectory)
    epoch = (first // 10 + 1) * 10
    assert arrows == {
        "state A": (epoch, train.get_ydata()[epoch]),
        "state B": (epoch, test.get_ydata()[epoch]),
    }
    for axes in (near, whole):
        assert axes.get_legend()
        assert axes.get_yscale() == "log"
        assert axes.get_xlabel() == "epoch"
        assert "no unit" in axes.get_ylabel()
        assert axes.get_title()
    labels = [text.get_text() for text in whole.get_legend().get_texts()]
    assert labels == ["test loss", "train loss", "test loss, a schedule"]
    assert len(whole.texts) == 2, "what the bands and the blocks are"
    assert min(text.get_size() for text in figure.findobj(Text) if text.get_text()) >= 14
    plt.close(figure)
