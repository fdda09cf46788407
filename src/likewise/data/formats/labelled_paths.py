"""Paths of photos as the columns of a manifest: whom each shows, as the folders on its way say."""

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
    """The photos that lie in a person's folder.

    Args:
        rows: which of the paths given these are.
        wrapping: the folders at the front that hold everything; they are cut off the paths.
        table: ``path``, ``identity``, ``split`` where folders say it, and Omniglot's own columns.
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
    """Read whom photos show off their paths, and tell what a reader should know of it.

    Args:
        paths: of each photo, with ``/`` between folders.
        folders: the same without the file, as a tuple of names.
        photos: what chose them; those that lie loose are left out there.
        level: where the identity stands; None: found by what the folders hold. Omniglot's
            drawings, known by their names, have ``ALPHABET/character01`` in any case.

    Raises:
        InputError: there is no photo, or all lie loose, or it is not clear which folders name
            people.
    """
    if not paths:
        left = photos.told()
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
            f"{photos.where}: the photos lie loose in it; put each identity's photos into a "
            "sub-folder of its own, or give a CSV with the columns path and identity"
        )
    if len(rows) < len(paths):
        for row in sorted(set(range(len(paths))) - set(rows)):
            photos.leave_out("photos beside the people's folders", paths[row])
    columns = {
        "path": [paths[row].split("/", level.wrapping)[-1] for row in rows],
        "identity": [identities[folders[row]] for row in rows],
    }
    if level.split is not None:
        columns["split"] = [level.side(folders[row]) for row in rows]
    for name, values in (omniglot or {}).items():
        columns[name] = [values[row] for row in rows]
    photos.warn(level.told)
    return LabelledPaths(rows, folders[rows[0]][: level.wrapping], pa.table(columns))


def _shared(folders: list[tuple[str, ...]], leaving: int) -> int:
    """How many folders at the front all photos share, leaving so many to the deepest."""
    shared = 0
    for column in zip(*folders, strict=False):
        if len(set(column)) > 1:
            break
        shared += 1
    return max(0, min(shared, max(len(of) for of in folders) - leaving))
