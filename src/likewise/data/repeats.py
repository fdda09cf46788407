"""The same photo listed more than once: it is no two photos, and no pair with itself."""

from __future__ import annotations

import logging
import os

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from likewise.data.manifest import Manifest
from likewise.errors import InputError

__all__ = ["repeated_rows", "without_repeats"]

log = logging.getLogger(__name__)

ROWS = 65_536  # names held as Python's texts at a time


def without_repeats(manifest: Manifest) -> Manifest:
    """Each photo once: of rows that name the same photo, the first stays.

    Two rows are of one photo if their paths lead to one file (``a.jpg``, ``./a.jpg``, a link to
    it), or if they are at one place in a store. How many are left out is logged, with the first.

    Raises:
        InputError: rows of one photo say that it shows two people, or put it on two sides of a
            split; names the rows.
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
        "manifest of %s: %s again in another row and left out; the first is %r in row %d, as in "
        "row %d",
        manifest.root,
        "1 photo is listed" if len(again) == 1 else f"{len(again):,} photos are listed",
        manifest.table["path"][row].as_py(),
        row + 1,
        first[row] + 1,
    )
    return manifest.take(np.flatnonzero(first == rows))


def repeated_rows(manifest: Manifest) -> NDArray[np.int64]:
    """For each row the first row of the same photo, itself where there is none before it, [N]."""
    keys = manifest.table["place"] if manifest.store is not None else _files(manifest)
    if pc.count_distinct(keys).as_py() == len(keys):
        return np.arange(len(keys))
    which = pc.index_in(keys, value_set=pc.unique(keys)).to_numpy()
    first = np.unique(which, return_index=True)[1]
    found: NDArray[np.int64] = first[which].astype(np.int64)
    return found


def _files(manifest: Manifest) -> pa.ChunkedArray:
    """The file that each path leads to, below the root where it lies there.

    Folders are resolved once each, and a file only if it is a link: a look at its entry is little
    beside reading the photo, which whoever asks is about to do.
    """
    root = str(manifest.root)
    true_root = os.path.realpath(root)
    folders: dict[str, str] = {}

    def below(path: str) -> str:
        """Where a path leads, as seen from the root."""
        return os.path.relpath(os.path.realpath(path), true_root).replace(os.sep, "/")

    def resolved(name: str) -> str:
        folder, _, file = name.rpartition("/")
        path = name if name.startswith("/") else f"{root}/{name}"
        # A Path for each of many photos would take three times as long.
        if file in ("", ".", "..") or os.path.islink(path):  # noqa: PTH114  # no Path each
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
            f"{row + 1} is the photo of row {before + 1}, and its {name} is "
            f"{column[row].as_py()!r} here and {column[before].as_py()!r} there; correct one of "
            "the two, or leave both out"
        )
