"""MobileFaceNet, a small network for faces.

"MobileFaceNets" (arXiv 1804.07573): inverted residuals, and in place of pooling a depth-wise
convolution as large as the last feature map, so that every position of the face has its own weight.
Widths and parameter names are those of InsightFace's ``arcface_torch``, so that its weights can be
loaded.
"""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["SIZES", "MobileFaceNet"]

# Scale: channels as a multiple of 64 channels, and blocks in each stage.
SIZES = {"mobilefacenet": (2, (1, 4, 6, 2)), "mobilefacenet_large": (4, (2, 8, 12, 4))}


class Layers(nn.Module):
    """A sequence of modules under the name ``layers``, as in the published weights."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*modules)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the modules in order."""
        out: Tensor = self.layers(x)
        return out


def linear(
    inside: int, outside: int, kernel: int | tuple[int, int], stride: int = 1, groups: int = 1
) -> Layers:
    """Convolution and normalisation, without an activation."""
    padding = 1 if kernel == 3 else 0
    return Layers(
        nn.Conv2d(inside, outside, kernel, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(outside),
    )


def conv(inside: int, outside: int, kernel: int, stride: int = 1, groups: int = 1) -> Layers:
    """Convolution, normalisation and PReLU."""
    return Layers(*linear(inside, outside, kernel, stride, groups).layers, nn.PReLU(outside))


class DepthWise(Layers):
    """An inverted residual: expand, depth-wise convolution, project; with an optional shortcut."""

    def __init__(self, inside: int, outside: int, wide: int, *, residual: bool) -> None:
        super().__init__(
            conv(inside, wide, 1),
            conv(wide, wide, 3, 1 if residual else 2, groups=wide),
            linear(wide, outside, 1),
        )
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,H,W] → the same shape with a shortcut, half the size without."""
        out: Tensor = self.layers(x)
        return x + out if self.residual else out


def stage(channels: int, count: int, wide: int) -> Layers:
    """A sequence of blocks with shortcuts."""
    return Layers(*(DepthWise(channels, channels, wide, residual=True) for _ in range(count)))


class MobileFaceNet(nn.Module):
    """MobileFaceNet, for inputs of at least 28 pixels.

    Args:
        scale: channels as a multiple of 64.
        blocks: the blocks of each of the four stages.
        height: of the input, in pixels.
        width: of the input, in pixels.
        channels: of the input.
        embedding_dim: of the output.
        dropout: share of features dropped before the last layer, in training.
    """

    def __init__(
        self,
        scale: int,
        blocks: tuple[int, ...],
        *,
        height: int,
        width: int,
        channels: int = 3,
        embedding_dim: int = 512,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        narrow, wide = 64 * scale, 128 * scale
        first = (
            conv(narrow, narrow, 3, groups=64) if blocks[0] == 1 else stage(narrow, blocks[0], 128)
        )
        self.layers = nn.ModuleList(
            [
                conv(channels, narrow, 3, 2),
                first,
                DepthWise(narrow, narrow, 128, residual=False),
                stage(narrow, blocks[1], 128),
                DepthWise(narrow, wide, 256, residual=False),
                stage(wide, blocks[2], 256),
                DepthWise(wide, wide, 512, residual=False),
                stage(wide, blocks[3], 256),
            ]
        )
        self.conv_sep = conv(wide, 512, 1)
        last_map = (-(-height // 16), -(-width // 16))
        self.dropout = nn.Dropout(dropout)
        self.features = Layers(
            linear(512, 512, last_map, groups=512),
            nn.Flatten(),
            nn.Linear(512, embedding_dim, bias=False),
            nn.BatchNorm1d(embedding_dim),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,H,W] → [B,D], not normalised."""
        for layer in self.layers:
            x = layer(x)
        embedding: Tensor = self.features(self.dropout(self.conv_sep(x)))
        return embedding
