"""Read weights trained elsewhere: the state dictionary in a file of PyTorch or safetensors."""

from __future__ import annotations

import logging
import re
import warnings
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from likewise.errors import InputError, first_few, first_line
from likewise.models.weights_file import require_weights_file

__all__ = ["STATE_FILES", "network_part", "read_state_dict", "warn_of_rest"]

log = logging.getLogger(__name__)

# Extensions of files of weights.
STATE_FILES = (".pth", ".pt", ".ckpt", ".bin", ".tar", ".safetensors")
# Keys under which training scripts save the network, the most specific first.
ENTRIES = (
    "state_dict_backbone",  # arcface_torch
    "state_dict",  # Lightning, timm, MoCo
    "model_state_dict",
    "model",
    "backbone",
    "net",
    "network",
)
NAMED = 5  # names in a message


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read the weights in a file by their names; no code in the file is run.

    The file is a ``.safetensors``, a state dictionary of ``torch.save``, or a checkpoint with one,
    such as the ``checkpoint_gpu_0.pt`` of arcface_torch.

    Raises:
        InputError: the file is missing, cannot be read as plain weights, or holds something else.
    """
    require_weights_file(path)
    if path.suffix.lower() == ".safetensors":
        return _read_safetensors(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of TorchScript: the error says so too
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files raise errors of many classes
        raise InputError(f"{path}: cannot be read as plain weights ({_reason(error)})") from None
    state = _network_entry(found)
    if state is None:
        held = first_few(found, NAMED) if isinstance(found, dict) else type(found).__name__
        raise InputError(
            f"{path}: not a state dictionary (names with their tensors), nor a checkpoint with "
            f"one as {' or '.join(ENTRIES)}; it holds {held or 'nothing'}"
        )
    return state


def network_part(
    state: dict[str, Tensor], expected: Collection[str], source: str
) -> tuple[dict[str, Tensor], list[str]]:
    """The weights of a network under its own names, and the names of the other tensors.

    Wrappers put a prefix before every name: ``module.`` (DataParallel), ``_orig_mod.`` (compile),
    ``model.`` or ``backbone.`` (a class around the network). The prefix under which most expected
    names are found is removed; tensors under another prefix, such as class weights, are the others.
    Without a prefix all tensors belong to the network.

    Args:
        state: weights by their names.
        expected: the names of the network's weights.
        source: of the weights, for messages.

    Raises:
        InputError: the network is found under several prefixes.
    """
    wanted = set(expected)
    found = Counter(
        name[: len(name) - len(tail)] for name in state for tail in _tails(name) if tail in wanted
    )
    most = max(found.values(), default=0)
    best = sorted((prefix for prefix, count in found.items() if count == most), key=len)
    prefix = best[0] if best else ""
    if prefix and len(best) > 1 and most > len(wanted) / 2:
        raise InputError(
            f"{source}: holds this network under {' and '.join(sorted(best))}; save only one of "
            "them"
        )
    part = {n.removeprefix(prefix): tensor for n, tensor in state.items() if n.startswith(prefix)}
    return part, [name for name in state if not name.startswith(prefix)]


def warn_of_rest(source: str, rest: Sequence[str]) -> None:
    """Warn of the tensors of a checkpoint that are not part of the network."""
    if rest:
        log.warning(
            "%s: left out %d tensors that are not part of the network: %s",
            source,
            len(rest),
            first_few(rest, NAMED),
        )


def _tails(name: str) -> list[str]:
    """A dotted name, and its rest after each of its dots."""
    parts = name.split(".")
    return [".".join(parts[start:]) for start in range(len(parts))]


def _network_entry(found: Any, depth: int = 3) -> dict[str, Tensor] | None:
    """The state dictionary in a loaded object, at most ``depth`` levels down; None if none."""
    if not isinstance(found, dict) or not found or depth < 0:
        return None
    if all(torch.is_tensor(value) for value in found.values()):
        return {str(name): tensor for name, tensor in found.items()}
    for entry in ENTRIES:
        if (state := _network_entry(found.get(entry), depth - 1)) is not None:
            return state
    return None


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as opened:
            return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  # no mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path}: damaged, or not a safetensors file ({error})") from None


def _reason(error: Exception) -> str:
    """Why torch does not read a file, without its advice to run the code in it."""
    text = str(error)
    if "TorchScript" in text:
        return "it is a TorchScript archive; save the weights alone, torch.save(net.state_dict())"
    if code := re.search(r"GLOBAL (\S+)", text):
        return (
            f"it holds Python objects, {code[1]}, which would have to be run; save the weights "
            "alone: torch.save(net.state_dict(), file)"
        )
    if (
        isinstance(error, EOFError | OSError)
        or "Weights only load failed" in text
        or "PytorchStream" in text
    ):
        return "it is damaged, or not a file of torch.save"
    return first_line(error)
