"""The photos that a command names: files, and all photos below folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

__all__ = ["photo_files"]


def photo_files(photos: Sequence[Path]) -> list[Path]:
    """The photos, with folders replaced by the photos below them; each once.

    Raises:
        InputError: a folder has none.
    """
    from likewise.data.formats.folder import walk_photos
    from likewise.data.formats.photo_filter import PhotoFilter
    from likewise.errors import InputError

    found: list[Path] = []
    for path in photos:
        if not path.is_dir():
            found.append(path)
            continue
        chosen = PhotoFilter(path)
        below = [path / name for name in walk_photos(path, chosen)]
        if not below:
            left = chosen.summary()
            raise InputError(f"{path}: no photo in it{f'; {left}' if left else ''}")
        chosen.warn()
        found += below
    return list(dict.fromkeys(found))
