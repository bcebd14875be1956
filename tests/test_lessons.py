"""The lessons: what they print and draw is right. Each number is found once more, by torch.

limit_cycle, schedules, explore, minibatches and finite_differences have files of their own.
"""

import contextlib
import importlib
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from conftest import ROOT, assert_is_the_band_of
from matplotlib.animation import PillowWriter
from matplotlib.colors import to_hex
from matplotlib.contour import QuadContourSet
from numpy.testing import assert_allclose, assert_array_equal
from pictures import assert_key, assert_words_are_whole, color
from torch import nn

from lessons import autograd_function, first_epoch, learning_rate, loss_surface, optimizer_paths
from lessons.autograd_function import MAE
from manual_grad import torch_optim
from manual_grad.loss_map import draw_map, name_lines
from manual_grad.published_runs import published_runs

FLOAT32 = 16 * 2.0**-24  # numbers of at most 1 from 40 points: so many roundings at most
FLOAT64 = 92 * 2.0**-53
PATH64 = 2.2e-12  # 100 epochs of such roundings, relative to the largest parameter; lr h <= 2.1
# In float32, MSE: 3 roundings of 2^-24 an epoch. MAE: where one flips the sign of a residual, the
# step changes by lr * 2 |x| / n.
PATH32 = {"mse": 1.8e-5, "mae": 5e-4}
# A path of 100 epochs in which an epoch rounds some 100 times by 2^-53. What was planted in one,
# 1e-13, grew at most 1.5 times in the later ones.
LOOP = 100 * 100 * 1.5 * 2.0**-53
PRINTED = 1e-6  # one of the sixth decimal
# A line of equal loss is straight between points of a grid at most 0.036 apart. A loss's slope
# changes by less than 1 between two, so that it leaves the line by less than a quarter of that.
ON_LINE = 0.009

SOURCES = {file.stem: file.read_text("utf-8") for file in (ROOT / "lessons").glob("*.py")}
RUN = published_runs()["section 3"]
RUN64 = RUN._replace(X=RUN.X.double(), y=RUN.y.double())
# After 100 epochs residuals have both signs. In the third run some are 0.
LATER = RUN._replace(weight=0.5784404277801514, bias=0.3513098657131195)
ZEROS = LATER._replace(y=torch.where(RUN.X < 0.1, LATER.weight * RUN.X + LATER.bias, RUN.y))
LOSS_FNS = {"mae": nn.L1Loss(), "mse": nn.MSELoss()}
HESSIAN = torch.autograd.functional.hessian(
    lambda parameters: nn.MSELoss()(parameters[0] * RUN64.X + parameters[1], RUN64.y),
    torch.zeros(2, dtype=torch.float64),
)
H = np.linalg.eigvalsh(HESSIAN.numpy())
RATES = {
    "mae": [0.001, 0.01, 0.03, 0.1, 1],
    "mse": [0.001, 0.01, 0.1, 2 / H.sum(), 1.05 * 2 / H[1]],
}


def rows(text, title, first, count):
    """Return some lines below a title, each split at its columns."""
    lines = text[text.index(title) :].splitlines()[first : first + count]
    return [re.split(r"  +", line.strip()) for line in lines]


def path_by_torch(run):
    """Return weights and biases from the start on, (2, epochs + 1), by torch.optim."""
    trajectory = run.train(torch_optim.train)
    return np.array([[run.weight, *trajectory.weight], [run.bias, *trajectory.bias]])


def loss_by_torch(loss, weight, bias):
    return LOSS_FNS[loss](weight * RUN64.X + bias, RUN64.y).item()


def test_python_m_lessons_names_each_of_them(start, tmp_path):
    named = re.findall(r"^ {4}(\w+)", start("lessons/__main__.py", folder=tmp_path), re.MULTILINE)
    programs = [name for name in SOURCES if "\n    program.run(main, __doc__" in SOURCES[name]]
    assert sorted(named) == sorted(programs)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in sorted(SOURCES) if "pictures.show_f" in SOURCES[n]])
def test_no_word_of_a_picture_is_cut_or_hides_another(name, ran):
    for figure in ran(importlib.import_module(f"lessons.{name}"))[1].values():
        assert_words_are_whole(figure)


