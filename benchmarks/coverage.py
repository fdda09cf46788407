"""Coverage of the confidence intervals: how often they hold the true value, in simulated sets.

A photo is the sum of its person and its day, x = p + d, both normal in 16 dimensions; a score is
minus the squared distance. Then ‖x - y‖² is 2σ_d²·χ² for one person and 2(σ_p² + σ_d²)·χ² for two,
so AUC and TAR at FAR are known in closed form. Each simulated set has 200 people with three photos;
its 95 % intervals come from likewise.evaluation.intervals.bootstrap.

python -m benchmarks.coverage [--quick] [--json FILE]
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.measure import Result, arguments, report, row
from likewise.evaluation.intervals.bootstrap import bootstrap
from likewise.evaluation.intervals.scored_pairs import ScoredPairs

PEOPLE, PHOTOS, DIMENSION = 200, 3, 16
PERSON, DAY = 1.0, 0.7  # standard deviations: AUC .984, TAR .657 at FAR 1e-2
FAR = 1e-2
SETS, REPLICATES = 500, 200


class Coverage(NamedTuple):
    """The share of sets whose interval holds the true value, is above it, and is below it."""

    held: float
    too_high: float
    too_low: float


def truth() -> tuple[float, float]:
    """AUC and TAR in the limit of infinitely many people."""
    within, between = DAY**2, PERSON**2 + DAY**2
    auc = float(stats.f.cdf(between / within, DIMENSION, DIMENSION))
    limit = stats.chi2.ppf(FAR, DIMENSION) * between / within
    return auc, float(stats.chi2.cdf(limit, DIMENSION))


def simulated(seed: int) -> ScoredPairs:
    """All pairs of one set of people."""
    random = np.random.default_rng(seed)
    people = np.repeat(np.arange(PEOPLE), PHOTOS)
    person = PERSON * random.normal(size=(PEOPLE, DIMENSION))
    photos = person[people] + DAY * random.normal(size=(len(people), DIMENSION))
    squares = (photos**2).sum(axis=1)
    i, j = np.triu_indices(len(people), 1)
    scores = 2 * (photos @ photos.T)[i, j] - squares[i] - squares[j]
    return ScoredPairs(scores, people[i] == people[j], people[i], people[j], PEOPLE)


def coverage(
    sets: int, replicates: int = REPLICATES, level: float = 0.95
) -> tuple[Coverage, Coverage]:
    """Of AUC, and of TAR at FAR = 1e-2."""
    ranges: list[list[tuple[float, float]]] = [[], []]
    for seed in range(sets):
        found = bootstrap(simulated(seed), (FAR,), replicates=replicates, level=level, seed=seed)
        tar = found.at(FAR).tar
        assert tar is not None
        ranges[0].append((found.auc.low, found.auc.high))
        ranges[1].append((tar.low, tar.high))
    auc, tar = (
        _coverage(np.array(found), value) for found, value in zip(ranges, truth(), strict=True)
    )
    return auc, tar


def _coverage(ranges: NDArray[np.float64], value: float) -> Coverage:
    above, below = ranges[:, 0] > value, ranges[:, 1] < value
    return Coverage(float(np.mean(~above & ~below)), float(above.mean()), float(below.mean()))


def results(*, quick: bool) -> list[Result]:
    sets = 60 if quick else SETS
    # With 60 sets, chance alone changes the share by some 3 %.
    low, high = (0.86, 1.0) if quick else (0.92, 0.98)
    found = []
    for name, measured in zip(("auc", "tar_at_far_1e-2"), coverage(sets), strict=True):
        print(
            f"{name}: {measured.held:.1%} of {sets} intervals of 95 % hold the true value; "
            f"{measured.too_high:.1%} are above it, {measured.too_low:.1%} below"
        )
        holds = low <= measured.held <= high
        bar = f"{low} to {high}"
        found.append(row(f"evaluation.coverage_{name}", measured.held, "share", bar, holds))
    return found


if __name__ == "__main__":
    options = arguments(__doc__)
    report(results(quick=options.quick), options.json)
