"""The yardstick of a tuning: probes whose exact answers are known, held against any index."""

from __future__ import annotations

from copy import copy
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.errors import InputError
from likewise.search.contents.space import Space
from likewise.search.index import Index
from likewise.search.tuning.probes import Probes
from likewise.search.tuning.recall import Found, Recall, mates_found, nearest_found, recall_of

__all__ = ["Yardstick", "operating_threshold"]

BLOCK = 1024  # queries answered at one time: memory grows with these, not with all
PAIRS = 1000  # photos on either side of the impostor pairs
Number = TypeVar("Number", np.float32, np.int64)
IMPOSTORS = 1e-3  # the part of them that reaches the operating threshold


class Yardstick:
    """Measures the recalls of indexes that hold the same vectors under the same ids.

    Args:
        exact: an exact index of them: the truth.
        probes: queries that it does not hold.
        k: how many neighbours.
        labels: int64 [N], of the rows of ``exact``; for the recall of mates.
        threshold: for the recall of mates.
        own: int64 [Q], the id under which the indexes do hold each probe: one more is asked for,
            and that one is left out.
    """

    def __init__(
        self,
        exact: Index,
        probes: Probes,
        k: int,
        labels: NDArray[np.int64] | None = None,
        threshold: float | None = None,
        own: NDArray[np.int64] | None = None,
    ) -> None:
        self.probes, self.k, self._own = probes, k, own
        self.threshold = threshold
        if labels is not None and probes.labels is not None and threshold is not None:
            order = np.argsort(exact.ids, kind="stable")
            self._known: tuple[NDArray[np.int64], NDArray[np.int64]] | None = (
                exact.ids[order], labels[order],
            )  # fmt: skip
        else:
            self._known = None
        self.truth = self._answer(exact)

    def measure(self, index: Index, first: int | None = None) -> dict[str, Recall]:
        """The recall, and with labels the recall of mates where a probe has any: by name.

        Args:
            index: what is searched.
            first: so many of the probes, drawn once; all if None.
        """
        if first is not None and first < len(self.probes):
            return self._part(first).measure(index)
        found = self._answer(index)
        hits = nearest_found(self.truth, found)
        width = self.truth.ids.shape[1]
        recalls = {"recall": recall_of(hits, np.full(len(hits), width), *self._clusters)}
        if self._known is not None and self.threshold is not None:
            assert self.probes.labels is not None
            got, there = mates_found(
                self.truth, found, self.probes.labels, self._labels_of(self.truth.ids),
                self._labels_of(found.ids), self.threshold,
            )  # fmt: skip
            if there.any():
                recalls["mates"] = recall_of(got, there, *self._clusters)
        return recalls

    def _part(self, count: int) -> Yardstick:
        chosen = np.sort(np.random.default_rng(count).permutation(len(self.probes))[:count])
        part = copy(self)
        part.probes = self.probes.take(chosen)
        part.truth = Found(self.truth.scores[chosen], self.truth.ids[chosen])
        part._own = None if self._own is None else self._own[chosen]
        return part

    @property
    def nearest_scores(self) -> NDArray[np.float32]:
        """The exact score of each probe's nearest vector, [Q]."""
        return self.truth.scores[:, 0] if self.truth.ids.shape[1] else np.empty(0, np.float32)

    @property
    def _clusters(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        return self.probes.groups, self.probes.unknown

    def _answer(self, index: Index) -> Found:
        parts = [self._answered(index, start) for start in range(0, len(self.probes), BLOCK)]
        width = max((part.ids.shape[1] for part in parts), default=0)
        return Found(
            np.concatenate([_widened(part.scores, width, -np.inf) for part in parts]),
            np.concatenate([_widened(part.ids, width, -1) for part in parts]),
        )

    def _answered(self, index: Index, start: int) -> Found:
        queries = self.probes.queries[start : start + BLOCK]
        if self._own is None:
            return Found(*index.search(queries, self.k))
        scores, ids = index.search(queries, self.k + 1)
        mine = ids == self._own[start : start + BLOCK, None]
        order = np.argsort(mine, axis=1, kind="stable")[:, : ids.shape[1] - 1]
        return Found(
            np.take_along_axis(scores, order, axis=1), np.take_along_axis(ids, order, axis=1)
        )

    def _labels_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        assert self._known is not None
        known, labels = self._known
        places = np.minimum(np.searchsorted(known, ids), len(known) - 1)
        # What an id is of that nobody knows equals no query's label.
        return np.where(known[places] == ids, labels[places], np.iinfo(np.int64).min)


def operating_threshold(
    space: Space,
    vectors: NDArray[np.float32],
    labels: ArrayLike,
    *,
    share: float = IMPOSTORS,
    seed: int = 0,
) -> float:
    """The score that this share of impostor pairs reaches: where recognition says yes.

    Args:
        space: how they are compared.
        vectors: float32 [N,D], as the space admits them.
        labels: int64 [N].
        share: of up to a million pairs of two people that are drawn.
        seed: draws them.

    Raises:
        InputError: too few pairs of different people to show that share.
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
    if len(found) * share < 1:
        raise InputError(
            f"threshold: {len(found):,} pairs of different people cannot show a share of "
            f"{share:g}; give the threshold"
        )
    return float(np.quantile(found, 1 - share))


def _widened(array: NDArray[Number], width: int, fill: float) -> NDArray[Number]:
    return np.pad(array, ((0, 0), (0, width - array.shape[1])), constant_values=fill)
