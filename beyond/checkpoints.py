"""Checkpoints for a training that matters: saved atomically, checked whole before they are used.

The tutorial saves a state_dict with one line and loads it with one. Four things can go wrong there:

    the process is killed while it saves      torch.save leaves half a file under the old name
    somebody else wrote the file              without weights_only=True, loading runs their code
    the file was damaged, in one bit or more  torch.load doesn't look at the checksums in the file
    the file is of another model, or has nan  load_state_dict says so for names and shapes only

The file is a zip archive with a CRC-32 checksum for each record, which sees every flipped bit and
every damaged stretch of up to 32 bits; other damage passes once in four billion times. Files from
before PyTorch 1.6 are no zip archives and hold no checksums, so that `load_model` refuses them:
load such a file with torch.load(path, weights_only=True), look at the numbers, and save it anew.
"""

import os
import shutil
from copy import deepcopy
from io import BytesIO
from pathlib import Path
from uuid import uuid4
from zipfile import ZipFile, ZipInfo

import torch


def save_model(model, path):
    """Save the model's state_dict to `path`, and make the folder if need be.

    At any moment `path` is the old file or the new one, whole: the bytes go to a hidden file beside
    it, which takes the name in one step once it is complete. A symbolic link stays one, because the
    file it leads to is replaced, and a replaced file's permissions stay. A process that is killed
    can leave the hidden file behind; its name is a dot, 32 hex digits and .tmp.

    Tied weights are saved once, and of a parameter that is a slice of a larger tensor the slice
    alone is saved, where torch.save writes the larger tensor. The optimizer's state (momentum,
    Adam's averages) is not in the file, so that a training that goes on from it starts those anew.

    Raises ValueError if a parameter is not finite or can't be checked for that (float8, quantized);
    a buffer may hold inf or nan, as a causal mask and an observer's minimum do. Raises OSError if
    the file can't be written, on Windows also while another program has it open; in both cases the
    old file remains.
    """
    state_dict = model.state_dict()
    check_values(state_dict, model, source="the model to save")
    copy_slices(state_dict)
    path = Path(path).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    contents = BytesIO()
    torch.save(state_dict, contents)
    unfinished = path.with_name(f".{uuid4().hex}.tmp")  # short: `path` may have the longest name
    try:
        with open(unfinished, "xb") as file:
            if path.exists():
                shutil.copymode(path, unfinished)  # while it is empty: nobody else reads along
            file.write(contents.getbuffer())
            file.flush()
            os.fsync(file.fileno())  # else a power cut could leave the new name without the bytes
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def load_model(model, path, device="cpu"):
    """Load the state_dict at `path` into `model`, move it to `device`, and return it.

    The file is checked whole before `model` is touched, which takes three times its size and a
    copy of the model in memory. No code from the file is run, and a file from a GPU loads where
    there is none.

    Raises OSError if the file can't be read, and torch's own error for a device that is not there.
    Raises ValueError if the file is damaged, no checkpoint, or not one of this model: with other
    names, shapes or dtypes, with parameters as `save_model` refuses them, or with two values for
    weights that the model ties. A file that holds more, as {"epoch": ..., "model_state_dict": ...}
    does, is refused as well: take the state_dict out, save it anew.
    """
    torch.empty(0, device=device)
    state_dict = read_state_dict(path)
    check_values(state_dict, model, source=path)
    check_fit(state_dict, model.state_dict(), source=path)
    model.load_state_dict(state_dict)
    return model.to(device)


def read_state_dict(path):
    """Return what torch.load makes of the file at `path`, once its checksums are verified."""
    contents = Path(path).read_bytes()
    try:
        return torch.load(verified(contents), map_location="cpu", weights_only=True)
    except Exception as error:
        # torch's message advises weights_only=False, which is the one thing not to do here.
        raise ValueError(
            f"{path} is no checkpoint that can be loaded safely ({type(error).__name__}): expected "
            "an undamaged file that torch.save (1.6 or newer) wrote, with a state_dict of tensors, "
            "not a whole model"
        ) from None


def verified(contents):
    """Return a zip archive's records, each checked, as a new archive in memory: a file.

    torch reads the new one alone, because in the old one it could read what zipfile hasn't checked:
    of a record that a flipped bit marks as a folder, it returns memory that was never written.
    Records larger than the file, which would fill the memory when unpacked, are refused before
    that, because torch.save compresses nothing.
    """
    file = BytesIO()
    with ZipFile(BytesIO(contents)) as old, ZipFile(file, "w") as new:
        if sum(record.file_size for record in old.infolist()) > len(contents):
            raise ValueError("the records are larger than the file")
        for record in old.infolist():
            data = old.read(record)  # raises BadZipFile if the checksum is wrong
            new.writestr(ZipInfo(record.filename), data)
    file.seek(0)
    return file


def check_values(state_dict, model, source):
    """Raise ValueError unless it is a dict of dense tensors, with finite numbers in parameters."""
    must = f"{source} must hold a state_dict alone (dense tensors by name)"
    if not isinstance(state_dict, dict):
        raise ValueError(f"{must}, not an object of type {type(state_dict).__name__}")
    buffers = dict(model.named_buffers(remove_duplicate=False))
    for name, tensor in state_dict.items():
        kind = getattr(tensor, "layout", type(tensor).__name__)
        if kind != torch.strided:
            raise ValueError(f"{must}, but {name!r} is of type {kind}")
        if name in buffers:
            continue
        try:
            finite = bool(torch.isfinite(tensor).all())
        except RuntimeError:
            unknown = f"{name} in {tensor.dtype} on {tensor.device}"
            raise ValueError(f"{source} has {unknown}: no check for nan or inf there") from None
        if not finite:
            raise ValueError(f"{source} has values of {name} that are not finite (nan or inf)")


def check_fit(state_dict, expected, source):
    """Raise ValueError unless the names, shapes and dtypes, and the tied weights, are the model's.

    A copy of `expected`, the model's own state_dict, shares memory where the model does. It is
    filled from the file, and must then hold what the file holds.
    """
    found, needed = (
        {name: f"{tensor.dtype} of shape {tuple(tensor.shape)}" for name, tensor in tensors.items()}
        for tensors in (state_dict, expected)
    )
    differences = [
        f"{name} is {found.get(name, 'missing')}, in the model {needed.get(name, 'missing')}"
        for name in needed | found
        if found.get(name) != needed.get(name)
    ]
    if differences:
        raise ValueError(f"{source} doesn't fit the model: {'; '.join(differences)}")

    filled = deepcopy(expected)
    for name, tensor in filled.items():
        tensor.copy_(state_dict[name])
    for name, tensor in filled.items():
        kept, value = tensor.cpu(), state_dict[name]
        if not ((value == kept) | (value != value) & (kept != kept)).all():  # nan is nan here
            raise ValueError(
                f"{source} doesn't fit the model: {name} is tied to another tensor there, which "
                "has other values in the file"
            )


def copy_slices(state_dict):
    """Replace each tensor whose storage is larger than itself by a copy, tied ones by one copy."""
    copies = {}
    for name, tensor in state_dict.items():
        storage = tensor.untyped_storage()
        if storage.nbytes() > tensor.numel() * tensor.element_size():
            place = storage.data_ptr(), tensor.storage_offset(), tensor.shape, tensor.stride()
            if place not in copies:
                copies[place] = tensor.clone()
            state_dict[name] = copies[place]
