"""CompactNet: a small network for a CPU: four strided convolutions, and all positions kept.

Each convolution halves the size, so most of the work is done on small maps: on one core it trains
on a thousand photos a second. A linear layer over the whole last map, rather than a mean over it,
keeps where things are: on aligned faces, and on things that fill the photo, that decides. Dropout
before that layer keeps it from memorising a small set. The embeddings are normalised over the batch
(the batch-norm neck of Luo et al., Bag of Tricks, arXiv 1903.07071), without a bias.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

__all__ = ["CompactNet"]

WIDTHS = (32, 64, 128, 256)


class CompactNet(nn.Module):
    """CompactNet, for inputs of at least 16 pixels; meant for 40 to 64.

    Args:
        height: of the input, in pixels.
        width: of the input, in pixels.
        channels: of the input.
        embedding_dim: of the output.
        dropout: share of features dropped before the last layer, in training.
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
        inside = (channels, *widths[:-1])
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
        self.fc = nn.Linear(widths[-1] * height * width, embedding_dim, bias=False)
        self.features = nn.BatchNorm1d(embedding_dim, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,H,W] → [B,D], not normalised."""
        maps = self.body(x)
        embedding: Tensor = self.features(self.fc(self.dropout(maps.flatten(1))))
        return embedding