def test_the_numbers_on_paper_are_torchs_where_the_signs_are_mixed():
    epoch = np.ravel(LATER._replace(epochs=1).train(torch_optim.train))
    on_paper = [number for *_, number in first_epoch.on_paper(LATER)]
    assert_allclose(on_paper, epoch, rtol=0, atol=FLOAT32)


@pytest.mark.parametrize("run", [ZEROS, LATER, RUN], ids=["some residuals 0", "later", "start"])
def test_each_node_of_the_graph_has_torchs_value_and_gradient(run):
    weight, bias = (torch.tensor(start, requires_grad=True) for start in (run.weight, run.bias))
    product = weight * run.X
    y_pred = product + bias
    residual = y_pred - run.y
    size = residual.abs()
    tensors = [weight, product, bias, y_pred, residual, size, size.mean()]
    gradients = torch.autograd.grad(tensors[-1], tensors)
    nodes = first_epoch.graph(run).values()
    for node, *theirs in zip(nodes, tensors, gradients, strict=True):
        for ours, right in zip(node, theirs):
            assert_allclose(ours, right.detach(), rtol=0, atol=FLOAT32)


@pytest.mark.parametrize(
    ("epoch", "title"), [(0, "# The first epoch: forward"), (30, "# Epoch 30")]
)
def test_the_table_has_every_fourth_point_and_its_columns_follow_from_each_other(epoch, title, ran):
    text, _ = ran(first_epoch)
    weight, bias = path_by_torch(RUN)[:, epoch]
    assert f"weight = {weight:.8f}, bias = {bias:.8f}; every fourth of the 40 points" in text
    x, y = RUN.X[::4].ravel(), RUN.y[::4].ravel()
    residual = weight * x + bias - y
    right = range(0, 40, 4), x, y, residual + y, residual, residual.sign(), residual.sign() * x
    assert_allclose(np.array(rows(text, title, 4, 10), float), np.transpose(right), atol=PRINTED)
    assert not re.search(r"-0(\.0*)?(?![.\d])", text), "a zero with a sign"


def test_the_means_and_the_signs_of_all_points_are_printed(ran):
    text, _ = ran(first_epoch)
    run = RUN.train(torch_optim.train)
    for (*_, by_hand, by_torch), column in zip(rows(text, "in two ways", 3, 5), run):
        assert_allclose([float(by_hand), float(by_torch)], column[0], atol=PRINTED)
    weight, bias = path_by_torch(RUN)[:, 30]
    signs = (weight * RUN.X + bias - RUN.y).sign()
    assert f"{(signs > 0).sum()} have sign 1 and {(signs < 0).sum()} sign -1" in text
    assert f"= {run.bias_grad[30]:.3f}; in epoch 0 it was {run.bias_grad[0]:.3f}." in text
    assert f"is {run.weight_grad[30]:.3f}; it was {run.weight_grad[0]:.3f}." in text


def test_the_graph_has_each_nodes_two_numbers_in_its_box_below_the_heads_of_their_colours(ran):
    (axes,) = ran(first_epoch)[1]["first_epoch_graph"].axes
    *heads, texts = *axes.texts[:4], axes.texts[4:]
    assert [head.get_text() for head in heads] == ["value", "gradient"] * 2
    words = [text.get_text() for text in texts]
    for name, node in first_epoch.graph(RUN).items():
        over = heads[2:] if name == "bias" else heads[:2]
        for i, array, head in zip((1, 2), node, over):
            text = texts[words.index(name) + i]
            assert text.get_text() == f"{array.ravel()[-1]:.4f}"
            assert color(text) == color(head)
            (x, y), (right, top) = text.get_position(), head.get_position()
            assert abs(x - right) < 1e-9
            assert y < top
            boxes = sum(box.get_bbox().contains(x, y) for box in axes.patches)
            assert boxes == (3 if node[0].size > 1 else 1), "a stack, or one box"


def test_the_residuals_are_drawn_and_counted_by_sign(ran):
    figure = ran(first_epoch)[1]["first_epoch_residuals"]
    for axes, run in zip(figure.axes, (RUN, LATER), strict=True):
        y_pred = run.weight * RUN.X + run.bias
        bars = torch.hstack([RUN.X, RUN.y, RUN.X, y_pred])
        predictions, *points = axes.lines
        assert_allclose(predictions.get_xydata(), torch.hstack([RUN.X, y_pred]), atol=PRINTED)
        drawn = {"predictions": [predictions]}
        words = "below 0 (line must rise)", "above 0 (line must fall)"
        for lines, marks, sign, which in zip(axes.collections, points, (-1, 1), words):
            some = bars[((y_pred - RUN.y).sign() == sign).ravel()].numpy()
            assert_allclose(np.reshape(lines.get_segments(), (-1, 4)), some, atol=PRINTED)
            assert_array_equal(marks.get_xydata(), some[:, :2])
            drawn[f"data point, residual {which}: {len(some)}"] = [lines, marks]
        assert_key(axes.get_legend(), drawn)
        assert color(points[0]) != color(points[1])


