"""checkpoints.py: a damaged file is refused, or it gives the saved numbers."""

import struct
from importlib import import_module
from io import BytesIO
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from problems import state

from beyond import checkpoints

LinearRegressionModel = import_module("02_model").LinearRegressionModel


def flipped(whole, places):
    """Yield the bytes `whole`, each time with another bit of these places the other way round."""
    for place in places:
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            yield bytes(damaged)


def outcomes(files, load, saved, errors=ValueError):
    """Count the files that are refused, that load as the saved numbers, and as others."""
    counts = {"refused": 0, "saved": 0, "others": 0}
    for damaged in files:
        try:
            loaded = load(damaged)
        except errors:
            counts["refused"] += 1
        else:
            counts["saved" if loaded == saved else "others"] += 1
    return counts


@pytest.fixture
def load(path):
    """A function from a file's bytes to the numbers that load_model loads from it."""
    model = LinearRegressionModel()
    before = state(model)

    def load(contents):
        assert model.state_dict() == before, "a refused file leaves the model as it was"
        path.write_bytes(contents)
        loaded = state(checkpoints.load_model(model, path))
        model.load_state_dict(before)
        return loaded

    return load


def places_of_numbers(whole):
    """Return where the archive holds the numbers, and where its directory says where they are."""
    places = []
    for record in ZipFile(BytesIO(whole)).infolist():
        if "/data/" in record.filename:
            name, extra = struct.unpack_from("<HH", whole, record.header_offset + 26)
            start = record.header_offset + 30 + name + extra
            places += range(start, start + record.file_size)
            entry = whole.rindex(record.filename.encode()) - 46  # its fixed part, then the name
            places += range(entry, entry + 46 + name)
    return places


def test_a_flipped_bit_in_the_numbers_or_in_their_entries_never_loads_as_others(whole, load):
    """The checksums see the one, the new archive the other. torch.load alone takes both."""

    def torch_load(contents):
        return torch.load(BytesIO(contents), weights_only=True)

    saved = load(whole)
    files = list(flipped(whole, places_of_numbers(whole)))
    assert outcomes(files, load, saved)["others"] == 0
    assert outcomes(files, torch_load, saved, errors=Exception)["others"] > 0


@pytest.mark.slow
def test_no_flipped_bit_and_no_missing_byte_loads_as_other_numbers(whole, load):
    """Every bit and every byte. What the check turns into the undamaged archive, it loads as."""
    saved, undamaged = load(whole), checkpoints.verified(whole).getvalue()

    def load_what_differs(contents):
        if checkpoints.verified(contents).getvalue() == undamaged:
            return saved
        return load(contents)

    places = range(len(whole))
    flips = flipped(whole, places)
    gaps = (whole[:place] + whole[place + 1 :] for place in places)
    counts = outcomes(flips, load_what_differs, saved, errors=Exception)
    assert counts["others"] == 0
    assert counts["refused"] > 0
    assert outcomes(gaps, load_what_differs, saved, errors=Exception)["others"] == 0


def test_every_truncated_file_is_refused(whole, load):
    prefixes = (whole[:length] for length in range(len(whole)))
    assert outcomes(prefixes, load, None)["refused"] == len(whole)


def test_random_bytes_are_refused(load):
    rng = np.random.default_rng(0)
    files = [rng.bytes(int(rng.integers(1, 4000))) for _ in range(100)]
    assert outcomes(files, load, None)["refused"] == len(files)
