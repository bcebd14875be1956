"""The comparison's picture: it holds the trajectories, and its titles say what is seen."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from trained import by_all

from manual_grad import compare, verdict
from manual_grad.published_runs import published_runs

RUNS = published_runs()


@pytest.fixture(scope="module")
def results():
    return by_all()


@pytest.fixture(autouse=True)
def no_figures_left():
    yield
    plt.close("all")


def test_the_picture_holds_the_trajectories(results):
    figure = compare.plot_comparison(RUNS, results)
    paths, losses, steps = figure.axes
    lines = {}
    for line in paths.get_lines():
        lines.setdefault(line.get_label(), []).append(line)
    for trainer in compare.TRAINERS:
        for line, name in zip(lines[trainer], ("section 3", "section 6"), strict=True):
            run, trajectory = RUNS[name], results[name][trainer]
            np.testing.assert_array_equal(line.get_xdata(), [run.weight, *trajectory.weight])
            np.testing.assert_array_equal(line.get_ydata(), [run.bias, *trajectory.bias])
    ends = [mark.get_xydata().tolist() for mark in lines["end"]]
    for name in ("section 3", "section 6"):
        for trajectory in results[name].values():
            assert ends.pop(0) == [[trajectory.weight[-1], trajectory.bias[-1]]]

    run = RUNS["section 3"]
    *drawn, bound = losses.get_lines()
    for line, trajectory in zip(drawn, results["section 3"].values(), strict=True):
        right, allowed = verdict.in_float64(run, trajectory)["loss"]
        np.testing.assert_array_equal(line.get_ydata(), np.abs(trajectory.loss - right))
    np.testing.assert_array_equal(bound.get_ydata(), allowed)

    reference = np.stack(results["pipeline, custom"]["torch_optim"][3:])
    by_hand = compare.by_hand(results["pipeline, custom"]).values()
    for line, trajectory in zip(steps.get_lines(), by_hand, strict=True):
        apart = np.abs(np.stack(trajectory[3:]) - reference).max(axis=0)
        np.testing.assert_array_equal(line.get_ydata(), apart * 1e8)


def test_the_picture_says_what_is_seen(results):
    figure = compare.plot_comparison(RUNS, results)
    assert {*compare.TRAINERS, "end", "true parameters"} <= {
        text.get_text() for text in figure.legends[0].get_texts()
    }
    ends = {"end, section 3", "end, section 6"}
    assert ends <= {text.get_text() for text in figure.axes[0].texts}
    assert figure.axes[1].get_title() == "section 3:\nall errors below what rounding can cause"
    assert figure.axes[2].get_title().startswith("pipeline, custom:\n")
    assert all(a.get_title() and a.get_xlabel() and a.get_ylabel() for a in figure.axes)
    texts = [text for text in figure.findobj(plt.Text) if text.get_text()]
    assert min(text.get_fontsize() for text in texts) >= 14

    # The titles follow the data: here a trainer goes another way, with another loss.
    wrong = {name: dict(trajectories) for name, trajectories in results.items()}
    for trajectories in wrong.values():
        good = trajectories["tensor_updates"]
        trajectories["tensor_updates"] = good._replace(loss=2 * good.loss, bias=good.bias + 1)
    titles = [
        [axes.get_title() for axes in compare.plot_comparison(RUNS, r).axes]
        for r in (results, wrong)
    ]
    for before, after in zip(*titles):
        assert before != after
    assert titles[1][0].endswith("at most 1e+00 apart")
    assert "wrong by more than rounding" in titles[1][1]
    assert "epochs 0 to 99 differ" in titles[1][2]
