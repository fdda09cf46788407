"""Agreement with pytorch-metric-learning 2.9, and every difference that is known.

All of its softmax losses hold their weights as [D, C]. The other differences:

- ArcFace takes its margin in degrees. Past θ + m = π it continues with ``cos θ - m·sin m``, which
  jumps up where ours goes on smoothly with ``-2 - cos(θ + m)``.
- Its angle has slope zero only where its clamp to [-1, 1] acts; within √eps of 1 ours has it too,
  where theirs grows without bound. On the class centre itself both give a zero gradient.
- L-Softmax and SphereFace have no annealing (our ``base=0, minimum=0``). The k of ψ comes from
  ``floor(θ/(π/m))`` and may reach m at θ = π, where the value is the same.
- SphereFace and NormalizedSoftmax use a temperature or scale of their own; NormalizedSoftmax has
  1/temperature for our scale.
- Everything averages over the batch, as here.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tests.losses.batches import batch, double_loss

peers = pytest.importorskip("pytorch_metric_learning.losses")

DEGREES = 180 / torch.pi
UNANNEALED = {"base": 0.0, "minimum": 0.0}

PAIRS: dict[str, tuple[str, dict[str, Any], str, dict[str, Any]]] = {
    "arcface": (
        "arcface",
        {"margin": 0.5, "scale": 16.0},
        "ArcFaceLoss",
        {"margin": 0.5 * DEGREES, "scale": 16.0},
    ),
    "cosface": ("cosface", {}, "CosFaceLoss", {}),
    "normalized_softmax": (
        "normalized_softmax",
        {"scale": 20.0},
        "NormalizedSoftmaxLoss",
        {"temperature": 1 / 20},
    ),
    "subcenter_arcface": (
        "subcenter_arcface",
        {"margin": 0.3},
        "SubCenterArcFaceLoss",
        {"margin": 0.3 * DEGREES},
    ),
    "sphereface": ("sphereface", UNANNEALED, "SphereFaceLoss", {}),
    "sphereface-m3": ("sphereface", {**UNANNEALED, "margin": 3}, "SphereFaceLoss", {"margin": 3}),
    "lsoftmax": ("lsoftmax", UNANNEALED, "LargeMarginSoftmaxLoss", {}),
}


def make_peer(name: str, weight: torch.Tensor, **params: Any) -> nn.Module:
    peer = getattr(peers, name)(num_classes=5, embedding_size=8, **params)
    peer.W = nn.Parameter(weight.detach().T.clone())
    return peer


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("seed", range(3))
def test_agreement(pair: str, seed: int) -> None:
    name, params, peer_name, peer_params = PAIRS[pair]
    # Near the own class, so that no angle passes π - m, where ArcFace differs.
    z, y = batch(rows=16, dim=8, length=3.0, seed=seed)
    loss = double_loss(name, dim=8, seed=seed, **params)
    own = loss.weight.detach().view(5, -1, 8)[y, 0]
    z = (z + 0.7 * own).detach().requires_grad_()
    peer = make_peer(peer_name, loss.weight, **peer_params)

    value, expected = loss(z, y), peer(z, y)
    torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-10)
    d_z, d_weight = torch.autograd.grad(value, (z, loss.weight))
    expected_z, expected_weight = torch.autograd.grad(expected, (z, peer.W))
    torch.testing.assert_close(d_z, expected_z, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(d_weight, expected_weight.T, rtol=1e-7, atol=1e-9)


def target_logit(name: str, theta: float) -> float:
    """The loss of one row at angle θ to its class and π/2 to the other, scale 1, as a logit."""
    weight = torch.tensor([[1.0, 0, 0], [0, 0, 1.0]], dtype=torch.float64)
    angle = torch.tensor(theta, dtype=torch.float64)
    z = torch.stack([angle.cos(), angle.sin(), torch.zeros_like(angle)])[None]
    y = torch.tensor([0])
    if name == "ours":
        loss = double_loss("arcface", classes=2, dim=3, scale=1.0)
        loss.weight.data = weight
    else:
        loss = peers.ArcFaceLoss(2, 3, margin=0.5 * DEGREES, scale=1.0)
        loss.W = nn.Parameter(weight.T.clone())
    return -torch.expm1(loss(z, y)).log().item()


def test_difference_past_pi() -> None:
    edge = torch.pi - 0.5
    assert target_logit("peer", edge + 1e-6) - target_logit("peer", edge - 1e-6) < -0.1  # it jumps
    assert abs(target_logit("ours", edge + 1e-6) - target_logit("ours", edge - 1e-6)) < 1e-5


def test_on_and_beside_the_class_centre() -> None:
    weight = torch.eye(5, 8, dtype=torch.float64)
    loss = double_loss("arcface", dim=8, scale=1.0)
    loss.weight.data = weight
    peer = make_peer("ArcFaceLoss", weight, margin=0.5 * DEGREES, scale=1.0)
    slopes = []
    for beside in (0.0, 1e-8):  # sin θ; the second is within √eps
        z = (weight[:1] + beside * weight[1:2]).requires_grad_()
        y = torch.tensor([0])
        slopes.append([torch.autograd.grad(head(z, y), z)[0] for head in (loss, peer)])
    torch.testing.assert_close(*slopes[0])
    assert slopes[1][0].isfinite().all()
