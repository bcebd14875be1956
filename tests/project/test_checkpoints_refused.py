"""checkpoints.py: what is no checkpoint of the model is refused, and runs no code."""

import pickle
from importlib import import_module

import pytest
import torch
from problems import state

from beyond import checkpoints

LinearRegressionModel = import_module("02_model").LinearRegressionModel
LinearRegressionModelV2 = import_module("06_all_together").LinearRegressionModelV2
GOOD = {"weights": torch.ones(1), "bias": torch.ones(1)}


class Command:
    """A pickle of this runs code when it is loaded: here, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return exec, (f"open({str(self.path)!r}, 'w').close()",)


def test_loading_runs_no_code_from_the_file(path, tmp_path):
    """What weights_only=True is for: the same file, loaded without it, would run its command."""
    trace = tmp_path / "trace"
    torch.save({"weights": Command(trace)}, path)
    with pytest.raises(ValueError, match="no checkpoint that can be loaded safely") as raised:
        checkpoints.load_model(LinearRegressionModel(), path)
    assert raised.value.__suppress_context__, "torch's message advises weights_only=False"
    assert raised.value.__cause__ is None
    assert not trace.exists()
    torch.load(path, weights_only=False)
    assert trace.exists()


def save(something, **options):
    return lambda path: torch.save(something, path, **options)


def write_pickle_of_a_command(path):
    path.write_bytes(pickle.dumps(Command(path.with_name("trace"))))


@pytest.mark.parametrize(
    ("write", "error", "message"),
    [
        (lambda path: None, FileNotFoundError, "No such file"),
        (lambda path: path.mkdir(), OSError, None),
        (lambda path: path.touch(), ValueError, "no checkpoint that can be loaded safely"),
        (lambda path: path.write_text("weights: 0.7"), ValueError, "no checkpoint"),
        (lambda path: path.write_bytes(bytes(range(256)) * 9), ValueError, "no checkpoint"),
        (save(LinearRegressionModel()), ValueError, "no checkpoint"),
        (write_pickle_of_a_command, ValueError, "no checkpoint"),
        (save(GOOD, _use_new_zipfile_serialization=False), ValueError, r"1\.6 or newer"),
        (save([1, 2]), ValueError, "no state_dict .*but a list"),
        (save(torch.ones(1)), ValueError, "no state_dict .*but a Tensor"),
        (save({"epoch": 3, "model": GOOD}), ValueError, "no state_dict"),
        (save({"weights": torch.ones(1).to_sparse()}), ValueError, "no state_dict .dense tensors"),
        (save(GOOD | {"bias": torch.ones(1, device="meta")}), ValueError, "of bias .*not fin"),
        (save({}), ValueError, "doesn't fit the model"),
        (save(LinearRegressionModelV2().state_dict()), ValueError, "linear_layer.weight"),
        (save(GOOD | {"more": torch.ones(1)}), ValueError, "doesn't fit the model: .*more"),
        (save(GOOD | {"bias": torch.ones(2)}), ValueError, r"\(2,\), torch.float32"),
        (save(GOOD | {"bias": torch.ones(1).int()}), ValueError, r"\(1,\), torch.int32"),
        (save(GOOD | {"bias": torch.ones(1) / 0}), ValueError, "values of bias .*not finite"),
    ],
)
def test_loading_refuses_and_leaves_the_model_as_it_was(path, write, error, message):
    write(path)
    model = LinearRegressionModel()
    before = state(model)
    with pytest.raises(error, match=message) as raised:
        checkpoints.load_model(model, path)
    assert "weights_only" not in str(raised.value)
    assert "model.pth" in str(raised.value)
    assert state(model) == before
    assert not path.with_name("trace").exists()


def test_a_device_that_is_not_there_is_refused_before_the_model_is_touched(path):
    torch.save(GOOD, path)
    model = LinearRegressionModel()
    before = state(model)
    with pytest.raises(RuntimeError, match="gpu"):
        checkpoints.load_model(model, path, device="gpu")
    assert state(model) == before
