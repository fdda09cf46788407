"""A zip archive with one folder an identity, read as a manifest without being unpacked."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa

from likewise.data.images import EXTENSIONS
from likewise.data.manifest import Manifest
from likewise.data.protocols.omniglot import drawings
from likewise.data.zip_directory import read_zip_directory
from likewise.errors import InputError

__all__ = ["read"]


def read(path: Path, root: Path | None = None) -> Manifest:  # noqa: ARG001  # it holds its photos
    """Read ``IDENTITY/…/photo.jpg`` from an archive: the first folder names the identity.

    Folders that all photos share are left out of the names, so that ``set/anna/1.jpg`` is
    ``anna/1.jpg``. Omniglot's archives, known by their names, give ``ALPHABET/character01`` as
    identity and the columns alphabet, character and drawer. Hidden files, files that are no
    photos by their name, and photos beside the folders are passed over; the order is that of the
    names.

    Raises:
        InputError: it is no zip archive or is damaged; a member is a link, encrypted, too large
            or leads out of it; there is no photo, or the photos lie loose.
    """
    directory = read_zip_directory(path)
    parts = [PurePosixPath(name).parts for name in directory.names]
    rows = [row for row, of in enumerate(parts) if _is_photo(of)]
    if not rows:
        raise InputError(f"{path}: no photos (looked for {', '.join(sorted(EXTENSIONS))})")
    omniglot = drawings([parts[row] for row in rows])
    levels = 2 if omniglot is not None else 1
    shared = _shared([parts[row][:-1] for row in rows], levels)
    rows = [row for row in rows if len(parts[row]) - 1 - shared >= levels]
    if not rows:
        raise InputError(
            f"{path}: the photos lie loose in it; put each identity's photos into a folder of its "
            "own"
        )
    rows.sort(key=lambda row: parts[row])
    names = ["/".join(parts[row][shared:]) for row in rows]
    identities = ["/".join(parts[row][shared : shared + levels]) for row in rows]
    table = pa.table({"path": names, "identity": identities})
    if omniglot is not None:
        found = drawings([parts[row] for row in rows]) or {}
        for column, values in found.items():
            table = table.append_column(column, pa.array(values))
    store = directory.store(np.array(rows, np.int64))
    return Manifest(table.append_column("place", pa.array(np.arange(len(rows)))), path, store)


def _is_photo(parts: tuple[str, ...]) -> bool:
    if any(part.startswith((".", "__MACOSX")) for part in parts):
        return False
    return PurePosixPath(parts[-1]).suffix.lower() in EXTENSIONS


def _shared(folders: list[tuple[str, ...]], levels: int) -> int:
    """How many folders at the front all photos share, leaving ``levels`` to the deepest."""
    shared = 0
    for column in zip(*folders, strict=False):
        if len(set(column)) > 1:
            break
        shared += 1
    return max(0, min(shared, max(len(of) for of in folders) - levels))
