"""The two recalls of an index: of all that is nearest, and of the true mates among it.

Recall@k asks for the k nearest, whoever they are; recognition asks for the mates: photos of the
query's own person that score above the operating threshold. Families lose the two at very
different rates, so either can be named.

The bounds count whole groups (queries, or people), for the k places of one query fail together:
the exact binomial bounds are taken at the number of independent trials that the sample is worth;
``likewise.search.tuning.worth`` says how many. A bootstrap would do without the binomial, but where
all is found it shows no doubt at all.

Source: Korn and Graubard, Confidence intervals for proportions with small expected number of
positive counts estimated from survey data, 1998; Clopper and Pearson, 1934.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.binomial import clopper_pearson
from likewise.errors import InputError
from likewise.search.tuning.worth import independent_trials

__all__ = ["LEVEL", "Found", "Recall", "mates_found", "nearest_found", "recall_of"]

Scores = NDArray[np.float32]
Ids = NDArray[np.int64]
Counts = NDArray[np.int64]
LEVEL = 0.95  # of each bound by itself
ROUNDING = 4 * float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Found:
    """An answer of a search, the exact one or an index's.

    Args:
        scores: float32 [Q,k], exact and descending; -inf where nothing was found.
        ids: int64 [Q,k], any; what stands where nothing was found does not matter.
    """

    scores: Scores
    ids: Ids

    def __post_init__(self) -> None:
        if self.scores.shape != self.ids.shape or self.ids.ndim != 2:
            raise InputError(
                f"scores, ids: {list(self.scores.shape)} and {list(self.ids.shape)}; "
                "both must be [Q,k]"
            )


@dataclass(frozen=True)
class Recall:
    """A share that was found, with its bounds.

    Args:
        value: as measured.
        low: the true recall is above it with 95 % confidence: what accepts.
        high: it is below this one with 95 % confidence.
        queries: how many had something to find.
        trials: how many things there were to find.
    """

    value: float
    low: float
    high: float
    queries: int
    trials: int

    def to_dict(self) -> dict[str, Any]:
        """The record in a report."""
        return asdict(self)


def nearest_found(truth: Found, found: Found) -> Counts:
    """How many of the k nearest each query found, [Q].

    What scores as high as the k-th of the truth counts, whichever of several ties it is; an id
    that comes twice counts once.

    Example:
        >>> import numpy as np
        >>> from likewise.search.tuning.recall import Found, nearest_found
        >>> truth = Found(np.float32([[0.9, 0.5]]), np.array([[4, 7]]))
        >>> twin = Found(np.float32([[0.5, 0.1]]), np.array([[8, 2]]))  # 8 ties with 7
        >>> nearest_found(truth, twin).tolist()
        [1]
    """
    _require_same_queries(truth, found)
    if truth.ids.shape[1] == 0:
        return np.zeros(len(truth.ids), np.int64)
    counts = (_distinct(found) & (found.scores >= _floor(truth))).sum(axis=1)
    hits: Counts = np.minimum(counts, truth.ids.shape[1])
    return hits


def mates_found(
    truth: Found,
    found: Found,
    labels: ArrayLike,
    truth_labels: ArrayLike,
    found_labels: ArrayLike,
    threshold: float,
) -> tuple[Counts, Counts]:
    """How many true mates each query found, and how many there were, both [Q].

    There to be found are the mates that exact search returns: among the k nearest, of the query's
    own label, and scoring at or above the threshold. A mate beyond the k-th place is not missed,
    nor is one below the threshold: nobody would have been recognised by it.

    Args:
        truth: the exact answer.
        found: the index's answer.
        labels: int64 [Q], of the queries.
        truth_labels: int64 [Q,k], of what the exact answer names.
        found_labels: int64 [Q,k], of what the index's answer names.
        threshold: the score from which on two are called the same.

    Raises:
        InputError: shapes that do not fit.
    """
    _require_same_queries(truth, found)
    own = np.asarray(labels)[:, None]
    theirs, ours = np.asarray(truth_labels), np.asarray(found_labels)
    if theirs.shape != truth.ids.shape or ours.shape != found.ids.shape:
        raise InputError("truth_labels, found_labels: one label for each id is needed")
    if truth.ids.shape[1] == 0:
        return np.zeros(len(own), np.int64), np.zeros(len(own), np.int64)
    wanted = ((theirs == own) & (truth.scores >= threshold)).sum(axis=1)
    least = np.maximum(_floor(truth), threshold - ROUNDING * max(1.0, abs(threshold)))
    got = ((ours == own) & _distinct(found) & (found.scores >= least)).sum(axis=1)
    return np.minimum(got, wanted), wanted


def recall_of(
    hits: ArrayLike,
    trials: ArrayLike,
    groups: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    *,
    level: float = LEVEL,
) -> Recall:
    """The share that was found, and its bounds.

    Args:
        hits: [Q], found by each query.
        trials: [Q], there to be found; a query with none says nothing.
        groups: int64 [Q], which queries hang together (one person's); each by itself if None.
        strata: bool or int64 [Q], parts whose sizes were set; a group lies in one. One part if
            None.
        level: the confidence of each bound.

    Raises:
        InputError: nothing was there to be found, or more was found than there was.

    Example:
        >>> from likewise.search.tuning.recall import recall_of
        >>> found = recall_of([10] * 380 + [5] * 20, [10] * 400)
        >>> round(found.value, 3), round(found.low, 3), round(found.high, 3)
        (0.975, 0.963, 0.984)
    """
    got, there = np.asarray(hits, np.float64), np.asarray(trials, np.float64)
    if got.shape != there.shape or got.ndim != 1 or (got > there).any() or (got < 0).any():
        raise InputError("hits, trials: one of each a query, and never more hits than trials")
    kept = there > 0
    total = float(there.sum())
    if not kept.any():
        raise InputError("recall: no query has anything to find")
    own = np.arange(len(got)) if groups is None else np.asarray(groups)
    part = np.zeros(len(got), np.int64) if strata is None else np.asarray(strata).astype(np.int64)
    _, first, group = np.unique(own[kept], return_index=True, return_inverse=True)
    share = float(got.sum()) / total
    found_by, there_by = (np.bincount(group, each[kept]).astype(float) for each in (got, there))
    size = independent_trials(found_by, there_by, part[kept][first])
    low, high = clopper_pearson(share * size, size, 2 * level - 1)
    return Recall(share, min(low, share), max(high, share), int(kept.sum()), int(total))


def _floor(truth: Found) -> NDArray[np.float64]:
    """The k-th score of each query, less what rounding may take from an equal one: [Q,1]."""
    size = np.maximum(1.0, np.abs(truth.scores).max(axis=1, keepdims=True))
    least: NDArray[np.float64] = truth.scores[:, -1:].astype(np.float64) - ROUNDING * size
    return least


def _distinct(found: Found) -> NDArray[np.bool_]:
    """Where an id stands for the first time in its row; never where nothing was found."""
    ids = found.ids
    order = np.argsort(ids, axis=1, kind="stable")  # an id comes before a filler that equals it
    ranked = np.take_along_axis(ids, order, axis=1)
    first = np.ones(ids.shape, np.bool_)
    first[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
    placed = np.empty_like(first)
    np.put_along_axis(placed, order, first, axis=1)
    return placed & ~np.isneginf(found.scores)


def _require_same_queries(truth: Found, found: Found) -> None:
    if len(truth.ids) != len(found.ids):
        raise InputError(f"truth, found: {len(truth.ids)} and {len(found.ids)} queries")
