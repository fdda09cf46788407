"""The backbones by name: the networks of Likewise, and those of timm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from fnmatch import fnmatch
from functools import partial
from typing import Any

import torch
from torch import nn

from likewise.arguments import check_count, check_number
from likewise.errors import InputError, LikewiseError, first_line
from likewise.models.backbones.compactnet import CompactNet
from likewise.models.backbones.contrastnet import ContrastNet
from likewise.models.backbones.iresnet import DEPTHS, IResNet
from likewise.models.backbones.mobilefacenet import SIZES, MobileFaceNet
from likewise.models.backbones.sface import SFace

__all__ = ["OWN", "Backbone", "create_backbone", "list_backbones"]

OWN: dict[str, Callable[..., nn.Module]] = {"compactnet": CompactNet, "contrastnet": ContrastNet}
OWN |= {name: partial(IResNet, blocks) for name, blocks in DEPTHS.items()}
OWN |= {name: partial(MobileFaceNet, *size) for name, size in SIZES.items()}
OWN["sface"] = SFace


@dataclass(frozen=True)
class Backbone:
    """The settings to build a network, saved with its weights.

    Args:
        name: one of ``list_backbones()``.
        embedding_dim: the dimension of the embeddings.
        dropout: share of features dropped before the last layer, in training.
    """

    name: str
    embedding_dim: int = 128
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_count("embedding_dim", self.embedding_dim, least=2, most=8192)
        check_number("dropout", self.dropout, least=0, below=1)

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)


def list_backbones(pattern: str = "*") -> list[str]:
    """The names that match a pattern with ``*`` and ``?``; those of timm if it is installed.

    Example:
        >>> from likewise.models.registry import list_backbones
        >>> list_backbones("iresnet*")
        ['iresnet100', 'iresnet18', 'iresnet34', 'iresnet50']
    """
    return sorted(name for name in {*OWN, *_timm_names()} if fnmatch(name, pattern))


def create_backbone(backbone: Backbone, *, height: int, width: int, channels: int = 3) -> nn.Module:
    """Build a network with random weights: float32 [B,C,H,W] → [B,D].

    Args:
        backbone: its name and sizes.
        height: of the input, in pixels.
        width: of the input, in pixels.
        channels: of the input.

    Raises:
        InputError: the name is unknown (names the closest), or the network does not take this size.
    """
    if backbone.name in OWN:
        module = OWN[backbone.name](
            height=height,
            width=width,
            channels=channels,
            embedding_dim=backbone.embedding_dim,
            dropout=backbone.dropout,
        )
    else:
        _require_known(backbone.name)
        from likewise.models.backbones.timm_backbone import TimmBackbone

        module = TimmBackbone(
            backbone.name,
            height=height,
            width=width,
            channels=channels,
            embedding_dim=backbone.embedding_dim,
            dropout=backbone.dropout,
        )
    _try_out(module, backbone.name, (channels, height, width))
    return module


def _require_known(name: str) -> None:
    timm = _timm_names()
    if name in timm:
        return
    near = get_close_matches(name, [*OWN, *timm], n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    more = f"{len(timm):,} of timm's" if timm else "timm's after: pip install 'likewise[timm]'"
    names = ", ".join(sorted(OWN))
    raise InputError(f"backbone: unknown name {name!r}; {hint}there are {names}, and {more}")


def _timm_names() -> frozenset[str]:
    try:
        import timm
    except ImportError:
        return frozenset()
    return frozenset(timm.list_models())


def _try_out(module: nn.Module, name: str, shape: tuple[int, int, int]) -> None:
    """Run a forward pass on a blank image, so that an unsuitable size fails here by name."""
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            module(torch.zeros(1, *shape))
    except (RuntimeError, ValueError, AssertionError) as error:
        raise InputError(
            f"backbone: {name} cannot take {shape[1]}×{shape[2]}: {first_line(error)}"
        ) from None
    except MemoryError as error:
        raise LikewiseError(f"backbone: {name} does not fit into memory") from error
    module.train(was_training)
