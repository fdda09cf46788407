"""The one interface of every index: what it holds is the truth, its engine a cache over it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from likewise.data.embeddings import EXTERNAL, require_same_embedder
from likewise.distances.mahalanobis import Mahalanobis
from likewise.errors import InputError
from likewise.search.contents.filter import Filter, chosen_rows
from likewise.search.contents.holdings import Holdings
from likewise.search.contents.input_checks import (
    as_array,
    checked_count,
    checked_ids,
    checked_items,
    checked_threshold,
    checked_vectors,
    integer_ids,
)
from likewise.search.contents.nearest import nearest
from likewise.search.contents.range_search import within
from likewise.search.contents.rebuild import Contents, built_base
from likewise.search.contents.space import METRICS, Space, require_metric, space_of
from likewise.search.families import family_named
from likewise.search.families.engine import Ids, Vectors
from likewise.search.families.knobs import Settings, settled
from likewise.search.tables import Tables, items_of
from likewise.search.tuning.aim import Aim, Limits

__all__ = ["METRICS", "Index", "checked_vectors"]


@final
class Index(Holdings, Tables):
    """Finds the most alike of the vectors it holds; scores are higher for more alike.

    Vectors, ids and items are the truth. A *family* (see ``likewise.search.families``) builds an
    engine over them that finds candidates; each is scored again from the vectors, exactly and the
    same way for every family, so that a threshold carries over. Vectors added later are searched
    exactly until the engine is rebuilt, which happens in the background once enough has changed.

    Any number of threads may search while one adds, removes or rebuilds: a search sees the index
    as it was at one moment.

    Make one with ``Index.build`` or ``Index.load``.
    """

    # Making one

    @classmethod
    def build(
        cls,
        vectors: ArrayLike,
        ids: ArrayLike | None = None,
        *,
        family: str | None = None,
        settings: Mapping[str, object] | None = None,
        search_settings: Mapping[str, object] | None = None,
        metric: str | Mahalanobis = "cosine",
        fingerprint: str = EXTERNAL,
        items: pa.Table | None = None,
        recall: float | None = None,
        mates: float | None = None,
        k: int = 10,
        batch: int = 1,
        limits: Limits | None = None,
        seed: int = 0,
    ) -> Index:
        """Build an index; with ``recall`` or ``mates``, the fastest that is found to reach it.

        Args:
            vectors: [N,D], finite; for cosine of any length but zero.
            ids: int64 [N], distinct; 0 … N-1 if None.
            family: a name of ``likewise.search.families.FAMILIES``; ``exact`` if None. With a
                recall it is the only one tried beside exact search, and None tries them all.
            settings: the family's build knobs; what is not named takes its default.
            search_settings: the family's search knobs, for searches that name none.
            metric: ``cosine``, ``dot``, ``euclidean``, ``manhattan``, ``mahalanobis:FILE.npy``
                (the matrix [D,D]), or a ``Mahalanobis`` distance. The score of a distance is its
                negative.
            fingerprint: the embedder that made the vectors.
            items: N rows that say what each vector is of.
            recall: of the k nearest, in (0, 1), to be reached on queries that it does not hold:
                see ``likewise.search.tuning.tune``, which chooses the settings.
            mates: of the true mates above the operating threshold; the column ``identity`` of
                ``items`` says who they are.
            k: how many neighbours will be asked for; for the tuner, as what follows.
            batch: how many queries will come at one time.
            limits: on memory and time to build.
            seed: of what the tuner draws.

        Raises:
            InputError: a vector is not finite or zero (names the row), an id comes twice, the
                counts differ, the family has no such metric or knob, or settings are given to be
                tuned.
            MissingExtra: the family's library is not installed.
            LikewiseError: nothing reaches the recall within the limits.

        Example:
            >>> import numpy as np
            >>> from likewise.search.index import Index
            >>> index = Index.build(np.eye(3), [10, 20, 30])
            >>> scores, ids = index.search([0, 1, 0.1], k=2)
            >>> ids.tolist()
            [[20, 30]]
        """
        if recall is not None or mates is not None:
            from likewise.search.tuning.tuned import tuned_index

            if settings or search_settings:
                raise InputError("settings: the tuner chooses them; leave them out, or the recall")
            return tuned_index(
                vectors, ids, Aim(recall, mates, k, batch), limits,
                [family] if family else None, metric, fingerprint, items, seed,
            )  # fmt: skip
        family = family or "exact"
        kind = family_named(family)
        space = space_of(metric)
        require_metric(kind, space)
        chosen = settled(family, kind.build_knobs, settings)
        searching = settled(family, kind.search_knobs, search_settings)
        kind.require()
        ready = space.admit(vectors)
        numbers = checked_ids(np.arange(len(ready)) if ids is None else ids, len(ready))
        table = checked_items(items, len(ready))
        base = built_base(kind, space, chosen, ready, numbers, table)
        return cls(Contents(kind, chosen, space, fingerprint, base), searching, {})

    def save(self, folder: str | Path) -> Path:
        """Write the index; a crash leaves the old one or the new one.

        What was removed since the engine was built stays in the files, marked: see ``compact``.
        Saves into one folder, of threads and of processes, wait for one another.

        Raises:
            LikewiseError: the folder cannot be written or the disk is full; the old index stays.
        """
        from likewise.search.storage.store import save

        return save(self, Path(folder))

    def compact(self, folder: str | Path) -> int:
        """Save the index without a trace of what was removed.

        ``save`` leaves the vectors, ids and items of removed rows in the files, only marked, for
        the engine was built over them. This builds the engine anew first, if anything was removed.
        Copies elsewhere, and what a disk keeps of deleted files, are beyond it.

        Returns:
            How many removed vectors were still kept.

        Raises:
            LikewiseError: see ``save``.
        """
        gone = self._contents.snapshot.gone_count
        if gone:
            self._contents.rebuild()
        self.save(folder)
        return gone

    @staticmethod
    def load(
        folder: str | Path,
        *,
        mmap: bool = True,
        fingerprint: str | None = None,
        rebuild: bool = False,
    ) -> Index:
        """Load an index of any family.

        Args:
            folder: what ``save`` wrote.
            mmap: leave the vectors, and what of the engine can be, on disk until needed.
            fingerprint: of the embedder in use; another embedder's index is refused.
            rebuild: leave the engine's files unread and build it anew from the vectors. The
                libraries that read them trust them, and a file made for it can crash them or do
                worse: for indexes from those whom you do not trust.

        Raises:
            InputError: it is no index, is damaged, or was made by another embedder.
            MissingExtra: its family's library is not installed.
        """
        from likewise.search.storage.store import load

        index = load(Path(folder), mmap=mmap, rebuild=rebuild)
        if fingerprint is not None:
            require_same_embedder(fingerprint, index.fingerprint, str(folder))
        return index

    # Searching

    def search(
        self,
        queries: ArrayLike,
        k: int = 10,
        *,
        filter: Filter | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> tuple[Vectors, Ids]:
        """The ``k`` most alike of each query.

        Args:
            queries: [Q,D], or one [D].
            k: how many; fewer come back where the index (or the filter) holds fewer.
            filter: what to choose among: int64 ids (those that are not here do not matter), or a
                pyarrow expression over the items, such as ``pc.field("camera") == 3``.
            settings: search knobs for this search, in place of ``search_settings``.

        Returns:
            Scores float32 [Q,k'], descending (equal ones by ascending id), and their ids int64
            [Q,k'], with k' = min(k, number of vectors to choose among).

        Raises:
            InputError: the dimension differs, a query is not finite or zero, k is below 1, or the
                filter or a setting is wrong.
        """
        k = checked_count(k)
        wanted = self._queries(queries)
        chosen = self._search_settings if settings is None else self._settled(settings)
        snapshot = self._contents.snapshot
        rows = None if filter is None else chosen_rows(snapshot, filter)
        return nearest(self._contents.space, snapshot, wanted, k, chosen, rows)

    def range_search(
        self,
        queries: ArrayLike,
        threshold: float,
        *,
        filter: Filter | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> tuple[Ids, Vectors, Ids]:
        """All whose score is at least ``threshold``, as far as the family finds them.

        Args:
            queries: [Q,D], or one [D].
            threshold: the least score: a similarity, or a negated distance.
            filter: see ``search``.
            settings: see ``search``.

        Returns:
            ``limits`` int64 [Q+1], scores float32 and ids int64: those of query q are
            ``scores[limits[q]:limits[q+1]]``, descending.

        Raises:
            InputError: see ``search``; or the threshold is not a number.

        Example:
            >>> import numpy as np
            >>> from likewise.search.index import Index
            >>> index = Index.build(np.eye(3), [10, 20, 30])
            >>> limits, scores, ids = index.range_search([[1, 1, 0], [0, 0, 1]], 0.5)
            >>> limits.tolist(), ids.tolist()
            ([0, 2, 3], [10, 20, 30])
        """
        threshold = checked_threshold(threshold)
        wanted = self._queries(queries)
        chosen = self._search_settings if settings is None else self._settled(settings)
        snapshot = self._contents.snapshot
        rows = None if filter is None else chosen_rows(snapshot, filter)

        def find(some: Vectors, k: int) -> tuple[Vectors, Ids]:
            return nearest(self._contents.space, snapshot, some, k, chosen, rows)

        total = len(snapshot) if rows is None else len(rows)
        return within(find, total, wanted, threshold)

    def describe(self, ids: Sequence[int] | Ids) -> list[dict[str, object]]:
        """What each id is of: its row of ``items`` (empty where the index has none).

        Raises:
            InputError: an id is not in the index.
        """
        snapshot = self._contents.snapshot
        numbers = integer_ids(ids).reshape(-1)
        rows = snapshot.rows_of(numbers)
        if len(rows) and rows.min() < 0:
            raise InputError(f"ids: {int(numbers[np.argmin(rows)])} is not in the index")
        table = snapshot.items_at(rows)
        return [{} for _ in rows] if table is None else items_of(table)

    def with_search_settings(self, settings: Mapping[str, object]) -> Index:
        """The same index (what is added to one is in both), searched with other settings.

        Raises:
            InputError: an unknown search knob, or a value out of bounds.
        """
        return Index(self._contents, self._settled(settings), self.evidence)

    def with_effort(self, effort: float, k: int = 10) -> Index:
        """The same index, searched with less or more care.

        Args:
            effort: 0 for the quickest of the family's settings, 1 for the most thorough.
            k: how many will be asked for.

        Raises:
            InputError: the effort is not from 0 to 1.
        """
        if not 0 <= effort <= 1:
            raise InputError(f"effort: must be from 0 to 1; got {effort}")
        contents = self._contents
        grid = contents.family.search_grid(contents.settings, len(self), k)
        return self.with_search_settings(grid[round(effort * (len(grid) - 1))])

    def in_own_space(self) -> Index:
        """The same index, in the space of ``vectors``: for mahalanobis, that of the map's image."""
        contents = self._contents
        if contents.space.factor is None:
            return self
        mapped = Contents(
            contents.family, contents.settings, Space(contents.space.metric),
            contents.fingerprint, contents.snapshot.base, contents.snapshot,
        )  # fmt: skip
        return Index(mapped, self._search_settings, self.evidence)

    def admit(self, queries: ArrayLike) -> Vectors:
        """Queries [Q,D] as ``vectors`` are: of unit length for cosine, mapped for mahalanobis.

        Raises:
            InputError: see ``search``.
        """
        return self._queries(queries)

    # Changing it

    def add(self, vectors: ArrayLike, ids: ArrayLike, items: pa.Table | None = None) -> None:
        """Add vectors under new ids; they are found from the next search on.

        Raises:
            InputError: see ``build``; or an id is already here.
        """
        self._contents.change(self._admitted(vectors), ids, items, replace=False)

    def update(self, vectors: ArrayLike, ids: ArrayLike, items: pa.Table | None = None) -> None:
        """Add vectors, in place of those that the index has under the same ids, in one step.

        Raises:
            InputError: see ``build``.
        """
        self._contents.change(self._admitted(vectors), ids, items, replace=True)

    def remove(self, ids: ArrayLike) -> int:
        """Remove vectors by id; return how many there were. Ids that are not here do not matter."""
        return self._contents.remove(ids)

    @property
    def degraded(self) -> bool:
        """So much was removed or added since the engine was built that a rebuild would pay."""
        return self._contents.degraded

    def rebuild(self, *, background: bool = False) -> threading.Thread | None:
        """Build the engine anew over what the index holds; searches go on meanwhile.

        Args:
            background: return at once, and swap the new engine in when it is ready. The index
                does this by itself once it is ``degraded``.

        Returns:
            The thread that works, if in the background.
        """
        if background:
            return self._contents.rebuild_in_background()
        self._contents.rebuild()
        return None

    def wait(self) -> None:
        """Wait for a rebuild in the background, if there is one.

        Raises:
            LikewiseError: it failed; the index still searches with the old engine.
        """
        self._contents.wait()

    def _items_of(self, ids: Ids) -> pa.Table | None:
        snapshot = self._contents.snapshot
        return snapshot.items_at(snapshot.rows_of(ids))

    def _admitted(self, vectors: ArrayLike) -> Vectors:
        new = self._contents.space.admit(vectors)
        if new.shape[1] != self._contents.snapshot.base.vectors.shape[1]:
            raise InputError(f"vectors: have {new.shape[1]} dimensions, not {self.dimension}")
        return new

    def _queries(self, queries: ArrayLike) -> Vectors:
        array = as_array(queries, "queries")
        if array.ndim == 1:
            array = array[None]
        if array.ndim == 2 and array.shape[1] != self._contents.dimension:
            raise InputError(
                f"queries: have {array.shape[1]} dimensions, the index has {self.dimension}"
            )
        return self._contents.space.admit(array, "queries")

    def _settled(self, settings: Mapping[str, object]) -> Settings:
        kind = self._contents.family
        return settled(kind.name, kind.search_knobs, settings)
