"""The small network of the figures: fixed local-contrast features, and three linear layers.

It learns to distinguish eight people within a thousand steps of a millisecond. It is not meant to
generalise to people that it has not seen.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from likewise.models.backbones.contrastnet import ContrastStem

__all__ = ["contrast_features", "create_network"]


def contrast_features(inputs: Tensor) -> Tensor:
    """Contrast features of images [N, 1, H, W] at half resolution, [N, 2·H/2·W/2].

    They have no parameters, so they are computed once for all steps.
    """
    with torch.no_grad():
        return F.avg_pool2d(ContrastStem(inputs.shape[2])(inputs), 2).flatten(1)


def create_network(features: int, dim: int) -> nn.Module:
    """A network [N, ``features``] → [N, ``dim``], as simple as those of the papers.

    Without batch normalisation, which makes classes narrower under any loss.
    """
    return nn.Sequential(
        nn.Linear(features, 192),
        nn.ReLU(inplace=True),
        nn.Linear(192, 64),
        nn.ReLU(inplace=True),
        nn.Linear(64, dim, bias=False),
    )
