"""Value and gradient of every loss of the softmax family against a plain loop over its formula."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.losses import reference
from tests.losses.batches import batch, double_loss

CASES: list[tuple[str, dict[str, Any], reference.Row]] = [
    ("normalized_softmax", {"scale": 8.0}, reference.normalized_softmax(8.0)),
    ("cosface", {}, reference.cosface()),
    ("cosface", {"margin": 0.2, "scale": 5.0}, reference.cosface(0.2, 5.0)),
    ("arcface", {}, reference.arcface()),
    ("arcface", {"margin": 0.3, "scale": 5.0}, reference.arcface(0.3, 5.0)),
    ("arcface", {"margin": 2.0, "scale": 5.0}, reference.arcface(2.0, 5.0)),
]


@pytest.mark.parametrize(
    ("name", "params", "row"), CASES, ids=lambda x: x if isinstance(x, str) else ""
)
@pytest.mark.parametrize("budget", [2**29, 1], ids=["one-chunk", "row-by-row"])
def test_value_and_gradient(
    name: str, params: dict[str, Any], row: Callable[..., torch.Tensor], budget: int
) -> None:
    z, y = batch()
    loss = double_loss(name, memory_budget=budget, **params)
    value = loss(z, y)
    got = torch.autograd.grad(value, (z, loss.weight))

    expected_value = reference.mean(row)(z, loss.weight, y)
    expected = torch.autograd.grad(expected_value, (z, loss.weight))

    torch.testing.assert_close(value, expected_value, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("bias", [True, False])
def test_softmax(bias: bool) -> None:
    z, y = batch()
    loss = double_loss("softmax", bias=bias)
    if bias:
        torch.nn.init.normal_(loss.bias)
    value = loss(z, y)
    zeros = torch.zeros(5, dtype=torch.float64)
    expected = reference.mean(reference.softmax(loss.bias if bias else zeros))(z, loss.weight, y)
    parameters = (z, *loss.parameters())
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        torch.autograd.grad(value, parameters),
        torch.autograd.grad(expected, parameters),
        rtol=1e-10,
        atol=1e-10,
    )
