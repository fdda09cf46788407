"""A bootstrap's pairs out of all pairs: those that matter one by one, of the others a sample.

Small FARs are made of the highest impostor scores: those are all taken. The impostor pairs below
stand in a seeded sample, each for as many as it was drawn from; it is the same in every draw of
the identities, so it hardly adds to what the draws show.
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
    """The pairs that ``bootstrap`` draws from, where all pairs are too many.

    Args:
        found: what ``verify_all_pairs`` found.
        vectors: as given to it, [N,D].
        labels: as given to it, [N].
        distance: as given to it.
        limit: the most genuine pairs, the most impostor pairs taken one by one, and the most in
            the sample.
        seed: draws the samples.

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
    # Where fewer are taken than were kept, the cut rises to the first that is left out.
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
