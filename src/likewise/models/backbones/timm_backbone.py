"""A network of timm as a backbone, with a linear layer and batch normalisation at its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from likewise.errors import InputError, MissingExtra

__all__ = ["TimmBackbone"]


class TimmBackbone(nn.Module):
    """A timm model without its classifier, with a projection to the embedding.

    Args:
        name: one of ``timm.list_models()``.
        height: of the input, in pixels.
        width: of the input, in pixels.
        channels: of the input.
        embedding_dim: of the output.
        dropout: share of features dropped before the projection, in training.

    Raises:
        MissingExtra: timm is not installed.
        InputError: timm cannot build the model for this size.
    """

    def __init__(
        self,
        name: str,
        *,
        height: int,
        width: int,
        channels: int = 3,
        embedding_dim: int = 512,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        try:
            import timm
        except ImportError as error:
            raise MissingExtra(f"the backbone {name}", "timm") from error
        try:
            self.trunk = _trunk(timm.create_model, name, channels, (height, width))
        except (RuntimeError, ValueError, AssertionError) as error:
            raise InputError(f"backbone: timm cannot build {name}: {error}") from None
        inside: Any = getattr(self.trunk, "head_hidden_size", None) or self.trunk.num_features
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(int(inside), embedding_dim, bias=False)
        self.features = nn.BatchNorm1d(embedding_dim)

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,H,W] → [B,D], not normalised."""
        embedding: Tensor = self.features(self.fc(self.dropout(self.trunk(x))))
        return embedding


def _trunk(
    create: Callable[..., Any], name: str, channels: int, size: tuple[int, int]
) -> nn.Module:
    """The model without its classifier and with random weights."""
    options = {"pretrained": False, "num_classes": 0, "in_chans": channels}
    try:
        # Transformers are built for one size; convolutional networks have no such argument.
        trunk: nn.Module = create(name, img_size=size, **options)
    except TypeError:
        trunk = create(name, **options)
    return trunk
