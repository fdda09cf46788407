"""The manifest: a table ``path | identity | split | …`` of labeled photos."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from likewise.data.labels import text_column
from likewise.data.paths import path_inside
from likewise.data.store import PhotoStore, StoredPhoto
from likewise.errors import InputError

__all__ = ["SEARCHED", "SPLITS", "Manifest"]

SPLITS = frozenset({"train", "val", "test", "query", "gallery"})
"""The values of the column ``split``."""
SEARCHED = ("query", "gallery")
"""The two sides of a retrieval test: each photo of the first is searched among the second."""


@dataclass(frozen=True)
class Manifest:
    """Photos and their identities: an Arrow table and the folder that its paths start from.

    The table may be memory-mapped and have ten million rows: only ``names`` makes a Python object
    per row.

    Args:
        table: the columns ``path`` (relative to ``root``; the name of the photo in every output),
            ``identity`` (absent if unknown, as in a set of pairs), optionally ``split`` (one
            of ``SPLITS``), and any metadata.
        root: the folder of the photos, or the file that holds them; text becomes a ``Path``.
        store: reads the photo at each ``place`` (a column of whole numbers, such as offsets); None
            if each photo is a file.
        alignment: to what the faces in the photos are aligned (see ``likewise.data.alignment``);
            None if that is not recorded.

    Raises:
        InputError: a store, but no such column.

    Example:
        >>> import pyarrow as pa
        >>> from likewise import Manifest
        >>> table = pa.table({"path": ["anna/0.png", "bob/0.png"], "identity": ["anna", "bob"]})
        >>> found = Manifest(table, photos)
        >>> len(found), found.photo(0).name
        (2, '0.png')
    """

    table: pa.Table
    root: Path
    store: PhotoStore | None = None
    alignment: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.root, str):
            object.__setattr__(self, "root", Path(self.root))
        if self.store is None:
            return
        names, schema = self.table.column_names, self.table.schema
        if "place" not in names or not pa.types.is_integer(schema.field("place").type):
            found = str(schema.field("place").type) if "place" in names else "absent"
            raise InputError(
                f"{self.root}: column place: {found}; must hold whole numbers by which the store "
                "finds the photos"
            )

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @cached_property
    def identities(self) -> list[str]:
        """The distinct identities, sorted: label ``j`` is ``identities[j]``.

        Raises:
            InputError: the photos have no identities.
        """
        if "identity" not in self.table.column_names:
            raise InputError(
                f"{self.root}: its photos have no identities, so no model can be trained on "
                "them; its pairs can be verified: likewise evaluate"
            )
        column = text_column(self.table["identity"], self.root, "identity")
        return sorted(pc.unique(column).to_pylist())

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """The label of each row, int64 [N]: the index of its identity in ``identities``."""
        identities = self.identities  # first, because it raises if there are none
        column = self.table["identity"]
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        found = pc.index_in(column, value_set=pa.array(identities, column.type))
        labels: NDArray[np.int64] = found.to_numpy().astype(np.int64)
        return labels

    @property
    def names(self) -> list[str]:
        """The path of each row, relative to ``root``: the name of the photo in every output."""
        names: list[str] = self.table["path"].to_pylist()
        return names

    def photo(self, row: int) -> Path | StoredPhoto:
        """The photo of a row, not yet decoded.

        Raises:
            InputError: its path points outside ``root``.
        """
        name = str(self.table["path"][row].as_py())
        if self.store is not None:
            place = int(self.table["place"][row].as_py())
            return StoredPhoto(f"{self.root}: {name}", self.store, place)
        return path_inside(self.root, name)

    def photos(self) -> Iterator[Path | StoredPhoto]:
        """All photos in the order of the rows."""
        return (self.photo(row) for row in range(len(self)))

    def named(self, name: str) -> Path | StoredPhoto:
        """The photo with this ``path``.

        Raises:
            InputError: there is no such photo, or its path points outside ``root``.
        """
        row = pc.index(self.table["path"], name).as_py()
        if row < 0:
            raise InputError(f"{self.root}: holds no photo {name!r}")
        return self.photo(row)

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> Manifest:
        """A manifest of these rows, in this order."""
        return replace(self, table=self.table.take(pa.array(rows, pa.int64())))

    def slice(self, rows: slice) -> Manifest:
        """A manifest of consecutive rows, without a copy."""
        start, end, _ = rows.indices(len(self))
        return replace(self, table=self.table.slice(start, max(0, end - start)))

    def split(self, name: str) -> Manifest:
        """The rows whose ``split`` is ``name``; none if there is no column ``split``."""
        if "split" not in self.table.column_names:
            return replace(self, table=self.table.slice(0, 0))
        return replace(self, table=self.table.filter(pc.equal(self.table["split"], name)))

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the paths and identities; it tells on which photos a result was measured.

        Without identities all columns are hashed: the names in a set of pairs are only numbers.
        """
        digest = hashlib.sha256()
        labeled = "identity" in self.table.column_names
        for column in ("path", "identity") if labeled else self.table.column_names:
            for batch in self.table.select([column]).to_batches(max_chunksize=65_536):
                text = batch.column(0).cast(pa.large_string())
                # Each value followed by a zero byte, hashed as one buffer.
                ended = pc.binary_join_element_wise(
                    text, *(pa.scalar(t, text.type) for t in ("", "\0"))
                )
                digest.update(memoryview(ended.buffers()[2] or b""))
        return digest.hexdigest()[:16]
