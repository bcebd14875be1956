"""The pictures of training: legible, and drawn from numbers that were found in another way."""

import re
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.animation import AbstractMovieWriter
from matplotlib.colors import to_hex
from matplotlib.text import Annotation, Text
from problems import ROOT
from tolerances import LOSS_FLOAT64, MSE_PATH_FLOAT32, ONE_SIGN_FLIPPED, OPTIMIZER_LOOP_FLOAT64
from torch import nn

from manual_grad import learning_rate, loss_surface, optimizer_paths, torch_optim
from manual_grad.published_runs import published_runs

RUN = published_runs()["section 3"]
RUN64 = RUN._replace(X=RUN.X.double(), y=RUN.y.double())
PALETTE = {"#000000", "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#ffffff"}


def path_by_torch(run):
    """Return weights and biases from the start on, by trainer 4 in float64."""
    run = run._replace(X=run.X.double(), y=run.y.double())
    trajectory = run.train(torch_optim.train)
    return np.array([[run.weight, *trajectory.weight], [run.bias, *trajectory.bias]])


class Recorder(AbstractMovieWriter):
    """A movie writer that keeps what each frame shows, instead of its pixels."""

    def __init__(self):
        super().__init__()
        self.frames = []

    def setup(self, fig, outfile, dpi=None):
        self.fig = fig

    def grab_frame(self, **savefig_kwargs):
        line_axes, map_axes = self.fig.axes
        drawn = line_axes.lines[-1], *map_axes.lines[-2:]
        self.frames.append((line_axes.get_title(), *(np.array(line.get_data()) for line in drawn)))

    def finish(self):
        pass


def close(line, expected, tolerance):
    """Tell whether a drawn line has this data, to the tolerance."""
    data = np.array(line.get_data())
    return data.shape == expected.shape and np.abs(data - expected).max() <= tolerance


def draw_loss_surface():
    runs = RUN, loss_surface.with_equal_first_step(RUN, "mse")
    return loss_surface.plot(runs, [path_by_torch(run) for run in runs])


def draw_learning_rate(loss):
    run = RUN64._replace(loss=loss)
    rates = learning_rate.MAE_RATES
    if loss == "mse":
        rates = learning_rate.mse_rates(run.X.numpy())
    return learning_rate.plot(run, rates, learning_rate.paths_with(rates, run), "A title")


def four_paths(epochs):
    problem = RUN64.X.numpy(), RUN64.y.numpy(), RUN64.weight, RUN64.bias
    return {
        title: optimizer_paths.train_by_hand(*problem, *optimizer_paths.OPTIMIZERS[title], epochs)
        for title in optimizer_paths.LOOKS
    }


def draw_optimizers():
    return optimizer_paths.plot(RUN64.X.numpy(), RUN64.y.numpy(), four_paths(120))


def draw_animation():
    recorder = Recorder()
    loss_surface.animate(RUN, path_by_torch(RUN), recorder)
    return recorder.fig


FIGURES = {
    "loss_surface": draw_loss_surface,
    "learning_rate": lambda: draw_learning_rate("mse"),
    "learning_rate_mae": lambda: draw_learning_rate("mae"),
    "optimizers": draw_optimizers,
    "training": draw_animation,
}


@pytest.fixture(scope="module")
def figures():
    """Draw each picture once."""
    yield {name: draw() for name, draw in FIGURES.items()}
    plt.close("all")


def texts_of(figure):
    """Return each text that the figure draws, with its box in pixels."""
    drawn = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Text, "draw", lambda text, renderer: drawn.append(text))
        figure.draw_without_rendering()
    texts = dict.fromkeys(t for t in drawn if t.get_visible() and t.get_text().strip())
    return [(text, text.get_window_extent()) for text in texts]


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES)
def test_a_picture_is_legible_at_the_back_of_a_room(name, figures):
    figure = figures[name]
    assert tuple(figure.get_size_inches()) == (13.33, 7.5)
    texts = texts_of(figure)
    assert len(texts) > 15
    assert min(text.get_fontsize() for text, _ in texts) >= 14
    for axes in figure.axes:
        for line in axes.lines:
            assert line.get_linewidth() >= 2
            assert to_hex(line.get_color()) in PALETTE


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES)
def test_no_text_of_a_picture_is_cut_off_or_hides_another_or_a_marker(name, figures):
    figure = figures[name]
    inside, texts = figure.bbox, texts_of(figure)
    for text, box in texts:
        assert inside.x0 <= box.x0, text
        assert box.x1 <= inside.x1, text
        assert inside.y0 <= box.y0, text
        assert box.y1 <= inside.y1, text
    for i, (text, box) in enumerate(texts):
        for other, other_box in texts[:i]:
            assert not box.overlaps(other_box), (text.get_text(), other.get_text())
    for note, box in texts:
        if isinstance(note, Annotation):
            for line in note.axes.lines:
                marks = line.get_xydata() if line.get_marker() != "None" else []
                for mark in marks:
                    assert not box.contains(*note.axes.transData.transform(mark)), note


