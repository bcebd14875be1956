"""Checkpoints: what is saved comes back, a failed save leaves the old file, a bad file is named."""

import os
import stat
import tracemalloc
from functools import partial
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
import torch
from torch import nn

from beyond.checkpoints import load_model, save_model

ONE = torch.ones(1)
FLOAT8 = ONE.to(torch.float8_e4m3fn)
make_model = partial(nn.Linear, 2, 1)


def state(model):
    return {name: tensor.tolist() for name, tensor in model.state_dict().items()}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.pth"


@pytest.fixture
def whole(path):
    """The bytes of a checkpoint, saved under `path`."""
    save_model(make_model(), path)
    return path.read_bytes()


def test_a_saved_model_loads_to_the_bit(tmp_path):
    path, loaded = tmp_path / "new" / "folder" / "model.pth", make_model()
    with pytest.raises(FileNotFoundError):
        load_model(loaded, path)
    for model in (make_model(), make_model()):
        save_model(model, path)
        assert load_model(loaded, str(path)) is loaded
        assert state(loaded) == state(model)
        assert os.listdir(path.parent) == ["model.pth"]


def test_buffers_come_back_whatever_they_hold_and_under_two_names(path):
    for values in (FLOAT8, torch.tensor([1, -torch.inf, torch.nan])):
        model, loaded = make_model(), make_model()
        for one, buffer in ((model, values), (loaded, torch.zeros_like(values))):
            one.register_buffer("mask", buffer)
            one.register_buffer("same", buffer)
        save_model(model, path)
        load_model(loaded, path)
        np.testing.assert_array_equal(loaded.mask.float(), values.float())
    wrong = {"'mask' is of type int": 3, "tied to another": torch.tensor([1, -torch.inf, 0])}
    for message, value in wrong.items():
        torch.save(model.state_dict() | {"mask": value}, path)
        with pytest.raises(ValueError, match=message):
            load_model(loaded, path)


def make_tied(tie, rows=50):
    """Return two layers; the first one's weight is a part of a tensor with so many rows."""
    model = nn.Sequential(nn.Linear(50, 50), nn.Linear(50, 50))
    model[0].weight = nn.Parameter(torch.rand(rows, 50)[:50])
    model[1].weight = tie(model[0].weight)
    return model


def transposed(weight):
    return nn.Parameter(weight.detach().T)


@pytest.mark.parametrize(("tie", "rows"), [(lambda w: w, 5000), (transposed, 50)])
def test_tied_weights_are_saved_once_and_a_file_with_two_values_is_refused(path, tie, rows):
    save_model(model := make_tied(tie, rows), path)
    assert path.stat().st_size < 1.5 * 4 * 50 * 50, "two weights, or the rows around one, are saved"
    loaded = load_model(make_tied(tie), path)
    assert state(loaded) == state(model)
    save_model(make_tied(lambda weight: nn.Parameter(weight + torch.eye(50))), path)
    with pytest.raises(ValueError, match="0.weight is tied to another tensor there, which has oth"):
        load_model(loaded, path)
    assert state(loaded) == state(model)


@pytest.mark.skipif(os.name != "posix", reason="permissions and links as POSIX has them")
def test_a_replaced_file_keeps_its_permissions_and_its_link(path, whole, tmp_path, monkeypatch):
    (usual := tmp_path / "usual").touch()
    assert path.stat().st_mode == usual.stat().st_mode
    (link := tmp_path / "link").symlink_to(path)
    unnamed = []  # what the new file is before it takes the name
    monkeypatch.setattr(os, "fsync", lambda file: unnamed.append(os.stat(file)))
    for mode in (0o600, 0o664):
        path.chmod(mode)
        save_model(model := make_model(), link)
        named, before = path.stat(), unnamed.pop()
        assert stat.S_IMODE(named.st_mode) == stat.S_IMODE(before.st_mode) == mode
        assert named.st_size == before.st_size
        assert state(load_model(make_model(), path)) == state(model)
    assert link.is_symlink()


