"""The lessons on one epoch, the loss surface, the learning rate and autograd: right, and so drawn.

Each number is found once more, by torch or by a formula. The other lessons have files of their own.
"""

import argparse
import ast
import contextlib
import io
import re
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from conftest import ROOT
from matplotlib.animation import PillowWriter
from matplotlib.figure import Figure
from matplotlib.quiver import Quiver
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from lessons import autograd_function, first_epoch, learning_rate, loss_surface, schedules
from lessons.autograd_function import MAE
from manual_grad import torch_optim
from manual_grad.published_runs import published_runs

FLOAT32 = 16 * 2.0**-24  # numbers of at most 1 from 40 points: so many roundings at most
FLOAT64 = 92 * 2.0**-53
PATH64 = 2.2e-12  # 100 epochs of such roundings, relative to the largest parameter; lr h <= 2.1
# In float32, MSE: 3 roundings of 2^-24 an epoch. MAE: where one flips the sign of a residual, the
# step changes by lr * 2 |x| / n.
PATH32 = {"mse": 1.8e-5, "mae": 5e-4}
PRINTED = 1e-6  # one of the sixth decimal

RUN = published_runs()["section 3"]
RUN64 = RUN._replace(X=RUN.X.double(), y=RUN.y.double())
X = RUN64.X.numpy()
H_MAX = schedules.curvatures(X)[0].max()
# After 100 epochs residuals have both signs. In the third run some are 0.
LATER = RUN._replace(weight=0.5784404277801514, bias=0.3513098657131195)
ZEROS = LATER._replace(y=torch.where(RUN.X < 0.1, LATER.weight * RUN.X + LATER.bias, RUN.y))
LOSS_FNS = {"mae": nn.L1Loss(), "mse": nn.MSELoss()}
RATES = {"mae": learning_rate.MAE_RATES, "mse": learning_rate.mse_rates(H_MAX)}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Run each program once, without rendering; return what each prints, and its figures."""
    results = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", lambda figure, path: path.touch())
        for program in (first_epoch, loss_surface, learning_rate):
            printed, folder = io.StringIO(), tmp_path_factory.mktemp("lesson")
            with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
                program.main()
            text = printed.getvalue()
            assert max(map(len, text.splitlines())) <= 100
            names = re.findall(r"Saved figures/(\w+)\.png", text)
            assert sorted(names) == sorted(path.stem for path in folder.glob("figures/*"))
            figures = dict(zip(names, map(plt.figure, plt.get_fignums()), strict=True))
            results[program] = SimpleNamespace(text=text, figures=figures)
            plt.close("all")
    return results


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
    text = ran[first_epoch].text
    table = np.array(rows(text, "   i       x", 1, 40), float).T
    _, x, y, y_pred, residual, sign, sign_x = table
    X, y_train = RUN.X.ravel(), RUN.y.ravel()
    y_of_x, signs = RUN.weight * X + RUN.bias, np.sign(residual)
    right = [range(40), X, y_train, y_of_x, y_pred - y, signs, sign * x]
    assert_allclose(table, np.array(right), atol=PRINTED)
    weight_grad, bias_grad = sign_x.mean(), sign.mean()
    new = RUN.weight - RUN.lr * weight_grad, RUN.bias - RUN.lr * bias_grad
    right = [abs(residual).mean(), weight_grad, bias_grad, *new]
    printed = [row[-3:] for row in rows(text, "in three ways", 4, 5)]
    assert_allclose(np.array(printed, float).T, [right] * 3, atol=PRINTED)
    assert not re.search(r"-0(\.0*)?(?![.\d])", text), "a zero with a sign"


def test_the_graph_has_torchs_value_and_gradient_at_each_node_and_shows_the_last(ran):
    printed = rows(ran[first_epoch].text, "# The graph", 6, 7)[::-1]
    (axes,) = ran[first_epoch].figures["first_epoch_graph"].axes
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
    figures = ran[first_epoch].figures
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
    text, figure = ran[loss_surface].text, ran[loss_surface].figures["loss_surface"]
    epochs, steps = [0, 10, 20, 50, 100], []
    for axes, loss in zip(figure.axes, ("mae", "mse")):
        lr = float(re.search(rf"# {loss.upper()}, lr = (\S+)", text)[1])
        right = path_by_torch(RUN64._replace(loss=loss, lr=lr))
        _, walk, marks = (np.array(line.get_data()) for line in axes.lines)
        assert_allclose(walk, right, atol=PATH32[loss])
        assert_array_equal(marks, walk[:, epochs])
        assert_array_equal([note.xy for note in axes.texts[1:]], marks.T)
        losses = [loss_by_torch(loss, *point) for point in right[:, epochs].T]
        table = np.array(rows(text, f"# {loss.upper()}", 2, 5), float)
        assert_allclose(table.T, [epochs, *right[:, epochs], losses], atol=PATH32[loss])
        assert f"{loss.upper()}, lr = {lr:.3g}" in axes.get_title()
        steps.append(np.linalg.norm(right[:, 1] - right[:, 0]))
    assert_allclose(*steps, rtol=1e-4)  # lr is printed with five digits


def test_the_map_shows_torchs_loss_of_each_pair_of_parameters(monkeypatch):
    weights, biases = (part[::10] for part in loss_surface.MAP)
    for loss, levels in loss_surface.LEVELS.items():
        _, axes = plt.subplots()
        monkeypatch.setattr(axes, "contourf", lambda *args, **_: args)
        drawn = loss_surface.draw_map(axes, loss, X, RUN64.y.numpy(), weights, biases, levels)
        right = [[loss_by_torch(loss, weight, bias) for weight in weights] for bias in biases]
        for ours, theirs in zip(drawn, (weights, biases, right, levels), strict=True):
            assert_allclose(ours, theirs, atol=FLOAT64)
        assert np.max(right) <= levels[-1], "every place has a colour"
        assert axes.lines[0].get_xydata().tolist() == [[0.7, 0.3]]


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


def test_the_film_is_a_gif_that_repeats(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "figures").mkdir()
    run = RUN._replace(epochs=5)
    loss_surface.animate(run, path_by_torch(run), PillowWriter(fps=8), hold=1)
    data = (tmp_path / "figures" / "training.gif").read_bytes()
    assert data.startswith(b"GIF89a")
    assert b"NETSCAPE2.0\x03\x01\x00\x00" in data, "0 repetitions: without end"


@pytest.mark.parametrize("loss", RATES)
def test_each_rate_leads_where_torch_gets_and_is_so_printed_and_drawn(loss, ran):
    text, run = ran[learning_rate].text, RUN64._replace(loss=loss)
    figure = ran[learning_rate].figures["learning_rate" + "_mae" * (loss == "mae")]
    curves, *panels = figure.axes[:6]
    table = np.array(rows(text, f"# {loss.upper()}: five rates", 2, 5), float)
    for i, rate in enumerate(RATES[loss]):
        right = path_by_torch(run._replace(lr=rate))
        losses = np.array([loss_by_torch(loss, *point) for point in right.T])
        size = max(1, abs(right).max())
        star, walk, first, last = (np.array(line.get_data()) for line in panels[i].lines)
        assert_array_equal(star, [[0.7], [0.3]])
        assert_allclose(walk, right, atol=PATH64 * size)
        assert_array_equal(np.hstack([first, last]), walk[:, [0, -1]])
        # A loss is at most PATH64 * size off for MAE, and that times twice the residual for MSE.
        near = dict(atol=PATH64 * size, rtol=PATH64 * size)
        epochs, marks = curves.lines[i].get_data()
        assert_allclose(marks, losses[epochs], **near)
        (band,) = curves.collections[i].get_paths()
        for epoch in range(1, 101):  # from the lower of two losses to the higher
            edges = band.vertices[band.vertices[:, 0] == epoch, 1]
            pair = np.sort(losses[epoch - 1 : epoch + 1])
            assert_allclose([edges.min(), edges.max()], pair, **near)
        assert curves.lines[i].get_label() == panels[i].get_title() == f"lr = {rate:.3g}"
        numbers = rate, *losses[[0, -2, -1]], *right[:, -1]
        assert_allclose(table[i], numbers, rtol=6e-4)  # four digits are printed


def test_an_mse_step_multiplies_the_error_along_each_axis_of_torchs_hessian():
    def loss(parameters):
        return LOSS_FNS["mse"](parameters[0] * RUN64.X + parameters[1], RUN64.y)

    hessian = torch.autograd.functional.hessian(loss, torch.zeros(2, dtype=torch.float64))
    h, axes = np.linalg.eigh(hessian.numpy())
    assert_allclose(H_MAX, h.max(), rtol=FLOAT64)
    for rate, ends in zip(RATES["mse"], ("near", "near", "near", "there", "far"), strict=True):
        errors = axes.T @ (path_by_torch(RUN64._replace(loss="mse", lr=rate)) - [[0.7], [0.3]])
        right = errors[:, :1] * (1 - rate * h[:, None]) ** np.arange(101)
        assert_allclose(errors, right, atol=FLOAT32 * abs(right).max())  # the labels are float32
        share = np.linalg.norm(errors[:, -1]) / np.linalg.norm(errors[:, 0])
        assert ends == ("there" if share < 1e-3 else "near" if share < 1 else "far")


def test_mae_jumps_wider_at_a_larger_rate_and_from_a_third_on_back_to_its_start():
    widths = []
    for rate in (0.03, 0.1, 0.34, 0.35, 1, 1000):
        points = path_by_torch(RUN64._replace(lr=rate))
        assert_allclose(points[:, -1], points[:, -3], atol=PATH64 * max(1, rate))
        widths.append(np.linalg.norm(points[:, -1] - points[:, -2]))
        back = abs(points[:, -1] - points[:, 0]).max() <= PATH64 * max(1, rate)
        assert back == (rate >= 0.35), "the start is one of both points"
    assert widths == sorted(widths)


# --- autograd_function


@pytest.mark.parametrize("name", ["section 3", "exercise, author's"])
def test_a_published_run_is_the_one_with_l1loss_to_the_bit(name, reference):
    by_hand = autograd_function.train(published_runs()[name], MAE.apply)
    for ours, theirs in zip(by_hand, reference[name], strict=True):
        assert_array_equal(ours, theirs)
        assert ours.dtype == np.float32


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


@pytest.mark.parametrize("factors", [(-1, -1), (2, 2), (3, 3), (1, -1), (1, 0), (0, 1), (1.01, 1)])
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


def test_the_program_prints_what_holds(start, tmp_path):
    printed = start("lessons/autograd_function.py", folder=tmp_path)
    assert printed.count("100 of 100") == 5
    assert "MAE          right" in printed
    assert "MAEWithoutN  wrong" in printed
