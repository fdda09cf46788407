"""The distribution of impostor scores: how similar different identities look in this set.

All decisions rest on it. The best of n impostor scores follows a Gumbel distribution (Gumbel,
"Statistics of Extremes", 1958): P(best ≤ x) = exp(-n·exp(-(x - a)/b)). Each identity's best score
among the other identities of its own set is one sample. A few of these may be one person under
two names, so the distribution is fitted between the 10 % and 80 % quantiles, which they hardly
affect.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from likewise.distances import Dot
from likewise.errors import InputError
from likewise.evaluation.nearest.neighbors import nearest
from likewise.inspection.centroids import Centroids, noise_ratio, size_factor

__all__ = ["ImpostorScores", "fit_impostor_scores", "q_values"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

FEWEST_IDENTITIES = 20  # with fewer there are too few samples for a fit
QUANTILES = np.linspace(0.1, 0.8, 15)
MOST_SAMPLES = 20_000
BLOCK = 65_536


@dataclass(frozen=True)
class ImpostorScores:
    """The distribution of the scores between different identities.

    Args:
        location: a, as a cosine, for n = 1.
        scale: b.
        mean: mean cosine of the centroids of two different identities.
        deviation: its robust standard deviation.
        ratio: ρ, see ``noise_ratio``.
    """

    location: float
    scale: float
    mean: float
    deviation: float
    ratio: float

    def p_values(self, scores: Floats, query_sizes: Rows, sizes: Rows) -> Floats:
        """The probability that the best impostor among those searched scores as high.

        It accounts for how many identities were searched, and how many photos each has.

        Args:
            scores: corrected scores, [Q].
            query_sizes: number of photos behind each query, int64 [Q].
            sizes: number of photos of each identity searched, int64 [K].
        """
        size, times = np.unique(sizes[sizes > 0], return_counts=True)
        factor = size_factor(size, self.ratio)
        expected = np.empty(len(scores))
        for start in range(0, len(scores), BLOCK):
            part = slice(start, start + BLOCK)
            own = size_factor(query_sizes[part], self.ratio)
            cosines = np.maximum(scores[part], -9)[:, None] / (own[:, None] * factor)
            tail = np.exp(np.minimum((self.location - cosines) / self.scale, 50))
            expected[part] = tail @ times
        return -np.expm1(-expected)


def fit_impostor_scores(*sets: Centroids) -> ImpostorScores:
    """Fit the distribution on one or more sets, each with distinct identities.

    Args:
        sets: the centroids; of a set with more than 20,000 identities, 20,000 are sampled.

    Raises:
        InputError: fewer than 20 identities.
    """
    best, among, cosines = [], [], []
    random = np.random.default_rng(0)
    for people in sets:
        here = np.flatnonzero(people.sizes)
        if len(here) < 2:
            continue
        drawn = np.linspace(0, len(here) - 1, min(len(here), MOST_SAMPLES)).astype(np.int64)
        directions = people.directions[here]
        found = nearest(directions[drawn], directions, 1, distance=Dot(), own_rows=drawn)
        best.append(found.scores[:, 0].astype(np.float64))
        among.append(np.full(len(drawn), len(here) - 1))
        left, right = random.integers(len(here), size=(2, 100_000))
        different = left != right
        cosines.append((directions[left[different]] * directions[right[different]]).sum(axis=1))
    samples = sum(map(len, best))
    if samples < FEWEST_IDENTITIES:
        raise InputError(
            f"{samples} identities are too few to estimate how similar different people look; "
            f"at least {FEWEST_IDENTITIES} are needed"
        )
    location, scale = _fit_gumbel(np.concatenate(best), np.concatenate(among))
    values = np.concatenate(cosines).astype(np.float64)
    low, middle, high = np.quantile(values, [0.1587, 0.5, 0.8413])
    return ImpostorScores(
        location, scale, float(middle), max(float(high - low) / 2, 1e-6), noise_ratio(*sets)
    )


def _fit_gumbel(best: Floats, among: Rows) -> tuple[float, float]:
    """a and b for n = 1: the best of ``among`` scores lies b·log(among) higher."""
    standard = -np.log(-np.log(QUANTILES))
    scale, location = np.polyfit(standard, np.quantile(best, QUANTILES), 1)
    for _ in range(20):
        reduced = np.quantile(best - scale * np.log(among), QUANTILES)
        scale, location = np.polyfit(standard, reduced, 1)
        scale = max(scale, 1e-6)
    return float(location), float(scale)


def q_values(p_values: Floats, best: Floats) -> Floats:
    """q-values: the false discovery rate if every match with as low a p-value is accepted.

    Benjamini and Hochberg, "Controlling the False Discovery Rate", 1995. An identity's second
    match is treated as if it were its best.

    Args:
        p_values: of any shape.
        best: the smallest p-value of each identity, [N].
    """
    order = np.sort(best)
    stepped = order * len(order) / np.arange(1, len(order) + 1)
    adjusted = np.minimum(np.minimum.accumulate(stepped[::-1])[::-1], 1.0)
    rank = np.searchsorted(order, p_values, side="right")
    own = np.minimum(p_values * len(order) / np.maximum(rank, 1), 1.0)
    later = np.append(adjusted, 1.0)[rank]  # a larger p-value may have a smaller q-value
    found: Floats = np.minimum(own, later)
    return found
