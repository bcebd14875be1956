"""02_model.py, 03_train.py and 04_infer.py: models, `train`, `predict`."""

import runpy
from importlib import import_module

import matplotlib.pyplot as plt
import pytest
import torch
from conftest import ROOT
from torch import nn

data = import_module("01_data")
LinearRegressionModel = import_module("02_model").LinearRegressionModel
training = import_module("03_train")
predict = import_module("04_infer").predict
LinearRegressionModelV2 = import_module("06_all_together").LinearRegressionModelV2
NAN = float("nan")


@pytest.fixture
def four(device):
    return [part.to(device) for part in data.split(*data.make_line())]


@pytest.fixture(params=[LinearRegressionModel, LinearRegressionModelV2])
def model(request, device):
    torch.manual_seed(42)
    return request.param().to(device)


def run(model, four, epochs=3, lr=0.01, loss_fn=None, optimizer=None):
    optimizer = optimizer or torch.optim.SGD(model.parameters(), lr=lr)
    loss_fn = loss_fn or nn.L1Loss()
    return training.train(model, *four, loss_fn=loss_fn, optimizer=optimizer, epochs=epochs)


def test_parameters_have_the_fixed_names_and_shapes():
    shapes = {name: tuple(p.shape) for name, p in LinearRegressionModel().named_parameters()}
    assert shapes == {"weights": (1,), "bias": (1,)}
    shapes = {name: tuple(p.shape) for name, p in LinearRegressionModelV2().named_parameters()}
    assert shapes == {"linear_layer.weight": (1, 1), "linear_layer.bias": (1,)}


@pytest.mark.parametrize("epochs", [0, 1, 7])
def test_history_has_a_python_number_for_every_epoch(model, four, epochs, capsys):
    history = run(model, four, epochs=epochs)
    assert history.epochs == list(range(epochs))
    for losses in (history.train_loss, history.test_loss):
        assert len(losses) == epochs
        assert all(type(loss) is float for loss in losses)
    assert capsys.readouterr() == ("", "")


def test_train_loss_is_before_the_step_and_test_loss_after_it(model, four):
    X_train, y_train, X_test, y_test = four
    before = nn.L1Loss()(model(X_train), y_train).item()
    history = run(model, four, epochs=1)
    after = nn.L1Loss()(model(X_test), y_test).item()
    assert history == ([0], [before], [after])


def test_train_equals_the_loop_written_out_in_section_6(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written_out = runpy.run_path(str(ROOT / "06_all_together.py"), run_name="__main__")
    plt.close("all")
    torch.manual_seed(42)
    model = LinearRegressionModelV2().to(written_out["device"])
    four = [written_out[name] for name in ("X_train", "y_train", "X_test", "y_test")]
    assert run(model, four, epochs=1000) == written_out["history"]
    assert model.state_dict() == written_out["model_1"].state_dict()


def test_train_waits_for_no_gpu_inside_its_loop(model, four, monkeypatch):
    """What turns a tensor into Python numbers makes the CPU wait: that happens before or after."""
    seen = []
    for name in ("item", "tolist", "__bool__", "__float__", "cpu", "numpy"):
        original = getattr(torch.Tensor, name)

        def counted(tensor, *arguments, name=name, original=original):
            seen.append(name)
            return original(tensor, *arguments)

        monkeypatch.setattr(torch.Tensor, name, counted)
    run(model, four, epochs=1)
    once = len(seen)
    assert once > 0
    seen.clear()
    run(model, four, epochs=50)
    assert len(seen) == once


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(epochs=-1), ValueError, "epochs must be a whole number, 0 or more, not -1"),
        (dict(epochs=2.5), ValueError, "epochs must be a whole number, 0 or more, not 2.5"),
        (dict(y_train=lambda y: y.squeeze()), ValueError, r"labels of shape \(40,\) don't fit"),
        (dict(y_test=lambda y: y.squeeze()), ValueError, r"labels of shape \(10,\) don't fit"),
        (dict(y_train=lambda y: y.int()), TypeError, "y must be a tensor of floats"),
        (dict(X_train=lambda X: X > 0), TypeError, "X must be a tensor of floats"),
        (dict(X_train=lambda X: X[:3]), ValueError, "X has 3 rows and y has 40"),
        (dict(X_test=lambda X: X[:0]), ValueError, "X is empty"),
        (dict(y_test=lambda y: y * NAN), ValueError, "y must be finite"),
    ],
)
def test_train_refuses_before_it_changes_anything(model, four, change, error, message):
    names = ["X_train", "y_train", "X_test", "y_test"]
    four = [change[name](part) if name in change else part for name, part in zip(names, four)]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(error, match=message):
        run(model, four, epochs=change.get("epochs", 3))
    assert model.state_dict() == before
    assert model.training


