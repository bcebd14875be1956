"""Checkpoints: what is saved comes back, a failed save leaves the old file, a bad file is named."""

import contextlib
import os
from functools import partial
from itertools import product

import pytest
import torch
from torch import nn

from beyond.checkpoints import load_model, save_model

ONE = torch.ones(1)
make_model = partial(nn.Linear, 2, 1)


def state(model):
    return {name: tensor.tolist() for name, tensor in model.state_dict().items()}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.pth"


def test_a_saved_model_loads_to_the_bit(tmp_path):
    path, loaded = tmp_path / "new" / "folder" / "model.pth", make_model()
    for model in (make_model(), make_model()):
        save_model(model, path)
        assert load_model(loaded, str(path)) is loaded
        assert state(loaded) == state(model)
        assert os.listdir(path.parent) == ["model.pth"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_save_that_fails_or_is_killed_leaves_the_old_file(step, path, monkeypatch):
    """fsync fails on a full disk; replace on Windows, where another program has the file open."""

    def fail(*_):
        assert path.read_bytes() == whole, "what is left where the process is killed here"
        raise OSError("it fails")

    save_model(make_model(), path)
    whole = path.read_bytes()
    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="it fails"):
        save_model(make_model(), path)
    assert path.read_bytes() == whole
    assert os.listdir(path.parent) == ["model.pth"]


def test_all_bytes_are_on_the_disk_before_the_file_takes_its_name(path, monkeypatch):
    written = []
    monkeypatch.setattr(os, "fsync", lambda file: written.append(os.stat(file).st_size))
    save_model(make_model(), path)
    assert written == [path.stat().st_size]


def test_a_model_with_nan_is_not_saved(path):
    (broken := make_model()).bias = nn.Parameter(torch.tensor([torch.nan]))
    with pytest.raises(ValueError, match="model to save has values of bias that are not finite"):
        save_model(broken, path)
    assert not path.exists()


def test_a_file_from_a_gpu_loads_on_the_cpu(path, monkeypatch):
    """The file says cuda:0, whether or not there is a GPU here."""
    monkeypatch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
    save_model(saved := make_model(), path)
    monkeypatch.undo()
    loaded = load_model(make_model(), path)
    assert state(loaded) == state(saved)
    assert loaded.weight.device.type == "cpu"


def test_a_damaged_file_is_refused_or_gives_the_saved_numbers(path):
    """Cut short anywhere, or a bit flipped in the weights or in their entry of the directory."""
    save_model(model := make_model(), path)
    whole = path.read_bytes()
    first = whole.index(model.weight.detach().numpy().tobytes())
    entry = whole.rindex(b"archive/data/0") - 46
    damaged = [whole[:length] for length in range(0, len(whole), 29)]
    for place, bit in product((*range(first, first + 8), *range(entry, entry + 46)), range(8)):
        damaged.append(bytearray(whole))
        damaged[-1][place] ^= 1 << bit
    for number, contents in enumerate(damaged):
        file = path.with_suffix(f".{number}")  # a new name: some systems take long to overwrite
        file.write_bytes(contents)
        with contextlib.suppress(ValueError):
            assert state(load_model(make_model(), file)) == state(model)


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


GOOD = {"weight": torch.ones(1, 2), "bias": ONE}


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (b"", "no checkpoint that can be loaded safely"),
        (make_model(), "no checkpoint .* not a whole model"),
        ([1, 2], "a state_dict alone, not an object of type list"),
        (GOOD | {"epoch": 3}, "epoch is of type int, in the model missing$"),
        (GOOD | {"bias": ONE.to_sparse()}, "bias is of type torch.sparse_coo, in the model"),
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
