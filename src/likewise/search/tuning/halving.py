"""Successive halving: many candidates on small samples, few on large ones, fewest on all vectors.

The time of a search grows differently for each family: linearly for a scan, hardly for a graph. So
candidates are ranked by times extrapolated to all vectors, and the first rounds keep many. A
candidate that would exceed a limit is not built over all vectors.

A random sample would lose most mates, and its nearest neighbors would be noise, which all families
miss. So a sample contains all true neighbors of the probes that search it. It is then easier than
the whole set, which has more vectors around them: a candidate that misses the target on a sample
misses it everywhere.

Source: Jamieson and Talwalkar, Non-stochastic best arm identification and hyperparameter
optimization, 2016.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from likewise.errors import first_line
from likewise.search.tuning.candidate import Candidate, measured_build
from likewise.search.tuning.frontier import Point
from likewise.search.tuning.ground_truth import GroundTruth
from likewise.search.tuning.sweep import sweep
from likewise.search.tuning.task import TOO_SLOW, Task

__all__ = ["FINALISTS", "SuccessiveHalving", "sample_sizes"]

MIN_SAMPLE = 2_000  # vectors; below this, all families look alike
STEP = 4
FINALISTS = 4
MAX_PROBES, MIN_PROBES = 500, 50  # of a sample
NEIGHBORS = 4  # one in this many vectors of a sample is a neighbor of a probe
SLACK = 0.03  # allowed below the target on a sample: codebooks improve with more vectors
SECONDS = 0.1  # to time one setting on a sample
MARGINS = (4.0, 2.5, 1.7)  # how much slower than the best a candidate may be, by round


def sample_sizes(count: int) -> list[int]:
    """The sizes of the samples, ascending.

    Example:
        >>> sample_sizes(7_000), sample_sizes(200_000), sample_sizes(1_000_000)
        ([], [3125, 12500, 50000], [15625, 62500, 250000])
    """
    times = max(0, math.floor(math.log(count / MIN_SAMPLE, STEP))) if count > MIN_SAMPLE else 0
    return [count // STEP**power for power in range(min(times, 3), 0, -1)]


@dataclass(eq=False)
class SuccessiveHalving:
    """The rounds on samples, before the final round.

    Args:
        task: the tuning task.
        points: all points measured on samples.
        dropped: the reason for each dropped candidate, by name.
        over_limit: the candidates dropped because of a limit.
    """

    task: Task
    points: list[Point] = field(default_factory=list)
    dropped: dict[str, str] = field(default_factory=dict)
    over_limit: list[Candidate] = field(default_factory=list)

    def run(
        self, candidates: Iterable[Candidate], advance: Callable[[int], None]
    ) -> list[Candidate]:
        """The candidates for the final round."""
        left = list(candidates)
        count = len(self.task.vectors)
        order = np.random.default_rng([self.task.seed, 3]).permutation(count)
        for number, size in enumerate(sample_sizes(count)):
            left = self._measured(left, order, size, advance)
            left = self._kept(left, number)
        return left

    def _measured(
        self,
        candidates: list[Candidate],
        order: NDArray[np.int64],
        size: int,
        advance: Callable[[int], None],
    ) -> list[Candidate]:
        task = self.task
        truth = task.selection_truth.truth.ids
        most = size // (NEIGHBORS * max(1, truth.shape[1]))
        probes = min(MAX_PROBES, len(truth), max(MIN_PROBES, most))
        drawn = np.random.default_rng([task.seed, 5, size]).permutation(len(truth))
        probed = np.sort(drawn[:probes])
        near = np.unique(truth[probed])  # of rows: the exact index counts from 0
        rest = order[~np.isin(order, near)][: max(0, size - len(near))]
        chosen = np.sort(np.concatenate([near, rest]))
        sample = np.ascontiguousarray(task.vectors[chosen])
        some = task.selection.take(probed)
        labels = None if task.labels is None else task.labels[chosen]
        exact = measured_build(sample, "exact", {}, task.space.metric)
        sample_truth = GroundTruth(exact.index, some, task.target.k, labels, task.threshold)
        left = []
        count, dimension = task.vectors.shape
        for candidate in candidates:
            if len(sample) < candidate.family.min_vectors:  # it would be searched exactly
                left.append(candidate)
                advance(len(sample))
                continue
            settings = candidate.settings_for(len(sample), count, dimension, task.space.metric)
            try:
                built = measured_build(sample, candidate.family.name, settings, task.space.metric)
            except (RuntimeError, ValueError) as error:  # errors of the libraries
                reason = first_line(error)
                self.dropped[candidate.name] = f"cannot be built: {reason}"
                advance(len(sample))
                continue
            grid = candidate.family.search_grid(settings, len(sample), task.target.k)
            points = sweep(
                built, grid, sample_truth, task.target, task.timer, refine=False, budget=SECONDS
            )
            self.points += points
            reached = [p for p in points if p.reaches(task.target.recalls, SLACK)]
            advance(len(sample))
            if reached:
                candidate.points.append(min(reached, key=lambda point: point.seconds))
                left.append(candidate)
            elif task.too_slow(points):
                self.dropped[candidate.name] = TOO_SLOW
            else:
                reason = f"misses the recall on a sample of {len(sample):,} vectors"
                self.dropped[candidate.name] = reason
        return left

    def _kept(self, candidates: list[Candidate], number: int) -> list[Candidate]:
        count, limits = len(self.task.vectors), self.task.limits
        untried = [candidate for candidate in candidates if not candidate.points]
        within = []
        for candidate in (candidate for candidate in candidates if candidate.points):
            built = self.task.final_count
            memory = candidate.memory_at(built) + limits.items_bytes
            build_s = candidate.build_s_at(built)
            if limits.memory is not None and memory > limits.memory:
                self.drop(candidate, f"would take about {memory / 1e6:,.1f} MB of memory")
            elif limits.build is not None and build_s > limits.build:
                self.drop(candidate, f"would take about {build_s:,.0f} s to build")
            else:
                within.append(candidate)
        within.sort(key=lambda candidate: candidate.seconds_at(count))
        kept: list[Candidate] = []
        seen: set[str] = set()
        exact = self.task.exact_point.seconds if self.task.exact_fits else None
        margin = MARGINS[min(number, len(MARGINS) - 1)]
        most = max(FINALISTS, math.ceil(len(within) / 2))
        for candidate in within:
            seconds = candidate.seconds_at(count)
            # Round 0 keeps the best of each family longer: one sample shows no growth yet.
            first = number == 0 and candidate.family.name not in seen
            seen.add(candidate.family.name)
            fast = seconds <= margin * within[0].seconds_at(count) * (2.0 if first else 1.0)
            rivals = not exact or seconds <= 1.5 * exact
            if fast and rivals and (first or len(kept) < most):
                kept.append(candidate)
            else:
                self.dropped[candidate.name] = f"would take about {1000 * seconds:.3g} ms a query"
        return kept + untried

    def drop(self, candidate: Candidate, reason: str) -> None:
        """Drop a candidate that exceeds a limit; an error message may suggest it."""
        self.dropped[candidate.name] = reason
        self.over_limit.append(candidate)
