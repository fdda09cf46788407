"""The network of SFace: MobileNet with PReLU, and a fully connected layer over the last map.

"SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition" (arXiv 2205.12010), as
OpenCV Zoo publishes it; the blocks are those of "MobileNets" (arXiv 1704.04861) with the first
convolution at stride 1. ``likewise.load("sface")`` gives it with its trained weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["SFace"]

# Of each stage: the output channels and the stride of its depth-wise separable blocks.
STAGES = (
    ((128, 2), (128, 1)),
    ((256, 2), (256, 1)),
    ((512, 2), *[(512, 1)] * 5),
    ((1024, 2), (1024, 1)),
)


def unit(inside: int, outside: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution, normalisation and PReLU."""
    return nn.Sequential(
        nn.Conv2d(inside, outside, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outside, eps=1e-3),
        nn.PReLU(outside),
    )


def separable(inside: int, outside: int, stride: int) -> nn.Sequential:
    """A depth-wise separable block: 3×3 within each channel, then 1×1 across them."""
    return nn.Sequential(unit(inside, inside, 3, stride, groups=inside), unit(inside, outside, 1))


class SFace(nn.Module):
    """The network of SFace, for inputs of any size.

    Args:
        height: of the input, in pixels.
        width: of the input, in pixels.
        channels: of the input.
        embedding_dim: of the output.
        dropout: share of features dropped before the last layer, in training.
    """

    cpu_batch = 4
    """Photos at a time on the CPU: for larger maps the system is asked for memory each time."""

    def __init__(
        self,
        *,
        height: int,
        width: int,
        channels: int = 3,
        embedding_dim: int = 128,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(unit(channels, 32, 3), separable(32, 64, 1))
        inside = 64
        for number, blocks in enumerate(STAGES, start=1):
            stage = nn.Sequential()
            for outside, stride in blocks:
                stage.append(separable(inside, outside, stride))
                inside = outside
            self.add_module(f"stage{number}", stage)
        last_map = -(-height // 16) * -(-width // 16)
        self.output = nn.Sequential(
            nn.BatchNorm2d(inside, eps=2e-5),
            nn.Dropout(dropout),
            nn.Flatten(),
            nn.Linear(inside * last_map, embedding_dim),
            nn.BatchNorm1d(embedding_dim, eps=2e-5),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        # Depth-wise convolutions are twice as fast on a CPU with the channels last.
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,H,W] → [B,D], not normalised."""
        for stage in self.children():
            x = stage(x)
        return x
