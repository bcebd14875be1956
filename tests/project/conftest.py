"""Fixtures of the tests on checkpoints."""

from importlib import import_module

import pytest
import torch

from beyond import checkpoints


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.pth"


@pytest.fixture
def whole(path):
    """The bytes of a checkpoint, saved under `path`."""
    torch.manual_seed(42)
    checkpoints.save_model(import_module("02_model").LinearRegressionModel(), path)
    return path.read_bytes()
