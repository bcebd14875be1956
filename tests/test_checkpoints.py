"""Checkpoints: what is saved comes back, a failed save leaves the old file, bad files are refused."""

import os
import pickle
import stat
import struct
import subprocess
import sys
import tracemalloc
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
import torch
from torch import nn

from beyond.checkpoints import load_model, save_model

posix = pytest.mark.skipif(os.name != "posix", reason="permissions and signals are POSIX's")


def make_model():
    return nn.Linear(2, 1)


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


# --- saving


def test_a_saved_model_loads_to_the_bit(tmp_path):
    model, loaded, path = make_model(), make_model(), tmp_path / "new folder" / "model.pth"
    save_model(model, path)
    assert load_model(loaded, str(path)) is loaded
    assert state(loaded) == state(model)
    assert os.listdir(path.parent) == ["model.pth"]
    save_model(other := make_model(), path)
    assert state(load_model(loaded, path)) == state(other)


@posix
def test_a_replaced_file_keeps_its_permissions_and_a_new_one_has_the_usual(path, whole, tmp_path):
    (usual := tmp_path / "usual").touch()
    assert path.stat().st_mode == usual.stat().st_mode
    for mode in (0o600, 0o664):
        path.chmod(mode)
        save_model(make_model(), path)
        assert stat.S_IMODE(path.stat().st_mode) == mode


@posix
def test_nobody_else_can_read_along_while_a_private_file_is_replaced(path, whole, monkeypatch):
    def fsync(descriptor):
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))

    modes = []
    monkeypatch.setattr(os, "fsync", fsync)
    path.chmod(0o600)
    save_model(make_model(), path)
    assert modes == [0o600]


def test_saving_through_a_link_replaces_the_file_it_leads_to(path, whole, tmp_path):
    (link := tmp_path / "other" / "link.pth").parent.mkdir()
    try:
        link.symlink_to(path)
    except OSError:
        pytest.skip("this user may not make symbolic links here")
    save_model(model := make_model(), link)
    assert link.is_symlink()
    assert state(load_model(make_model(), path)) == state(model)
    assert os.listdir(link.parent) == ["link.pth"]


def test_a_file_name_may_be_as_long_as_the_system_permits(tmp_path):
    path = tmp_path / ("n" * 251 + ".pth")
    try:
        path.touch()
    except OSError:
        pytest.skip("this system permits no name of 255 bytes in this folder")
    save_model(make_model(), path)


def test_saving_refuses_a_model_that_loading_would_refuse(path, whole):
    nn.init.constant_((broken := make_model()).bias, float("nan"))
    with pytest.raises(ValueError, match="the model to save has values of bias that are not fin"):
        save_model(broken, path)
    assert path.read_bytes() == whole


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(step, path, whole, monkeypatch):
    """fsync fails on a full disk; replace on Windows, where another program has the file open."""

    def fail(*_):
        raise OSError(f"{step} fails")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match=f"{step} fails"):
        save_model(make_model(), path)
    assert path.read_bytes() == whole
    assert os.listdir(path.parent) == ["model.pth"]


def test_a_second_save_inside_the_first_leaves_whole_files(path, whole, monkeypatch):
    """The second runs between the first one's write, which is on the disk by then, and its rename."""
    first, second, real_fsync = make_model(), make_model(), os.fsync

    def fsync(descriptor):
        monkeypatch.setattr(os, "fsync", real_fsync)
        assert os.fstat(descriptor).st_size == len(whole)
        assert path.read_bytes() == whole
        save_model(second, path)
        assert state(load_model(make_model(), path)) == state(second)

    monkeypatch.setattr(os, "fsync", fsync)
    save_model(first, path)
    assert state(load_model(make_model(), path)) == state(first)
    assert os.listdir(path.parent) == ["model.pth"]