def test_train_refuses_an_optimizer_that_holds_another_model(model, four):
    optimizer = torch.optim.SGD(LinearRegressionModel().parameters(), lr=0.01)
    with pytest.raises(ValueError, match="optimizer holds none of the model's parameters"):
        run(model, four, optimizer=optimizer)


def test_train_names_the_first_epoch_whose_loss_is_not_finite(model, four):
    with pytest.raises(FloatingPointError, match="smaller learning rate") as error:
        run(model, four, epochs=200, lr=10.0, loss_fn=nn.MSELoss())
    first = int(str(error.value).split("epoch ")[1].split()[0])
    torch.manual_seed(42)
    again = type(model)().to(four[0].device)
    history = run(again, four, epochs=first, lr=10.0, loss_fn=nn.MSELoss())
    assert len(history.epochs) == first, "every epoch before the one named is finite"


def test_data_and_model_on_different_devices_is_torchs_own_error(model, four):
    elsewhere = "cpu" if four[0].device.type == "cuda" else "meta"
    with pytest.raises(RuntimeError, match="device|meta"):
        run(model.to(elsewhere), four)


def test_train_refuses_a_model_that_holds_nan(model, four):
    with torch.no_grad():
        next(model.parameters()).fill_(NAN)
    with pytest.raises(ValueError, match="the model's prediction must be finite, but holds nan"):
        run(model, four)


def test_predict_leaves_evaluation_mode_and_no_gradients(model, four):
    X_test = four[2]
    model.train()
    y_preds = predict(model, X_test)
    assert not model.training
    assert not y_preds.requires_grad
    assert torch.equal(y_preds, model(X_test))


def test_predict_moves_the_features_to_the_model(model, four):
    assert predict(model, four[2].cpu()).device == next(model.parameters()).device


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (torch.ones(3, 1).int(), TypeError, "X must be a tensor of floats"),
        ([[1.0]], TypeError, "X must be a tensor of floats.*not list"),
        (torch.ones(0, 1), ValueError, "X is empty"),
        (torch.ones(3, 1) * NAN, ValueError, "X must be finite"),
    ],
)
def test_predict_refuses(model, X, error, message):
    with pytest.raises(error, match=message):
        predict(model, X)


def test_the_loss_curves_hold_the_history():
    history = training.History([0, 1, 2], [3.0, 2.0, 1.0], [4.0, 3.0, 2.0])
    axes = training.plot_loss_curves(history)
    train_line, test_line = axes.get_lines()
    assert list(train_line.get_xdata()) == list(test_line.get_xdata()) == history.epochs
    assert list(train_line.get_ydata()) == history.train_loss
    assert list(test_line.get_ydata()) == history.test_loss
    assert train_line.get_linestyle() != test_line.get_linestyle()
    assert axes.get_xlabel() == "Epoch"
    assert axes.get_ylabel().startswith("Loss")
    assert axes.get_title()
    assert len(axes.get_legend().get_texts()) == 2
    plt.close("all")
