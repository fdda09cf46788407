"""The backbones by name: those of Likewise, those of timm, and networks of your own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatch
from functools import partial
from typing import Any

from torch import nn

from likewise.arguments import check_count, check_number
from likewise.errors import InputError
from likewise.models.backbones.compactnet import CompactNet
from likewise.models.backbones.contrastnet import ContrastNet
from likewise.models.backbones.iresnet import DEPTHS, IResNet
from likewise.models.backbones.mobilefacenet import SIZES, MobileFaceNet
from likewise.models.backbones.sface import SFace
from likewise.models.factory import (
    Factory,
    call_factory,
    is_place,
    place_of,
    require_allowed,
    resolve,
    takes,
)
from likewise.models.trial import try_out

__all__ = [
    "GIVEN",
    "OWN",
    "REGISTERED",
    "Backbone",
    "backbone_of",
    "create_backbone",
    "is_given",
    "is_timm",
    "list_backbones",
    "own_dimension",
    "timm_names",
]

OWN: dict[str, Factory] = {"compactnet": CompactNet, "contrastnet": ContrastNet}
OWN |= {name: partial(IResNet, blocks) for name, blocks in DEPTHS.items()}
OWN |= {name: partial(MobileFaceNet, *size) for name, size in SIZES.items()}
OWN["sface"] = SFace

BUILT = "_likewise_backbone"  # on a network that create_backbone built: its Backbone and its layers

REGISTERED: dict[str, Factory] = {}
"""By name; filled by ``register_backbone`` of ``models/registration.py``."""

GIVEN: dict[str, Factory] = {}
"""Networks that ``train`` is given as they are, by names like ``<MyNetwork>``, while it runs."""


@dataclass(frozen=True)
class Backbone:
    """The settings to build a network, saved with its weights.

    Args:
        name: one of ``list_backbones()``, or the place of a factory, ``package.module:function``.
        embedding_dim: the dimension of the embeddings.
        dropout: share of features dropped before the last layer, in training.
        settings: other arguments of the network, as JSON values.
        factory: the place of the factory that is registered under this name; "" if there is none.
    """

    name: str
    embedding_dim: int = 128
    dropout: float = 0.0
    settings: Mapping[str, Any] = field(default_factory=dict)
    factory: str = ""

    def __post_init__(self) -> None:
        check_count("embedding_dim", self.embedding_dim, least=2, most=8192)
        check_number("dropout", self.dropout, least=0, below=1)
        if not isinstance(self.settings, Mapping) or not all(
            isinstance(key, str) and _is_plain(value) for key, value in self.settings.items()
        ):
            raise InputError(
                f"backbone: {self.name}: settings must be plain values by their names (numbers, "
                f"texts, lists), since they are saved as JSON; got {self.settings!r}"
            )

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values; what is empty is left out."""
        registered = REGISTERED.get(self.name)
        place = self.factory or (place_of(registered) if registered is not None else "")
        return {
            "name": self.name,
            "embedding_dim": self.embedding_dim,
            "dropout": self.dropout,
            **({"settings": dict(self.settings)} if self.settings else {}),
            **({"factory": place} if place else {}),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Backbone:
        """The inverse of ``to_dict``.

        Raises:
            InputError: a value is wrong.
            TypeError: a key is missing or unknown.
        """
        found = cls(**values)
        if not isinstance(found.name, str) or not isinstance(found.factory, str):
            raise InputError(f"backbone: name and factory must be texts; got {found.name!r}")
        return found

    def allowed(self, allow: str | Iterable[str], source: str) -> Backbone:
        """This backbone of a model's file, if the code that makes it may be imported.

        Args:
            allow: modules from which networks may be imported.
            source: the model, for messages.

        Raises:
            InputError: it is not allowed, or nothing is registered under this name.
        """
        if is_place(self.name):
            require_allowed(self.name, allow, source)
        elif self.factory and self.name not in REGISTERED:
            require_allowed(self.factory, allow, source)
            resolve(self.factory)  # its module registers it
        return self


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(inner) for key, inner in value.items())
    return value is None or isinstance(value, bool | int | float | str)


def list_backbones(pattern: str = "*") -> list[str]:
    """The names that match a pattern with ``*`` and ``?``; those of timm if it is installed.

    Example:
        >>> from likewise.models.registry import list_backbones
        >>> list_backbones("iresnet*")
        ['iresnet100', 'iresnet18', 'iresnet34', 'iresnet50']
    """
    return sorted(name for name in {*OWN, *REGISTERED, *timm_names()} if fnmatch(name, pattern))


