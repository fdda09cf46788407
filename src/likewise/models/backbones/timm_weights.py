"""Trained weights for a network of timm: from timm's hub, or files of timm, torchvision, DINOv2."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from torch import Tensor, nn

from likewise.errors import InputError, LikewiseError, first_line
from likewise.models.backbones.timm_backbone import TimmBackbone, create_trunk
from likewise.models.state_dict import network_part

__all__ = ["TRUNK", "fetch_weights", "trunk_weights"]

TRUNK = "trunk."
FILTERS = ("checkpoint_filter_fn", "_filter_fn", "_filter_torchvision_pretrained")

# The names of torchvision's VisionTransformer, and those of timm's.
TORCHVISION = (
    (r"^class_token$", "cls_token"),
    (r"^encoder\.pos_embedding$", "pos_embed"),
    (r"^conv_proj\.", "patch_embed.proj."),
    (r"^encoder\.layers\.encoder_layer_(\d+)\.", r"blocks.\1."),
    (r"\.ln_([12])\.", r".norm\1."),
    (r"\.self_attention\.in_proj_", ".attn.qkv."),
    (r"\.self_attention\.out_proj\.", ".attn.proj."),
    (r"\.mlp\.(linear_1|0)\.", ".mlp.fc1."),
    (r"\.mlp\.(linear_2|3)\.", ".mlp.fc2."),
    (r"^encoder\.ln\.", "norm."),
    (r"^heads\.head\.", "head."),
)


def fetch_weights(
    name: str, channels: int, size: tuple[int, int], settings: Mapping[str, Any]
) -> dict[str, Tensor]:
    """The trained weights of timm for a network, by the names of ``TimmBackbone``.

    They come from the hub, or from its cache on this machine.

    Raises:
        InputError: timm has no trained weights for this network.
        LikewiseError: they cannot be fetched.
    """
    from timm.models import get_pretrained_cfg

    config = get_pretrained_cfg(name)
    if config is None or not config.has_weights:
        raise InputError(
            f"model.pretrained: timm has no trained weights of {name}; list those it has: "
            "timm.list_pretrained()"
        )
    with _hub() as unreachable:
        try:
            trunk = create_trunk(name, channels, size, settings, pretrained=True)
        except InputError:
            raise
        except Exception as error:  # those of the hub's libraries have no common class
            reason = unreachable or first_line(error)
            raise LikewiseError(
                f"model.pretrained: the weights of {name} cannot be fetched ({reason}); without a "
                "network, bring their file: model.weights=FILE with model.pretrained=false"
            ) from None
    return {TRUNK + key: tensor for key, tensor in trunk.state_dict().items()}


@contextmanager
def _hub() -> Iterator[str]:
    """The hub, or only its cache on this machine if the hub has no address here: says why.

    Otherwise the hub's library would try again for a minute.
    """
    from huggingface_hub import constants

    host = urlsplit(constants.ENDPOINT).hostname or ""
    before = constants.HF_HUB_OFFLINE
    unreachable = ""
    if not getproxies() and not before:
        try:
            socket.getaddrinfo(host, None)
        except OSError:
            unreachable = f"{host} cannot be reached, and the cache does not have them"
    try:
        constants.HF_HUB_OFFLINE = before or bool(unreachable)
        yield unreachable
    finally:
        constants.HF_HUB_OFFLINE = before


def trunk_weights(
    module: TimmBackbone, state: dict[str, Tensor], source: str
) -> tuple[dict[str, Tensor], list[str]]:
    """Weights of a file by the names of ``TimmBackbone``, and the names of the other tensors.

    The file is one of timm or torchvision, or DINOv2's. As in timm, position embeddings are resized
    to the input, and the first convolution is adapted to the number of channels.

    Args:
        module: the network.
        state: the tensors of the file, by their names.
        source: the file, for messages.

    Raises:
        InputError: the weights are of another kind of network.
    """
    trunk: Any = module.trunk
    expected = trunk.state_dict()
    if "encoder.pos_embedding" in state:
        state = {_timm_name(key): tensor for key, tensor in state.items()}
    state, rest = network_part(state, expected, source)
    config: Mapping[str, Any] = getattr(trunk, "pretrained_cfg", None) or {}
    classifiers = _names(config.get("classifier"))
    left_out = [key for key in state if key.rpartition(".")[0] in classifiers]
    state = {key: tensor for key, tensor in state.items() if key not in left_out}
    convert = _filter_of(trunk)
    if convert is not None:
        try:
            state = convert(state, trunk)
        except Exception as error:  # it expects the weights of its own network
            raise InputError(
                f"model.weights: {source}: not the weights of {type(trunk).__name__}: timm cannot "
                f"convert them ({first_line(error)})"
            ) from None
    for key in (f"{name}.weight" for name in _names(config.get("first_conv"))):
        if key in state and key in expected and state[key].shape != expected[key].shape:
            state[key] = _adapted(expected[key].shape[1], state[key])
    return {TRUNK + key: tensor for key, tensor in state.items()}, left_out + rest


def _names(value: Any) -> tuple[str, ...]:
    """None, one name or several."""
    return (value,) if isinstance(value, str) else tuple(value or ())


def _timm_name(name: str) -> str:
    for pattern, replacement in TORCHVISION:
        name = re.sub(pattern, replacement, name)
    return name


def _filter_of(trunk: nn.Module) -> Callable[[dict[str, Tensor], nn.Module], Any] | None:
    """The function by which timm converts weights of other sources for this kind of network."""
    home = sys.modules[type(trunk).__module__]
    return next((getattr(home, name) for name in FILTERS if hasattr(home, name)), None)


def _adapted(channels: int, weight: Tensor) -> Tensor:
    """The first convolution for another number of channels: grey gets the sum over the colours."""
    from timm.models import adapt_input_conv

    try:
        found: Tensor = adapt_input_conv(channels, weight)
    except NotImplementedError:
        return weight  # refused with its shape
    return found
