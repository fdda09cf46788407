"""The network of a model's folder: built by its name or its factory, captured, or given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from likewise.data.preprocess import Preprocess
from likewise.errors import InputError
from likewise.models.factory import Factory, call_factory
from likewise.models.graph.captured import CapturedNetwork, read_program
from likewise.models.registry import OWN, Backbone, create_backbone, is_timm

__all__ = ["network_of", "require_no_module"]


def network_of(
    folder: Path,
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    preprocess: Preprocess,
    backbone: Backbone | None,
    own: nn.Module | Factory | None,
    allow: str | Iterable[str],
) -> tuple[nn.Module, str]:
    """The network, whose weights are not loaded yet, and its name.

    Args:
        folder: of the model.
        config: the content of its ``config.json``.
        tensors: its weights.
        preprocess: of the model.
        backbone: how to build the network, if that is known.
        own: a network that is given, or its factory.
        allow: modules from which a factory may be imported.

    Raises:
        InputError: the network is not needed or missing, the program is damaged, or the factory
            cannot be imported or is not allowed.
    """
    size = {"height": preprocess.height, "width": preprocess.width, "channels": preprocess.channels}
    if backbone is not None and (own is None or backbone.name in OWN or is_timm(backbone.name)):
        require_no_module(own, folder)
        backbone = backbone.allowed(allow, str(folder))
        return create_backbone(backbone, **size), backbone.name
    if isinstance(own, nn.Module):
        return own, type(own).__name__
    if own is not None:
        if not callable(own):
            raise InputError(f"module: {own!r}: must be a network or a factory of one")
        settings = {} if backbone is None else backbone.settings
        sizes: dict[str, Any] = dict(size)
        if backbone is not None:
            sizes |= {"embedding_dim": backbone.embedding_dim, "dropout": backbone.dropout}
        name = getattr(own, "__qualname__", "the factory")
        return call_factory(own, name, sizes, settings), name
    if config.get("program"):
        path = folder / Path(str(config["program"])).name
        return CapturedNetwork(read_program(path), tensors), str(config.get("network"))
    raise InputError(
        f"{folder}: its network is a class of its own, {config.get('network')}; "
        "load it in Python and give the network: likewise.load(folder, module=…)"
    )


def require_no_module(own: Any, source: Path | str) -> None:
    """Check that no network is given for a model that names its network itself.

    Raises:
        InputError: one is given.
    """
    if own is not None:
        raise InputError(f"module: {source} names its network itself; leave module out")