def test_the_checks_of_legibility_see_what_is_too_small_cut_off_or_on_top():
    figure, axes = plt.subplots(figsize=(4, 3))
    axes.text(0.5, 0.5, "one above")
    axes.text(0.5, 0.5, "the other")
    axes.text(1.2, 0.5, "beyond the edge")
    boxes = {text.get_text(): box for text, box in texts_of(figure)}
    plt.close(figure)
    assert boxes["one above"].overlaps(boxes["the other"])
    assert boxes["beyond the edge"].x1 > figure.bbox.x1


def test_both_walks_start_at_the_tutorials_start_with_steps_of_one_length(figures):
    maps = figures["loss_surface"].axes[:2]
    steps = []
    for axes, tolerance in zip(maps, (ONE_SIGN_FLIPPED, MSE_PATH_FLOAT32)):
        walk = np.array(axes.lines[1].get_data())
        assert walk[:, 0].tolist() == [RUN.weight, RUN.bias]
        steps.append(np.linalg.norm(walk[:, 1] - walk[:, 0]))
        assert tolerance < steps[-1] / 2, "the tolerances of the next test see a step"
    assert abs(steps[0] - steps[1]) <= MSE_PATH_FLOAT32


def test_the_walks_and_their_marks_are_those_of_the_two_runs(figures):
    runs = RUN, loss_surface.with_equal_first_step(RUN, "mse")
    assert [run.loss for run in runs] == ["mae", "mse"]
    assert runs[0].lr == 0.01
    ends = []
    for axes, run, tolerance in zip(
        figures["loss_surface"].axes, runs, (ONE_SIGN_FLIPPED, MSE_PATH_FLOAT32)
    ):
        expected = path_by_torch(run)
        drawn = loss_surface.path(run, run.train(loss_surface.numpy_closed_form.train))
        assert np.abs(drawn - expected).max() <= tolerance
        star, walk, marks = axes.lines
        assert close(star, np.array([[0.7], [0.3]]), 0)
        assert close(walk, expected, 0)
        assert close(marks, expected[:, [0, 10, 20, 50, 100]], 0)
        words = {text.get_text(): text.xy for text in axes.texts}
        for epoch in (0, 10, 20, 50, 100):
            assert (words[f"epoch {epoch}"] == expected[:, epoch]).all()
        assert run.loss.upper() in axes.get_title()
        assert f"lr = {run.lr:.3g}" in axes.get_title()
        ends.append(np.linalg.norm(expected[:, -1] - [0.7, 0.3]))
    assert ends[0] < ends[1], "the title says that MAE is closer"


@pytest.mark.parametrize(("loss", "loss_fn"), [("mae", nn.L1Loss()), ("mse", nn.MSELoss())])
def test_a_map_shows_torchs_loss_of_each_pair_of_parameters(loss, loss_fn, monkeypatch):
    figure, axes = plt.subplots()
    drawn = {}
    monkeypatch.setattr(axes, "contourf", lambda *args, **options: drawn.update(args=args))
    X, y = RUN64.X.numpy(), RUN64.y.numpy()
    weights, biases, levels = loss_surface.MAP[0], loss_surface.MAP[1], loss_surface.LEVELS[loss]
    loss_surface.draw_map(axes, loss, X, y, weights, biases, levels)
    plt.close(figure)
    x_values, y_values, surface, shown = drawn["args"]
    assert [*map(id, (x_values, y_values, shown))] == [*map(id, (weights, biases, levels))]
    grid = torch.tensor(weights)[None, :, None], torch.tensor(biases)[:, None, None]
    y_pred = grid[0] * RUN64.X.ravel() + grid[1]
    each = type(loss_fn)(reduction="none")(y_pred, RUN64.y.ravel().expand_as(y_pred))
    assert np.abs(surface - each.mean(dim=2).numpy()).max() <= LOSS_FLOAT64
    assert surface.max() <= levels[-1], "every place has a colour"


@pytest.mark.parametrize("loss", ["mse", "mae"])
def test_the_learning_rates_are_drawn_with_their_losses_and_paths(loss, figures):
    run = RUN64._replace(loss=loss)
    losses, *panels = figures["learning_rate" if loss == "mse" else "learning_rate_mae"].axes[:6]
    rates = learning_rate.MAE_RATES if loss == "mae" else learning_rate.mse_rates(run.X.numpy())
    paths = learning_rate.paths_with(rates, run)
    assert losses.get_yscale() == "log"
    assert len(losses.lines) == 5
    assert len({line.get_marker() for line in losses.lines}) == 5
    for line, panel, rate, points in zip(losses.lines, panels, rates, paths, strict=True):
        epochs = np.arange(101)
        assert close(line, np.array([epochs, learning_rate.losses_along(run, points)]), 0)
        assert line.get_label() == panel.get_title() == f"lr = {rate:.3g}"
        star, walk, start, end = panel.lines
        assert close(walk, points, 0)
        assert close(start, np.array([[run.weight], [run.bias]]), 0)
        assert close(end, points[:, -1:], 0)
        assert line.get_color() == walk.get_color() == end.get_color()


