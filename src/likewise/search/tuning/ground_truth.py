"""Ground truth: probes with the results of exact search, to measure the recall of any index.

A special case are the index's own vectors, each left out of its own result. A graph finds its own
vectors better than new ones (0.995 against 0.982 in one measurement), because links lead to each of
them. So their recall does not estimate the recall on new queries; but compared with the same recall
at build time, it shows a change.
"""

from __future__ import annotations

from copy import copy
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.data.embeddings import EXTERNAL
from likewise.errors import InputError
from likewise.search.contents.build import build_base
from likewise.search.contents.contents import Contents
from likewise.search.contents.read_only import ReadOnlyIndex
from likewise.search.contents.space import Space
from likewise.search.engines.parameters import checked_settings
from likewise.search.families.exact import Exact
from likewise.search.tuning.probes import Probes, given_probes, labels_of
from likewise.search.tuning.recall import Found, Recall, mates_found, nearest_found, recall_of

__all__ = ["QUERIES", "GroundTruth", "exact_copy", "leave_one_out", "operating_threshold"]

BLOCK = 1024  # queries searched at a time, to bound memory
PAIRS = 1000  # photos on either side of the impostor pairs
IMPOSTORS = 1e-3  # the share of impostor pairs that reaches the operating threshold
QUERIES = 1000  # own vectors that ``leave_one_out`` searches for
Number = TypeVar("Number", np.float32, np.int64)


class GroundTruth:
    """Measures the recalls of indexes that hold the same vectors under the same ids.

    Args:
        exact: an exact index of the vectors.
        probes: queries that are not in the indexes.
        k: how many neighbors.
        labels: int64 [N], of the rows of ``exact``; for the recall of mates.
        threshold: for the recall of mates.
        own: int64 [Q], the id of each probe if it is in the indexes after all: one neighbor more is
            asked for, and this id is left out.
    """

    def __init__(
        self,
        exact: ReadOnlyIndex,
        probes: Probes,
        k: int,
        labels: NDArray[np.int64] | None = None,
        threshold: float | None = None,
        own: NDArray[np.int64] | None = None,
    ) -> None:
        self.probes, self.k, self._own = probes, k, own
        self.threshold = threshold
        self._labels_by_id: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None
        if labels is not None and probes.labels is not None and threshold is not None:
            order = np.argsort(exact.ids, kind="stable")
            self._labels_by_id = exact.ids[order], labels[order]
        self.truth = self._search(exact)

    def measure(self, index: ReadOnlyIndex, first: int | None = None) -> dict[str, Recall]:
        """The recalls by name: ``recall``, and ``mates`` if any probe has one.

        Args:
            index: the index to search.
            first: use a fixed random subset of this size; all probes if None.
        """
        if first is not None and first < len(self.probes):
            return self._subset(first).measure(index)
        found = self._search(index)
        hits = nearest_found(self.truth, found)
        width = self.truth.ids.shape[1]
        groups = self.probes.groups, self.probes.unknown
        recalls = {"recall": recall_of(hits, np.full(len(hits), width), *groups)}
        if self._labels_by_id is not None and self.threshold is not None:
            assert self.probes.labels is not None
            got, there = mates_found(
                self.truth, found, self.probes.labels, self._labels_of(self.truth.ids),
                self._labels_of(found.ids), self.threshold,
            )  # fmt: skip
            if there.any():
                recalls["mates"] = recall_of(got, there, *groups)
        return recalls

    @property
    def nearest_scores(self) -> NDArray[np.float32]:
        """The exact score of the nearest vector of each probe, [Q]."""
        return self.truth.scores[:, 0] if self.truth.ids.shape[1] else np.empty(0, np.float32)

    def _subset(self, count: int) -> GroundTruth:
        chosen = np.sort(np.random.default_rng(count).permutation(len(self.probes))[:count])
        part = copy(self)
        part.probes = self.probes.take(chosen)
        part.truth = Found(self.truth.scores[chosen], self.truth.ids[chosen])
        part._own = None if self._own is None else self._own[chosen]
        return part

    def _search(self, index: ReadOnlyIndex) -> Found:
        parts = [self._search_block(index, start) for start in range(0, len(self.probes), BLOCK)]
        width = max((part.ids.shape[1] for part in parts), default=0)
        return Found(
            np.concatenate([_widened(part.scores, width, -np.inf) for part in parts]),
            np.concatenate([_widened(part.ids, width, -1) for part in parts]),
        )

    def _search_block(self, index: ReadOnlyIndex, start: int) -> Found:
        queries = self.probes.queries[start : start + BLOCK]
        if self._own is None:
            return Found(*index.search(queries, self.k))
        scores, ids = index.search(queries, self.k + 1)
        own = ids == self._own[start : start + BLOCK, None]
        order = np.argsort(own, axis=1, kind="stable")[:, : ids.shape[1] - 1]
        return Found(
            np.take_along_axis(scores, order, axis=1), np.take_along_axis(ids, order, axis=1)
        )

    def _labels_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        assert self._labels_by_id is not None
        known, labels = self._labels_by_id
        places = np.minimum(np.searchsorted(known, ids), len(known) - 1)
        # The label of an unknown id equals no label of a query.
        return np.where(known[places] == ids, labels[places], np.iinfo(np.int64).min)


