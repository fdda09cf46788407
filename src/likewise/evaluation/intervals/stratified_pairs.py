"""The pairs for a bootstrap of all pairs: the highest impostor pairs, and a sample of the rest.

The highest impostor scores determine TAR at small FARs, so all of them are taken. The impostor
pairs below are represented by a random sample, where each has the weight of the pairs it
represents. All replicates use the same sample, so it adds little variance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.data.labels import checked_labels
from likewise.data.pairs import draw_pairs
from likewise.distances import Distance
from likewise.evaluation.intervals.scored_pairs import ScoredPairs
from likewise.evaluation.verification.all_pairs import AllPairs
from likewise.evaluation.verification.metrics import pair_scores

__all__ = ["pairs_for_bootstrap"]

Numbers = NDArray[np.int64]
LIMIT = 1_000_000


def pairs_for_bootstrap(
    found: AllPairs,
    vectors: NDArray[np.float32],
    labels: ArrayLike,
    *,
    distance: Distance | None = None,
    limit: int = LIMIT,
    seed: int = 0,
) -> ScoredPairs:
    """A weighted selection of all pairs for ``bootstrap``, when all pairs are too many.

    Args:
        found: the result of ``verify_all_pairs``.
        vectors: as given to it, [N,D].
        labels: as given to it, [N].
        distance: as given to it.
        limit: the most genuine pairs, the most top impostor pairs, and the most pairs in the
            sample of the other impostors.
        seed: of the samples.

    Example:
        >>> import numpy as np
        >>> from likewise.evaluation.verification.all_pairs import verify_all_pairs
        >>> from likewise.evaluation.intervals.bootstrap import bootstrap
        >>> from likewise.evaluation.intervals.stratified_pairs import pairs_for_bootstrap
        >>> people = np.repeat(np.arange(20), 3)
        >>> random = np.random.default_rng(0)
        >>> rows = random.normal(size=(20, 8))[people] + random.normal(size=(60, 8)) / 2
        >>> found = verify_all_pairs(rows.astype(np.float32), people, keep=100)
        >>> pairs = pairs_for_bootstrap(found, rows.astype(np.float32), people)
        >>> int(pairs.weight.sum()) == 60 * 59 // 2
        True
        >>> auc = bootstrap(pairs, replicates=50).auc
        >>> auc.low < auc.value < auc.high
        True
    """
    _, classes = np.unique(checked_labels(labels, "labels"), return_inverse=True)
    random = np.random.default_rng(seed)
    count = len(found.genuine_scores)
    chosen = np.arange(count)
    if count > limit:
        chosen = random.choice(count, limit, replace=False)
    scores = [found.genuine_scores[chosen]]
    left, right = [found.genuine_left[chosen]], [found.genuine_right[chosen]]
    weight = [np.full(len(chosen), count / len(chosen))]
    # If there are more than the limit, the cut rises to the first score that is left out.
    nearest, cut = found.nearest_scores, found.exact_above
    if len(nearest) > limit:
        cut = float(nearest[limit])
    taken = int(np.searchsorted(-nearest, -cut, side="left"))
    scores.append(nearest[:taken])
    left.append(found.nearest_left[:taken])
    right.append(found.nearest_right[:taken])
    weight.append(np.ones(taken))
    rest = found.measured.impostor - taken
    if rest:
        drawn = draw_pairs(classes.astype(np.int64), limit=limit, seed=seed)
        different = ~drawn.same
        a, b = np.asarray(drawn.left)[different], np.asarray(drawn.right)[different]
        sampled = pair_scores(vectors, a, b, distance)
        below = sampled <= cut
        scores.append(sampled[below])
        left.append(a[below])
        right.append(b[below])
        weight.append(np.full(int(below.sum()), rest / below.sum()))
    same = np.arange(sum(map(len, scores))) < len(chosen)
    return ScoredPairs(
        scores=np.concatenate(scores),
        same=same,
        left=classes[np.concatenate(left)],
        right=classes[np.concatenate(right)],
        identities=int(classes.max()) + 1,
        weight=np.concatenate(weight),
    )
