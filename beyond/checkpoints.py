"""Checkpoints for a training that matters: saved atomically, checked whole before they are used.

The tutorial saves a state_dict with one line and loads it with one. Four things can go wrong there:

    the process is killed while it saves      torch.save leaves half a file under the old name
    somebody else wrote the file              without weights_only=True, loading runs their code
    the file was damaged, in one bit or more  torch.load doesn't look at the checksums in the file
    the file is of another model, or has nan  load_state_dict says so for names and shapes only

The file is a zip archive with a CRC-32 checksum for each record. CRC-32 sees every flipped bit and
every damaged stretch of up to 32 bits; other damage passes once in four billion times. Files from
before PyTorch 1.6 are no zip archives and hold no checksums, so `load_model` refuses them. Load
such a file with torch.load(path, weights_only=True), look at the numbers, and save it anew.
"""

import os
import shutil
from io import BytesIO
from pathlib import Path
from uuid import uuid4
from zipfile import ZipFile, ZipInfo

import torch


def save_model(model, path):
    """Save the model's state_dict to `path`, and make the folder if need be.

    At any moment `path` is the old file or the new one, whole: the bytes go to a hidden file beside
    it, which takes the name in one step once it is complete. A symbolic link stays one: the file it
    leads to is replaced. A replaced file's permissions stay. A process that is killed can leave the
    hidden file behind; its name is a dot, 32 hex digits and .tmp.

    The optimizer's state (momentum, Adam's averages) is not in it: a training that goes on from the
    file starts those anew, and takes other steps than one that was never interrupted.

    Raises ValueError if a parameter is not finite. Raises OSError if the file can't be written, on
    Windows also while another program has it open. In both cases the old file remains.
    """
    state_dict = model.state_dict()
    check_state_dict(state_dict, state_dict, source="the model to save")
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

    The file is checked whole before `model` is touched, which takes three times its size in
    memory. No code from the file is run. A file from a GPU loads where there is none.

    Raises OSError if the file can't be read, ValueError if it is damaged, no checkpoint, or not one
    of this model, and torch's own error for a device that is not there. A file that holds more, as
    {"epoch": ..., "model_state_dict": ...} does, is refused: take the state_dict out, save it anew.
    """
    torch.empty(0, device=device)
    state_dict = read_state_dict(path)
    check_state_dict(state_dict, model.state_dict(), source=path)
    model.load_state_dict(state_dict)
    return model.to(device)


def read_state_dict(path):
    """Return what torch.load makes of the file at `path`, once its checksums are verified."""
    contents = Path(path).read_bytes()
    if contents.startswith(b"version https://git-lfs"):
        raise ValueError(f"{path} is a Git LFS pointer, not yet the file: run `git lfs pull`")
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

    torch reads the new one alone. In the old one it could read what zipfile has not checked: of a
    record that a flipped bit marks as a folder, it returns memory that was never written.

    torch.save compresses nothing. Records larger than the file would fill the memory when unpacked.
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


def check_state_dict(state_dict, expected, source):
    """Raise ValueError unless it has the names, shapes and dtypes of `expected`, all finite."""
    must = f"{source} must hold a state_dict alone (dense tensors by name)"
    if not isinstance(state_dict, dict):
        raise ValueError(f"{must}, not an object of type {type(state_dict).__name__}")
    others = [
        f"{name!r} is {kind(value)}" for name, value in state_dict.items() if not dense(value)
    ]
    if others:
        raise ValueError(f"{must}, but {shortened(others)}")
    if found := differences(state_dict, expected):
        raise ValueError(f"{source} doesn't fit the model: {shortened(found)}")
    for name, tensor in state_dict.items():
        if tensor.is_meta or not torch.isfinite(tensor).all():
            raise ValueError(f"{source} has values of {name} that are not finite (nan or inf)")


def dense(value):
    return isinstance(value, torch.Tensor) and value.layout == torch.strided


def kind(value):
    """Return in words what stands where a dense tensor should."""
    if isinstance(value, dict) and value and all(map(dense, value.values())):
        return "a state_dict"
    layout = f"{value.layout} " if isinstance(value, torch.Tensor) else ""
    return f"of type {layout}{type(value).__name__}"


def differences(state_dict, expected):
    """Return in words how the names, shapes and dtypes of two state_dicts differ: a list."""
    for name in state_dict:
        prefix = str(name).removesuffix(next(iter(expected), ""))
        if prefix and state_dict.keys() == {prefix + name for name in expected}:
            return [f"each name begins with {prefix!r}, as where the model is part of another"]
    lines = [f"{name} is missing" for name in expected if name not in state_dict]
    for name, tensor in state_dict.items():
        shape_and_dtype = tuple(tensor.shape), tensor.dtype
        if name not in expected:
            lines.append(f"{name} is not in the model")
        elif shape_and_dtype != (needed := (tuple(expected[name].shape), expected[name].dtype)):
            lines.append(f"{name} is {shape_and_dtype}, the model needs {needed}")
    return lines


def shortened(lines):
    """Return the first five lines as one, and how many more there are."""
    rest = f"; and {len(lines) - 5} more" if len(lines) > 5 else ""
    return "; ".join(lines[:5]) + rest