KILLED = """
import os, resource, signal, sys, torch
from beyond.checkpoints import save_model
path, where = sys.argv[1:]
if where == "replace":
    os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
else:  # the byte after the limit kills
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (os.stat(path).st_size // 2,) * 2)
model = torch.nn.Linear(2, 1)
torch.save(model.state_dict(), path) if where == "torch.save" else save_model(model, path)
"""


@posix
@pytest.mark.slow
@pytest.mark.parametrize("where", ["write", "replace", "torch.save"])
def test_a_save_that_is_killed_leaves_the_old_file(where, path, whole):
    """That half the bytes are a bad moment shows in torch.save: it leaves half a file."""
    arguments = [sys.executable, "-c", KILLED, path, where]
    result = subprocess.run(arguments, cwd=Path(__file__).parents[1])
    assert result.returncode < 0, "no signal has killed the process"
    if where == "torch.save":
        assert 0 < path.stat().st_size < len(whole)
    else:
        assert path.read_bytes() == whole


# --- loading


def test_the_model_moves_to_the_device_that_is_asked_for(path, whole):
    """The device "meta", which every machine has, stands for a GPU."""
    model = load_model(make_model(), path, device="meta")
    assert {tensor.device.type for tensor in model.state_dict().values()} == {"meta"}
    before = state(model := make_model())
    with pytest.raises(RuntimeError, match="gpu"):
        load_model(model, path, device="gpu")
    assert state(model) == before


def test_a_file_from_a_gpu_loads_on_the_cpu(path, monkeypatch):
    """What map_location is for. The file says cuda:0, whether or not there is a GPU here."""
    monkeypatch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
    save_model(model := make_model(), path)
    monkeypatch.undo()
    loaded = load_model(make_model(), path)
    assert state(loaded) == state(model)
    assert {tensor.device.type for tensor in loaded.state_dict().values()} == {"cpu"}


def flipped(contents, places):
    """Yield the bytes, each time with another bit of these places the other way round."""
    for place in places:
        for bit in range(8):
            damaged = bytearray(contents)
            damaged[place] ^= 1 << bit
            yield bytes(damaged)


def places_of_numbers(contents):
    """Return where the archive holds the numbers, and where its directory says where they are."""
    for record in ZipFile(BytesIO(contents)).infolist():
        if "/data/" in record.filename:
            name, extra = struct.unpack_from("<HH", contents, record.header_offset + 26)
            start = record.header_offset + 30 + name + extra
            yield from range(start, start + record.file_size)
            entry = contents.rindex(record.filename.encode()) - 46  # its fixed part, then the name
            yield from range(entry, entry + 46 + name)


def outcomes(files, load, saved, errors):
    """Count the files that are refused, that load as the saved numbers, and as others."""
    counts = {"refused": 0, "saved": 0, "others": 0}
    for damaged in files:
        try:
            counts["saved" if load(damaged) == saved else "others"] += 1
        except errors:
            counts["refused"] += 1
    return counts


def test_a_damaged_file_is_refused_or_gives_the_saved_numbers(path, whole):
    """torch.load alone takes flipped bits for other numbers, without a word."""

    def load(contents):
        path.write_bytes(contents)
        return state(load_model(make_model(), path))

    def torch_load(contents):
        numbers = torch.load(BytesIO(contents), weights_only=True)
        return {name: tensor.tolist() for name, tensor in numbers.items()}

    saved, places = load(whole), list(places_of_numbers(whole))
    assert outcomes(flipped(whole, places), load, saved, ValueError)["others"] == 0
    assert outcomes(flipped(whole, places), torch_load, saved, Exception)["others"] > 0
    rng = np.random.default_rng(0)
    others = flipped(whole, rng.choice(len(whole), 20, replace=False))
    assert outcomes(others, load, saved, ValueError)["others"] == 0
    torn = [whole[:length] for length in range(0, len(whole), 7)]
    assert outcomes(torn, load, saved, ValueError)["refused"] == len(torn)


