"""The learned parameters of a distance."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from likewise.distances.distance import Distance

__all__ = ["learned_parts"]


def learned_parts(distance: Distance) -> dict[str, nn.Parameter | nn.Module]:
    """The parameters and modules among the attributes of a distance, by name.

    Also those in lists, tuples, dictionaries and other distances; the parts of the name are joined
    by ``_``, as in ``weights_0``.
    """
    return dict(_found("", distance))


def _found(prefix: str, value: object) -> Iterator[tuple[str, nn.Parameter | nn.Module]]:
    if isinstance(value, nn.Parameter | nn.Module):
        yield prefix, value
        return
    if isinstance(value, Distance):
        value = getattr(value, "__dict__", {})
    if isinstance(value, list | tuple):
        value = dict(enumerate(value))
    for name, item in value.items() if isinstance(value, dict) else ():
        yield from _found(f"{prefix}_{name}" if prefix else str(name), item)
