"""How alike the most alike of many strangers look: an extreme-value law, fitted on the set itself.

Every verdict rests on it. The best of n strangers' scores follows a Gumbel law (Gumbel,
"Statistics of Extremes", 1958): P(best ≤ x) = exp(-n·exp(-(x - a)/b)). Each identity's best score
among the others of its own set is one draw of it. A few of those may be the same person under
two names, so the law is fitted between the 10 % and 80 % quantiles, which they hardly touch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from likewise.errors import InputError
from likewise.inspection.neighbours import nearest
from likewise.inspection.templates import Templates, noise_ratio, size_factor

__all__ = ["FEWEST_PEOPLE", "Strangers", "learn_strangers", "share_false"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

FEWEST_PEOPLE = 20  # below, there are too few draws to learn the law from
QUANTILES = np.linspace(0.1, 0.8, 15)
MOST_DRAWS = 20_000
BLOCK = 65_536


@dataclass(frozen=True)
class Strangers:
    """The law of strangers' scores.

    Args:
        location: a, as a cosine, for the best of one.
        scale: b.
        mean: of the cosine of two strangers' templates.
        deviation: its robust standard deviation.
        ratio: ρ, a photo's noise; see ``noise_ratio``.
    """

    location: float
    scale: float
    mean: float
    deviation: float
    ratio: float

    def chance(self, scores: Floats, query_sizes: Rows, sizes: Rows) -> Floats:
        """How likely the best of these strangers scores as high: a p-value that knows how many
        were compared, and of how many photos each is.

        Args:
            scores: corrected scores, [Q].
            query_sizes: photos behind each query, int64 [Q].
            sizes: photos of each identity searched, int64 [K].
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

    def cosine_at(self, chance: float) -> float:
        """The cosine that the given part of all pairs of strangers exceeds (normal law)."""
        from scipy.stats import norm

        return self.mean + self.deviation * float(norm.isf(chance))


def learn_strangers(*sets: Templates) -> Strangers:
    """Fit the law on one or more sets, in each of which the identities are different people.

    Args:
        sets: the templates; of a set with more than 20,000 identities as many are used as draws.

    Raises:
        InputError: fewer than 20 identities.
    """
    best, among, cosines = [], [], []
    random = np.random.default_rng(0)
    for people in sets:
        here = np.flatnonzero(people.sizes)
        if len(here) < 2:
            continue
        drawn = np.linspace(0, len(here) - 1, min(len(here), MOST_DRAWS)).astype(np.int64)
        units = people.units[here]
        scores, rows = nearest(units[drawn], units, 2)
        other = np.where(rows[:, 0] == drawn, scores[:, 1], scores[:, 0])
        best.append(other.astype(np.float64))
        among.append(np.full(len(other), len(here) - 1))
        left, right = random.integers(len(here), size=(2, 100_000))
        different = left != right
        cosines.append((units[left[different]] * units[right[different]]).sum(axis=1))
    draws = sum(map(len, best))
    if draws < FEWEST_PEOPLE:
        raise InputError(
            f"{draws} identities are too few to learn how alike strangers look; "
            f"at least {FEWEST_PEOPLE} are needed"
        )
    location, scale = _fit_gumbel(np.concatenate(best), np.concatenate(among))
    values = np.concatenate(cosines).astype(np.float64)
    low, middle, high = np.quantile(values, [0.1587, 0.5, 0.8413])
    return Strangers(
        location, scale, float(middle), max(float(high - low) / 2, 1e-6), noise_ratio(*sets)
    )


def _fit_gumbel(best: Floats, among: Rows) -> tuple[float, float]:
    """a and b of the best of one: each draw is of the best of ``among``, b·log(among) higher."""
    standard = -np.log(-np.log(QUANTILES))
    scale, location = np.polyfit(standard, np.quantile(best, QUANTILES), 1)
    for _ in range(20):
        reduced = np.quantile(best - scale * np.log(among), QUANTILES)
        scale, location = np.polyfit(standard, reduced, 1)
        scale = max(scale, 1e-6)
    return float(location), float(scale)


def share_false(chances: Floats, best: Floats) -> Floats:
    """q-values: of all identities whose best match is at least as unlikely, the share by chance.

    Benjamini and Hochberg, "Controlling the False Discovery Rate", 1995. A second match of one
    identity is judged as if it were a best one.

    Args:
        chances: p-values to be judged, of any shape.
        best: the smallest p-value of each identity, [N].
    """
    order = np.sort(best)
    stepped = order * len(order) / np.arange(1, len(order) + 1)
    adjusted = np.minimum(np.minimum.accumulate(stepped[::-1])[::-1], 1.0)
    rank = np.searchsorted(order, chances, side="right")
    own = np.minimum(chances * len(order) / np.maximum(rank, 1), 1.0)
    later = np.append(adjusted, 1.0)[rank]  # a less unlikely match may have a smaller share
    found: Floats = np.minimum(own, later)
    return found
