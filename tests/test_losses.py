"""Each loss and its gradient by hand are torch's, also at kinks and far out."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from manual_grad import numpy_autograd, torch_optim
from manual_grad.engine import Tensor
from manual_grad.losses import LOSSES

# Predictions or logits: the kink, ordinary ones, and some whose e^z overflows.
FAR = [0, 0.3, -2, 50, -50, 1e4, -1e4]
ROUNDINGS = 20  # of half an eps each: the terms, the sum of seven, the division, exp and log


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("label", [0, 0.25, 1])
@pytest.mark.parametrize("name", LOSSES)
def test_value_and_gradient_are_torchs(name, label, dtype):
    loss, gradient = LOSSES[name]
    tolerance = ROUNDINGS * np.finfo(dtype).eps / 2
    # All together; and each alone, because in a mean the largest hides what is wrong with others.
    for predictions in (FAR, *([one] for one in FAR)):
        y_pred = np.array([predictions], dtype).T
        y = np.full_like(y_pred, label)
        by_torch = torch.tensor(y_pred, requires_grad=True)
        expected = torch_optim.LOSSES[name](by_torch, torch.tensor(y))
        expected.backward()
        by_engine = Tensor(y_pred, requires_grad=True)
        value = numpy_autograd.LOSSES[name](by_engine, y)
        value.backward()
        for got in (loss(y_pred, y), value.data):
            assert_allclose(got, expected.item(), rtol=tolerance, atol=tolerance)
            assert got.dtype == dtype
        for got in (gradient(y_pred, y), by_engine.grad):
            assert_allclose(got, by_torch.grad, rtol=tolerance, atol=tolerance)
            assert got.dtype == dtype


@pytest.mark.parametrize("y", [np.ones(4), np.ones((1, 1)), 1.0], ids=np.shape)
def test_labels_of_another_shape_are_refused(y):
    for function in (function for pair in LOSSES.values() for function in pair):
        with pytest.raises(ValueError, match=r"y has shape .*, but must have y_pred's, \(4, 1\)"):
            function(np.ones((4, 1)), y)
