"""Read a zip archive with one folder per identity as a manifest in place."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from likewise.data.containers.zip_directory import read_zip_directory
from likewise.data.formats.labelled_paths import labelled_paths
from likewise.data.formats.photo_filter import PhotoFilter
from likewise.data.formats.registry import has_suffix, register_format
from likewise.data.image_kind import START_BYTES
from likewise.data.manifest import Manifest
from likewise.data.paths import is_hidden

__all__ = ["read"]


@register_format(
    "zip",
    "a .zip with one folder per identity",
    recognises=has_suffix(".zip"),
    priority=50,
)
def read(path: Path, root: Path | None = None) -> Manifest:  # noqa: ARG001  # holds its photos
    """Read ``IDENTITY/…/photo.jpg`` from an archive; see ``identity_level`` for deeper trees.

    Leading folders that contain everything are removed from the names: ``set/anna/1.jpg`` becomes
    ``anna/1.jpg``. Omniglot's archives, recognised by their names, give ``ALPHABET/character01`` as
    identity and the metadata alphabet, character and drawer. Files that are not photos (see
    ``PhotoFilter``), hidden and system files, and photos outside the identities' folders are left
    out, with one warning. Rows are sorted by name.

    Raises:
        InputError: it is not a zip archive or is damaged; a member is a link, encrypted, too large
            or points outside it; there is no photo, the photos are not in folders, or it is
            ambiguous which folders are identities.
    """
    directory = read_zip_directory(path)
    photos = PhotoFilter(path)
    members: list[tuple[tuple[str, ...], int]] = []
    for row, name in enumerate(directory.names):
        parts = tuple(name.split("/"))
        hidden = next((n for n, part in enumerate(parts[:-1], 1) if is_hidden(part)), None)
        if hidden is not None:
            photos.leave_out_hidden("/".join(parts[:hidden]))
        elif photos.takes(name, partial(directory.start, row, START_BYTES)):
            members.append((parts, row))
    members.sort()
    found = labelled_paths(
        ["/".join(parts) for parts, _ in members], [parts[:-1] for parts, _ in members], photos
    )
    rows = np.array([members[row][1] for row in found.rows], np.int64)
    table = found.table.append_column("place", pa.array(np.arange(len(rows))))
    return Manifest(table, path, directory.store(rows))
