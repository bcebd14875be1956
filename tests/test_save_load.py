"""05_save_load.py: what is saved comes back, and nothing else comes in."""

import os
import pickle
import random
import signal
import time
from importlib import import_module

import numpy as np
import pytest
import torch
from torch import nn

LinearRegressionModel = import_module("02_model").LinearRegressionModel
storage = import_module("05_save_load")
LinearRegressionModelV2 = import_module("06_all_together").LinearRegressionModelV2


@pytest.fixture(params=[LinearRegressionModel, LinearRegressionModelV2])
def make_model(request):
    return request.param


def state(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_a_saved_model_loads_to_the_bit_on_each_device(make_model, device, tmp_path):
    model = make_model().to(device)
    path = tmp_path / "new folder" / "model.pth"
    storage.save_model(model, path)
    loaded = make_model()
    assert storage.load_model(loaded, str(path), device=device) is loaded
    assert state(loaded) == state(model)
    assert {value.device.type for value in loaded.state_dict().values()} == {device}
    assert [file.name for file in path.parent.iterdir()] == ["model.pth"]


def test_saving_replaces_the_old_file_with_the_usual_permissions(tmp_path):
    path = tmp_path / "model.pth"
    path.write_text("old")
    usual = path.stat().st_mode
    storage.save_model(LinearRegressionModel(), path)
    assert path.stat().st_mode == usual
    storage.load_model(LinearRegressionModel(), path)


def test_saving_refuses_a_model_that_loading_would_refuse(tmp_path):
    path = tmp_path / "model.pth"
    storage.save_model(LinearRegressionModel(), path)
    old = path.read_bytes()
    broken = LinearRegressionModel()
    nn.init.constant_(broken.bias, float("nan"))
    with pytest.raises(ValueError, match="the model to save has values of bias that are not fin"):
        storage.save_model(broken, path)
    assert path.read_bytes() == old


@pytest.mark.parametrize("zip_format", [True, False], ids=["since 1.6", "before 1.6"])
def test_a_file_from_a_gpu_loads_on_the_cpu(tmp_path, monkeypatch, zip_format):
    """What map_location is for. The file says cuda:0, whether or not there is a GPU here."""
    model = LinearRegressionModel()
    path = tmp_path / "model.pth"
    monkeypatch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
    torch.save(model.state_dict(), path, _use_new_zipfile_serialization=zip_format)
    monkeypatch.undo()
    if not torch.cuda.is_available():
        with pytest.raises(RuntimeError, match="deserialize object on a CUDA device"):
            torch.load(path, weights_only=True)
    loaded = storage.load_model(LinearRegressionModel(), path)
    assert state(loaded) == state(model)
    assert {value.device.type for value in loaded.state_dict().values()} == {"cpu"}


class Command:
    """A pickle of this runs code when it is loaded: here, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return exec, (f"open({str(self.path)!r}, 'w').close()",)


def test_loading_runs_no_code_from_the_file(tmp_path):
    """What weights_only=True is for: the same file, loaded without it, would run its command."""
    path, trace = tmp_path / "model.pth", tmp_path / "trace"
    torch.save({"weights": Command(trace)}, path)
    model = LinearRegressionModel()
    before = state(model)
    with pytest.raises(ValueError, match="no checkpoint that can be loaded safely") as error:
        storage.load_model(model, path)
    assert "weights_only" not in str(error.value)
    assert not trace.exists()
    assert state(model) == before
    torch.load(path, weights_only=False)
    assert trace.exists()


def write_whole_model(path):
    torch.save(LinearRegressionModel(), path)


def write_pickle_of_a_command(path):
    path.write_bytes(pickle.dumps(Command(path.with_name("trace"))))


def save(something):
    return lambda path: torch.save(something, path)


GOOD = {"weights": torch.ones(1), "bias": torch.ones(1)}


@pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning")
@pytest.mark.parametrize(
    ("write", "error", "message"),
    [
        (lambda path: None, FileNotFoundError, "No such file"),
        (lambda path: path.mkdir(), OSError, None),
        (lambda path: path.touch(), ValueError, "no checkpoint that can be loaded safely"),
        (lambda path: path.write_text("weights: 0.7"), ValueError, "no checkpoint"),
        (lambda path: path.write_bytes(bytes(range(256)) * 9), ValueError, "no checkpoint"),
        (write_whole_model, ValueError, "no checkpoint"),
        (write_pickle_of_a_command, ValueError, "no checkpoint"),
        (save([1, 2]), ValueError, "no state_dict .*but a list"),
        (save(torch.ones(1)), ValueError, "no state_dict .*but a Tensor"),
        (save({"epoch": 3, "model": GOOD}), ValueError, "no state_dict"),
        (save({"weights": torch.ones(1).to_sparse()}), ValueError, "no state_dict .dense tensors"),
        (
            save(GOOD | {"bias": torch.ones(1, device="meta")}),
            ValueError,
            "values of bias .*not fin",
        ),
        (save({}), ValueError, "doesn't fit the model"),
        (save(LinearRegressionModelV2().state_dict()), ValueError, "linear_layer.weight"),
        (save(GOOD | {"more": torch.ones(1)}), ValueError, "doesn't fit the model: .*more"),
        (save(GOOD | {"bias": torch.ones(2)}), ValueError, r"\(2,\), torch.float32"),
        (save(GOOD | {"bias": torch.ones(1).int()}), ValueError, r"\(1,\), torch.int32"),
        (save(GOOD | {"bias": torch.ones(1) / 0}), ValueError, "values of bias .*not finite"),
    ],
)
def test_loading_refuses_and_leaves_the_model_as_it_was(tmp_path, write, error, message):
    path = tmp_path / "model.pth"
    write(path)
    model = LinearRegressionModel()
    before = state(model)
    with pytest.raises(error, match=message) as raised:
        storage.load_model(model, path)
    assert "weights_only" not in str(raised.value)
    assert "model.pth" in str(raised.value)
    assert state(model) == before
    assert not path.with_name("trace").exists()


@pytest.mark.parametrize("zip_format", [True, False], ids=["since 1.6", "before 1.6"])
def test_loading_refuses_every_truncated_prefix(tmp_path, zip_format):
    path = tmp_path / "model.pth"
    torch.save(GOOD, path, _use_new_zipfile_serialization=zip_format)
    whole = path.read_bytes()
    storage.load_model(LinearRegressionModel(), path)
    model = LinearRegressionModel()
    before = state(model)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="no checkpoint"):
            storage.load_model(model, path)
    assert state(model) == before


def test_a_device_that_is_not_there_is_refused_before_the_model_is_touched(tmp_path):
    path = tmp_path / "model.pth"
    torch.save(GOOD, path)
    model = LinearRegressionModel()
    before = state(model)
    with pytest.raises(RuntimeError, match="gpu"):
        storage.load_model(model, path, device="gpu")
    assert state(model) == before


def test_loading_refuses_random_bytes(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "model.pth"
    model = LinearRegressionModel()
    before = state(model)
    for _ in range(300):
        path.write_bytes(rng.bytes(int(rng.integers(1, 4000))))
        with pytest.raises(ValueError, match="no checkpoint"):
            storage.load_model(model, path)
    assert state(model) == before


# --- processes that are killed, that compete, that find the disk full


def forks(test):
    """Mark a test that forks real processes."""
    test = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")(test)
    return pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")(test)


class LargeModel(nn.Module):
    """A model of 1 MB, all of its numbers equal, so that a torn file shows."""

    def __init__(self, value=0.0):
        super().__init__()
        self.values = nn.Parameter(torch.full((512, 512), float(value)))

    def value(self):
        """Return the number that all of its numbers are; fail if they are not."""
        [value] = set(self.values.flatten().tolist())
        return value


def in_child(work, *arguments):
    """Run `work` in a forked process, which shares no more with this one; return its id."""
    process = os.fork()
    if process == 0:
        try:
            torch.set_num_threads(1)  # the parent's threads are not there any more
            work(*arguments)
            os._exit(0)
        except BaseException:
            os._exit(1)
    return process


def save_again_and_again(save, path, values=(1.0, 2.0)):
    models = [LargeModel(value) for value in values]
    while True:
        for model in models:
            save(model, path)


def torn_files(save, path, kills):
    """Kill a process that saves, `kills` times at random moments; count the files left torn."""
    rng = random.Random(0)
    torn = 0
    for _ in range(kills):
        storage.save_model(LargeModel(), path)
        process = in_child(save_again_and_again, save, path)
        time.sleep(rng.uniform(0.001, 0.03))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        try:
            assert storage.load_model(LargeModel(), path).value() in (0.0, 1.0, 2.0)
        except ValueError:
            torn += 1
    return torn


def save_in_place(model, path):
    torch.save(model.state_dict(), path)


@pytest.mark.slow
@forks
@pytest.mark.parametrize("save", [storage.save_model, save_in_place])
def test_a_save_that_is_killed_leaves_the_old_file_or_the_new_one(save, tmp_path):
    """60 kills. That they come at bad moments shows in the plain torch.save, which they tear."""
    atomic = save is storage.save_model
    torn = torn_files(save, tmp_path / "model.pth", kills=60 if atomic else 25)
    assert torn == 0 if atomic else torn > 0


@pytest.mark.slow
@forks
def test_two_processes_that_save_to_one_path_leave_one_whole_file(tmp_path):
    path = tmp_path / "model.pth"
    storage.save_model(LargeModel(), path)
    processes = [
        in_child(save_again_and_again, storage.save_model, path, values)
        for values in ((1.0, 2.0), (3.0, 4.0))
    ]
    seen = {storage.load_model(LargeModel(9.0), path).value() for _ in range(100)}
    for process in processes:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    seen.add(storage.load_model(LargeModel(9.0), path).value())
    assert seen <= {0.0, 1.0, 2.0, 3.0, 4.0}
    assert len(seen) > 2


@forks
def test_a_disk_that_fills_up_leaves_the_old_file_and_nothing_else(tmp_path):
    """A limit on the size of files stands for the disk: writing fails half-way, with OSError."""
    path = tmp_path / "model.pth"
    storage.save_model(LargeModel(), path)

    def save_on_a_full_disk():
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        with pytest.raises(OSError, match="File too large"):
            storage.save_model(LargeModel(1.0), path)

    _, status = os.waitpid(in_child(save_on_a_full_disk), 0)
    assert status == 0
    assert storage.load_model(LargeModel(9.0), path).value() == 0.0
    assert [file.name for file in tmp_path.iterdir()] == ["model.pth"]
