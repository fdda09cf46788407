"""Try a network on a blank photo, so that one that is unsuitable fails before any work."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from likewise.errors import InputError, LikewiseError, first_line

__all__ = ["try_out"]


def try_out(
    module: nn.Module, name: str, dimension: int | None, shape: tuple[int, int, int]
) -> int:
    """Run a forward pass in evaluation mode; the dimension of the embedding.

    Args:
        module: the network; its mode is kept.
        name: for messages.
        dimension: of the embeddings; None: any.
        shape: of a photo: channels, height, width.

    Raises:
        InputError: the network cannot take this size, or does not give such embeddings.
        LikewiseError: memory is not enough.
    """
    modes = {part: part.training for part in module.modules()}
    place = next((tensor.device for tensor in module.parameters()), torch.device("cpu"))
    module.eval()
    try:
        with torch.no_grad():
            found = module(torch.zeros(1, *shape, device=place))
    except MemoryError as error:
        raise LikewiseError(f"backbone: {name} does not fit into memory") from error
    except Exception as error:  # a network of your own may raise anything
        raise InputError(
            f"backbone: {name} cannot take {shape[1]}×{shape[2]}: {first_line(error)}"
        ) from None
    for part, mode in modes.items():  # parts may be in evaluation mode on purpose
        part.training = mode
    return _dimension(found, name, dimension)


def _dimension(found: Any, name: str, wanted: int | None) -> int:
    """The length of an embedding; the output is checked."""
    if not isinstance(found, torch.Tensor) or found.ndim != 2 or found.shape[0] != 1:
        kind = list(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
        raise InputError(
            f"backbone: {name}: gives {kind} for one photo; it must be one vector for each, [1,D]"
        )
    given = int(found.shape[1])
    if wanted is not None and given != wanted:
        raise InputError(
            f"backbone: {name}: gives embeddings of {given} numbers, not {wanted}; set "
            f"embedding_dim={given}"
        )
    return given
