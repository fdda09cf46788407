"""The one interface of every index, and the gate through which vectors come in.

The vectors, ids and items are the truth; what a family builds on top of them is a cache.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from likewise.data.embeddings import EXTERNAL, require_same_embedder
from likewise.errors import InputError, one_of

__all__ = ["METRICS", "Index", "checked_vectors"]

Vectors = NDArray[np.float32]
Ids = NDArray[np.int64]
METRICS = ("cosine", "dot", "euclidean")


class Index(ABC):
    """Finds the most alike of the vectors it holds; scores are higher for more alike.

    Args:
        vectors: float32 [N,D]; for cosine already of unit length.
        ids: int64 [N], distinct.
        metric: ``cosine``, ``dot``, or ``euclidean`` (whose score is the negated distance).
        fingerprint: the embedder that made the vectors.
        items: a table of N rows that says what each vector is of, or None.
    """

    family: str

    def __init__(
        self, vectors: Vectors, ids: Ids, metric: str, fingerprint: str, items: pa.Table | None
    ) -> None:
        self.vectors = vectors
        self.ids = ids
        self.metric = metric
        self.fingerprint = fingerprint
        self.items = items
        self._rows: dict[int, int] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def dimension(self) -> int:
        """D, the numbers in a vector."""
        return int(self.vectors.shape[1])

    @classmethod
    def build(
        cls,
        vectors: ArrayLike,
        ids: ArrayLike | None = None,
        *,
        metric: str = "cosine",
        fingerprint: str = EXTERNAL,
        items: pa.Table | None = None,
    ) -> Self:
        """Build an index.

        Args:
            vectors: [N,D], finite; for cosine of any length but zero.
            ids: int64 [N], distinct; 0 … N-1 if None.
            metric: ``cosine``, ``dot`` or ``euclidean``.
            fingerprint: the embedder that made the vectors.
            items: N rows that say what each vector is of.

        Raises:
            InputError: a vector is not finite or zero (names the row), an id comes twice, or the
                counts differ.

        Example:
            >>> import numpy as np
            >>> from likewise.search.exact import ExactIndex
            >>> index = ExactIndex.build(np.eye(3), [10, 20, 30])
            >>> scores, ids = index.search([0, 1, 0.1], k=2)
            >>> ids.tolist()
            [[20, 30]]
        """
        one_of("metric", metric, METRICS)
        ready = checked_vectors(vectors, metric)
        numbers = np.arange(len(ready)) if ids is None else ids
        return cls(
            ready, _checked_ids(numbers, len(ready)), metric, fingerprint, _sized(items, len(ready))
        )

    def search(
        self, queries: ArrayLike, k: int = 10, *, filter: ArrayLike | None = None
    ) -> tuple[Vectors, Ids]:
        """The ``k`` most alike of each query.

        Args:
            queries: [Q,D], or one [D].
            k: how many; fewer come back where the index (or the filter) holds fewer.
            filter: int64 ids to choose among; all if None. Ids that are not here do not matter.

        Returns:
            Scores float32 [Q,k'], descending, and their ids int64 [Q,k'], with
            k' = min(k, number of vectors to choose among).

        Raises:
            InputError: the dimension differs, a query is not finite or zero, or k is below 1.
        """
        if k < 1:
            raise InputError(f"k: must be at least 1; got {k}")
        wanted = checked_vectors(np.atleast_2d(np.asarray(queries)), self.metric, "query")
        if wanted.shape[1] != self.dimension:
            raise InputError(
                f"queries: have {wanted.shape[1]} dimensions, the index has {self.dimension}"
            )
        among = None if filter is None else self._rows_of(filter)
        k = min(k, len(self) if among is None else len(among))
        if k == 0 or len(wanted) == 0:
            return np.empty((len(wanted), 0), np.float32), np.empty((len(wanted), 0), np.int64)
        rows = self._nearest(wanted, k, among)
        return self._ranked(wanted, rows)

    @abstractmethod
    def _nearest(self, queries: Vectors, k: int, among: Ids | None) -> Ids:
        """The rows of the ``k`` nearest, int64 [Q,k], in any order; ``among`` limits the rows."""

    def add(self, vectors: ArrayLike, ids: ArrayLike, items: pa.Table | None = None) -> None:
        """Add vectors under new ids.

        Raises:
            InputError: see ``build``; or an id is already here.
        """
        new = checked_vectors(vectors, self.metric)
        if new.shape[1] != self.dimension:
            raise InputError(f"vectors: have {new.shape[1]} dimensions, not {self.dimension}")
        numbers = _checked_ids(ids, len(new))
        known = np.intersect1d(numbers, self.ids)
        if len(known):
            raise InputError(f"ids: {int(known[0])} is already in the index; remove it first")
        if (items is None) != (self.items is None):
            raise InputError("items: the index and what is added must both have them, or neither")
        if items is not None and self.items is not None:
            rows = _sized(items, len(new))
            self.items = pa.concat_tables([self.items, rows], promote_options="default")
        self.vectors = np.concatenate([self.vectors, new])
        self.ids = np.concatenate([self.ids, numbers])
        self._rows = None

    def remove(self, ids: ArrayLike) -> int:
        """Remove vectors by id; return how many there were. Ids that are not here do not matter."""
        gone = np.isin(self.ids, np.asarray(ids, np.int64))
        if gone.any():
            kept = np.flatnonzero(~gone)
            self.vectors, self.ids = self.vectors[kept], self.ids[kept]
            self.items = None if self.items is None else self.items.take(pa.array(kept))
            self._rows = None
        return int(gone.sum())

    def describe(self, ids: Sequence[int] | Ids) -> list[dict[str, object]]:
        """What each id is of: its row of ``items`` (empty where the index has none)."""
        if self.items is None:
            return [{} for _ in ids]
        found: list[dict[str, object]] = self.items.take(
            pa.array([self._row_of(int(number)) for number in ids], pa.int64())
        ).to_pylist()
        return found

    def save(self, folder: str | Path) -> Path:
        """Write the index; a crash leaves the old one or the new one."""
        from likewise.search.store import save

        return save(self, Path(folder))

    @staticmethod
    def load(folder: str | Path, *, mmap: bool = True, fingerprint: str | None = None) -> Index:
        """Load an index of any family.

        Args:
            folder: what ``save`` wrote.
            mmap: leave the vectors on disk and read them as needed.
            fingerprint: of the embedder in use; another embedder's index is refused.

        Raises:
            InputError: it is no index, is damaged, or was made by another embedder.
        """
        from likewise.search.store import load

        index = load(Path(folder), mmap=mmap)
        if fingerprint is not None:
            require_same_embedder(fingerprint, index.fingerprint, str(folder))
        return index

    def _row_of(self, number: int) -> int:
        if self._rows is None:
            self._rows = {number: row for row, number in enumerate(self.ids.tolist())}
        try:
            return self._rows[number]
        except KeyError:
            raise InputError(f"ids: {number} is not in the index") from None

    def _rows_of(self, ids: ArrayLike) -> Ids:
        return np.flatnonzero(np.isin(self.ids, np.asarray(ids, np.int64))).astype(np.int64)

    def _ranked(self, queries: Vectors, rows: Ids) -> tuple[Vectors, Ids]:
        """Score the rows found exactly, one way for every family, and put them in order."""
        scores = np.empty(rows.shape, np.float32)
        for number, (query, found) in enumerate(zip(queries, rows, strict=True)):
            near = self.vectors[found]
            if self.metric == "euclidean":
                scores[number] = -np.linalg.norm(near - query, axis=1)
            else:
                scores[number] = near @ query
        if self.metric == "cosine":
            np.clip(scores, -1.0, 1.0, out=scores)
        numbers = self.ids[rows]
        order = np.lexsort((numbers, -scores))  # equal scores: the smaller id first
        return (
            np.take_along_axis(scores, order, axis=1),
            np.take_along_axis(numbers, order, axis=1),
        )


def checked_vectors(vectors: ArrayLike, metric: str, what: str = "vector") -> Vectors:
    """Vectors as float32 [N,D], finite, contiguous, and for cosine of unit length.

    Raises:
        InputError: names the first row that is not finite, or zero where a direction is needed.
    """
    array = np.asarray(vectors)
    if array.ndim != 2 or array.shape[1] < 1 or array.dtype.kind not in "fiu":
        raise InputError(f"{what}s: expected numbers [N,D]; got {array.dtype} {list(array.shape)}")
    ready = np.ascontiguousarray(array, np.float32)
    lengths = np.linalg.norm(ready, axis=1)
    if not np.isfinite(lengths).all():
        raise InputError(f"{what}s: row {int(np.argmin(np.isfinite(lengths)))} is not finite")
    if metric != "cosine":
        return ready
    if len(lengths) and lengths.min() == 0:
        raise InputError(f"{what}s: row {int(np.argmin(lengths))} is zero, so it has no direction")
    unit: Vectors = ready / lengths[:, None]
    return unit


def _checked_ids(ids: ArrayLike, count: int) -> Ids:
    numbers = np.asarray(ids)
    if numbers.ndim != 1 or (numbers.dtype.kind not in "iu" and count):
        raise InputError(f"ids: expected integers [N]; got {numbers.dtype} {list(numbers.shape)}")
    if len(numbers) != count:
        raise InputError(f"ids: {len(numbers)} for {count} vectors")
    distinct, times = np.unique(numbers, return_counts=True)
    if len(distinct) < count:
        raise InputError(f"ids: {int(distinct[np.argmax(times > 1)])} comes twice")
    return numbers.astype(np.int64)


def _sized(items: pa.Table | None, count: int) -> pa.Table | None:
    if items is not None and items.num_rows != count:
        raise InputError(f"items: {items.num_rows} rows for {count} vectors")
    return items
