"""The changing contents of an index: one writer at a time; rebuilds run beside searches."""

from __future__ import annotations

import logging
import threading

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from likewise.errors import InputError, LikewiseError, first_line
from likewise.search.contents.build import build_base
from likewise.search.contents.input_checks import checked_ids, checked_items, integer_ids
from likewise.search.contents.snapshot import Base, Fresh, Snapshot
from likewise.search.contents.space import Space
from likewise.search.engines.engine import Engine, Vectors
from likewise.search.engines.parameters import Settings

__all__ = ["Contents"]

log = logging.getLogger(__name__)

# When to rebuild: every search scans the fresh rows, and wastes candidates on removed ones.
FRESH_ROWS = 2_000
FRESH_SHARE = 0.05
GONE_SHARE = 0.2
LOOKUP_BYTES = 16  # a vector, to find its row by its id


class Contents:
    """The current snapshot of an index, and the operations that replace it.

    Args:
        family: the family of the engine.
        settings: its build settings.
        space: the metric.
        fingerprint: the embedder that made them.
        base: the first base.
        snapshot: the base with the changes since; the base alone if None.
    """

    def __init__(
        self,
        family: type[Engine],
        settings: Settings,
        space: Space,
        fingerprint: str,
        base: Base,
        snapshot: Snapshot | None = None,
    ) -> None:
        self.family = family
        self.settings = settings
        self.space = space
        self.fingerprint = fingerprint
        self.alignment: str | None = None  # of the photos, where it is recorded
        width = base.vectors.shape[1]
        self.dimension = int(width if space.factor is None else space.factor.shape[1])
        # Not ``snapshot or``: an empty snapshot is false.
        self.snapshot = (
            Snapshot(base, Fresh.none(width, base.items)) if snapshot is None else snapshot
        )
        self._stamp = self.snapshot.fresh.count
        self._writing = threading.Lock()
        self._rebuilding = threading.Lock()
        self._worker: threading.Thread | None = None
        self._failure: Exception | None = None
        self._changes = 0  # rows added and removed so far
        self._next_try = 0  # no automatic rebuild before this many changes

    @property
    def memory_bytes(self) -> int:
        """Resident memory of searching and of describing results."""
        now = self.snapshot
        base, fresh = now.base, now.fresh
        mapped = isinstance(base.vectors, np.memmap) and not base.engine.exhaustive
        vectors = 0 if mapped else base.vectors.nbytes
        fresh_bytes = fresh.vectors_room.nbytes + fresh.ids_room.nbytes + fresh.stamps_room.nbytes
        gone = 0 if now.gone is None else now.gone.nbytes
        items = sum(table.nbytes for table in (base.items, fresh.items) if table is not None)
        ids = base.ids.nbytes + LOOKUP_BYTES * len(base.ids)
        return int(base.engine.memory_bytes + vectors + ids + items + fresh_bytes + gone)

    def change(
        self, vectors: Vectors, ids: ArrayLike, items: pa.Table | None, *, replace: bool
    ) -> None:
        """Add rows; with ``replace``, in place of those with the same ids."""
        numbers = checked_ids(ids, len(vectors))
        rows = checked_items(items, len(vectors))
        with self._writing:
            now = self.snapshot
            known = now.rows_of(numbers) >= 0
            if known.any() and not replace:
                raise InputError(
                    f"ids: {int(numbers[np.argmax(known)])} is already in the index; "
                    "remove it first, or update it"
                )
            if (rows is None) != (now.base.items is None):
                raise InputError(
                    "items: the index and the new vectors must both have them, or neither"
                )
            if known.any():
                now = now.without(numbers[known])
            self.snapshot = now.with_more(vectors, numbers, self._stamp, rows)
            self._stamp += len(numbers)
            self._changes += len(numbers)
        self._rebuild_if_degraded()

    def remove(self, ids: ArrayLike) -> int:
        """Remove rows by id; return how many there were."""
        numbers = integer_ids(ids).reshape(-1)
        with self._writing:
            before = len(self.snapshot)
            self.snapshot = self.snapshot.without(numbers)
            gone = before - len(self.snapshot)
            self._changes += gone
        self._rebuild_if_degraded()
        return gone

    @property
    def degraded(self) -> bool:
        """Whether a rebuild is worthwhile."""
        now = self.snapshot
        count = len(now.base.ids)
        return now.fresh.count > max(FRESH_ROWS, FRESH_SHARE * count) or now.gone_count > max(
            FRESH_ROWS // 2, GONE_SHARE * count
        )

    def rebuild(self) -> None:
        """Build a new base over the current rows, then apply the changes made meanwhile."""
        with self._rebuilding:
            with self._writing:
                old, stamp = self.snapshot, self._stamp
            base = build_base(
                self.family,
                self.space,
                self.settings,
                np.ascontiguousarray(old.vectors),
                np.ascontiguousarray(old.ids),
                old.items,
            )
            with self._writing:
                self.snapshot = _carried_over(old, self.snapshot, base, stamp)
                self._failure = None

    def rebuild_in_background(self) -> threading.Thread:
        """Start ``rebuild`` in a thread, or return the running one."""
        with self._writing:
            if self._worker is None or not self._worker.is_alive():
                self._worker = threading.Thread(
                    target=self._work, name="likewise-rebuild", daemon=True
                )
                self._worker.start()
            return self._worker

    def wait(self) -> None:
        """Join the running thread.

        Raises:
            LikewiseError: the rebuild failed.
        """
        worker = self._worker
        if worker is not None:
            worker.join()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            self._next_try = 0  # the caller knows now, and may free memory
            raise LikewiseError(f"rebuilding the index failed: {first_line(failure)}") from failure

    def _work(self) -> None:
        try:
            self.rebuild()
        except Exception as error:  # kept for ``wait``: searches use the old engine
            more = int(max(FRESH_ROWS, FRESH_SHARE * len(self.snapshot)))
            with self._writing:
                self._failure, self._next_try = error, self._changes + more
            log.warning(
                "rebuilding the index failed (%s); searches use the old engine and get slower; the "
                "next attempt is after %d more changes",
                first_line(error),
                more,
            )

    def _rebuild_if_degraded(self) -> None:
        if self.degraded and self._changes >= self._next_try:
            self.rebuild_in_background()


def _carried_over(old: Snapshot, now: Snapshot, base: Base, stamp: int) -> Snapshot:
    """The new base with the changes made while it was built: removed rows and fresh rows.

    Args:
        old: the snapshot that the base was built from.
        now: the current snapshot.
        base: the new base; its rows are the kept rows of ``old``, then its fresh ones.
        stamp: the next stamp at the time of ``old``; rows added later have it or a larger one.
    """
    gone_before = np.zeros(0, np.bool_) if now.gone is None else now.gone[old.kept]
    if not len(gone_before):
        gone_before = np.zeros(len(old.kept), np.bool_)
    gone_fresh = ~np.isin(old.fresh.stamps, now.fresh.stamps)
    gone = np.concatenate([gone_before, gone_fresh])
    since = np.flatnonzero(now.fresh.stamps >= stamp)
    count = int(gone.sum())
    return Snapshot(base, now.fresh.only(since), gone if count else None, count)
