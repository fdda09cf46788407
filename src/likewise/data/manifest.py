"""The manifest: a table ``path | identity | split | …`` over which everything else is defined."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from likewise.errors import InputError

__all__ = ["Manifest", "read_manifest"]

SPLITS = frozenset({"train", "val", "test"})


@dataclass(frozen=True)
class Manifest:
    """Photos and whom they show: an Arrow table and the folder that its paths start from.

    Args:
        table: the columns ``path`` (relative to ``root``), ``identity``, optionally ``split``
            (train, val or test), and any metadata.
        root: the folder of the photos.
    """

    table: pa.Table
    root: Path

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @cached_property
    def identities(self) -> list[str]:
        """The distinct identities, sorted: label ``j`` is ``identities[j]``."""
        return sorted(pc.unique(self.table["identity"]).to_pylist())

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """The label of each row, shape [N]: the place of its identity in ``identities``."""
        found = pc.index_in(self.table["identity"], value_set=pa.array(self.identities))
        labels: NDArray[np.int64] = found.to_numpy().astype(np.int64)
        return labels

    @property
    def names(self) -> list[str]:
        """The path of each row, relative to ``root``: what a photo is called in every output."""
        names: list[str] = self.table["path"].to_pylist()
        return names

    def file(self, row: int) -> Path:
        """Where the photo of a row is."""
        return self.root / str(self.table["path"][row].as_py())

    def files(self) -> Iterator[Path]:
        """Where the photos are, row by row."""
        return (self.root / name for name in self.names)

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> Manifest:
        """These rows alone, in this order."""
        return Manifest(self.table.take(pa.array(rows, pa.int64())), self.root)

    def split(self, name: str) -> Manifest:
        """The rows whose ``split`` is ``name`` (none where there is no such column)."""
        if "split" not in self.table.column_names:
            return Manifest(self.table.slice(0, 0), self.root)
        return Manifest(self.table.filter(pc.equal(self.table["split"], name)), self.root)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the paths and identities: which set of photos a result was measured on."""
        digest = hashlib.sha256()
        for column in ("path", "identity"):
            for value in self.table[column].to_pylist():
                digest.update(value.encode())
                digest.update(b"\0")
        return digest.hexdigest()[:16]


def read_manifest(source: str | Path, root: str | Path | None = None) -> Manifest:
    """Read a folder with one sub-folder an identity, or a CSV/TSV/Parquet table, as a manifest.

    Args:
        source: the folder or the table.
        root: where the table's paths start from; by default the table's own folder.

    Raises:
        InputError: it is missing, of no known kind, or holds no photo; a row is named where one
            is at fault.

    Example:
        >>> from likewise.data.manifest import read_manifest
        >>> manifest = read_manifest(photos)
        >>> manifest.identities
        ['anna', 'bob', 'carl']
    """
    from likewise.data.folder import read_folder
    from likewise.data.table import SUFFIXES, read_table

    path = Path(source)
    if path.is_dir():
        return read_folder(path)
    if not path.exists():
        raise InputError(f"{path}: no such folder or file")
    if path.suffix.lower() in SUFFIXES:
        return read_table(path, Path(root) if root is not None else path.parent)
    raise InputError(f"{path}: neither a folder of identities nor a {', '.join(sorted(SUFFIXES))}")