def leave_one_out(
    index: ReadOnlyIndex, k: int, threshold: float | None, *, count: int = QUERIES, seed: int = 0
) -> GroundTruth:
    """The ground truth of some of the index's own vectors, for ``index.in_mapped_space()``.

    Args:
        index: with at least two vectors.
        k: how many neighbors.
        threshold: for the recall of mates, if the items have identities.
        count: how many vectors.
        seed: of the random choice.
    """
    labels = labels_of(index.items)
    mapped = index.in_mapped_space()
    random = np.random.default_rng([seed, 4])
    rows = np.sort(random.permutation(len(index))[:count])
    probes = given_probes(mapped.vectors[rows], None if labels is None else labels[rows])
    return GroundTruth(exact_copy(index), probes, k, labels, threshold, mapped.ids[rows])


def exact_copy(index: ReadOnlyIndex) -> ReadOnlyIndex:
    """An exact index of the same vectors and ids, in the space of ``index.in_mapped_space()``."""
    mapped = index.in_mapped_space()
    space = Space(mapped.metric)
    vectors = space.prepare(mapped.vectors)
    base = build_base(Exact, space, {}, vectors, mapped.ids, None)
    settings = checked_settings(Exact.name, Exact.search_parameters, None)
    return ReadOnlyIndex(Contents(Exact, {}, space, EXTERNAL, base), settings, {})


def operating_threshold(
    space: Space,
    vectors: NDArray[np.float32],
    labels: ArrayLike,
    *,
    seed: int,
) -> float:
    """The score that one impostor pair in a thousand reaches (the threshold at FMR 0.1%).

    Args:
        space: the metric.
        vectors: float32 [N,D], prepared by the space.
        labels: int64 [N].
        seed: of the random choice.

    Raises:
        InputError: too few impostor pairs to measure that.
    """
    own = np.asarray(labels)
    random = np.random.default_rng([seed, 2])
    drawn = random.permutation(len(vectors))[: 2 * PAIRS]
    left, right = drawn[: len(drawn) // 2], drawn[len(drawn) // 2 :]
    scores = []
    for row in left:
        others = right[own[right] != own[row]]
        if len(others):
            scores.append(space.scores(vectors[row][None], vectors[others][None])[0])
    found = np.concatenate(scores) if scores else np.empty(0)
    if len(found) * IMPOSTORS < 1:
        raise InputError(
            f"threshold: {len(found):,} pairs of different people are too few to measure a share "
            f"of {IMPOSTORS:g}; give the threshold"
        )
    return float(np.quantile(found, 1 - IMPOSTORS))


def _widened(array: NDArray[Number], width: int, fill: float) -> NDArray[Number]:
    return np.pad(array, ((0, 0), (0, width - array.shape[1])), constant_values=fill)
