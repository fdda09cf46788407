"""Average linkage of unit vectors by the cosine, with pairs that must not be linked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from likewise.errors import InputError

__all__ = ["average_linkage"]

BLOCK, FEWEST = 2**20, 64  # numbers in one block of scores, 8 MiB; and its fewest rows

Sums = NDArray[np.float64]


def average_linkage(
    vectors: NDArray[np.floating],
    threshold: float,
    *,
    apart: Sequence[Iterable[int]] | None = None,
    start: NDArray[np.int64] | None = None,
    advance: Callable[[int], object] | None = None,
) -> NDArray[np.int64]:
    """Merge the two clusters with the highest mean cosine until that is below ``threshold``.

    The result is that of average linkage (UPGMA), without a matrix of all pairs: the mean cosine
    between two clusters of unit vectors is the dot product of their sums over the product of their
    sizes. A merge never brings two clusters closer to a third one, also where some merges are
    forbidden. So all pairs of clusters that are each other's nearest are merged at once, and only
    the clusters whose nearest was merged are compared with all others again.

    Args:
        vectors: [N,D], of unit length.
        threshold: the lowest mean cosine of a merge.
        apart: for each row, marks: two clusters that carry the same mark are never merged. Rows
            of one photo carry the number of the photo, for example.
        start: int [N], the cluster of each row at the beginning; rows that share one stay
            together, whatever their marks. By default each row is a cluster.
        advance: called with the number of first clusters that are newly merged or finished.

    Returns:
        int64 [N], the cluster of each row, numbered from 0 by first appearance.

    Raises:
        InputError: counts that differ, or a vector that is not of unit length.

    Source: Sokal and Michener, A statistical method for evaluating systematic relationships, 1958;
        reciprocal nearest neighbors: Murtagh, A survey of recent advances in hierarchical
        clustering algorithms, The Computer Journal 26(4), 1983.

    Example:
        >>> import numpy as np
        >>> from likewise.recognition.albums.linkage import average_linkage
        >>> points = np.array([[1, 0], [0.8, 0.6], [1, 0]])
        >>> average_linkage(points, 0.7).tolist()
        [0, 0, 0]
        >>> average_linkage(points, 0.7, apart=[[1], [], [1]]).tolist()
        [0, 0, 1]
    """
    rows = np.asarray(vectors, np.float64)
    _check(rows, apart, start)
    if not len(rows):
        return np.empty(0, np.int64)
    first = np.arange(len(rows)) if start is None else np.unique(start, return_inverse=True)[1]
    clusters = _Clusters(rows, first.astype(np.int64), apart)
    clusters.merge_down_to(threshold, advance or (lambda _: None))
    return by_first_row(clusters.labels[first])


def by_first_row(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Clusters renumbered from 0 by first appearance."""
    _, first, place = np.unique(labels, return_index=True, return_inverse=True)
    numbers = np.empty(len(first), np.int64)
    numbers[np.argsort(first)] = np.arange(len(first))
    renumbered: NDArray[np.int64] = numbers[place]
    return renumbered


def _check(
    rows: Sums, apart: Sequence[Iterable[int]] | None, start: NDArray[np.int64] | None
) -> None:
    if rows.ndim != 2:
        raise InputError(f"vectors: shape {list(rows.shape)}; must be [N,D]")
    for name, given in (("apart", apart), ("start", start)):
        if given is not None and len(given) != len(rows):
            raise InputError(f"{name}: {len(given)} entries for {len(rows)} vectors")
    lengths = np.linalg.norm(rows, axis=1)
    if not np.allclose(lengths, 1, atol=1e-3):
        row = int(np.argmax(~np.isclose(lengths, 1, atol=1e-3)))
        raise InputError(f"vectors: row {row} has length {lengths[row]:.4g}; must be 1")


