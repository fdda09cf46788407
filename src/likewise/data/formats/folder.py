"""A folder with one sub-folder an identity, read as a manifest."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa

from likewise.data.images import EXTENSIONS
from likewise.data.manifest import Manifest
from likewise.errors import InputError

__all__ = ["read"]


def read(folder: Path, root: Path | None = None) -> Manifest:  # noqa: ARG001  # it is its own root
    """Read ``folder/IDENTITY/…/photo.jpg``: the first sub-folder names the identity.

    Hidden files, and files that are no photos by their name, are passed over. The order is that
    of the names, whatever the file system's own.

    Raises:
        InputError: there is no photo, or the photos lie loose instead of in sub-folders.
    """
    paths: list[str] = []
    identities: list[str] = []
    for person in _visible(folder):
        if not person.is_dir():
            continue
        for photo in _photos(Path(person.path)):
            paths.append(photo.relative_to(folder).as_posix())
            identities.append(person.name)
    if not paths:
        raise InputError(_nothing_found(folder))
    return Manifest(pa.table({"path": paths, "identity": identities}), folder)


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(
            (e for e in entries if not e.name.startswith((".", "__MACOSX"))), key=lambda e: e.name
        )


def _photos(folder: Path) -> list[Path]:
    found: list[Path] = []
    for entry in _visible(folder):
        if entry.is_dir(follow_symlinks=False):
            found += _photos(Path(entry.path))
        elif Path(entry.name).suffix.lower() in EXTENSIONS:
            found.append(Path(entry.path))
    return found


def _nothing_found(folder: Path) -> str:
    if any(Path(entry.name).suffix.lower() in EXTENSIONS for entry in _visible(folder)):
        return (
            f"{folder}: the photos lie loose in it; put each identity's photos into a sub-folder "
            "of its own, or give a CSV with the columns path and identity"
        )
    return f"{folder}: no photos in its sub-folders (looked for {', '.join(sorted(EXTENSIONS))})"
