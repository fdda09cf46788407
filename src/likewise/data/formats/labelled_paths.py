"""From paths of photos to the columns of a manifest: identities and splits from folder names."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from likewise.data.formats.identity_level import IdentityLevel, identity_level
from likewise.data.formats.photo_filter import PhotoFilter
from likewise.data.image_kind import EXTENSIONS
from likewise.data.protocols.omniglot import drawings
from likewise.errors import InputError

__all__ = ["LabelledPaths", "labelled_paths"]


@dataclass(frozen=True)
class LabelledPaths:
    """The photos that have an identity.

    Args:
        rows: their indices in the given paths.
        wrapping: the leading folders that contain all photos, removed from the paths.
        table: ``path``, ``identity``, ``split`` if folders name it, and Omniglot's metadata.
    """

    rows: list[int]
    wrapping: tuple[str, ...]
    table: pa.Table


def labelled_paths(
    paths: list[str],
    folders: list[tuple[str, ...]],
    photos: PhotoFilter,
    level: IdentityLevel | None = None,
) -> LabelledPaths:
    """Derive identities from the paths of photos; a warning describes what was ignored.

    Args:
        paths: the path of each photo, with ``/`` between folders.
        folders: its folders, as a tuple of names.
        photos: the filter that chose the photos; it counts photos without an identity.
        level: the level of the identities; None to find it by ``identity_level``. Omniglot's
            drawings, recognised by their names, always have ``ALPHABET/character01``.

    Raises:
        InputError: there is no photo, none has an identity, or it is ambiguous which folders are
            identities.
    """
    if not paths:
        left = photos.summary()
        raise InputError(
            f"{photos.where}: no photos in it; "
            + (left or f"looked for {', '.join(sorted(EXTENSIONS))}")
        )
    omniglot = drawings(
        (*folder, path.rpartition("/")[2]) for folder, path in zip(folders, paths, strict=True)
    )
    if omniglot is not None:
        shared = _shared(folders, leaving=2)
        level = IdentityLevel(wrapping=shared, first=shared, last=shared + 1)
    level = level or identity_level((f for f in folders if f), str(photos.where))
    identities = {folder: level.identity(folder) for folder in set(folders)}
    rows = [row for row, folder in enumerate(folders) if identities[folder] is not None]
    if not rows:
        raise InputError(
            f"{photos.where}: the photos lie directly in it; put each identity's photos into a "
            "sub-folder of its own, or give a CSV with the columns path and identity"
        )
    if len(rows) < len(paths):
        for row in sorted(set(range(len(paths))) - set(rows)):
            photos.leave_out("photos outside the identities' folders", paths[row])
    columns = {
        "path": [paths[row].split("/", level.wrapping)[-1] for row in rows],
        "identity": [identities[folders[row]] for row in rows],
    }
    if level.split is not None:
        columns["split"] = [level.side(folders[row]) for row in rows]
    for name, values in (omniglot or {}).items():
        columns[name] = [values[row] for row in rows]
    photos.warn(level.note)
    return LabelledPaths(rows, folders[rows[0]][: level.wrapping], pa.table(columns))


def _shared(folders: list[tuple[str, ...]], leaving: int) -> int:
    """The number of leading folders that all photos share, but for the ``leaving`` deepest."""
    shared = 0
    for column in zip(*folders, strict=False):
        if len(set(column)) > 1:
            break
        shared += 1
    return max(0, min(shared, max(len(of) for of in folders) - leaving))
