"""Recall of an index, with confidence bounds: of the k nearest, and of the mates among them.

Recall@k counts the k nearest vectors, whoever they are. Recognition needs the mates: photos of the
query's person that score above the operating threshold. Families miss the two at very different
rates, so the tuner can be given a target for either.

The k neighbors of one query, and the queries of one person, are correlated. So the exact binomial
bounds are computed for the effective sample size (see ``effective_sample_size``). A bootstrap would
give bounds of zero width where everything was found.

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
from likewise.search.tuning.effective_sample_size import effective_trials

__all__ = ["Found", "Recall", "mates_found", "nearest_found", "recall_of"]

Scores = NDArray[np.float32]
Ids = NDArray[np.int64]
Counts = NDArray[np.int64]
LEVEL = 0.95  # of each one-sided bound
ROUNDING = 4 * float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Found:
    """The result of a search.

    Args:
        scores: float32 [Q,k], exact and descending; -inf where nothing was found.
        ids: int64 [Q,k]; any value where nothing was found.
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
    """A recall with its confidence bounds.

    Args:
        value: as measured.
        low: the true recall is above this with 95 % confidence; a target must not exceed it.
        high: the true recall is below this with 95 % confidence.
        queries: how many queries had something to find.
        trials: how many neighbors or mates there were to find.
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
    """How many of the k nearest were found for each query, [Q].

    Any id that scores as high as the k-th exact neighbor counts, so ties are all accepted; an id
    that occurs twice counts once.

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
    """How many mates were found for each query, and how many there were, both [Q].

    The mates to be found are those that exact search returns: among the k nearest, with the query's
    label, and with a score of at least the threshold. Mates beyond the k-th place or below the
    threshold do not count as missed, because they would not lead to a recognition.

    Args:
        truth: the result of exact search.
        found: the result of the index.
        labels: int64 [Q], of the queries.
        truth_labels: int64 [Q,k], of the ids in ``truth``.
        found_labels: int64 [Q,k], of the ids in ``found``.
        threshold: the score from which on two photos count as the same person.

    Raises:
        InputError: the shapes do not match.
    """
    _require_same_queries(truth, found)
    own = np.asarray(labels)[:, None]
    theirs, ours = np.asarray(truth_labels), np.asarray(found_labels)
    if theirs.shape != truth.ids.shape or ours.shape != found.ids.shape:
        raise InputError("truth_labels, found_labels: give one label for each id")
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
    """The recall of all queries, with its bounds.

    Args:
        hits: [Q], how many were found for each query.
        trials: [Q], how many there were to find; queries with 0 are left out.
        groups: int64 [Q], groups of correlated queries (of one person); each query is a group of
            its own if None.
        strata: bool or int64 [Q], strata of fixed size; each group lies in one. One stratum if
            None.
        level: the confidence of each one-sided bound.

    Raises:
        InputError: there was nothing to find, or there are more hits than trials.

    Example:
        >>> from likewise.search.tuning.recall import recall_of
        >>> found = recall_of([10] * 380 + [5] * 20, [10] * 400)
        >>> round(found.value, 3), round(found.low, 3), round(found.high, 3)
        (0.975, 0.963, 0.984)
    """
    got, there = np.asarray(hits, np.float64), np.asarray(trials, np.float64)
    if got.shape != there.shape or got.ndim != 1 or (got > there).any() or (got < 0).any():
        raise InputError("hits, trials: give one of each for every query, with hits at most trials")
    kept = there > 0
    total = float(there.sum())
    if not kept.any():
        raise InputError("recall: there is nothing to find for any query")
    own = np.arange(len(got)) if groups is None else np.asarray(groups)
    part = np.zeros(len(got), np.int64) if strata is None else np.asarray(strata).astype(np.int64)
    _, first, group = np.unique(own[kept], return_index=True, return_inverse=True)
    share = float(got.sum()) / total
    found_by, there_by = (np.bincount(group, each[kept]).astype(float) for each in (got, there))
    size = effective_trials(found_by, there_by, part[kept][first])
    low, high = clopper_pearson(share * size, size, 2 * level - 1)
    return Recall(share, min(low, share), max(high, share), int(kept.sum()), int(total))


def _floor(truth: Found) -> NDArray[np.float64]:
    """The k-th score of each query, less the rounding error of an equal score: [Q,1]."""
    size = np.maximum(1.0, np.abs(truth.scores).max(axis=1, keepdims=True))
    least: NDArray[np.float64] = truth.scores[:, -1:].astype(np.float64) - ROUNDING * size
    return least


def _distinct(found: Found) -> NDArray[np.bool_]:
    """Whether an id occurs for the first time in its row; False where nothing was found."""
    ids = found.ids
    order = np.argsort(ids, axis=1, kind="stable")  # stable: an id comes before an equal filler
    ranked = np.take_along_axis(ids, order, axis=1)
    first = np.ones(ids.shape, np.bool_)
    first[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
    placed = np.empty_like(first)
    np.put_along_axis(placed, order, first, axis=1)
    return placed & ~np.isneginf(found.scores)


def _require_same_queries(truth: Found, found: Found) -> None:
    if len(truth.ids) != len(found.ids):
        raise InputError(f"truth, found: {len(truth.ids)} and {len(found.ids)} queries")
