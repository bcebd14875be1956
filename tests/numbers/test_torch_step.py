"""What torch.optim.SGD does in a step, to the bit: theta.add_(grad, alpha=-lr)."""

import numpy as np
import pytest
import torch
from published_numbers import X86

from manual_grad.verdict import rounded_once, rounded_twice


def random_step():
    """Return 100,000 random parameters and gradients in float32."""
    return torch.randn(2, 100_000, generator=torch.Generator().manual_seed(0))


def test_a_step_is_add_with_alpha():
    theta, grad = random_step()
    param = theta.clone().requires_grad_()
    param.grad = grad
    torch.optim.SGD([param], lr=0.01).step()
    assert torch.equal(param.detach(), theta.clone().add_(grad, alpha=-0.01))


@pytest.mark.skipif(
    not X86 or torch.backends.cpu.get_cpu_capability() == "DEFAULT",
    reason="torch fuses multiply and add in its x86-64 code for AVX2 or more; elsewhere it may",
)
def test_with_avx2_or_more_add_rounds_once():
    theta, grad = random_step()
    got = theta.clone().add_(grad, alpha=-0.01).numpy()
    once, twice = (
        step(theta.numpy(), grad.numpy(), np.float32(0.01))
        for step in (rounded_once, rounded_twice)
    )
    assert (once != twice).any()
    np.testing.assert_array_equal(got, once)
