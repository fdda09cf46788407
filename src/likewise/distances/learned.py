"""What a distance has to learn, wherever it keeps it."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from likewise.distances.distance import Distance

__all__ = ["learned_parts"]


def learned_parts(distance: Distance) -> dict[str, nn.Parameter | nn.Module]:
    """The parameters and modules among its attributes, by name.

    Those in lists, tuples, dictionaries and in other distances are found too; parts of the name
    are joined by ``_``, as in ``weights_0``.
    """
    return dict(_found("", distance))


def _found(prefix: str, held: object) -> Iterator[tuple[str, nn.Parameter | nn.Module]]:
    if isinstance(held, nn.Parameter | nn.Module):
        yield prefix, held
        return
    if isinstance(held, Distance):
        held = getattr(held, "__dict__", {})
    if isinstance(held, list | tuple):
        held = dict(enumerate(held))
    for name, item in held.items() if isinstance(held, dict) else ():
        yield from _found(f"{prefix}_{name}" if prefix else str(name), item)