def test_the_four_optimizers_are_drawn_with_their_losses_and_paths(figures):
    left, right = figures["optimizers"].axes
    assert right.get_yscale() == "log"
    X, y = RUN64.X, RUN64.y
    assert len(right.lines) == len({line.get_marker() for line in right.lines}) == 4
    for walk, line in zip(left.lines[1:], right.lines, strict=True):
        title = walk.get_label()
        assert title == line.get_label()
        name, options = optimizer_paths.OPTIMIZERS[title]
        assert options["lr"] == 0.01, "the title says so"
        expected = optimizer_paths.train_by_torch(
            X.numpy(), y.numpy(), RUN.weight, RUN.bias, name, options, 100
        )
        assert close(walk, expected, OPTIMIZER_LOOP_FLOAT64)
        losses = [nn.MSELoss()(w * X + b, y).item() for w, b in expected.T]
        # The loss has slopes of at most 1.
        assert close(line, np.array([np.arange(101), losses]), 2 * OPTIMIZER_LOOP_FLOAT64)
    ends = {line.get_label(): line.get_ydata() for line in right.lines}
    plain = ends.pop("plain SGD")
    assert all(values[-1] < plain[-1] for values in ends.values()), "the title says farther"
    assert all((np.diff(values) > 0).any() for values in ends.values()), "and overshoot"
    assert (np.diff(plain) < 0).all()


def test_the_animation_shows_line_point_and_loss_of_every_fifth_epoch():
    run = RUN._replace(epochs=12)
    points = path_by_torch(run)
    recorder = Recorder()
    loss_surface.animate(run, points, recorder, hold=2)
    plt.close(recorder.fig)
    for epoch, frame in zip([0, 5, 10, 12, 12], recorder.frames, strict=True):
        title, line, walk, point = frame
        weight, bias = points[:, epoch]
        value = nn.L1Loss()(weight * RUN.X + bias, RUN.y).item()
        assert title == f"Epoch {epoch}: MAE = {value:.3f}"
        assert np.array_equal(line, [[0, 1], [bias, weight + bias]])
        assert np.array_equal(walk, points[:, : epoch + 1])
        assert np.array_equal(point, [[weight], [bias]])


def durations_of(data):
    """Return how long each frame of an endless GIF is shown, in hundredths of a second."""
    assert data.startswith(b"GIF89a")
    assert b"NETSCAPE2.0\x03\x01\x00\x00" in data, "0 repetitions: without end"
    # Each frame's graphic control extension holds its duration.
    found = re.findall(rb"\x21\xf9\x04.(..).\x00", data, re.DOTALL)
    return [int.from_bytes(duration, "little") for duration in found]


def test_the_gif_loops_for_about_six_seconds_and_is_below_one_megabyte():
    data = (ROOT / "docs" / "training.gif").read_bytes()
    assert len(data) < 1_000_000
    assert 500 <= sum(durations_of(data)) <= 700


@pytest.mark.slow
def test_the_animation_is_saved_as_such_a_gif(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loss_surface, "animate", partial(loss_surface.animate, every=100))
    loss_surface.main(animation=True)
    plt.close("all")
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        "loss_surface.png",
        "training.gif",
    }
    whole = durations_of((ROOT / "docs" / "training.gif").read_bytes())
    coarse = durations_of((tmp_path / "figures" / "training.gif").read_bytes())
    assert len(whole) - len(coarse) == 200 // 5 - 200 // 100
    assert set(coarse) == set(whole)
    assert "Saved figures/training.gif" in capsys.readouterr().out


def test_the_table_of_the_walks_holds_torchs_numbers(capsys):
    runs = RUN, loss_surface.with_equal_first_step(RUN, "mse")
    paths = [path_by_torch(run) for run in runs]
    loss_surface.print_paths(runs, paths)
    rows = [
        line.split() for line in capsys.readouterr().out.splitlines() if line[:5].strip().isdigit()
    ]
    expected = [
        [str(epoch), *(f"{number:.6f}" for number in (w, b, loss_fn(w * RUN.X + b, RUN.y).item()))]
        for points, loss_fn in zip(paths, (nn.L1Loss(), nn.MSELoss()))
        for epoch in (0, 10, 20, 50, 100)
        for w, b in [points[:, epoch]]
    ]
    assert rows == expected
