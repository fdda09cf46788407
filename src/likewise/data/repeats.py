"""Photos listed more than once in a manifest: only the first row is kept."""

from __future__ import annotations

import logging
import os

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from likewise.data.manifest import Manifest
from likewise.errors import InputError

__all__ = ["without_repeats"]

log = logging.getLogger(__name__)

ROWS = 65_536  # names converted to Python strings at a time


def without_repeats(manifest: Manifest) -> Manifest:
    """The manifest with each photo once: of several rows of the same photo, the first is kept.

    Two rows are the same photo if their paths lead to the same file (``a.jpg``, ``./a.jpg``, a
    link to it), or if they have the same place in a store. A warning gives the number of removed
    rows and the first of them.

    Raises:
        InputError: rows of the same photo differ in identity or split; names the rows.
    """
    first = repeated_rows(manifest)
    rows = np.arange(len(first))
    again = np.flatnonzero(first != rows)
    if not len(again):
        return manifest
    for name in ("identity", "split"):
        if name in manifest.table.column_names:
            _refuse_two(manifest, name, again, first[again])
    row = int(again[0])
    log.warning(
        "manifest of %s: left out %s; the first is %r in row %d, the same photo as row %d",
        manifest.root,
        "1 row that repeats an earlier photo"
        if len(again) == 1
        else f"{len(again):,} rows that repeat an earlier photo",
        manifest.table["path"][row].as_py(),
        row + 1,
        first[row] + 1,
    )
    return manifest.take(np.flatnonzero(first == rows))


def repeated_rows(manifest: Manifest) -> NDArray[np.int64]:
    """For each row, the first row of the same photo (itself if there is no earlier one), [N]."""
    keys = manifest.table["place"] if manifest.store is not None else _files(manifest)
    if pc.count_distinct(keys).as_py() == len(keys):
        return np.arange(len(keys))
    which = pc.index_in(keys, value_set=pc.unique(keys)).to_numpy()
    first = np.unique(which, return_index=True)[1]
    found: NDArray[np.int64] = first[which].astype(np.int64)
    return found


def _files(manifest: Manifest) -> pa.ChunkedArray:
    """The file that each path leads to, relative to the root if it lies inside.

    Each folder is resolved once, and a file only if it is a link: one ``lstat`` per photo costs
    little compared with reading the photo afterwards.
    """
    root = str(manifest.root)
    true_root = os.path.realpath(root)
    folders: dict[str, str] = {}

    def below(path: str) -> str:
        """The resolved path, relative to the root."""
        return os.path.relpath(os.path.realpath(path), true_root).replace(os.sep, "/")

    def resolved(name: str) -> str:
        folder, _, file = name.rpartition("/")
        path = name if name.startswith("/") else f"{root}/{name}"
        # Creating a Path per photo would take three times as long.
        if file in ("", ".", "..") or os.path.islink(path):  # noqa: PTH114  # see above
            return below(path)
        if folder not in folders:
            folders[folder] = below(path.removesuffix(file))
        own = folders[folder]
        return file if own == "." else f"{own}/{file}"

    chunks = []
    for chunk in manifest.table["path"].chunks:
        for start in range(0, len(chunk), ROWS):
            names = chunk.slice(start, ROWS).to_pylist()
            chunks.append(pa.array([resolved(name) for name in names], pa.large_string()))
    return pa.chunked_array(chunks, pa.large_string())


def _refuse_two(
    manifest: Manifest, name: str, again: NDArray[np.int64], first: NDArray[np.int64]
) -> None:
    column = manifest.table[name].cast(pa.string())
    differ = pc.not_equal(column.take(pa.array(again)), column.take(pa.array(first)))
    at = pc.index(pc.fill_null(differ, True), True).as_py()
    if at >= 0:
        row, before = int(again[at]), int(first[at])
        raise InputError(
            f"manifest of {manifest.root}: {manifest.table['path'][row].as_py()!r} in row "
            f"{row + 1} is the same photo as row {before + 1}, but its {name} is "
            f"{column[row].as_py()!r} in row {row + 1} and {column[before].as_py()!r} in row "
            f"{before + 1}; correct one row, or remove both"
        )
