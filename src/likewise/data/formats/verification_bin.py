"""Read InsightFace's ``.bin`` validation set as a manifest without identities."""

from __future__ import annotations

from pathlib import Path

from likewise.data.formats.registry import has_suffix, register_format
from likewise.data.manifest import Manifest
from likewise.data.protocols.verification_bin import read_bin

__all__ = ["read"]


@register_format(
    "verification_bin",
    "a .bin validation set of InsightFace",
    recognises=has_suffix(".bin"),
    priority=50,
)
def read(path: Path, root: Path | None = None) -> Manifest:  # noqa: ARG001  # holds its photos
    """The photos of a set of pairs; ``likewise.read_pairs`` reads the pairs.

    Raises:
        InputError: it is damaged, or its pickle would run code.
    """
    return read_bin(path).photos
