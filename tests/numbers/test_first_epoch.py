"""The first epoch on paper: its table, its numbers in three ways, its graph and its pictures."""

import re

import numpy as np
import pytest
import torch
from tolerances import FIRST_EPOCH_FLOAT32, PRINTED_DIGITS

from manual_grad import first_epoch, graph, numpy_closed_form, torch_optim
from manual_grad.published_runs import published_runs

RUN = published_runs()["section 3"]
COLUMNS = ["loss", "weight_grad", "bias_grad", "weight", "bias"]
# Later in training, where the residuals have both signs; and the same with a residual of exactly 0.
END = RUN.train(numpy_closed_form.train)
LATER = RUN._replace(weight=END.weight[-1].item(), bias=END.bias[-1].item())
ZERO = LATER._replace(y=torch.where(RUN.X < 0.1, LATER.weight * RUN.X + LATER.bias, RUN.y))
RUNS = {"first": RUN, "later": LATER, "zero residuals": ZERO}


@pytest.fixture(params=RUNS)
def run(request):
    return RUNS[request.param]


@pytest.fixture
def output(runs):
    return runs("first_epoch").stdout


def rows_of(output, start, length):
    """Return some printed lines, from the one that starts like this, split at their columns."""
    lines = output.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith(start))
    return [re.split(r"  +", line.strip()) for line in lines[first : first + length]]


def table(run):
    """Return the columns of a run's table, each of shape (n,)."""
    columns = first_epoch.table(run.X.numpy(), run.y.numpy(), run.weight, run.bias)
    return [column.ravel() for column in columns]


def test_the_later_runs_have_both_signs_and_zeros():
    signs = [set(table(run)[4].tolist()) for run in RUNS.values()]
    assert signs == [{-1}, {-1, 1}, {-1, 0, 1}]


def test_the_program_saves_three_pictures(runs):
    saved = {path.name for path in (runs("first_epoch").folder / "figures").iterdir()}
    assert saved == {f"first_epoch_{name}.png" for name in ("residuals", "surface", "graph")}


@pytest.mark.parametrize("way", [first_epoch.by_hand, first_epoch.by_autograd])
def test_the_numbers_are_those_of_torch_optim(run, way):
    reference = run._replace(epochs=1).train(torch_optim.train)
    for number, column in zip(way(run), COLUMNS, strict=True):
        assert number == pytest.approx(getattr(reference, column)[0], abs=FIRST_EPOCH_FLOAT32)


@pytest.mark.parametrize("name", ["first", "later"])
def test_differences_give_the_same_numbers(name):
    """Where a residual is 0, a difference gives the slope between both sides. It isn't asked."""
    numbers = zip(first_epoch.by_differences(RUNS[name]), first_epoch.by_hand(RUNS[name]))
    for by_differences, by_hand in numbers:
        assert by_differences == pytest.approx(by_hand, abs=FIRST_EPOCH_FLOAT32)


def test_each_printed_row_follows_from_its_own_columns(output):
    rows = np.array(rows_of(output, "   0", 40), float)
    i, x, y, y_pred, residual, sign, sign_x = rows.T
    np.testing.assert_array_equal(i, range(40))
    np.testing.assert_allclose(x, RUN.X.ravel(), atol=PRINTED_DIGITS)
    np.testing.assert_allclose(y, RUN.y.ravel(), atol=PRINTED_DIGITS)
    np.testing.assert_allclose(y_pred, RUN.weight * x + RUN.bias, atol=PRINTED_DIGITS)
    np.testing.assert_allclose(residual, y_pred - y, atol=PRINTED_DIGITS)
    np.testing.assert_array_equal(sign, np.sign(residual))
    np.testing.assert_array_equal(sign_x, sign * x)


def test_the_printed_numbers_are_the_means_of_the_printed_columns(output):
    rows = np.array(rows_of(output, "   0", 40), float)
    residual, sign, sign_x = rows.T[4:]
    weight_grad, bias_grad = sign_x.mean(), sign.mean()
    new = RUN.weight - RUN.lr * weight_grad, RUN.bias - RUN.lr * bias_grad
    expected = [abs(residual).mean(), weight_grad, bias_grad, *new]
    for row, number in zip(rows_of(output, "loss  ", 5), expected, strict=True):
        for printed in row[-3:]:
            assert float(printed) == pytest.approx(number, abs=PRINTED_DIGITS)


def test_no_zero_is_printed_with_a_sign(output):
    assert not re.search(r"-0(\.0*)?(?![.\d])", output)
    assert "is its negative" in output


