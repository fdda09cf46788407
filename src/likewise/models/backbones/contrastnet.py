"""ContrastNet: a small network for few photos, with local contrast normalisation as first layer.

From some hundred photos a network cannot learn to ignore illumination. So the first layer is fixed:
the image normalised as a whole, and the image with each neighborhood normalised to mean 0 and
deviation 1 (local contrast normalisation; Jarrett et al., "What is the best multi-stage
architecture for object recognition?", ICCV 2009). Three convolutions follow, with anti-aliased
downsampling (Zhang, arXiv 1904.11486), and a linear layer over the whole last feature map instead
of pooling: faces are aligned, so positions carry information.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["ContrastNet"]


class ContrastStem(nn.Module):
    """[B,C,H,W] → [B,2C,H,W]: normalised over the whole image, and over each neighborhood."""

    def __init__(self, height: int) -> None:
        super().__init__()
        self.window = max(3, (height // 3) | 1)

    def forward(self, x: Tensor) -> Tensor:
        """The two normalised images, concatenated along the channels."""
        x = x.float()  # variances in half precision are too inaccurate
        centred = x - self._local_mean(x)
        deviation = self._local_mean(centred.square()).clamp_min(1e-8).sqrt()
        # Pixels are in -1…1; the constant keeps noise in flat regions from being amplified.
        return torch.cat([_standard(x), _standard(centred / (deviation + 0.1))], dim=1)

    def _local_mean(self, x: Tensor) -> Tensor:
        """The mean of each pixel's neighborhood, by a separable box filter."""
        radius = self.window // 2
        padded = F.pad(x, (radius,) * 4, mode="replicate")
        rows = F.avg_pool2d(padded, (self.window, 1), stride=1)
        return F.avg_pool2d(rows, (1, self.window), stride=1)


def _standard(x: Tensor) -> Tensor:
    variance, mean = torch.var_mean(x, dim=(2, 3), keepdim=True)
    return (x - mean) / (variance.sqrt() + 2e-4)


class BlurPool(nn.Module):
    """Downsample by two after a blur, so that features are stable under small shifts."""

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
    """ContrastNet, for inputs of at least 28 pixels; meant for small ones.

    Args:
        height: of the input, in pixels.
        width: of the input, in pixels.
        channels: of the input.
        embedding_dim: of the output.
        dropout: share of features dropped before the last layer, in training.
        features: channels of the first convolution; the next ones have twice and four times that.
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
            BlurPool(2 * features),
            *_convolve(2 * features, 4 * features, 3),
            BlurPool(4 * features),
        )
        positions = -(-height // 8) * -(-width // 8)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(4 * features * positions, embedding_dim, bias=False)
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
