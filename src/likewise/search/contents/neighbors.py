"""The neighbors of some queries as a table that shows itself: in text, in a notebook, as photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from likewise.arrays import data_frame
from likewise.data.images import ImageSource
from likewise.data.manifest import Manifest
from likewise.errors import InputError
from likewise.pages.shown import COLUMNS, PICTURE_ROWS, ROWS, Picture, Shown, Table, View

__all__ = ["Neighbors"]

ACROSS = 6  # neighbors of a query that are shown as photos


@dataclass(frozen=True, repr=False, eq=False)
class Neighbors(Shown):
    """The nearest neighbors of some queries.

    Args:
        table: a row for each query and rank: ``query``, ``rank`` from 1, ``score``, ``id``, and
            what the index knows of that item.
        photos: a manifest, or the folder that the items' column ``path`` is relative to; None to
            show no photos.
        query_photos: the photos of the queries, one for each; None to show only the neighbors.
    """

    table: pa.Table
    photos: Manifest | str | Path | None = None
    query_photos: Sequence[ImageSource] | None = None

    def __post_init__(self) -> None:
        if self.photos is not None and "path" not in self.table.column_names:
            raise InputError(
                "photos: the index has no item column path, so its photos are not known; build it "
                "with items that have one"
            )
        if self.query_photos is not None and len(self.query_photos) != self.queries:
            raise InputError(
                f"query_photos: {len(self.query_photos)} for {self.queries} queries; one for each"
            )

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def queries(self) -> int:
        """The number of queries."""
        return int(self.table["rank"].to_numpy().tolist().count(1))

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame`` with the rows and columns of ``table``."""
        return data_frame(self.table)

    def _view(self) -> View:
        head = self.table.slice(0, ROWS)
        shown = [head[name].to_pylist() for name in self.table.column_names[:COLUMNS]]
        rows = list(zip(*shown, strict=True))
        title = f"Neighbors: {len(self):,} of {self.queries:,} queries"
        table = Table(self.table.column_names, rows, count=len(self))
        return View(title, (), [table])

    def _pictures(self) -> Sequence[Sequence[Picture]]:
        if self.photos is None and self.query_photos is None:
            return ()
        ranks = self.table["rank"].to_numpy()
        starts = [row for row, rank in enumerate(ranks.tolist()) if rank == 1]
        ends = [*starts[1:], len(self)]
        found: list[Sequence[Picture]] = []
        for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
            if number >= PICTURE_ROWS:  # only counted
                found.append(())
                continue
            row = []
            if self.query_photos is not None:
                photo = self.query_photos[number]
                name = str(photo) if isinstance(photo, str | Path) else f"query {number}"
                row.append(Picture(_thumbnail(photo), (Path(name).name, "query"), first=True))
            for one in self.table.slice(start, min(end - start, ACROSS)).to_pylist():
                source = ""
                if self.photos is not None and one["path"] is not None:
                    source = _thumbnail(photo_of(self.photos, one["path"]))
                name = one.get("identity") or one.get("path") or one["id"]
                row.append(Picture(source, (str(name), f"{one['score']:.3f}")))
            found.append(row)
        return found


def photo_of(photos: Manifest | str | Path, name: str) -> ImageSource:
    """The photo of a name, in a manifest or below a folder."""
    return photos.named(name) if isinstance(photos, Manifest) else Path(photos) / name


def _thumbnail(photo: ImageSource) -> str:
    from likewise.pages.pictures import thumbnail

    return thumbnail(photo)
