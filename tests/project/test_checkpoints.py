"""checkpoints.py: what is saved comes back, and a save that fails leaves the old file."""

import os
import pickle
from importlib import import_module

import pytest
import torch
from problems import state
from torch import nn

from beyond import checkpoints

LinearRegressionModel = import_module("02_model").LinearRegressionModel
LinearRegressionModelV2 = import_module("06_all_together").LinearRegressionModelV2


# --- saving


@pytest.mark.parametrize("make_model", [LinearRegressionModel, LinearRegressionModelV2])
def test_a_saved_model_loads_to_the_bit_on_each_device(make_model, device, tmp_path):
    model = make_model().to(device)
    path = tmp_path / "new folder" / "model.pth"
    checkpoints.save_model(model, path)
    loaded = make_model()
    assert checkpoints.load_model(loaded, str(path), device=device) is loaded
    assert state(loaded) == state(model)
    assert {value.device.type for value in loaded.state_dict().values()} == {device}
    assert os.listdir(path.parent) == ["model.pth"]


def test_saving_replaces_the_old_file_with_the_usual_permissions(path):
    path.write_text("old")
    usual = path.stat().st_mode
    checkpoints.save_model(LinearRegressionModel(), path)
    assert path.stat().st_mode == usual
    checkpoints.load_model(LinearRegressionModel(), path)


def test_saving_through_a_link_replaces_the_file_it_leads_to(path, tmp_path):
    link = tmp_path / "other folder" / "link.pth"
    link.parent.mkdir()
    try:
        link.symlink_to(path)
    except OSError:
        pytest.skip("this user may not make symbolic links here")
    path.write_text("old")
    checkpoints.save_model(LinearRegressionModel(), link)
    assert link.is_symlink()
    checkpoints.load_model(LinearRegressionModel(), path)
    assert os.listdir(link.parent) == ["link.pth"]


def test_a_file_name_may_be_as_long_as_the_system_permits(tmp_path):
    path = tmp_path / ("n" * (255 - len(".pth")) + ".pth")
    try:
        path.touch()
    except OSError:
        pytest.skip("this system permits no name of 255 bytes in this folder")
    checkpoints.save_model(LinearRegressionModel(), path)
    checkpoints.load_model(LinearRegressionModel(), path)


def test_saving_refuses_a_model_that_loading_would_refuse(path, whole):
    broken = LinearRegressionModel()
    nn.init.constant_(broken.bias, float("nan"))
    with pytest.raises(ValueError, match="the model to save has values of bias that are not fin"):
        checkpoints.save_model(broken, path)
    assert path.read_bytes() == whole


def test_the_bytes_are_on_the_disk_before_the_file_takes_the_name(path, monkeypatch):
    calls = []

    def fsync(descriptor):
        calls.append(("fsync", os.fstat(descriptor).st_ino, os.fstat(descriptor).st_size))

    def replace(source, target):
        calls.append(("replace", os.stat(source).st_ino, os.stat(source).st_size))
        real_replace(source, target)

    real_replace = os.replace
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    checkpoints.save_model(LinearRegressionModel(), path)
    file = path.stat().st_ino, path.stat().st_size
    assert calls == [("fsync", *file), ("replace", *file)]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(step, path, whole, monkeypatch):
    """fsync fails on a full disk; replace on Windows, where another program has the file open."""

    def fail(*_):
        raise OSError(f"{step} fails")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match=f"{step} fails"):
        checkpoints.save_model(LinearRegressionModel(), path)
    assert path.read_bytes() == whole
    assert os.listdir(path.parent) == ["model.pth"]


def test_two_saves_at_one_time_leave_one_whole_file(path, whole, monkeypatch):
    """The second save runs from start to end inside the first, between its write and its rename."""
    first, second = LinearRegressionModel(), LinearRegressionModel()
    real_fsync = os.fsync

    def fsync(descriptor):
        monkeypatch.setattr(os, "fsync", real_fsync)
        assert path.read_bytes() == whole
        checkpoints.save_model(second, path)
        assert state(checkpoints.load_model(LinearRegressionModel(), path)) == state(second)

    monkeypatch.setattr(os, "fsync", fsync)
    checkpoints.save_model(first, path)
    assert state(checkpoints.load_model(LinearRegressionModel(), path)) == state(first)
    assert os.listdir(path.parent) == ["model.pth"]


# --- loading


def test_the_model_moves_to_the_device_that_is_asked_for(path, whole):
    """The device "meta", which every machine has, stands for a GPU."""
    model = checkpoints.load_model(LinearRegressionModel(), path, device="meta")
    assert {value.device.type for value in model.state_dict().values()} == {"meta"}


def test_a_file_from_a_gpu_loads_on_the_cpu(path, monkeypatch):
    """What map_location is for. The file says cuda:0, whether or not there is a GPU here."""
    model = LinearRegressionModel()
    monkeypatch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
    checkpoints.save_model(model, path)
    monkeypatch.undo()
    if not torch.cuda.is_available():
        # Up to 2.2, torch hands its RuntimeError on as an UnpicklingError.
        errors = RuntimeError, pickle.UnpicklingError
        with pytest.raises(errors, match="deserialize object on a CUDA device"):
            torch.load(path, weights_only=True)
    loaded = checkpoints.load_model(LinearRegressionModel(), path)
    assert state(loaded) == state(model)
    assert {value.device.type for value in loaded.state_dict().values()} == {"cpu"}
