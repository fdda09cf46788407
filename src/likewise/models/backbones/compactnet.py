"""CompactNet: a small network for a CPU: four strided convolutions, their map and its mean.

Each convolution halves the size, so most of the work is done on small maps. Before the first one,
each photo is normalised as a whole, and beside it stands its local contrast (Jarrett et al., "What
is the best multi-stage architecture for object recognition?", ICCV 2009), as in ContrastNet; but
the means of the neighborhoods are taken on a small copy, for a tenth of the time. A linear layer
over the whole last map keeps where things are: on aligned faces, and on things that fill the photo,
that decides. The mean of the map beside it tells what there is, wherever it is: that helps with
letters and textures. Dropout of the map keeps the network from memorising a small set. The
embeddings are normalised over the batch without a bias (the batch-norm neck of Luo et al., Bag of
Tricks, arXiv 1903.07071).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["CompactNet"]

WIDTHS = (32, 64, 128, 256)


class ContrastInput(nn.Module):
    """[B,C,H,W] → [B,2C,H,W]: each photo normalised as a whole, and its local contrast.

    A neighborhood is about 20 pixels wide, and its mean is interpolated between cells of four.
    """

    def forward(self, x: Tensor) -> Tensor:
        """The two images, concatenated along the channels."""
        x = x.float()  # variances in half precision are too inaccurate
        variance, mean = torch.var_mean(x, dim=(1, 2, 3), keepdim=True)
        difference = x - _local_mean(x)
        deviation = _local_mean(difference.square()).clamp_min(1e-8).sqrt()
        # Pixels are in -1…1; the constants keep noise in flat photos from being amplified.
        whole = (x - mean) / (variance.sqrt() + 0.02)
        return torch.cat([whole, 2 * difference / (deviation + 0.1)], dim=1)


def _local_mean(x: Tensor) -> Tensor:
    height, width = x.shape[-2:]
    side = 4 if min(height, width) >= 48 else 2
    right, below = -width % side, -height % side
    cells = F.avg_pool2d(F.pad(x, (0, right, 0, below), mode="replicate"), side)
    means = F.avg_pool2d(F.pad(cells, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    size = (height + below, width + right)
    local = F.interpolate(means, size, mode="bilinear", align_corners=False)
    return local[..., :height, :width]


class CompactNet(nn.Module):
    """CompactNet, for inputs of at least 16 pixels; meant for 40 to 64.

    Args:
        height: of the input, in pixels.
        width: of the input, in pixels.
        channels: of the input.
        embedding_dim: of the output.
        dropout: share of the last map that is dropped, in training.
        widths: channels of each convolution.
    """

    def __init__(
        self,
        *,
        height: int,
        width: int,
        channels: int = 3,
        embedding_dim: int = 128,
        dropout: float = 0.0,
        widths: Sequence[int] = WIDTHS,
    ) -> None:
        super().__init__()
        self.contrast = ContrastInput()
        inside = (2 * channels, *widths[:-1])
        self.body = nn.Sequential(
            *(
                layer
                for before, after in zip(inside, widths, strict=True)
                for layer in (
                    nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
                    nn.BatchNorm2d(after),
                    nn.ReLU(inplace=True),
                )
            )
        )
        for _ in widths:
            height, width = -(-height // 2), -(-width // 2)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(widths[-1] * (height * width + 1), embedding_dim, bias=False)
        self.features = nn.BatchNorm1d(embedding_dim, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,H,W] → [B,D], not normalised."""
        maps = self.body(self.contrast(x)).flatten(2)
        # The mean of P positions varies less than one of them, by √P where they are independent.
        mean = maps.mean(dim=2) * math.sqrt(maps.shape[2])
        features = torch.cat([self.dropout(maps.flatten(1)), mean], dim=1)
        embedding: Tensor = self.features(self.fc(features))
        return embedding
