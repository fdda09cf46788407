"""A zip archive with one folder an identity, read as a manifest without being unpacked."""

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
def read(path: Path, root: Path | None = None) -> Manifest:  # noqa: ARG001  # it holds its photos
    """Read ``IDENTITY/…/photo.jpg`` from an archive; see ``identity_level`` for folders above.

    Folders that wrap all of it are left out of the names, so that ``set/anna/1.jpg`` is
    ``anna/1.jpg``. Omniglot's archives, known by their names, give ``ALPHABET/character01`` as
    identity and the columns alphabet, character and drawer. What ``PhotoFilter`` takes for no
    photo, hidden files and folders, those of operating systems, and photos beside the people's
    folders are left out, which is told in one line; the order is that of the names.

    Raises:
        InputError: it is no zip archive or is damaged; a member is a link, encrypted, too large
            or leads out of it; there is no photo, the photos lie loose, or it is not clear which
            folders name people.
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
