"""ContrastNet: a small network for few photos, which sees local contrast instead of light.

With some hundred photos a network cannot learn by itself that light does not make a person. So
the first layer is fixed: the image standardised as a whole, and beside it the image with each
neighbourhood brought to mean 0 and deviation 1 (local contrast normalisation; Jarrett et al.,
"What is the best multi-stage architecture for object recognition?", ICCV 2009). Three
convolutions follow, with anti-aliased halving (Zhang, arXiv 1904.11486), and a linear layer over
every place of the last map: faces are aligned, so places mean something.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["ContrastNet"]


class ContrastStem(nn.Module):
    """[B,C,H,W] → [B,2C,H,W]: standardised by the whole image, and by the neighbourhood."""

    def __init__(self, height: int) -> None:
        super().__init__()
        self.window = max(3, (height // 3) | 1)

    def forward(self, x: Tensor) -> Tensor:
        """Both views of the image, side by side."""
        x = x.float()  # variances of half-precision pixels are too rough
        centred = x - self._around(x)
        deviation = self._around(centred.square()).clamp_min(1e-8).sqrt()
        # Pixels are on -1…1; the constant keeps flat skin from becoming amplified noise.
        return torch.cat([_standard(x), _standard(centred / (deviation + 0.1))], dim=1)

    def _around(self, x: Tensor) -> Tensor:
        """The mean of each pixel's neighbourhood, by a separable box."""
        reach = self.window // 2
        padded = F.pad(x, (reach,) * 4, mode="replicate")
        rows = F.avg_pool2d(padded, (self.window, 1), stride=1)
        return F.avg_pool2d(rows, (1, self.window), stride=1)


def _standard(x: Tensor) -> Tensor:
    variance, mean = torch.var_mean(x, dim=(2, 3), keepdim=True)
    return (x - mean) / (variance.sqrt() + 2e-4)


class Halve(nn.Module):
    """Half the size, after a blur that keeps a shift of the face from changing the features."""

    kernel: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        row = torch.tensor([1.0, 2.0, 1.0]) / 4
        kernel = row.outer(row).expand(channels, 1, 3, 3).clone()
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,H,W] → [B,C,H/2,W/2]."""
        return F.conv2d(x, self.kernel.to(x.dtype), stride=2, padding=1, groups=x.shape[1])


class ContrastNet(nn.Module):
    """ContrastNet for inputs from 28 pixels on; made for small ones.

    Args:
        height: of the input, in pixels.
        width: of the input, in pixels.
        channels: of the input.
        embedding_dim: of the output.
        dropout: share of features dropped before the last layer, in training.
        features: of the first convolution; the next ones have twice and four times as many.
    """

    def __init__(
        self,
        *,
        height: int,
        width: int,
        channels: int = 3,
        embedding_dim: int = 128,
        dropout: float = 0.0,
        features: int = 16,
    ) -> None:
        super().__init__()
        self.stem = ContrastStem(height)
        self.body = nn.Sequential(
            *_convolve(2 * channels, features, 7, stride=2),
            *_convolve(features, 2 * features, 3),
            Halve(2 * features),
            *_convolve(2 * features, 4 * features, 3),
            Halve(4 * features),
        )
        places = -(-height // 8) * -(-width // 8)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(4 * features * places, embedding_dim, bias=False)
        self.features = nn.BatchNorm1d(embedding_dim, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,H,W] → [B,D], not normalised."""
        maps = self.body(self.stem(x))
        embedding: Tensor = self.features(self.fc(self.dropout(maps.flatten(1))))
        return embedding


def _convolve(inside: int, outside: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(inside, outside, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(inplace=True),
    ]
