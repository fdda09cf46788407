"""The detectors that can be chosen by name."""

from __future__ import annotations

from typing import Any

from likewise.faces.detectors import centerface, yunet  # noqa: F401  # they register themselves
from likewise.faces.detectors.detector import DETECTORS, Detector

__all__ = ["create_detector", "list_detectors"]


def list_detectors() -> list[str]:
    """The names of the face detectors.

    Example:
        >>> from likewise.faces.detectors.registry import list_detectors
        >>> list_detectors()[:2]
        ['centerface', 'yunet']
    """
    return DETECTORS.names()


def create_detector(name: str, **settings: Any) -> Detector:
    """The face detector called ``name``.

    Args:
        name: one of ``list_detectors()``.
        settings: arguments of its constructor.

    Raises:
        InputError: an unknown name or setting.
        MissingExtra: the extra ``faces`` is not installed.
        LikewiseError: its weights are not at hand.
    """
    return DETECTORS.create(name, **settings)
