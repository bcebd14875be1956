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
from io import BytesIO
from pathlib import Path
from uuid import uuid4
from zipfile import ZipFile, ZipInfo

import torch


def save_model(model, path):
    """Save the model's state_dict to `path`, and make the folder if need be.

    At any moment `path` is the old file or the new one, whole: the bytes go to a hidden file beside
    it, which takes the name in one step once it is complete. A process that is killed can leave the
    hidden file behind; its name is a dot, 32 hex digits and .tmp. The optimizer's state (momentum,
    Adam's averages) is not in the file, so that a training that goes on from it starts those anew.

    Raises ValueError if a number is not finite, and OSError if the file can't be written, on
    Windows also while another program has it open. In both cases the old file remains.
    """
    state_dict = model.state_dict()
    check_state_dict(state_dict, model, source="the model to save")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    contents = BytesIO()
    torch.save(state_dict, contents)
    unfinished = path.with_name(f".{uuid4().hex}.tmp")  # short: `path` may have the longest name
    try:
        with open(unfinished, "xb") as file:
            file.write(contents.getbuffer())
            file.flush()
            os.fsync(file.fileno())  # else a power cut could leave the new name without the bytes
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def load_model(model, path):
    """Load the state_dict at `path` into `model`, on whatever device that lies, and return it.

    The file is checked whole before `model` is touched, which takes three times its size in memory.
    No code from the file is run, and a file from a GPU loads where there is none.

    Raises OSError if the file can't be read. Raises ValueError if it is damaged, no checkpoint, or
    not one of this model: with other names, shapes or dtypes, or with numbers that are not finite.
    A file that holds more, as {"epoch": ..., "model_state_dict": ...} does, is refused as well:
    take the state_dict out, save it anew.
    """
    state_dict = read_state_dict(path)
    check_state_dict(state_dict, model, source=path)
    model.load_state_dict(state_dict)
    return model


def read_state_dict(path):
    """Return what torch.load makes of the file at `path`, once its checksums are verified."""
    contents = Path(path).read_bytes()
    try:
        return torch.load(verified_archive(contents), map_location="cpu", weights_only=True)
    except Exception as error:
        # torch's message advises weights_only=False, which is the one thing not to do here.
        raise ValueError(
            f"{path} is no checkpoint that can be loaded safely ({type(error).__name__}): expected "
            "an undamaged file that torch.save (1.6 or newer) wrote, with a state_dict of tensors, "
            "not a whole model"
        ) from None


def verified_archive(contents):
    """Return a zip archive's records, each checked, as a new archive in memory: a file.

    torch reads the new archive alone, because a flipped bit in the old one can mark a record as a
    folder: zipfile reads and checks the record all the same, but torch would skip it and return
    memory that was never written.
    """
    file = BytesIO()
    with ZipFile(BytesIO(contents)) as old, ZipFile(file, "w") as new:
        for record in old.infolist():
            data = old.read(record)  # raises BadZipFile if the checksum is wrong
            new.writestr(ZipInfo(record.filename), data)
    file.seek(0)
    return file


def check_state_dict(state_dict, model, source):
    """Raise ValueError unless it holds the model's names, shapes and dtypes, and finite numbers."""
    if not isinstance(state_dict, dict):
        kind = type(state_dict).__name__
        raise ValueError(f"{source} must hold a state_dict alone, not an object of type {kind}")
    found, needed = (
        {name: kind_of(tensor) for name, tensor in tensors.items()}
        for tensors in (state_dict, model.state_dict())
    )
    differences = [
        f"{name} is {found.get(name, 'missing')}, in the model {needed.get(name, 'missing')}"
        for name in needed | found
        if found.get(name) != needed.get(name)
    ]
    if differences:
        raise ValueError(f"{source} doesn't fit the model: {'; '.join(differences)}")
    for name, tensor in state_dict.items():
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{source} has values of {name} that are not finite (nan or inf)")


def kind_of(value):
    """Return a dense tensor's dtype and shape in words, or another object's type."""
    if getattr(value, "layout", None) == torch.strided:
        return f"{value.dtype} of shape {tuple(value.shape)}"
    return f"of type {getattr(value, 'layout', type(value).__name__)}"
