"""The lessons: what they print and draw is right. Each number is found once more, by torch.

limit_cycle, schedules, explore, minibatches and finite_differences have files of their own.
"""

import argparse
import ast
import contextlib
import re
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from conftest import ROOT, assert_is_the_band_of
from matplotlib.contour import QuadContourSet
from matplotlib.quiver import Quiver
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from lessons import (
    autograd_function,
    explore,
    first_epoch,
    learning_rate,
    loss_surface,
    optimizer_paths,
)
from lessons.autograd_function import MAE
from manual_grad import loss_map, torch_optim
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
# A line of equal loss is straight between points of a grid at most 0.036 apart. MAE's slope changes
# by less than 1 between two of them, so that MAE leaves the line by less than a quarter of that.
ON_LINE = 0.009

RUN = published_runs()["section 3"]
RUN64 = RUN._replace(X=RUN.X.double(), y=RUN.y.double())
X = RUN64.X.numpy()
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


def test_each_lesson_is_named_and_its_help_is_its_docstring(start, tmp_path, monkeypatch):
    named = re.findall(r"^ {4}(\w+)", start("lessons/__main__.py", folder=tmp_path), re.MULTILINE)
    sources = {file: file.read_text(encoding="utf-8") for file in (ROOT / "lessons").glob("*.py")}
    programs = [file for file, source in sources.items() if "program.run(" in source]
    assert sorted(named) == sorted(file.stem for file in programs)
    shown, show = [], lambda parser: shown.append(parser.format_help())
    monkeypatch.setattr(argparse.ArgumentParser, "print_help", show)
    for file in programs:
        with pytest.raises(SystemExit, match="0"):
            start(file, "--help", folder=tmp_path)
        assert ast.get_docstring(ast.parse(sources[file])) in shown[-1]
        assert max(map(len, shown[-1].splitlines())) <= 100


def test_the_first_epoch_in_three_ways_is_torch_optims():
    for run in (RUN, LATER, ZEROS):
        epoch = run._replace(epochs=1).train(torch_optim.train)
        right = np.ravel([epoch.loss, epoch.weight_grad, epoch.bias_grad, epoch.weight, epoch.bias])
        for way in (first_epoch.by_hand, first_epoch.by_autograd, first_epoch.by_differences):
            if run is not ZEROS or way is not first_epoch.by_differences:  # another subgradient
                assert_allclose(way(run), right, atol=FLOAT32)


def test_the_printed_columns_follow_from_each_other_and_their_means_are_the_numbers(ran):
    text, _ = ran(first_epoch)
    x_train, y_train = RUN.X.ravel(), RUN.y.ravel()
    end, after = RUN.train(torch_optim.train), path_by_torch(RUN)
    for title, some, (weight, bias) in (
        ("# The first epoch: forward", range(40), after[:, 0]),
        ("# Epoch 30", range(0, 40, 4), after[:, 30]),
    ):
        table = np.array(rows(text, title, 4, len(some)), float).T
        _, x, _, y_pred, residual, sign, _ = table
        y_of_x = weight * x_train + bias
        right = [some, x_train[some], y_train[some], y_of_x[some]]
        right += [(y_of_x - y_train)[some], np.sign(residual), sign * x]
        assert_allclose(table, np.array(right), atol=PRINTED)
        assert f"weight = {weight:.8f}, bias = {bias:.8f}\n" in text
    first = [end.loss, end.weight_grad, end.bias_grad, end.weight, end.bias]
    printed = [row[-3:] for row in rows(text, "in three ways", 4, 5)]
    assert_allclose(np.array(printed, float).T, [[column[0] for column in first]] * 3, atol=PRINTED)
    signs = (y_of_x - y_train).sign()
    assert f"{(signs > 0).sum()} have sign 1 and {(signs < 0).sum()} sign -1" in text
    assert f"= {end.bias_grad[30]:.3f}; in epoch 0 it was {end.bias_grad[0]:.3f}." in text
    assert f"is {end.weight_grad[30]:.3f}; it was {end.weight_grad[0]:.3f}." in text
    assert not re.search(r"-0(\.0*)?(?![.\d])", text), "a zero with a sign"