def test_records_larger_than_the_file_are_refused_before_they_are_read(path):
    with ZipFile(path, "w", ZIP_DEFLATED) as file:
        file.writestr("model/data.pkl", bytes(2**24))
    tracemalloc.start()
    with pytest.raises(ValueError, match="no checkpoint that can be loaded safely"):
        load_model(make_model(), path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


class Command:
    """A pickle of this runs code when it is loaded: here, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return exec, (f"open({str(self.path)!r}, 'w').close()",)


def test_loading_runs_no_code_from_the_file(path, tmp_path):
    """What weights_only=True is for: the same file, loaded without it, would run its command."""
    trace = tmp_path / "trace"
    torch.save({"weight": Command(trace)}, path)
    with pytest.raises(ValueError, match="no checkpoint that can be loaded safely") as raised:
        load_model(make_model(), path)
    assert raised.value.__suppress_context__, "torch's message advises weights_only=False"
    assert not trace.exists()
    torch.load(path, weights_only=False)
    assert trace.exists()


GOOD = {"weight": torch.ones(1, 2), "bias": torch.ones(1)}
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
OF_ANOTHER = {f"module.{name}": tensor for name, tensor in GOOD.items()}
MANY = {f"layer{i}": torch.ones(1) for i in range(9)}


def save(something, **options):
    return lambda path: torch.save(something, path, **options)


@pytest.mark.parametrize(
    ("write", "error", "message"),
    [
        (lambda path: None, FileNotFoundError, "No such file"),
        (lambda path: path.mkdir(), OSError, None),
        (lambda path: path.touch(), ValueError, "no checkpoint that can be loaded safely"),
        (lambda path: path.write_text("weight: 0.7"), ValueError, "no checkpoint"),
        (lambda path: path.write_text(POINTER), ValueError, "Git LFS pointer.*git lfs pull"),
        (lambda path: path.write_bytes(pickle.dumps(3)), ValueError, "no checkpoint"),
        (save(make_model()), ValueError, "not a whole model"),
        (save(GOOD, _use_new_zipfile_serialization=False), ValueError, r"1\.6 or newer"),
        (save([1, 2]), ValueError, "a state_dict alone .*not an object of type list"),
        (save(GOOD | {"epoch": 3}), ValueError, "alone .*, but 'epoch' is of type int$"),
        (save({"lr": 0.1, "net": GOOD}), ValueError, "'lr' is of type float; 'net' is a state_dict"),
        (save({"a": {}, "b": {"c": 1}}), ValueError, "'a' is of type dict; 'b' is of type dict"),
        (save({"weight": torch.ones(1).to_sparse()}), ValueError, "of type torch.sparse_coo Tensor"),
        (save(OF_ANOTHER), ValueError, "each name begins with 'module.'"),
        (save({}), ValueError, "doesn't fit the model: weight is missing; bias is missing$"),
        (save(GOOD | {"more": torch.ones(1)}), ValueError, "model: more is not in the model$"),
        (save(GOOD | MANY), ValueError, "layer4 is not in the model; and 4 more$"),
        (save(GOOD | {"bias": torch.ones(2)}), ValueError,
         r"bias is \(\(2,\), torch.float32\), the model needs \(\(1,\), torch.float32\)"),
        (save(GOOD | {"bias": torch.ones(1).int()}), ValueError, r"bias is \(\(1,\), torch.int32\)"),
        (save(GOOD | {"bias": torch.ones(1, device="meta")}), ValueError, "of bias .*not fin"),
        (save(GOOD | {"bias": torch.ones(1) / 0}), ValueError, "values of bias .*not finite"),
    ],
)  # fmt: skip
def test_loading_names_what_it_found_and_leaves_the_model_as_it_was(path, write, error, message):
    write(path)
    before = state(model := make_model())
    with pytest.raises(error, match=message) as raised:
        load_model(model, path)
    assert "weights_only" not in str(raised.value)
    assert "model.pth" in str(raised.value)
    assert state(model) == before