def test_the_arrows_are_gradient_and_step_and_the_square_is_what_is_enlarged(ran):
    everything, enlarged = ran(first_epoch)[1]["first_epoch_surface"].axes
    _, *gradient, weight, bias = np.ravel(RUN._replace(epochs=1).train(torch_optim.train))
    start = np.array([RUN.weight, RUN.bias])
    arrows = [note for note in enlarged.texts if getattr(note, "arrow_patch", None)]
    ends = start + 0.005 * np.array(gradient), (weight, bias)
    for arrow, end, words in zip(arrows, ends, ("gradient\n", "step ="), strict=True):
        assert_allclose([arrow.xyann, arrow.xy], [start, end], atol=PRINTED)
        (name,) = (text for text in enlarged.texts if text.get_text().startswith(words))
        assert color(name) == to_hex(arrow.arrow_patch.get_edgecolor())
    assert_allclose(enlarged.lines[-1].get_xydata(), [start, (weight, bias)], atol=PRINTED)
    (square,) = everything.patches
    assert_allclose(square.get_bbox().get_points(), enlarged.viewLim.get_points())


@pytest.mark.parametrize("loss", ["mae", "mse"])
def test_a_map_has_torchs_loss_at_its_lines_and_a_star_at_the_true_line(loss):
    weights, biases, levels = np.linspace(0.2, 0.8, 18), np.linspace(0, 0.6, 19), [0.02, 0.05, 0.1]
    axes = plt.figure().add_subplot()
    lines = draw_map(axes, loss, RUN64.X.numpy(), RUN64.y.numpy(), weights, biases, levels)
    for level, line in zip(levels, lines.get_paths(), strict=True):
        assert len(line.vertices) > 5
        losses = [loss_by_torch(loss, *point) for point in line.vertices]
        assert_allclose(losses, level, rtol=0, atol=ON_LINE)
    assert axes.lines[0].get_xydata().tolist() == [[0.7, 0.3]]
    assert [axes.get_xlabel(), axes.get_ylabel()] == ["weight (no unit)", "bias (no unit)"]
    assert [*axes.get_xlim(), *axes.get_ylim()] == [0.2, 0.8, 0, 0.6]
    assert [contours.filled for contours in axes.collections] == [True, False]
    name_lines(axes, lines, [line.vertices[3] for line in lines.get_paths()])
    *labels, name = [text.get_text() for text in axes.texts]
    assert (name, [float(label) for label in labels]) == ("true parameters", levels)


def test_no_place_of_a_map_lacks_a_colour(ran):
    for lesson in (loss_surface, learning_rate, optimizer_paths):
        for figure in ran(lesson)[1].values():
            grounds = [one for one in figure.findobj(QuadContourSet) if one.filled]
            assert grounds
            assert all(one.zmax <= one.levels[-1] for one in grounds)


def test_both_paths_over_the_surface_are_torchs_and_begin_with_equally_long_steps(ran):
    figure = ran(loss_surface)[1]["loss_surface"]
    *maps, lengths = figure.axes
    runs = RUN, loss_surface.with_equal_first_step(RUN, "mse")
    drawn, firsts = {}, []
    for axes, curve, run in zip(maps, lengths.lines, runs, strict=True):
        right = path_by_torch(run._replace(X=RUN64.X, y=RUN64.y))
        _, line = axes.lines
        assert_allclose(line.get_data(), right, atol=PATH32[run.loss])
        steps = np.hypot(*np.diff(right))
        assert_allclose(curve.get_xydata().T, [range(1, 101), steps], atol=2 * PATH32[run.loss])
        name = f"{run.loss.upper()}, lr = {run.lr:.3g}"
        assert axes.get_title().split("\n")[0] == name
        drawn[name] = [line, curve]
        firsts.append(steps[0])
    assert_allclose(*firsts, rtol=FLOAT32)
    assert_key(lengths.get_legend(), drawn)
    assert "a marker every 10 epochs" in figure.get_suptitle()
    assert all(line.get_markevery() == 10 for line in sum(drawn.values(), []))