class _Clusters:
    """The clusters of the moment: their mean vectors, sizes, marks and nearest neighbors."""

    def __init__(
        self, rows: Sums, first: NDArray[np.int64], apart: Sequence[Iterable[int]] | None
    ) -> None:
        count = int(first.max()) + 1
        self.labels = np.arange(count)  # of the first clusters
        self.sums = np.zeros((count, rows.shape[1]))
        np.add.at(self.sums, first, rows)
        self.sizes = np.bincount(first, minlength=count).astype(np.float64)
        self.means = self.sums / self.sizes[:, None]
        self.marks = None if apart is None else _marks(first, count, apart)
        self.nearest = np.full(count, -1)
        self.score = np.full(count, -np.inf)

    def merge_down_to(self, threshold: float, advance: Callable[[int], object]) -> None:
        """Merge until no allowed pair has a mean cosine of at least ``threshold``."""
        alive = np.arange(len(self.sums))
        stale = alive
        while len(alive) > 1 and len(stale):
            before = len(alive)
            self._find_nearest(stale, alive)
            # A cluster that is near no other now will not be later, and no other is near it.
            alive = alive[self.score[alive] >= threshold]
            if not len(alive):
                advance(before)
                return
            left, right = self._reciprocal(alive)
            self._merge(left, right)
            gone = np.zeros(len(self.sums), bool)
            gone[right] = True
            alive = alive[~gone[alive]]
            advance(before - len(alive))
            changed = gone
            changed[left] = True
            stale = alive[changed[alive] | changed[self.nearest[alive]]]

    def _find_nearest(self, stale: NDArray[np.intp], alive: NDArray[np.intp]) -> None:
        """The nearest allowed cluster of each stale one, among those alive."""
        columns = self.means[alive].T
        marks = None if self.marks is None else self.marks[alive].T.tocsc()
        step = max(FEWEST, BLOCK // len(alive))
        for begin in range(0, len(stale), step):
            rows = stale[begin : begin + step]
            scores = self.means[rows] @ columns
            if marks is not None:
                shared = (self.marks[rows] @ marks).tocoo()  # type: ignore[index]  # is not None
                scores[shared.row, shared.col] = -np.inf
            scores[np.arange(len(rows)), np.searchsorted(alive, rows)] = -np.inf
            best = scores.argmax(axis=1)
            self.nearest[rows] = alive[best]
            self.score[rows] = scores[np.arange(len(rows)), best]

    def _reciprocal(self, alive: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The pairs of clusters that are each other's nearest, the lower number first."""
        nearest = self.nearest[alive]
        mutual = (self.nearest[nearest] == alive) & (alive < nearest)
        if mutual.any():
            return alive[mutual], nearest[mutual]
        # Ties may point in a circle: the best pair is a right choice at any time.
        best = alive[np.argmax(self.score[alive])]
        pair = np.sort([best, self.nearest[best]])
        return pair[:1], pair[1:]

    def _merge(self, left: NDArray[np.intp], right: NDArray[np.intp]) -> None:
        """Merge each of ``right`` into its partner of ``left``."""
        self.sums[left] += self.sums[right]
        self.sizes[left] += self.sizes[right]
        self.means[left] = self.sums[left] / self.sizes[left, None]
        target = np.arange(len(self.sums))
        target[right] = left
        if self.marks is not None:
            ones = np.ones(len(target), np.int32)
            shape = (len(target), len(target))
            into = sparse.csr_matrix((ones, (target, np.arange(len(target)))), shape)
            self.marks = into @ self.marks
            self.marks.data[:] = 1
        self.labels = target[self.labels]


def _marks(
    first: NDArray[np.int64], count: int, apart: Sequence[Iterable[int]]
) -> sparse.csr_matrix:
    """The marks of each cluster as a sparse matrix; marks that occur once are left out."""
    pairs = [(int(first[row]), mark) for row, marks in enumerate(apart) for mark in set(marks)]
    if not pairs:
        return sparse.csr_matrix((count, 1), dtype=np.int32)
    clusters = np.array([cluster for cluster, _ in pairs])
    names, columns = np.unique([mark for _, mark in pairs], return_inverse=True)
    found = sparse.csr_matrix(
        (np.ones(len(pairs), np.int32), (clusters, columns)), (count, len(names))
    )
    found.data[:] = 1  # a cluster carries a mark once
    return found[:, np.flatnonzero(np.bincount(found.indices, minlength=len(names)) > 1)]
