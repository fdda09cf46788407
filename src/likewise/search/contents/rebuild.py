"""What an index holds, as it changes: one writer at a time, and rebuilds beside the readers."""

from __future__ import annotations

import logging
import threading

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from likewise.errors import InputError, LikewiseError
from likewise.search.contents.input_checks import checked_ids, checked_items, integer_ids
from likewise.search.contents.numeric_frame import Frame
from likewise.search.contents.snapshot import Base, Fresh, Snapshot
from likewise.search.contents.space import Space
from likewise.search.families.engine import Engine, Ids, Vectors
from likewise.search.families.exact import Exact
from likewise.search.families.knobs import Settings, settled

__all__ = ["Contents", "FallenApart", "built_base", "engine_base"]

log = logging.getLogger(__name__)

# When a rebuild pays: fresh rows are scanned by every search, removed ones are asked for in vain.
FRESH_ROWS = 2_000
FRESH_SHARE = 0.05
GONE_SHARE = 0.2
# Of so many of its own vectors a graph has to find so large a share, each among so many.
SAMPLE, FOUND, AMONG = 200, 0.95, 10
LOOK_UP = 16  # bytes a vector, to find its row by its id


def built_base(
    family: type[Engine],
    space: Space,
    settings: Settings,
    vectors: Vectors,
    ids: Ids,
    items: pa.Table | None,
) -> Base:
    """The same with an exact engine, and a warning, in place of a graph that has fallen apart."""
    try:
        return engine_base(family, space, settings, vectors, ids, items)
    except FallenApart as error:
        log.warning("%s; all vectors are compared instead", error)
        return Base(vectors, ids, items, Exact.build(vectors, space.metric, {}))


def engine_base(
    family: type[Engine],
    space: Space,
    settings: Settings,
    vectors: Vectors,
    ids: Ids,
    items: pa.Table | None,
) -> Base:
    """Build the family's engine over vectors; an exact one where they are too few for it.

    Raises:
        FallenApart: a graph that does not lead to its own vectors.
    """
    if len(vectors) < max(1, family.smallest):
        return Base(vectors, ids, items, Exact.build(vectors, space.metric, {}))
    plain = np.asarray(vectors)
    frame = None if family is Exact else Frame.around(plain, space.metric)
    seen = plain if frame is None else frame.seen(plain)
    base = Base(vectors, ids, items, family.build(seen, space.metric, settings), frame)
    if family.walks:
        share = _found_again(base, space)
        if share < FOUND:
            raise FallenApart(
                f"family {family.name}: its graph leads to {share:.0%} of its own vectors, as "
                "happens where many are equally far from one another"
            )
    return base


def _found_again(base: Base, space: Space) -> float:
    """The share of some of the vectors that a search for them finds, or as near a one."""
    kind, count = type(base.engine), len(base.ids)
    rows = np.unique(np.linspace(0, count - 1, SAMPLE).astype(np.int64))
    queries = np.ascontiguousarray(base.plain[rows])
    settings = settled(kind.name, kind.search_knobs, None)
    found = base.nearest(queries, min(AMONG, count), settings)
    scores = space.scores(queries, base.plain[np.maximum(found, 0)])
    own = space.scores(queries, queries[:, None])
    return float(((scores >= own) & (found >= 0)).any(axis=1).mean())


class FallenApart(InputError):
    """A graph has lost many of its vectors: a search cannot come to them."""


class Contents:
    """The snapshot that holds now, and the only ways to replace it.

    Args:
        family: the family of the engine.
        settings: its build settings.
        space: what vectors are compared in.
        fingerprint: the embedder that made them.
        base: the first base.
        snapshot: what of it is left, and what came since; all of it and nothing more if None.
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
        width = base.vectors.shape[1]
        self.dimension = int(width if space.factor is None else space.factor.shape[1])
        # An empty snapshot counts as false, and is not the same as none.
        self.snapshot = (
            Snapshot(base, Fresh.none(width, base.items)) if snapshot is None else snapshot
        )
        self._stamp = self.snapshot.fresh.count
        self._writing = threading.Lock()
        self._rebuilding = threading.Lock()
        self._worker: threading.Thread | None = None
        self._failure: Exception | None = None
        self._changes = 0  # rows added and removed so far
        self._next_try = 0  # no rebuild by itself before so many changes

    @property
    def memory_bytes(self) -> int:
        """Resident memory that searching, and describing what was found, need."""
        now = self.snapshot
        base, fresh = now.base, now.fresh
        mapped = isinstance(base.vectors, np.memmap) and not base.engine.scans
        vectors = 0 if mapped else base.vectors.nbytes
        fresh_bytes = fresh.vectors_room.nbytes + fresh.ids_room.nbytes + fresh.stamps_room.nbytes
        gone = 0 if now.gone is None else now.gone.nbytes
        items = sum(table.nbytes for table in (base.items, fresh.items) if table is not None)
        ids = base.ids.nbytes + LOOK_UP * len(base.ids)
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
                    "items: the index and what is added must both have them, or neither"
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
        """Whether a rebuild would pay."""
        now = self.snapshot
        count = len(now.base.ids)
        return now.fresh.count > max(FRESH_ROWS, FRESH_SHARE * count) or now.gone_count > max(
            FRESH_ROWS // 2, GONE_SHARE * count
        )

    def rebuild(self) -> None:
        """Build anew over what is here, then take over what changed meanwhile."""
        with self._rebuilding:
            with self._writing:
                old, stamp = self.snapshot, self._stamp
            base = built_base(
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
        """Start ``rebuild`` in a thread, or return the one at work."""
        with self._writing:
            if self._worker is None or not self._worker.is_alive():
                self._worker = threading.Thread(
                    target=self._work, name="likewise-rebuild", daemon=True
                )
                self._worker.start()
            return self._worker

    def wait(self) -> None:
        """Join the thread at work; raise what stopped it."""
        worker = self._worker
        if worker is not None:
            worker.join()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            self._next_try = 0  # whoever waits has been told, and may have made room
            raise LikewiseError(f"rebuilding the index failed: {_reason(failure)}") from failure

    def _work(self) -> None:
        try:
            self.rebuild()
        except Exception as error:  # kept for ``wait``: the old engine goes on searching
            more = int(max(FRESH_ROWS, FRESH_SHARE * len(self.snapshot)))
            with self._writing:
                self._failure, self._next_try = error, self._changes + more
            log.warning(
                "rebuilding the index failed (%s); it goes on with the old engine, tries again "
                "after %d more changes, and searches slow down until then",
                _reason(error),
                more,
            )

    def _rebuild_if_degraded(self) -> None:
        if self.degraded and self._changes >= self._next_try:
            self.rebuild_in_background()


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _carried_over(old: Snapshot, now: Snapshot, base: Base, stamp: int) -> Snapshot:
    """The new base with what changed while it was built: rows gone since, rows come since.

    Args:
        old: what the base was built from.
        now: what holds now.
        base: the new base; its rows are ``old``'s kept rows, then its fresh ones.
        stamp: the first that was not given yet when ``old`` was taken.
    """
    gone_before = np.zeros(0, np.bool_) if now.gone is None else now.gone[old.kept]
    if not len(gone_before):
        gone_before = np.zeros(len(old.kept), np.bool_)
    gone_fresh = ~np.isin(old.fresh.stamps, now.fresh.stamps)
    gone = np.concatenate([gone_before, gone_fresh])
    since = np.flatnonzero(now.fresh.stamps >= stamp)
    count = int(gone.sum())
    return Snapshot(base, now.fresh.only(since), gone if count else None, count)