def test_an_epochs_number_stands_where_the_path_has_got_by_then(ran):
    for axes in ran(loss_surface)[1]["loss_surface"].axes[:2]:
        notes = [note for note in axes.texts if re.fullmatch(r"(epoch )?\d+", note.get_text())]
        assert [note.get_text() for note in notes] == ["epoch 0", "10", "20", "50", "100"]
        walk = axes.lines[1].get_xydata()
        assert_array_equal([note.xy for note in notes], walk[[0, 10, 20, 50, 100]])


def test_the_films_key_is_that_of_data_and_line_beside_the_map():
    figure, _ = loss_surface.film(RUN, path_by_torch(RUN))
    left, right = figure.axes
    train, test, line = left.lines
    drawn = {"training data": [train], "test data": [test], "the model's line": [line]}
    assert_key(left.get_legend(), drawn)
    assert right.lines[0].get_label() == "true parameters", "the star of the map"
    (start,) = (note for note in right.texts if note.get_text() == "start")
    assert_array_equal(start.xy, [RUN.weight, RUN.bias])
    assert_array_equal(train.get_xydata(), torch.hstack([RUN.X, RUN.y]))
    assert_array_equal(test.get_xydata(), torch.hstack([RUN.X_test, RUN.y_test]))
    assert_words_are_whole(figure)


def test_each_frame_of_the_film_shows_line_and_point_of_the_epoch_in_its_title(monkeypatch):
    points, epochs = path_by_torch(RUN._replace(epochs=200)), [*range(0, 200, 5), *[200] * 8]

    def check(writer):
        epoch = epochs.pop(0)
        weight, bias = points[:, epoch]
        left, right = plt.gcf().axes
        loss = loss_by_torch("mae", weight, bias)
        assert left.get_title() == f"Epoch {epoch}: train MAE = {loss:.3f}"
        assert_array_equal(left.lines[-1].get_data(), [[0, 1], [bias, weight + bias]])
        assert_array_equal(right.lines[-2].get_data(), points[:, : epoch + 1])
        assert_array_equal(right.lines[-1].get_xydata(), [points[:, epoch]])

    monkeypatch.setattr(PillowWriter, "grab_frame", check)
    monkeypatch.setattr(PillowWriter, "saving", lambda *_, **__: contextlib.nullcontext())
    monkeypatch.setattr(loss_surface.pictures, "save_figure", lambda *_: None)
    loss_surface.main(animation=True)
    assert not epochs, "all frames are shown"


@pytest.mark.parametrize("loss", ["mse", "mae"])
def test_each_rate_leads_where_torch_gets_and_is_so_printed_and_drawn(loss, ran):
    (text, figures), run = ran(learning_rate), RUN64._replace(loss=loss)
    figure = figures["learning_rate" + "_mae" * (loss == "mae")]
    curves, *panels, key = figure.axes
    table = np.array(rows(text, f"# {loss.upper()}: five rates", 2, 5), float)
    drawn = {}
    for rate, row, panel, marks, band in zip(
        RATES[loss], table, panels, curves.lines, curves.collections, strict=True
    ):
        right = path_by_torch(run._replace(lr=rate))
        losses = np.array([loss_by_torch(loss, *point) for point in right.T])
        size = max(1, abs(right).max())
        star, line, start, end = panel.lines
        on_map = losses < 1.44  # the highest line of equal loss
        assert on_map.all() or panel.get_title() == "lr = 0.906"
        assert_allclose(line.get_data(), right[:, on_map], atol=PATH64 * size)
        ends = np.transpose([*start.get_xydata(), *end.get_xydata()])
        assert_allclose(ends, right[:, [0, -1]], atol=PATH64 * size)
        assert star.get_zorder() > line.get_zorder(), "no path hides the star"
        # A loss is at most PATH64 * size off for MAE, and that times twice the residual for MSE.
        near = dict(atol=PATH64 * size, rtol=PATH64 * size)
        epochs, marked = marks.get_data()
        assert_allclose(marked, losses[epochs], **near)
        assert epochs[1] % 2 == 1, "markers on both edges of a band"
        assert_is_the_band_of(losses, band, **near)
        drawn[panel.get_title()] = [line, end, marks, band]
        factors = (1 - rate * H) if loss == "mse" else []
        numbers = rate, *factors, *losses[-2:], *right[:, -1]
        assert_allclose(row, numbers, rtol=6e-4)  # four digits are printed
    assert list(drawn) == [f"lr = {rate:.3g}" for rate in RATES[loss]]
    assert len(curves.texts) == (loss == "mae")
    for note in curves.texts:  # it says what a band is, inside the last one
        assert min(losses) < note.get_position()[1] < max(losses)
    assert_key(key.get_legend(), drawn | {"start": [start], "true parameters": [star]})