def test_the_graph_has_torchs_value_and_gradient_at_each_node_and_shows_the_last(ran):
    text, figures = ran(first_epoch)
    printed = rows(text, "# The graph", 6, 7)[::-1]
    (axes,) = figures["first_epoch_graph"].axes
    drawn = [text.get_text() for text in axes.texts]
    for run in (ZEROS, LATER, RUN):
        weight, bias = (torch.tensor(start, requires_grad=True) for start in (run.weight, run.bias))
        product = weight * run.X
        y_pred = product + bias
        residual = y_pred - run.y
        size = residual.abs()
        tensors = [weight, product, bias, y_pred, residual, size, size.mean()]
        for tensor in tensors:
            tensor.retain_grad()
        tensors[-1].backward()
        for node, row, tensor in zip(first_epoch.nodes(run), printed, tensors, strict=True):
            name, value, gradient, formula, closed_form = node
            ours = [torch.tensor(array) for array in (value, gradient, closed_form)]
            theirs = [tensor.detach(), tensor.grad, tensor.grad]
            torch.testing.assert_close(ours, theirs, rtol=0, atol=FLOAT32)
            if run is RUN:
                numbers = [number.ravel()[-1].item() for number in theirs]
                assert (row[0], row[3]) == (name, formula)
                assert_allclose([float(row[i]) for i in (1, 2, 4)], numbers, atol=PRINTED)
                assert float(row[5]) <= FLOAT32
                at = drawn.index(name) + 1
                assert drawn[at : at + 2] == [f"{number:.4f}" for number in numbers[:2]]
    assert len(axes.patches) == 3 + 3 * 4, "three single numbers, four stacks"
    assert drawn.count("") == 2 * 6, "six arrows each way"


def test_the_residuals_are_drawn_by_sign_and_the_arrows_are_gradient_and_step(ran):
    _, figures = ran(first_epoch)
    for axes, run in zip(figures["first_epoch_residuals"].axes, (RUN, LATER), strict=True):
        y_pred = run.weight * RUN.X + run.bias
        bars = torch.hstack([RUN.X, RUN.y, RUN.X, y_pred])
        for drawn, sign, label in zip(axes.collections, (-1, 1), axes.get_legend().texts[1:]):
            some = bars[((y_pred - RUN.y).sign() == sign).ravel()].numpy()
            assert_allclose(np.reshape(drawn.get_segments(), (-1, 4)), some, atol=PRINTED)
            assert label.get_text().endswith(f": {len(some)}")
    axes = figures["first_epoch_surface"].axes[1]
    _, *gradient, weight, bias = first_epoch.by_autograd(RUN)
    start = np.array([RUN.weight, RUN.bias])
    vectors = 0.005 * np.array(gradient), [weight, bias] - start
    for arrow, vector in zip(axes.findobj(Quiver), vectors, strict=True):
        assert_allclose([*arrow.XY[0], arrow.U[0], arrow.V[0]], [*start, *vector], atol=PRINTED)
    words = [text.get_text() for text in axes.texts]
    assert {"gradient\n(times 0.005)", "step =\n-0.01 * gradient"} < set(words)


def test_both_paths_over_the_surface_are_torchs_and_begin_with_equally_long_steps(ran):
    text, figures = ran(loss_surface)
    *maps, lengths = figures["loss_surface"].axes
    epochs, firsts = [0, 10, 20, 50, 100], []
    for axes, drawn, loss in zip(maps, lengths.lines, ("mae", "mse"), strict=True):
        lr = float(re.search(rf"# {loss.upper()}, lr = (\S+)", text)[1])
        right = path_by_torch(RUN64._replace(loss=loss, lr=lr))
        _, walk = (np.array(line.get_data()) for line in axes.lines)
        assert_allclose(walk, right, atol=PATH32[loss])
        notes = [note for note in axes.texts if note.get_text().split()[-1].isdigit()]
        assert_array_equal([note.xy for note in notes], walk[:, epochs].T)
        steps = np.hypot(*np.diff(right))
        assert_allclose(drawn.get_xydata().T, [range(1, 101), steps], atol=2 * PATH32[loss])
        losses = [loss_by_torch(loss, *point) for point in right[:, epochs].T]
        table = np.array(rows(text, f"# {loss.upper()}", 2, 5), float)
        assert_allclose(table.T, [epochs, *right[:, epochs], losses], atol=PATH32[loss])
        name = f"{loss.upper()}, lr = {lr:.3g}"
        assert [axes.get_title().split("\n")[0], drawn.get_label()] == [name, name]
        firsts.append(steps[0])
    assert_allclose(*firsts, rtol=1e-4)  # lr is printed with five digits


