"""A metric of a validation with its error over identities, comparable from epoch to epoch.

An estimate holds numbers whose sum of squares is its variance, and those of two epochs subtract, so
that the difference of two epochs has a standard error too. For AUC they are the influences of the
identities, in closed form. For Recall@k and MAP@R, which are means over queries, they are the sums
of an identity's queries, less the mean; the photos that are searched stay the same. For EER and
TAR at a FAR, which are read from a curve, they are bootstrap replicates over identities, drawn
alike in every epoch.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from likewise.errors import InputError
from likewise.evaluation.intervals.auc_estimate import AucEstimate
from likewise.evaluation.intervals.bootstrap import identity_weights
from likewise.evaluation.intervals.scored_pairs import ScoredPairs
from likewise.evaluation.intervals.weighted_metrics import Replicate, WeightedPairs
from likewise.evaluation.retrieval.metrics import QuerySearch
from likewise.evaluation.verification.roc import too_few
from likewise.training.recipe.validation_metric import Metric

__all__ = ["estimate_of", "require_measurable"]

REPLICATES = 200  # as many give a standard error to 5 %


def require_measurable(metric: Metric, impostor: int) -> None:
    """Check that there are enough impostor pairs for the metric.

    Raises:
        InputError: its FAR is too low for so many.
    """
    if metric.kind == "tar" and too_few(metric.at, impostor):
        raise InputError(
            f"training.metric: {metric.name}: {impostor:,} pairs of different held-out people are "
            "too few for this FAR; hold out more (data.val_identities), or name a higher one"
        )


def estimate_of(
    metric: Metric,
    vectors: NDArray[np.float32],
    labels: NDArray[np.int64],
    pairs: ScoredPairs,
    present: NDArray[np.int64],
    people: int,
    seed: int,
) -> AucEstimate:
    """A metric other than AUC with its error.

    Args:
        metric: Recall@k, MAP@R, EER or TAR at a FAR.
        vectors: unit-length embeddings [N, D].
        labels: the person of each, from 0 to ``people`` - 1.
        pairs: of these photos.
        present: the people in these pairs, in the order of their numbers there.
        people: the number of held-out people.
        seed: draws the replicates.

    Example:
        >>> import numpy as np
        >>> from likewise.training.recipe.validation_metric import Metric
        >>> from likewise.training.validation import scored
        >>> from likewise.training.validation_metric import estimate_of
        >>> labels = np.repeat(np.arange(20), 3)
        >>> vectors = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
        >>> recall, pairs = Metric.of("Recall@1"), scored(vectors, labels, 0)
        >>> found = estimate_of(recall, vectors, labels, *pairs, people=20, seed=0).interval()
        >>> found.low < found.value < found.high
        True
    """
    if metric.kind in ("recall", "map"):
        return _retrieved(metric, vectors, labels, people)
    return _replicated(metric, pairs, present, people, seed)


def _retrieved(
    metric: Metric, vectors: NDArray[np.float32], labels: NDArray[np.int64], people: int
) -> AucEstimate:
    search = QuerySearch(vectors, labels, ks=(int(metric.at) or 1,))
    found = search.metrics_from(search.top_others()) if search.symmetric else search.metrics()
    each = found.map_at_r if metric.kind == "map" else (found.hits[:, 0] > 0).astype(np.float64)
    value = float(each.mean())
    who = labels[found.query]
    influence = np.bincount(who, (each - value) / len(each), people).astype(np.float64)
    return AucEstimate(value, influence, len(np.unique(who)))


def _replicated(
    metric: Metric, pairs: ScoredPairs, present: NDArray[np.int64], people: int, seed: int
) -> AucEstimate:
    weighted = WeightedPairs(pairs)
    measured = weighted.replicate()
    assert measured is not None  # scored pairs hold both kinds
    genuine = len(np.unique(pairs.left[pairs.same]))
    found = np.full(REPLICATES, np.nan)
    for number, weights in enumerate(identity_weights(people, REPLICATES, seed)):
        replicate = weighted.replicate(weights[present])
        if replicate is not None:
            found[number] = _value(metric, replicate)
    valid = int(np.isfinite(found).sum())
    value = _value(metric, measured)
    if genuine < 2 or valid < REPLICATES / 2:
        return AucEstimate(value, np.zeros(REPLICATES), 1)  # of one person nothing is known
    spread = np.nan_to_num(found - np.nanmean(found)) / math.sqrt(valid)
    return AucEstimate(value, spread * math.sqrt((genuine - 1) / genuine), genuine)


def _value(metric: Metric, replicate: Replicate) -> float:
    return replicate.eer()[0] if metric.kind == "eer" else replicate.tar_at(metric.at)[0]