def test_the_curvatures_are_torchs_and_so_printed(ran):
    text, figures = ran(learning_rate)
    assert_allclose(learning_rate.curvatures(RUN.X), H, rtol=FLOAT64)
    assert f"beyond {2 / H[1]:.4f} training diverges" in figures["learning_rate"].get_suptitle()
    assert f"h = {H[0]:.4f} along the flattest axis, {H[1]:.4f} along the steepest\n" in text
    assert f"fastest rate, 2 / (sum of both) = {2 / H.sum():.4f}\n" in text
    assert f"stable rate, 2 / h of the steepest = {2 / H[1]:.4f}\n" in text


TORCHS = {
    "plain SGD": (torch.optim.SGD, {}),
    "momentum": (torch.optim.SGD, dict(momentum=0.9)),
    "Nesterov": (torch.optim.SGD, dict(momentum=0.9, nesterov=True)),
    "RMSprop": (torch.optim.RMSprop, {}),
    "Adam": (torch.optim.Adam, {}),
}


def test_each_optimizer_by_hand_takes_torchs_path_and_is_so_printed_and_drawn(ran):
    text, figures = ran(optimizer_paths)
    left, right = figures["optimizers"].axes
    (inset,) = left.child_axes
    lines, printed, drawn = left.lines[1:], rows(text, "apart\n", 1, 5), {}
    for title, line, curve, large, row in zip(
        TORCHS, lines, right.lines, inset.lines, printed, strict=True
    ):
        optim, options = TORCHS[title]
        weight, bias = points = np.transpose(line.get_xydata())
        theirs = RUN64._replace(loss="mse").train(torch_optim.train, optim=optim, **options)
        apart = np.abs([weight[1:] - theirs.weight, bias[1:] - theirs.bias]).max()
        assert apart <= LOOP
        losses = [loss_by_torch("mse", *point) for point in points.T]
        assert_allclose(curve.get_ydata(), losses, rtol=0, atol=LOOP)
        assert row == [title, f"{weight[-1]:.6f}", f"{bias[-1]:.6f}", f"{apart:.1e}"]
        assert_array_equal(large.get_xydata(), line.get_xydata())
        assert inset.viewLim.contains(*points[:, -1]) or title in ("plain SGD", "RMSprop")
        drawn[title] = [line, curve, large]
    key = left.get_legend()
    assert_key(key, drawn)
    assert key.get_title().get_text() == "one marker every 10 epochs"
    assert all(line.get_markevery() == 10 for line in sum(drawn.values(), []))


@pytest.mark.parametrize("n", [3, 1000])
def test_value_and_gradients_are_l1losses_to_the_bit(n):
    y_pred, y = points = torch.randn(2, n, 1, generator=torch.Generator().manual_seed(n))
    y[: n // 3] = y_pred[: n // 3]  # residuals that are exactly 0
    points.requires_grad_()
    ours, theirs = (loss_fn(*points) for loss_fn in (MAE.apply, nn.L1Loss()))
    gradients = [torch.autograd.grad(0.3 * loss, points) for loss in (ours, theirs)]
    torch.testing.assert_close([ours], [theirs], rtol=0, atol=0)
    torch.testing.assert_close(*gradients, rtol=0, atol=0)


def test_predictions_and_labels_of_two_shapes_are_refused():
    with pytest.raises(ValueError, match="must have y_pred's"):
        MAE.apply(torch.ones(3, 1), torch.ones(3))


def test_the_runs_are_equal_to_the_bit_and_gradcheck_finds_the_mistake(ran):
    text, _ = ran(autograd_function)
    assert " equal to the bit in 100 of 100 epochs\n" in text
    assert text.endswith("MAE          right\nMAEWithoutN  wrong\n")
