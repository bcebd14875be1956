"""The MAE as a torch.autograd.Function: nn.L1Loss to the bit; gradcheck knows right from wrong."""

import numpy as np
import pytest
import torch
from torch import nn

from lessons.autograd_function import MAE, gradient_is_right, train
from manual_grad.published_runs import published_runs


@pytest.mark.parametrize("name", ["section 3", "exercise, author's"])
def test_a_published_run_is_the_one_with_l1loss_to_the_bit(name, reference):
    by_hand = train(published_runs()[name], MAE.apply)
    for ours, theirs in zip(by_hand, reference[name], strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == np.float32


def gradients(loss_fn, y_pred, y, loss_grad):
    """Return the loss, and its gradients for y_pred and y, times loss_grad."""
    y_pred, y = (tensor.clone().requires_grad_() for tensor in (y_pred, y))
    loss = loss_fn(y_pred, y)
    loss.backward(loss_grad)
    return loss.detach(), y_pred.grad, y.grad


def test_value_and_gradients_are_l1losses_to_the_bit():
    for dtype in (torch.float32, torch.float64):
        for n in (1, 2, 3, 40, 1000):
            generator = torch.Generator().manual_seed(n)
            y_pred, y = torch.randn(2, n, 1, generator=generator, dtype=dtype)
            y[: n // 3] = y_pred[: n // 3]  # residuals that are exactly 0
            loss_grad = torch.randn((), generator=generator, dtype=dtype)
            ours = gradients(MAE.apply, y_pred, y, loss_grad)
            theirs = gradients(nn.L1Loss(), y_pred, y, loss_grad)
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


@pytest.mark.parametrize("factors", [(-1, -1), (2, 2), (3, 3), (1, -1), (1, 0), (0, 1), (1.01, 1)])
def test_gradcheck_accepts_the_gradient_and_no_multiple_of_it(factors):
    class WrongMAE(MAE):
        @staticmethod
        def backward(ctx, loss_grad):
            return tuple(f * g for f, g in zip(factors, MAE.backward(ctx, loss_grad)))

    assert gradient_is_right(lambda y_pred, y: 3 * MAE.apply(y_pred, y))
    assert not gradient_is_right(WrongMAE.apply)


def test_two_shapes_are_refused():
    with pytest.raises(ValueError, match=r"y has shape .*\[3\].* must have y_pred's, .*\[3, 1\]"):
        MAE.apply(torch.zeros(3, 1), torch.zeros(3))


def test_the_program_prints_what_holds(start, tmp_path):
    printed = start("lessons/autograd_function.py", folder=tmp_path)
    assert printed.count("100 of 100") == 5
    assert "MAE          right" in printed
    assert "MAEWithoutN  wrong" in printed
