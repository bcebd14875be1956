"""01_data.py: the line, the split, the picture of both."""

from importlib import import_module

import matplotlib.pyplot as plt
import pytest
import torch

data = import_module("01_data")
NAN, INF = float("nan"), float("inf")


def test_the_line_has_the_tutorials_shape_dtype_and_values():
    X, y = data.make_line()
    assert X.shape == y.shape == (50, 1)
    assert X.dtype == y.dtype == torch.float32
    assert torch.equal(X, torch.arange(0, 1, 0.02).unsqueeze(dim=1))
    assert torch.equal(y, 0.7 * X + 0.3)


def test_whole_numbers_make_a_line_of_floats():
    X, y = data.make_line(weight=2, bias=0, start=1, end=5, step=1)
    assert X.dtype == y.dtype == torch.float32
    assert y.flatten().tolist() == [2, 4, 6, 8]


def test_a_line_may_run_downwards():
    X, _ = data.make_line(start=1, end=0, step=-0.5)
    assert X.flatten().tolist() == [1.0, 0.5]


@pytest.mark.parametrize(
    ("n", "fraction", "n_train"),
    [(50, 0.8, 40), (100, 0.8, 80), (51, 0.8, 40), (7, 0.5, 3), (3, 0.34, 1), (2, 0.99, 1)],
)
def test_the_split_keeps_order_and_rounds_down(n, fraction, n_train):
    X, y = data.make_line(start=0, end=n, step=1)
    X_train, y_train, X_test, y_test = data.split(X, y, train_fraction=fraction)
    assert len(X_train) == len(y_train) == n_train
    assert torch.equal(torch.cat([X_train, X_test]), X)
    assert torch.equal(torch.cat([y_train, y_test]), y)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(step=0.0), "yield no point, or more than"),
        (dict(step=-0.02), "start=0.0, end=1.0, step=-0.02 yield no point"),
        (dict(start=1.0), "yield no point"),
        (dict(step=NAN), "step must be a finite number, not nan"),
        (dict(end=INF), "end must be a finite number, not inf"),
        (dict(weight=NAN), "weight must be a finite number"),
        (dict(bias=-INF), "bias must be a finite number"),
        (dict(step=1e-30), "more than the 2\\*\\*24 that float32 can tell apart"),
        (dict(weight=1e39), "y must be finite"),
    ],
)
def test_make_line_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        data.make_line(**arguments)


COLUMN = torch.ones(4, 1)


@pytest.mark.parametrize(
    ("X", "y", "fraction", "error", "message"),
    [
        (COLUMN, COLUMN, 0.0, ValueError, "train_fraction=0.0 of 4 rows leaves a side empty"),
        (COLUMN, COLUMN, 1.0, ValueError, "train_fraction=1.0"),
        (COLUMN, COLUMN, 0.1, ValueError, "with at least one row on each side"),
        (COLUMN, COLUMN, 80, ValueError, "between 0 and 1"),
        (COLUMN, COLUMN, NAN, ValueError, "train_fraction=nan"),
        (COLUMN, COLUMN[:3], 0.5, ValueError, "X has 4 rows and y has 3"),
        (COLUMN[:0], COLUMN[:0], 0.5, ValueError, "X is empty"),
        (torch.tensor(1.0), COLUMN, 0.5, ValueError, "X is empty, of shape ()"),
        (COLUMN.int(), COLUMN, 0.5, TypeError, "X must be a tensor of floats.*not torch.int32"),
        (COLUMN, COLUMN.bool(), 0.5, TypeError, "y must be a tensor of floats.*not torch.bool"),
        (COLUMN.tolist(), COLUMN, 0.5, TypeError, "X must be a tensor of floats.*not list"),
        (COLUMN * NAN, COLUMN, 0.5, ValueError, "X must be finite"),
        (COLUMN, COLUMN * INF, 0.5, ValueError, "y must be finite"),
    ],
)
def test_split_refuses(X, y, fraction, error, message):
    with pytest.raises(error, match=message):
        data.split(X, y, train_fraction=fraction)


@pytest.fixture
def four(device):
    return [part.to(device) for part in data.split(*data.make_line())]


def test_the_picture_holds_the_data_that_it_claims(four):
    predictions = (four[3] / 2).requires_grad_()
    axes = data.plot_predictions(*four, predictions=predictions)
    names = ["Training data", "Testing data", "Predictions"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == names
    X_train, y_train, X_test, y_test = four
    pairs = [(X_train, y_train), (X_test, y_test), (X_test, predictions)]
    for (X, y), points in zip(pairs, axes.collections, strict=True):
        expected = torch.cat([X, y], dim=1).detach().cpu()
        assert torch.equal(torch.tensor(points.get_offsets().data, dtype=torch.float32), expected)
    assert axes.get_title()
    assert axes.get_xlabel()
    assert axes.get_ylabel()
    plt.close("all")


def test_the_groups_differ_in_marker_as_well_as_in_colour(four):
    axes = data.plot_predictions(*four, predictions=four[3])
    markers = {points.get_paths()[0].vertices.tobytes() for points in axes.collections}
    assert len(markers) == 3
    plt.close("all")


def test_a_figure_is_saved_under_the_current_folder(tmp_path, monkeypatch, capsys, four):
    monkeypatch.chdir(tmp_path)
    axes = data.plot_predictions(*four)
    path = data.save_figure(axes, "name")
    assert path.as_posix() == "figures/name.png"
    assert (tmp_path / path).read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out == "Saved figures/name.png\n"
    plt.close("all")


@pytest.mark.parametrize(("framework", "shown"), [(None, []), ("qt", ["shown"])])
def test_windows_open_only_where_there_is_a_display(framework, shown, monkeypatch):
    """A backend that can show windows names its framework; those that draw to files name none."""
    calls = []
    monkeypatch.setattr(plt, "show", lambda: calls.append("shown"))
    canvas = plt.figure().canvas
    monkeypatch.setattr(type(canvas), "required_interactive_framework", framework)
    data.show_figures()
    assert calls == shown
    plt.close("all")
