"""The window of lessons/explore.py, driven by the mouse: what it trains, shows and says."""

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.backend_bases import MouseEvent
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from pictures import assert_inside, assert_key, color

from lessons import explore
from lessons.explore import START, Explorer, X, Y
from manual_grad import numpy_closed_form

FLOAT32 = 1e-5  # 40 points: at most 50 roundings of 2^-24 of numbers near 1
PIXEL = 4e-3  # a slider moves in pixels: 1.8 of bias over 533
LOSSES = {"MAE": torch.nn.L1Loss(), "MSE": torch.nn.MSELoss()}


@pytest.fixture
def window(monkeypatch):
    """Return the window, which is never drawn."""
    monkeypatch.setattr(FigureCanvasAgg, "draw", lambda canvas: None)
    return Explorer()


def drag(axes, *places, y=0.5):
    """Press the mouse at the first place, a share of the width, move to the others, let it go."""
    names = "button_press_event", *["motion_notify_event"] * len(places), "button_release_event"
    for name, x in zip(names, [places[0], *places, places[-1]]):
        event = MouseEvent(name, axes.figure.canvas, *axes.transAxes.transform((x, y)), 1)
        axes.figure.canvas.callbacks.process(name, event)


def test_100_epochs_from_the_start_are_the_tutorials(window):
    drag(window.buttons["100 epochs"].ax, 0.5)
    run = numpy_closed_form.train(X, Y, *START)
    assert window.path == [START, *zip(run.weight.tolist(), run.bias.tolist())]
    assert window.words.get_text() == (
        "Epoch 100: weight 0.5784, bias 0.3513, MAE 0.02446\n"
        "Gradient: weight -0.159, bias 0.1. "
        "Next step, -lr * gradient: weight +0.00159, bias -0.001\n"
        "In epoch 0 the MAE was 0.3129."
    )


def test_another_rate_goes_on_with_the_path_until_restart(window):
    drag(window.buttons["10 epochs"].ax, 0.5)
    window.exponent.set_val(-0.3)
    drag(window.buttons["1 epoch"].ax, 0.5)
    assert len(window.path) == 12
    drag(window.buttons["restart"].ax, 0.5)
    assert window.path == [(window.weight.val, window.bias.val)] == [START]


@pytest.mark.parametrize("loss", LOSSES)
def test_the_window_shows_a_dragged_point_with_torchs_gradient(window, loss):
    drag(window.buttons["10 epochs"].ax, 0.5)
    drag(window.loss.ax, 0.15, y={"MAE": 2 / 3, "MSE": 1 / 3}[loss])
    drag(window.weight.ax, 0.4, 0.6, 0.75)
    drag(window.bias.ax, 0.3)
    drag(window.exponent.ax, 0.9)
    (point,) = window.path
    np.testing.assert_allclose((*point, window.lr()), (1.0, -0.06, 0.5), atol=PIXEL)
    weight, bias = parameters = torch.tensor(point, requires_grad=True)
    LOSSES[loss](weight * torch.tensor(X) + bias, torch.tensor(Y)).backward()
    gradient, y_pred = parameters.grad.numpy(), point[0] * X + point[1]
    arrows = np.array([gradient / 2, -0.5 * gradient])
    for shown, right in (
        (window.line.get_xydata(), np.hstack([X, y_pred])),
        (window.residuals.get_xydata(), np.hstack([X, Y, X, y_pred, X * [np.nan, np.nan]])),
        ([window.walk.get_xydata(), window.point.get_xydata()], [point, point]),
        (window.arrows.get_offsets(), [point, point]),
        ([window.arrows.U, window.arrows.V], arrows.T),
        ([name.xy for name in window.names], point + arrows),
    ):
        np.testing.assert_allclose(np.ravel(shown), np.ravel(right), atol=FLOAT32)
    assert [name for name, lines in window.contours.items() if lines.get_visible()] == [loss]
    sides = np.sign([name.get_position()[1] for name in window.names])
    assert (sides == np.sign(arrows[:, 1])).all()


def test_the_keys_and_the_arrows_names_have_the_colours_of_what_is_drawn(window):
    axes, (star, *_) = window.line.axes, window.point.axes.lines
    data = axes.lines[1]
    drawn = {"residuals": [window.residuals], "training data": [data]}
    assert_key(axes.get_legend(), drawn | {"the model's line": [window.line]})
    assert_key(star.axes.get_legend(), {"true parameters": [star]})
    np.testing.assert_array_equal(data.get_xydata(), np.hstack([X, Y]))
    colors = [to_hex(one) for one in window.arrows.get_facecolors()]
    assert [color(name) for name in window.names] == colors
    assert [name.get_text() for name in window.names] == ["gradient / 2", "step"]


def test_a_step_that_the_point_hides_bears_no_name(window):
    for exponent, names in ((-2, [True, False]), (-1, [True, True])):
        window.exponent.set_val(exponent)
        assert [name.get_visible() for name in window.names] == names
    assert window.point.get_zorder() > window.arrows.get_zorder()


def test_a_point_off_the_map_has_no_arrows(window):
    window.exponent.set_val(0)
    for point in ((-0.2, -0.6), (1.4, 1.2), (0.5, 2), (2, 0.5)):
        window.restart(point)
        visible = {artist.get_visible() for artist in (window.arrows, *window.names)}
        assert visible == {max(point) < 2}


def test_divergence_is_said_in_words_and_the_next_drag_starts_anew(window):
    drag(window.loss.ax, 0.15, y=1 / 3)
    window.exponent.set_val(np.log10(0.9))
    drag(window.buttons["10 epochs"].ax, 0.5)
    assert "The MSE rose from 0.1049 in epoch 0. Lower lr?" in window.words.get_text()
    window.train(1000)
    assert "\nDiverged: " in window.words.get_text()
    drag(window.bias.ax, 0.5)
    np.testing.assert_allclose(window.path, [(-0.2, 0.3)], atol=PIXEL)


def test_without_a_window_it_saves_a_whole_picture(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(FigureCanvasAgg, "draw_idle", lambda canvas: None)  # saving draws it
    explore.main()
    said = "No window here: it needs a display, and a toolkit such as tkinter."
    assert capsys.readouterr().out == f"{said}\nSaved figures/explore.png\n"
    figure = plt.gcf()
    boxes = [part.get_tightbbox() for part in (*figure.axes, *figure.texts)]
    assert_inside(figure.bbox, boxes)
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