@pytest.mark.slow
def test_each_map_has_torchs_loss_at_its_lines_and_its_star_at_the_true_parameters(ran):
    maps = [(axes, "mae") for axes in ran(first_epoch)[1]["first_epoch_surface"].axes]
    maps += zip(ran(loss_surface)[1]["loss_surface"].axes, ("mae", "mse"))
    for name, loss in (("learning_rate", "mse"), ("learning_rate_mae", "mae")):
        maps += [(axes, loss) for axes in ran(learning_rate)[1][name].axes[1:6]]
    maps.append((ran(optimizer_paths)[1]["optimizers"].axes[0], "mse"))
    for axes, loss in maps:
        *_, lines = [one for one in axes.findobj(QuadContourSet) if not one.filled]
        assert_lines_are_at_their_loss(lines, loss)
        assert axes.lines[0].get_xydata().tolist() == [[0.7, 0.3]]
    for loss, lines in explore.Explorer().contours.items():
        assert_lines_are_at_their_loss(lines, loss.lower())
        assert (*lines.axes.get_xlim(), *lines.axes.get_ylim()) == (-0.2, 1.4, -0.6, 1.2)


def assert_lines_are_at_their_loss(lines, loss):
    """Assert that torch's loss at each point of a map's lines is the line's."""
    drawn = 0
    for level, segments in zip(lines.levels, lines.allsegs, strict=True):
        weights, biases = torch.from_numpy(np.concatenate(segments or [np.empty((0, 2))])).T
        y_pred = weights * RUN64.X + biases  # a column for each point of the lines
        each = type(LOSS_FNS[loss])(reduction="none")(y_pred, RUN64.y.expand_as(y_pred))
        losses = each.mean(dim=0)
        assert_allclose(losses, np.full(len(losses), level), rtol=0, atol=ON_LINE)
        drawn += len(losses)
    assert drawn > 50


def test_a_filled_map_has_a_colour_everywhere_its_numbers_and_the_names_of_its_axes():
    for loss, levels in loss_surface.LEVELS.items():
        _, axes = plt.subplots()
        weights, biases = loss_surface.MAP
        lines = loss_map.draw_map(axes, loss, X, RUN64.y.numpy(), weights, biases, levels)
        filling, _ = axes.findobj(QuadContourSet)
        corners = [loss_by_torch(loss, w, b) for w in weights[[0, -1]] for b in biases[[0, -1]]]
        assert filling.filled
        assert max(corners) <= filling.levels[-1] == levels[-1]
        assert {float(text.get_text()) for text in lines.labelTexts} <= {*levels.round(2)}
        assert "true parameters" in [text.get_text() for text in axes.texts]
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("weight (no unit)", "bias (no unit)")
        assert (*axes.get_xlim(), *axes.get_ylim()) == (*weights[[0, -1]], *biases[[0, -1]])


def test_the_animation_shows_line_and_point_of_every_fifth_epoch_and_its_progress(capsys):
    def grab_frame():
        left, right = plt.gcf().axes
        lines = left.lines[-1], *right.lines[-2:]
        frames.append((left.get_title(), *(np.array(line.get_data()) for line in lines)))

    frames, run = [], RUN._replace(epochs=12)
    writer = SimpleNamespace(saving=lambda *_, dpi: contextlib.nullcontext(), grab_frame=grab_frame)
    points = path_by_torch(run)
    loss_surface.animate(run, points, writer, hold=2)
    for epoch, (title, line, walk, point) in zip([0, 5, 10, 12, 12], frames, strict=True):
        weight, bias = points[:, epoch]
        assert title == f"Epoch {epoch}: MAE = {loss_by_torch('mae', weight, bias):.3f}"
        assert_array_equal(line, [[0, 1], [bias, weight + bias]])
        assert_array_equal(walk, points[:, : epoch + 1])
        assert_array_equal(point, [[weight], [bias]])
    assert capsys.readouterr().out == "Drawing 5 frames .....\nSaved figures/training.gif\n"


@pytest.mark.parametrize("loss", ["mse", "mae"])
def test_each_rate_leads_where_torch_gets_and_is_so_printed_and_drawn(loss, ran):
    (text, figures), run = ran(learning_rate), RUN64._replace(loss=loss)
    curves, *panels = figures["learning_rate" + "_mae" * (loss == "mae")].axes[:6]
    table = np.array(rows(text, f"# {loss.upper()}: five rates", 2, 5), float)
    rates = RATES[loss]
    for rate, row, panel, curve, band in zip(
        rates, table, panels, curves.lines, curves.collections, strict=True
    ):
        right = path_by_torch(run._replace(lr=rate))
        losses = np.array([loss_by_torch(loss, *point) for point in right.T])
        size = max(1, abs(right).max())
        _, walk, start, end = (np.array(line.get_data()) for line in panel.lines)
        assert_allclose(walk, right, atol=PATH64 * size)
        assert_array_equal(np.hstack([start, end]), walk[:, [0, -1]])
        # A loss is at most PATH64 * size off for MAE, and that times twice the residual for MSE.
        near = dict(atol=PATH64 * size, rtol=PATH64 * size)
        epochs, marks = curve.get_data()
        assert_allclose(marks, losses[epochs], **near)
        assert_is_the_band_of(losses, band, **near)
        assert curve.get_label() == panel.get_title() == f"lr = {rate:.3g}"
        factors = (1 - rate * H) if loss == "mse" else []
        numbers = rate, *factors, *losses[[0, -2, -1]], *right[:, -1]
        assert_allclose(row, numbers, rtol=6e-4)  # four digits are printed


