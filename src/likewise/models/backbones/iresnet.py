"""IResNet, the residual network of face recognition.

The network of "ArcFace" (arXiv 1801.07698, section 3.2): batch normalisation before each
convolution, PReLU, no pooling at the end. Parameter names are those of InsightFace's
``arcface_torch``, so that its weights can be loaded.
"""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["DEPTHS", "IResNet"]

# Blocks in each of the four stages.
DEPTHS = {
    "iresnet18": (2, 2, 2, 2),
    "iresnet34": (3, 4, 6, 3),
    "iresnet50": (3, 4, 14, 3),
    "iresnet100": (3, 13, 30, 3),
}
STAGES = (64, 128, 256, 512)


class Block(nn.Module):
    """Normalise, convolve, normalise, PReLU, convolve (with the stride), normalise, add."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inside)
        self.conv1 = nn.Conv2d(inside, outside, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.prelu = nn.PReLU(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(outside)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inside != outside:
            self.downsample = nn.Sequential(
                nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside)
            )

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,H,W] → [B,C',H/stride,W/stride]."""
        out: Tensor = self.conv1(self.bn1(x))
        out = self.bn3(self.conv2(self.prelu(self.bn2(out))))
        shortcut: Tensor = self.downsample(x)
        return out + shortcut


class IResNet(nn.Module):
    """IResNet, for inputs of at least 28 pixels; published weights are for 112×112.

    Args:
        blocks: the blocks of each of the four stages.
        height: of the input, in pixels.
        width: of the input, in pixels.
        channels: of the input.
        embedding_dim: of the output.
        dropout: share of features dropped before the last layer, in training.
    """

    def __init__(
        self,
        blocks: tuple[int, ...],
        *,
        height: int,
        width: int,
        channels: int = 3,
        embedding_dim: int = 512,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.prelu = nn.PReLU(64)
        inside = 64
        for number, (count, outside) in enumerate(zip(blocks, STAGES, strict=True), start=1):
            rest = [Block(outside, outside, 1) for _ in range(count - 1)]
            self.add_module(f"layer{number}", nn.Sequential(Block(inside, outside, 2), *rest))
            inside = outside
        self.bn2 = nn.BatchNorm2d(inside)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(inside * -(-height // 16) * -(-width // 16), embedding_dim)
        self.features = nn.BatchNorm1d(embedding_dim)
        self.features.weight.requires_grad = False  # the loss normalises: no effect
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0, 0.1)

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,H,W] → [B,D], not normalised."""
        x = self.prelu(self.bn1(self.conv1(x)))
        for number in range(1, len(STAGES) + 1):
            x = self.get_submodule(f"layer{number}")(x)
        embedding: Tensor = self.features(self.fc(self.dropout(self.bn2(x).flatten(1))))
        return embedding
