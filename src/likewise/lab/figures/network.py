"""The small network of the pictures: local contrast, taken once, and three linear layers.

It learns in a thousand steps of a millisecond what the pictures need, to tell eight people apart;
what a larger network would do for people never seen is not their subject.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from likewise.models.contrastnet import ContrastStem

__all__ = ["contrast_features", "create_network"]


def contrast_features(inputs: Tensor) -> Tensor:
    """What the network is given of images [N, 1, H, W]: contrast at half size, [N, 2·H/2·W/2].

    Nothing in it is learned, so it is computed once for all steps.
    """
    with torch.no_grad():
        return F.avg_pool2d(ContrastStem(inputs.shape[2])(inputs), 2).flatten(1)


def create_network(features: int, dim: int) -> nn.Module:
    """[N, ``features``] → [N, ``dim``], as plain as those of the papers that drew such pictures.

    Batch normalisation would be a second hand on the embeddings: it narrows classes by itself.
    """
    return nn.Sequential(
        nn.Linear(features, 192),
        nn.ReLU(inplace=True),
        nn.Linear(192, 64),
        nn.ReLU(inplace=True),
        nn.Linear(64, dim, bias=False),
    )