def test_the_graph_has_torchs_value_and_gradient_at_each_node(run):
    weight, bias = (torch.tensor(start, requires_grad=True) for start in (run.weight, run.bias))
    product = weight * run.X
    y_pred = product + bias
    residual = y_pred - run.y
    size = residual.abs()
    loss = size.mean()
    tensors = [weight, product, bias, y_pred, residual, size, loss]
    for tensor in tensors:
        tensor.retain_grad()
    loss.backward()
    names = ["weight", "weight * X", "bias", "y_pred", "residual", "|residual|", "loss"]
    rows = graph.nodes(run)
    assert [row[0] for row in rows] == names
    for (_, value, gradient, _, closed_form), tensor in zip(rows, tensors):
        assert value.shape == gradient.shape == closed_form.shape == tensor.shape
        for ours, theirs in (
            (value, tensor),
            (gradient, tensor.grad),
            (closed_form, tensor.grad),
        ):
            difference = abs(ours - theirs.numpy(force=True))
            assert difference.max() <= FIRST_EPOCH_FLOAT32
        assert gradient.dtype == value.dtype == np.float32


def test_the_printed_graph_goes_from_the_loss_back(output):
    printed = rows_of(output, "loss  ", 5)  # of the table above
    assert len(printed) == 5
    lines = rows_of(output[output.index("# The graph of our own small autograd") :], "loss  ", 7)
    for line, row in zip(lines, reversed(graph.nodes(RUN)), strict=True):
        name, value, gradient, formula, closed_form = row
        assert line[0] == name
        assert line[3] == formula
        for text, number in zip((line[1], line[2], line[4]), (value, gradient, closed_form)):
            assert float(text) == pytest.approx(number.flat[-1], abs=PRINTED_DIGITS)
        assert float(line[5]) <= FIRST_EPOCH_FLOAT32


def test_the_residuals_are_drawn_as_bars_in_the_colour_of_their_sign():
    figure = first_epoch.plot_residuals(RUN)
    for axes, run in zip(figure.axes, (RUN, LATER), strict=True):
        X, y, y_pred, residual, *_ = table(run)
        for bars, some in zip(axes.collections, (residual < 0, residual > 0), strict=True):
            expected = np.stack([X, y, X, y_pred], axis=1)[some].reshape(-1, 2, 2)
            np.testing.assert_allclose(
                bars.get_segments() or expected[:0], expected, atol=PRINTED_DIGITS
            )
    colors = {tuple(bars.get_color()[0]) for axes in figure.axes for bars in axes.collections}
    assert len(colors) == 2


def test_the_arrows_on_the_surface_are_the_gradient_and_the_step():
    figure = first_epoch.plot_surface(RUN)
    _, right = figure.axes
    _, weight_grad, bias_grad, weight, bias = first_epoch.by_hand(RUN)
    uphill, step = right.findobj(first_epoch.plt.matplotlib.quiver.Quiver)
    start = np.array([RUN.weight, RUN.bias])
    for arrow, end in (
        (uphill, RUN.lr / 2 * np.array([weight_grad, bias_grad])),
        (step, np.array([weight, bias]) - start),
    ):
        np.testing.assert_allclose(arrow.XY[0], start, atol=PRINTED_DIGITS)
        np.testing.assert_allclose([arrow.U[0], arrow.V[0]], end, atol=PRINTED_DIGITS)
    low, high = np.array([right.get_xlim(), right.get_ylim()]).T
    for point in (start, (weight, bias), start + RUN.lr / 2 * np.array([weight_grad, bias_grad])):
        assert (low < point).all()
        assert (point < high).all()


def test_the_drawn_graph_shows_value_and_gradient_of_each_node():
    (axes,) = graph.plot_nodes(LATER).axes
    texts = [text.get_text() for text in axes.texts]
    for name, value, gradient, *_ in graph.nodes(LATER):
        at = texts.index(name)
        numbers = [float(text) for text in texts[at + 1 : at + 3]]
        assert numbers == pytest.approx([value.flat[-1], gradient.flat[-1]], abs=5e-5 + 1e-7)
    assert "times sign = -1" in texts


@pytest.mark.parametrize(
    "plot", [first_epoch.plot_residuals, first_epoch.plot_surface, graph.plot_nodes]
)
def test_the_text_of_each_picture_is_legible_from_afar(plot):
    figure = plot(RUN)
    texts = [text for text in figure.findobj(first_epoch.plt.Text) if text.get_text()]
    assert min(text.get_fontsize() for text in texts) >= 14
    assert figure.get_size_inches().tolist() == [13.33, 7.5]


def test_the_legend_counts_the_data_points_of_each_sign():
    words = ("below 0 (prediction too low)", "above 0 (prediction too high)")
    for axes, run in zip(first_epoch.plot_residuals(RUN).axes, (RUN, LATER), strict=True):
        counts = [(table(run)[4] == sign).sum() for sign in (-1, 1)]
        labels = [f"data point, residual {text}: {n}" for text, n in zip(words, counts)]
        _, *drawn = (text.get_text() for text in axes.get_legend().get_texts())
        assert drawn == labels


def test_the_numbers_say_what_differences_are_and_how_many_digits_count(output):
    assert "\ndifferences: change a parameter a little, and see how much the loss" in output
    assert "float32, which keeps about 7 digits; the third is float64" in output
