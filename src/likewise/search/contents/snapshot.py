"""The contents of an index at one moment; never changed, so that readers need no lock.

The engine was built over the base. Rows removed from the base are only marked; rows added since are
the fresh rows. A change makes a new snapshot, which shares the unchanged parts with the old one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa

from likewise.errors import InputError, first_line
from likewise.search.contents.rescaling import Rescaling
from likewise.search.engines.engine import Engine, Ids, Mask, Rows, Vectors
from likewise.search.engines.parameters import Settings

__all__ = ["Base", "Fresh", "Snapshot"]


@dataclass(frozen=True, eq=False)
class Base:
    """The rows that the engine was built over.

    Args:
        vectors: float32 [N,D], prepared by the space; may be memory-mapped.
        ids: int64 [N], distinct.
        items: N rows of metadata, or None.
        engine: the search structure over the vectors.
        rescaling: of the vectors and queries that the engine gets; None for unchanged.
    """

    vectors: Vectors
    ids: Ids
    items: pa.Table | None
    engine: Engine
    rescaling: Rescaling | None = None

    def nearest(
        self, queries: Vectors, k: int, settings: Settings, mask: Mask | None = None
    ) -> Rows:
        """The engine's candidates, int64 [Q,C]: see ``Engine.nearest``."""
        rescaled = queries if self.rescaling is None else self.rescaling.apply(queries)
        return self.engine.nearest(rescaled, k, settings, mask)

    @cached_property
    def plain(self) -> Vectors:
        """The vectors as a plain array, for libraries that do not accept ``np.memmap``."""
        return np.asarray(self.vectors)

    @cached_property
    def by_id(self) -> tuple[Ids, Rows]:
        """The ids in ascending order, and the row of each."""
        order = np.argsort(self.ids, kind="stable").astype(np.int64)
        return self.ids[order], order

    def rows_of(self, ids: Ids) -> Rows:
        """The row of each id, -1 for an unknown id."""
        return _rows_among(ids, *self.by_id)