def test_a_save_that_fails_or_is_killed_leaves_the_old_file(path, whole, monkeypatch):
    """fsync fails on a full disk; replace on Windows, where another program has the file open."""

    def fail(*_):
        found.append(path.read_bytes())  # what is left where the process is killed here
        raise OSError("it fails")

    found = []
    for step in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, step, fail)
            with pytest.raises(OSError, match="it fails"):
                save_model(make_model(), path)
    assert found == [whole, whole]
    refused = [(torch.tensor([torch.nan]), "values of bias that are not finite")]
    try:
        torch.isfinite(FLOAT8)  # since torch 2.15 it can be checked
    except RuntimeError:  # NotImplementedError is one
        refused.append((FLOAT8, "bias in torch.float8_e4m3fn on cpu: no check for nan"))
    for bias, message in refused:
        (broken := make_model()).bias = nn.Parameter(bias, requires_grad=False)
        with pytest.raises(ValueError, match=f"the model to save has {message}"):
            save_model(broken, path)
    assert path.read_bytes() == whole
    assert os.listdir(path.parent) == ["model.pth"]


def test_a_file_from_a_gpu_loads_on_the_cpu_and_a_model_moves_where_it_is_asked(path, monkeypatch):
    """The file says cuda:0, whether or not there is a GPU here; "meta" is a device everywhere."""
    monkeypatch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
    save_model(saved := make_model(), path)
    monkeypatch.undo()
    before = state(model := make_model())
    with pytest.raises(RuntimeError, match="gpu"):
        load_model(model, path, device="gpu")
    assert state(model) == before
    assert state(load_model(model, path)) == state(saved)
    assert model.weight.device.type == "cpu"
    assert load_model(model, path, device="meta").weight.is_meta


def test_a_damaged_file_is_refused_or_gives_the_saved_numbers(path):
    """Cut short anywhere, or a bit flipped in the weights or in their entry of the directory."""
    save_model(model := make_model(), path)
    whole, saved = path.read_bytes(), state(model)
    first = whole.index(model.weight.detach().numpy().tobytes())
    entry = whole.rindex(b"archive/data/0") - 46
    damaged = [whole[:length] for length in range(0, len(whole), 29)]
    torn = len(damaged)
    for place in (*range(first, first + 8), *range(entry, entry + 46)):
        for bit in range(8):
            damaged.append(bytearray(whole))
            damaged[-1][place] ^= 1 << bit
    for number, contents in enumerate(damaged):
        file = path.with_suffix(f".{number}")  # a new name: some systems take long to overwrite
        file.write_bytes(contents)
        try:
            assert state(load_model(model, file)) == saved
            assert number >= torn + 64, "half a file, or one with other weights, loads"
        except ValueError:
            pass


def test_records_larger_than_the_file_are_refused_before_they_are_read(path):
    with ZipFile(path, "w", ZIP_DEFLATED) as file:
        file.writestr("model/data.pkl", bytes(2**24))
    tracemalloc.start()
    with pytest.raises(ValueError, match="no checkpoint that can be loaded safely"):
        load_model(make_model(), path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


class Command:
    """A pickle of this runs code when it is loaded: here, it makes a folder."""

    def __reduce__(self):
        return os.mkdir, ("trace",)


def test_loading_runs_no_code_from_the_file(path, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": Command()}, path)
    with pytest.raises(ValueError, match="no checkpoint that can be loaded safely") as raised:
        load_model(make_model(), path)
    assert raised.value.__suppress_context__, "torch's message advises weights_only=False"
    assert os.listdir() == ["model.pth"]
    torch.load(path, weights_only=False)
    assert sorted(os.listdir()) == ["model.pth", "trace"]


GOOD = {"weight": torch.ones(1, 2), "bias": ONE}


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (b"", "no checkpoint that can be loaded safely"),
        (make_model(), "no checkpoint .* not a whole model"),
        ([1, 2], "a state_dict alone .*, not an object of type list"),
        (GOOD | {"epoch": 3}, "a state_dict alone .*, but 'epoch' is of type int$"),
        ({"weight": ONE.to_sparse()}, "'weight' is of type torch.sparse_coo$"),
        ({"weight": GOOD["weight"]}, "bias is missing, in the model torch.float32 of shape"),
        (GOOD | {"a": ONE, "b": ONE}, "a is .*, in the model missing; b is .* missing$"),
        (GOOD | {"bias": torch.ones(2)}, r"bias is .* \(2,\), in the model .* \(1,\)$"),
        (GOOD | {"bias": ONE.int()}, "bias is torch.int32 .*, in the model torch.float32"),
        (GOOD | {"weight": torch.tensor([[1, torch.inf]])}, "values of weight .*not finite"),
    ],
)
def test_loading_names_what_it_found_and_leaves_the_model_as_it_was(path, found, message):
    path.write_bytes(found) if isinstance(found, bytes) else torch.save(found, path)
    before = state(model := make_model())
    with pytest.raises(ValueError, match=f"model.pth.*{message}"):
        load_model(model, path)
    assert state(model) == before
