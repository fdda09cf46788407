"""What a sample is worth: as many independent trials as would leave as much in doubt.

Two counts are made, and the smaller one is believed.

One takes the variance that was seen between groups. It is blind to groups that could fail as a
whole, but happened not to: a person with a third of all photos, or the one query in a hundred that
finds nothing.

The other takes every group to be as prone to fail, in proportion, as all others, and its trials to
hang together as closely as those of the groups that lost something, each weighted by the inverse of
its size so that a small group tells as much as a large one. Where groups are found or lost as a
whole, that makes the sample worth (sum of w)^2 / sum of w^2 groups, whatever was lost. A total loss
of a group of mean size is taken for seen: it weighs little among many losses, and much where
there were few or none, which show nothing of how losses hang together.

Known and unknown people are strata: their shares among the probes are set, not drawn, so only what
varies within each counts. As the variance itself is known from a few groups only, the size shrinks
by the ratio of Student's quantiles.

Source: Korn and Graubard, Confidence intervals for proportions with small expected number of
positive counts estimated from survey data, 1998; Kish, Survey sampling, 1965; Ridout, Demetrio and
Firth, Estimating intraclass correlation for binary data, 1999.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["independent_groups", "independent_trials"]

Sums = NDArray[np.float64]
QUANTILE = 0.975  # of Student's, as in the source


def independent_groups(sizes: Sums) -> float:
    """So many groups of one size are worth as much as these, if each stands or falls as a whole.

    Args:
        sizes: [G], above 0.

    Example:
        >>> independent_groups(np.ones(10)), round(independent_groups(np.array([90.0, 5, 5])), 2)
        (10.0, 1.23)
    """
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def independent_trials(hits: Sums, trials: Sums, strata: NDArray[np.int64]) -> float:
    """How many independent trials the hits of these groups are worth.

    Args:
        hits: [G], of each group.
        trials: [G], above 0.
        strata: [G], the part that each group lies in.

    Returns:
        At most the number of trials.

    Example:
        >>> lost = np.array([0.0] + 99 * [10.0])  # one group of a hundred, as a whole
        >>> round(independent_trials(lost, np.full(100, 10.0), np.zeros(100, int)))
        99
    """
    total = float(trials.sum())
    share = float(hits.sum()) / total
    parts = [strata == number for number in np.unique(strata)]
    variance = sum(_spread((hits - share * trials)[part]) for part in parts)
    seen = share * (1 - share) * total**2 / variance if variance > 0 else np.inf
    together = _correlation(hits, trials, parts)
    proportional = total**2 / float((trials * (1 + (trials - 1) * together)).sum())
    size = min(seen, proportional, total)
    return _with_few_groups(size, independent_groups(trials) - len(parts))


def _spread(apart: Sums) -> float:
    """The variance of the sum of as many as these."""
    return len(apart) / max(len(apart) - 1, 1) * float(((apart - apart.mean()) ** 2).sum())


def _correlation(hits: Sums, trials: Sums, parts: list[NDArray[np.bool_]]) -> float:
    """That of two trials of one group, in [0, 1]; 1 where nothing was lost."""
    groups, total = len(trials), float(trials.sum())
    if total <= groups:
        return 1.0
    mean = total / groups
    between = lost = mean  # of the total loss that is taken for seen
    for part in parts:
        got, there = hits[part], trials[part]
        share = float(got.sum() / there.sum())
        count = len(there)
        scaled = float(((got - share * there) ** 2 / there).sum())
        between += scaled * count / max(count - 1, 1)
        lost += share * (1 - share) * float(there.sum())
    return float(np.clip((between * total / lost - groups) / (total - groups), 0, 1))


def _with_few_groups(size: float, freedom: float) -> float:
    from scipy.special import stdtrit

    if size - 1 <= max(freedom, 1):
        return size
    wide, narrow = stdtrit([max(freedom, 1), size - 1], QUANTILE)
    return float(size * (narrow / wide) ** 2)
