"""A network of timm as a backbone, with a linear layer and batch normalisation at its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from likewise.errors import InputError, MissingExtra, first_line

__all__ = ["TimmBackbone", "create_trunk"]


class TimmBackbone(nn.Module):
    """A timm model without its classifier, with a projection to the embedding.

    Args:
        name: one of ``timm.list_models()``; its weights may be named after a point.
        height: of the input, in pixels.
        width: of the input, in pixels.
        channels: of the input.
        embedding_dim: of the output.
        dropout: share of features dropped before the projection, in training.
        settings: other arguments of timm's model, such as ``drop_path_rate``.

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
        **settings: Any,
    ) -> None:
        super().__init__()
        self.trunk = create_trunk(name, channels, (height, width), settings)
        inside: Any = getattr(self.trunk, "head_hidden_size", None) or self.trunk.num_features
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(int(inside), embedding_dim, bias=False)
        self.features = nn.BatchNorm1d(embedding_dim)

    def forward(self, x: Tensor) -> Tensor:
        """[B,C,H,W] → [B,D], not normalised."""
        embedding: Tensor = self.features(self.fc(self.dropout(self.trunk(x))))
        return embedding


def create_trunk(
    name: str,
    channels: int,
    size: tuple[int, int],
    settings: Mapping[str, Any],
    *,
    pretrained: bool = False,
) -> nn.Module:
    """A timm model without its classifier: [B,C,H,W] → [B,F].

    Args:
        name: as for ``TimmBackbone``.
        channels: of the input.
        size: height and width of the input.
        settings: other arguments of timm's model.
        pretrained: with the weights of timm, from the hub; random ones otherwise. All else that
            goes wrong is an error of timm, torch or the network.

    Raises:
        MissingExtra: timm is not installed.
        InputError: timm cannot build the model for this size, or with these settings.
    """
    try:
        import timm
    except ImportError as error:
        raise MissingExtra(f"the backbone {name}", "timm") from error
    options = {"pretrained": pretrained, "num_classes": 0, "in_chans": channels, **settings}
    create: Callable[..., nn.Module] = timm.create_model
    try:
        # Transformers are built for one size; convolutional networks have no such argument.
        return create(name, img_size=size, **options)
    except TypeError as error:
        if "img_size" not in str(error):
            raise InputError(f"backbone: timm cannot build {name}: {first_line(error)}") from None
    except (RuntimeError, ValueError, AssertionError) as error:
        if pretrained:  # may be the network's
            raise
        raise InputError(f"backbone: timm cannot build {name}: {first_line(error)}") from None
    try:
        return create(name, **options)
    except TypeError as error:
        raise InputError(f"backbone: timm cannot build {name}: {first_line(error)}") from None