def create_backbone(
    backbone: Backbone | str,
    *,
    embedding_dim: int = 128,
    dropout: float = 0.0,
    height: int = 112,
    width: int = 112,
    channels: int = 3,
    **settings: Any,
) -> nn.Module:
    """Build a network with random weights: float32 [B,C,H,W] → [B,D].

    Args:
        backbone: one of ``list_backbones()``, the place of a factory of your own,
            ``package.module:function``, which is imported; or a ``Backbone``, whose embedding
            dimension, dropout and settings are used.
        embedding_dim: D.
        dropout: share of features dropped before the last layer, in training.
        height: of the input, in pixels.
        width: of the input, in pixels.
        channels: of the input.
        settings: other arguments of the network, such as ``drop_path_rate`` of timm's.

    Raises:
        InputError: the name is unknown (names the closest), an argument is wrong, or the network
            does not take this size or gives embeddings of another dimension.

    Example:
        >>> import torch
        >>> from likewise.models.registry import create_backbone
        >>> network = create_backbone("contrastnet", embedding_dim=32, height=32, width=32)
        >>> network(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 32])
    """
    if isinstance(backbone, str):
        backbone = Backbone(backbone, embedding_dim, dropout, settings)
    elif settings:
        raise InputError(
            f"create_backbone: {', '.join(settings)}: belong into Backbone(settings=…)"
        )
    sizes = {
        "height": height,
        "width": width,
        "channels": channels,
        "embedding_dim": backbone.embedding_dim,
        "dropout": backbone.dropout,
    }
    module = call_factory(_factory(backbone.name), backbone.name, sizes, backbone.settings)
    try_out(module, backbone.name, backbone.embedding_dim, (channels, height, width))
    if backbone.name not in GIVEN:  # only in this process can those be built again
        object.__setattr__(module, BUILT, (backbone, _layers(module)))
    return module


def backbone_of(module: nn.Module) -> Backbone | None:
    """How ``create_backbone`` built a network; None if it did not, or its layers have changed."""
    backbone, layers = getattr(module, BUILT, (None, ""))
    return backbone if isinstance(backbone, Backbone) and layers == _layers(module) else None


def _layers(module: nn.Module) -> str:
    """The layers of a network with their settings, and the sizes of its weights."""
    sizes = [(name, list(tensor.shape)) for name, tensor in module.state_dict().items()]
    return f"{module!r} {sizes}"


def is_given(name: str) -> bool:
    """Whether a name is that of a network that was given to ``train`` as it is."""
    return name.startswith("<")


def own_dimension(backbone: Backbone, *, height: int, width: int, channels: int) -> int | None:
    """The dimension of the embeddings of a network that has only one; None if it is built for any.

    Raises:
        InputError: the name is unknown, or the network cannot be built or take this size.
    """
    factory = _factory(backbone.name)
    if takes(factory, "embedding_dim"):
        return None
    sizes = {"height": height, "width": width, "channels": channels, "dropout": backbone.dropout}
    module = call_factory(factory, backbone.name, sizes, backbone.settings)
    return try_out(module, backbone.name, None, (channels, height, width))


def is_timm(name: str) -> bool:
    """Whether a name is one of timm's, such as ``resnet50`` or ``resnet50.a1_in1k``."""
    return name not in OWN and name not in REGISTERED and name.partition(".")[0] in timm_names()


def _factory(name: str) -> Factory:
    if name in OWN or name in REGISTERED:
        return OWN.get(name) or REGISTERED[name]
    if is_place(name):
        return resolve(name)
    if is_given(name):
        if name not in GIVEN:
            raise InputError(
                f"model.name: {name}: a network that was given to likewise.train as it is; give it "
                "again, as model=…"
            )
        return GIVEN[name]
    _require_known(name)
    from likewise.models.backbones.timm_backbone import TimmBackbone

    return partial(TimmBackbone, name)


def _require_known(name: str) -> None:
    timm = timm_names()
    if name.partition(".")[0] in timm:  # what follows the point names weights of timm
        return
    known = [*OWN, *REGISTERED, *timm]
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    more = f"{len(timm):,} of timm's" if timm else "timm's after: pip install 'likewise[timm]'"
    names = ", ".join(sorted((*OWN, *REGISTERED)))
    raise InputError(f"backbone: unknown name {name!r}; {hint}there are {names}, and {more}")


def timm_names() -> frozenset[str]:
    """The names of timm's networks; none if it is not installed."""
    try:
        import timm
    except ImportError:
        return frozenset()
    return frozenset(timm.list_models())
