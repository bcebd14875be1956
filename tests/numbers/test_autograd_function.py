"""The MAE as a torch.autograd.Function: nn.L1Loss to the bit, and checked by gradcheck."""

from pathlib import Path

import numpy as np
import pytest
import torch
from problems import mutant
from torch import nn
from trained import by_torch

from manual_grad import autograd_function
from manual_grad.autograd_function import MAE, gradient_is_right, train
from manual_grad.published_runs import published_runs

SOURCE = Path(autograd_function.__file__).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["section 3", "exercise, author's"])
def test_a_published_run_is_l1loss_to_the_bit(name):
    run = published_runs()[name]
    by_hand = train(run, MAE.apply)
    for reference in (train(run, nn.L1Loss()), by_torch(name)):
        for ours, theirs in zip(by_hand, reference, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def gradients(loss_fn, y_pred, y, loss_grad):
    """Return the loss, and its gradients for y_pred and y, times loss_grad."""
    y_pred, y = (tensor.clone().requires_grad_() for tensor in (y_pred, y))
    loss = loss_fn(y_pred, y)
    loss.backward(loss_grad)
    return loss.detach(), y_pred.grad, y.grad


@pytest.mark.parametrize("n", [1, 2, 3, 40, 1000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_value_and_gradients_are_l1losses_to_the_bit(dtype, n):
    generator = torch.Generator().manual_seed(n)
    y_pred, y = torch.randn(2, n, 1, generator=generator, dtype=dtype)
    y[: n // 3] = y_pred[: n // 3]  # residuals that are exactly 0
    loss_grad = torch.randn((), generator=generator, dtype=dtype)
    ours = gradients(MAE.apply, y_pred, y, loss_grad)
    theirs = gradients(nn.L1Loss(), y_pred, y, loss_grad)
    for a, b in zip(ours, theirs):
        assert a.dtype == dtype
        assert torch.equal(a, b)


def test_gradcheck_accepts_the_gradient():
    assert gradient_is_right(MAE.apply)
    assert gradient_is_right(lambda y_pred, y: 3 * MAE.apply(y_pred, y))
    assert not gradient_is_right(autograd_function.MAEWithoutN.apply)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("loss_grad * residual.sign() / ", "-loss_grad * residual.sign() / "),
        ("residual.sign() / residual.numel()", "residual.sign() / residual.numel() ** 2"),
        ("residual.sign() / residual.numel()", "2 * residual.sign() / residual.numel()"),
        ("residual.sign() / residual.numel()", "residual / residual.numel()"),
        ("loss_grad * residual.sign() / ", "residual.sign() / "),
        ("return y_pred_grad, -y_pred_grad", "return y_pred_grad, y_pred_grad"),
        ("return y_pred_grad, -y_pred_grad", "return y_pred_grad, None"),
    ],
)  # fmt: skip
def test_gradcheck_finds_a_wrong_gradient(right, wrong, monkeypatch):
    assert right in SOURCE
    source = SOURCE.replace(right, wrong)
    planted = mutant("manual_grad", "autograd_function", source, monkeypatch)
    loss_fn = planted.MAE.apply
    assert not planted.gradient_is_right(lambda y_pred, y: 3 * loss_fn(y_pred, y))


def test_two_shapes_are_refused():
    with pytest.raises(ValueError, match="y has shape"):
        MAE.apply(torch.zeros(3, 1), torch.zeros(3))


def test_the_program_prints_what_holds(capsys):
    autograd_function.main()
    printed = capsys.readouterr().out
    assert printed.count("100 of 100") == 5
    assert "MAE          right" in printed
    assert "MAEWithoutN  wrong" in printed