def test_the_curvatures_are_torchs_and_the_rates_follow_from_them(ran):
    text, _ = ran(learning_rate)
    assert_allclose(learning_rate.curvatures(RUN.X), H, rtol=FLOAT64)
    assert f"h = {H[0]:.4f} along the flattest axis, {H[1]:.4f} along the steepest\n" in text
    assert f"fastest rate, 2 / (sum of both) = {2 / H.sum():.4f}\n" in text
    assert f"stable rate, 2 / h of the steepest = {2 / H[1]:.4f}\n" in text


@pytest.mark.slow
def test_each_optimizer_by_hand_takes_torchs_path_and_is_so_printed_and_drawn(ran):
    text, figures = ran(optimizer_paths)
    left, right = figures["optimizers"].axes
    run = RUN64._replace(loss="mse")
    lines = {line.get_label(): line for line in left.lines[1:]}
    curves = {line.get_label(): line for line in right.lines}
    assert list(lines) == list(curves) == ["plain SGD", "momentum", "Nesterov", "RMSprop", "Adam"]
    for row, (title, (name, options)) in zip(
        text.splitlines()[3:], optimizer_paths.OPTIMIZERS.items()
    ):
        assert row[:56].rstrip().startswith(f"{name}(")
        assert eval(row[:56], {name: dict}) == options
        by_torch = optimizer_paths.train_by_torch(run, name, options)
        by_hand = optimizer_paths.train_by_hand(run, name, options)
        assert_allclose(by_hand, by_torch, rtol=0, atol=LOOP, err_msg=title)
        if title in lines:
            assert_array_equal(lines[title].get_xydata().T, by_hand)
            losses = [loss_by_torch("mse", *point) for point in by_torch.T]
            assert_allclose(curves[title].get_ydata(), losses, rtol=0, atol=LOOP)
    equal, farthest, weight, bias = text.splitlines()[3].split()[1:]  # plain SGD
    end = path_by_torch(run._replace(epochs=1000))[:, -1]
    assert [weight, bias] == [f"{number:.6f}" for number in end]
    assert 0 < int(equal) <= 1000
    assert float(farthest) < 1e-15


# --- autograd_function


def gradients(loss_fn, y_pred, y, loss_grad):
    """Return the loss, and its gradients for y_pred and y, times loss_grad."""
    y_pred, y = (tensor.clone().requires_grad_() for tensor in (y_pred, y))
    loss = loss_fn(y_pred, y)
    loss.backward(loss_grad)
    return loss.detach(), y_pred.grad, y.grad


def test_value_and_gradients_are_l1losses_to_the_bit():
    for dtype in (torch.float32, torch.float64):
        for n in (1, 2, 3, 40, 1000):
            generator = torch.Generator().manual_seed(n)
            y_pred, y = torch.randn(2, n, 1, generator=generator, dtype=dtype)
            y[: n // 3] = y_pred[: n // 3]  # residuals that are exactly 0
            loss_grad = torch.randn((), generator=generator, dtype=dtype)
            ours = gradients(MAE.apply, y_pred, y, loss_grad)
            theirs = gradients(nn.L1Loss(), y_pred, y, loss_grad)
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


@pytest.mark.parametrize("factors", [(-1, -1), (1, 0), (0, 1), (1.01, 1)])
def test_gradcheck_accepts_the_gradient_and_no_multiple_of_it(factors):
    class WrongMAE(MAE):
        @staticmethod
        def backward(ctx, loss_grad):
            return tuple(f * g for f, g in zip(factors, MAE.backward(ctx, loss_grad)))

    assert autograd_function.gradient_is_right(lambda y_pred, y: 3 * MAE.apply(y_pred, y))
    assert not autograd_function.gradient_is_right(WrongMAE.apply)


def test_two_shapes_are_refused():
    with pytest.raises(ValueError, match=r"y has shape .*\[3\].* must have y_pred's, .*\[3, 1\]"):
        MAE.apply(torch.zeros(3, 1), torch.zeros(3))


def test_the_program_prints_what_holds(ran, reference):
    text, _ = ran(autograd_function)
    for column, numbers in reference["section 3"]._asdict().items():
        assert f"{column:<13}100 of 100, the last {numbers[-1]}\n" in text
    assert text.endswith("MAE          right\nMAEWithoutN  wrong\n")
