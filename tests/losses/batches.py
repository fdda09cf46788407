"""Batches for the tests of the losses: small, in float64, the same every time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from likewise.losses import create_loss

SOFTMAX_FAMILY = [
    "adaface",
    "airface",
    "arcface",
    "combined",
    "cosface",
    "curricularface",
    "elastic_arcface",
    "elastic_cosface",
    "lsoftmax",
    "magface",
    "normalized_softmax",
    "softmax",
    "sphereface",
    "sphereface2",
    "subcenter_arcface",
    "uniface",
]
HEADS = [name for name in SOFTMAX_FAMILY if name != "softmax"]  # those that are fused


def batch(
    rows: int = 6, classes: int = 5, dim: int = 4, *, length: float = 1.0, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Embeddings of about ``length`` that want a gradient, and labels."""
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(rows, dim, generator=generator, dtype=torch.float64)
    embeddings *= length / dim**0.5
    labels = torch.randint(classes, (rows,), generator=generator)
    return embeddings.requires_grad_(), labels


def double_loss(
    name: str, classes: int = 5, dim: int = 4, seed: int = 0, **params: Any
) -> nn.Module:
    """The loss called ``name`` in float64, with weights far from unit length."""
    loss = create_loss(name, num_classes=classes, embedding_dim=dim, **params).double()
    generator = torch.Generator().manual_seed(100 + seed)
    with torch.no_grad():
        shape = loss.weight.shape
        loss.weight.copy_(torch.randn(shape, generator=generator, dtype=torch.float64))
        loss.weight *= torch.rand(shape[0], 1, generator=generator, dtype=torch.float64) + 0.5
    return loss