@dataclass(frozen=True, eq=False)
class Fresh:
    """The rows added since the engine was built, in the order of addition.

    The three arrays have capacity for more than ``count`` rows: new rows are written behind those
    that older snapshots see.
    """

    vectors_room: Vectors
    ids_room: Ids
    stamps_room: Ids
    count: int
    items: pa.Table | None

    @classmethod
    def none(cls, dimension: int, items: pa.Table | None) -> Fresh:
        """No rows; ``items`` gives the columns."""
        empty = np.empty(0, np.int64)
        table = None if items is None else items.slice(0, 0)
        return cls(np.empty((0, dimension), np.float32), empty, empty, 0, table)

    @property
    def vectors(self) -> Vectors:
        """float32 [F,D]."""
        return self.vectors_room[: self.count]

    @property
    def ids(self) -> Ids:
        """int64 [F]."""
        return self.ids_room[: self.count]

    @property
    def stamps(self) -> Ids:
        """Sequence numbers of the additions, int64 [F], ascending."""
        return self.stamps_room[: self.count]

    def rows_of(self, ids: Ids) -> Rows:
        """The row of each id, -1 for an unknown id."""
        order = np.argsort(self.ids, kind="stable").astype(np.int64)
        return _rows_among(ids, self.ids[order], order)

    def with_more(self, vectors: Vectors, ids: Ids, first: int, items: pa.Table | None) -> Fresh:
        """These rows and more, stamped from ``first``; call it on the newest snapshot only."""
        count = self.count + len(ids)
        rooms = (self.vectors_room, self.ids_room, self.stamps_room)
        if count > len(self.ids_room):
            room = max(64, 2 * count)
            rooms = tuple(_with_room(part[: self.count], room) for part in rooms)  # type: ignore[assignment]  # three again
        rooms[0][self.count : count] = vectors
        rooms[1][self.count : count] = ids
        rooms[2][self.count : count] = np.arange(first, first + len(ids))
        return Fresh(*rooms, count, items)

    def only(self, rows: Rows) -> Fresh:
        """Some of the rows, in new arrays."""
        items = None if self.items is None else self.items.take(pa.array(rows))
        parts = (self.vectors[rows], self.ids[rows], self.stamps[rows])
        return Fresh(*parts, len(rows), items)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The base without its removed rows, and the fresh rows.

    Row numbers 0 … N-1 are rows of the base, N and above are fresh rows.

    Args:
        base: the rows that the engine was built over.
        fresh: the rows added since.
        gone: bool [N], True for removed rows of the base; None if there are none.
        gone_count: how many of them.
    """

    base: Base
    fresh: Fresh
    gone: Mask | None = None
    gone_count: int = 0

    def __len__(self) -> int:
        return len(self.base.ids) - self.gone_count + self.fresh.count

    @cached_property
    def kept(self) -> Rows:
        """The base's rows that are not removed."""
        if self.gone is None:
            return np.arange(len(self.base.ids), dtype=np.int64)
        return np.flatnonzero(~self.gone).astype(np.int64)

    @cached_property
    def alive(self) -> Mask:
        """True for the base's rows that are not removed."""
        return np.ones(len(self.base.ids), np.bool_) if self.gone is None else ~self.gone

    @cached_property
    def vectors(self) -> Vectors:
        """All vectors, float32 [len,D]; the array of the base if nothing has changed."""
        if not self.gone_count and not self.fresh.count:
            return self.base.vectors
        return np.concatenate([self.base.plain[self.kept], self.fresh.vectors])

    @cached_property
    def ids(self) -> Ids:
        """All ids, int64 [len], in the order of ``vectors``."""
        if not self.gone_count and not self.fresh.count:
            return self.base.ids
        return np.concatenate([self.base.ids[self.kept], self.fresh.ids])

    @cached_property
    def items(self) -> pa.Table | None:
        """All items, in the order of ``vectors``."""
        if self.base.items is None or (not self.gone_count and not self.fresh.count):
            return self.base.items
        kept = self.base.items.take(pa.array(self.kept)) if self.gone_count else self.base.items
        return pa.concat_tables([kept, self.fresh.items], promote_options="default")

    def rows_of(self, ids: Ids) -> Rows:
        """The row of each id, -1 for an unknown or removed id."""
        rows = self.base.rows_of(ids)
        if self.gone is not None:
            rows[(rows >= 0) & self.gone[rows]] = -1
        if self.fresh.count:
            fresh = self.fresh.rows_of(ids)
            rows = np.where(fresh >= 0, fresh + len(self.base.ids), rows)
        return rows

    def gather(self, rows: Rows) -> Vectors:
        """The vectors of rows, float32 [*rows.shape, D]."""
        if not self.fresh.count:
            return self.base.plain[rows]
        count = len(self.base.ids)
        found = np.empty((*rows.shape, self.base.vectors.shape[1]), np.float32)
        old = rows < count
        found[old] = self.base.plain[rows[old]]
        found[~old] = self.fresh.vectors[rows[~old] - count]
        return found

    def ids_at(self, rows: Rows) -> Ids:
        """The ids of rows."""
        if not self.fresh.count:
            return self.base.ids[rows]
        count = len(self.base.ids)
        found = np.empty(rows.shape, np.int64)
        old = rows < count
        found[old] = self.base.ids[rows[old]]
        found[~old] = self.fresh.ids[rows[~old] - count]
        return found

    def items_at(self, rows: Rows) -> pa.Table | None:
        """The items of rows; nulls for a row of -1. None if the index has no items."""
        if self.base.items is None:
            return None
        if not self.fresh.count or self.fresh.items is None:
            return self.base.items.take(pa.array(rows, mask=rows < 0))
        count = len(self.base.ids)
        old = rows < count
        some, rest = rows[old], rows[~old] - count
        found = pa.concat_tables(
            [
                self.base.items.take(pa.array(some, mask=some < 0)),
                self.fresh.items.take(pa.array(rest)),
            ],
            promote_options="default",
        )
        back = np.argsort(np.concatenate([np.flatnonzero(old), np.flatnonzero(~old)]))
        return found.take(pa.array(back))

    def with_more(self, vectors: Vectors, ids: Ids, first: int, items: pa.Table | None) -> Snapshot:
        """This snapshot with more rows.

        Raises:
            InputError: the columns of the items do not match the index's.
        """
        table = None
        if items is not None and self.fresh.items is not None:
            try:
                table = pa.concat_tables([self.fresh.items, items], promote_options="default")
            except pa.ArrowException as error:
                reason = first_line(error)
                raise InputError(
                    f"items: their columns do not fit the index's ({reason})"
                ) from None
        return replace(self, fresh=self.fresh.with_more(vectors, ids, first, table))

    def without(self, ids: Ids) -> Snapshot:
        """This snapshot without some ids; unknown ids are ignored."""
        rows = self.rows_of(np.unique(ids))
        count = len(self.base.ids)
        old, new = rows[(rows >= 0) & (rows < count)], rows[rows >= count] - count
        found = self
        if len(old):
            gone = np.zeros(count, np.bool_) if self.gone is None else self.gone.copy()
            gone[old] = True
            found = replace(found, gone=gone, gone_count=self.gone_count + len(old))
        if len(new):
            kept = np.delete(np.arange(self.fresh.count), new)
            found = replace(found, fresh=self.fresh.only(kept))
        return found


def _rows_among(ids: Ids, ascending: Ids, order: Rows) -> Rows:
    if not len(order):
        return np.full(len(ids), -1, np.int64)
    places = np.minimum(np.searchsorted(ascending, ids), len(order) - 1)
    return np.where(ascending[places] == ids, order[places], -1)


def _with_room(part: np.ndarray, room: int) -> np.ndarray:
    wider = np.empty((room, *part.shape[1:]), part.dtype)
    wider[: len(part)] = part
    return wider
