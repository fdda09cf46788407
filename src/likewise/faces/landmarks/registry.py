"""The networks for five points that can be chosen by name."""

from __future__ import annotations

from typing import Any

from likewise.faces.landmarks import onet  # noqa: F401  # it registers itself
from likewise.faces.landmarks.landmarker import LANDMARKERS, Landmarker

__all__ = ["create_landmarker", "list_landmarkers"]


def list_landmarkers() -> list[str]:
    """The names of the networks that find five points.

    Example:
        >>> from likewise.faces.landmarks.registry import list_landmarkers
        >>> list_landmarkers()[:1]
        ['onet']
    """
    return LANDMARKERS.names()


def create_landmarker(name: str, **settings: Any) -> Landmarker:
    """The network for five points called ``name``.

    Args:
        name: one of ``list_landmarkers()``.
        settings: arguments of its constructor.

    Raises:
        InputError: an unknown name or setting.
        MissingExtra: the extra ``faces`` is not installed.
    """
    return LANDMARKERS.create(name, **settings)
