"""Effective sample size: the number of independent trials equivalent to correlated ones.

The trials of one group (the k neighbors of one query, or the queries of one person) are
correlated. Two estimates are made, and the smaller one is used.

The first uses the observed variance between groups. It cannot see groups that could have failed as
a whole, but happened not to: a person with a third of all photos, or the one query in a hundred
that finds nothing.

The second assumes that every group fails at the same rate, and that its trials are as correlated as
those of the groups that missed something. Each group is weighted by the inverse of its size, so
that small groups count as much as large ones. If groups are found or missed as a whole, the sample
is equivalent to (sum of w)^2 / sum of w^2 groups, however many were missed. One completely missed
group of mean size is added to the data: it matters little among many misses, and much if there are
few or none, which show nothing about the correlation.

Known and unknown people are strata: their shares of the probes are fixed, not random, so only the
variance within each stratum counts. As the variance is estimated from few groups, the size shrinks
by the ratio of Student's quantiles.

Source: Korn and Graubard, Confidence intervals for proportions with small expected number of
positive counts estimated from survey data, 1998; Kish, Survey sampling, 1965; Ridout, Demetrio and
Firth, Estimating intraclass correlation for binary data, 1999.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["effective_group_count", "effective_trials"]

Sums = NDArray[np.float64]
QUANTILE = 0.975  # of Student's t, as in the source


def effective_groups(sizes: Sums) -> float:
    """The number of equal groups equivalent to these, if each succeeds or fails as a whole.

    Args:
        sizes: [G], above 0.

    Example:
        >>> effective_groups(np.ones(10)), round(effective_groups(np.array([90.0, 5, 5])), 2)
        (10.0, 1.23)
    """
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def effective_group_count(
    groups: NDArray[np.int64], unknown: NDArray[np.bool_] | None = None
) -> float:
    """The number of independent scores equivalent to those of these groups.

    Args:
        groups: int64 [Q], the group of each score.
        unknown: bool [Q]; known and unknown people are counted separately and added. All are known
            if None.

    Example:
        >>> effective_group_count(np.array([3, 3, 3, 8, 8, 8]))
        2.0
    """
    apart = np.zeros(len(groups), np.bool_) if unknown is None else unknown
    parts = [groups[apart == side] for side in (False, True)]
    counts = [np.unique(part, return_counts=True)[1].astype(float) for part in parts if len(part)]
    return sum(map(effective_groups, counts))


def effective_trials(hits: Sums, trials: Sums, strata: NDArray[np.int64]) -> float:
    """The number of independent trials equivalent to those of these groups.

    Args:
        hits: [G], of each group.
        trials: [G], above 0.
        strata: [G], the stratum of each group.

    Returns:
        At most the number of trials.

    Example:
        >>> missed = np.array([0.0] + 99 * [10.0])  # one group of a hundred, as a whole
        >>> round(effective_trials(missed, np.full(100, 10.0), np.zeros(100, int)))
        99
    """
    total = float(trials.sum())
    share = float(hits.sum()) / total
    parts = [strata == number for number in np.unique(strata)]
    variance = sum(_sum_variance((hits - share * trials)[part]) for part in parts)
    observed = share * (1 - share) * total**2 / variance if variance > 0 else np.inf
    correlation = _intraclass_correlation(hits, trials, parts)
    proportional = total**2 / float((trials * (1 + (trials - 1) * correlation)).sum())
    size = min(observed, proportional, total)
    return _student_corrected(size, effective_groups(trials) - len(parts))


def _sum_variance(residuals: Sums) -> float:
    """The variance of a sum of independent terms, estimated from these."""
    squares = float(((residuals - residuals.mean()) ** 2).sum())
    return len(residuals) / max(len(residuals) - 1, 1) * squares


def _intraclass_correlation(hits: Sums, trials: Sums, parts: list[NDArray[np.bool_]]) -> float:
    """The correlation of two trials of one group, in [0, 1]; 1 if nothing was missed."""
    groups, total = len(trials), float(trials.sum())
    if total <= groups:
        return 1.0
    mean = total / groups
    between = within = mean  # of the completely missed group that is added
    for part in parts:
        got, there = hits[part], trials[part]
        share = float(got.sum() / there.sum())
        count = len(there)
        scaled = float(((got - share * there) ** 2 / there).sum())
        between += scaled * count / max(count - 1, 1)
        within += share * (1 - share) * float(there.sum())
    return float(np.clip((between * total / within - groups) / (total - groups), 0, 1))


def _student_corrected(size: float, freedom: float) -> float:
    from scipy.special import stdtrit

    if size - 1 <= max(freedom, 1):
        return size
    wide, narrow = stdtrit([max(freedom, 1), size - 1], QUANTILE)
    return float(size * (narrow / wide) ** 2)
