"""Successive halving: many candidates on a small sample, few on a large one, fewest on it all.

Speeds on a sample are no speeds on the whole: a scan grows with N, a graph hardly. So candidates
are ranked by their times carried to the whole set, and the first cuts are wide. What a sample shows
to break a limit is not built at all.

Nor is recall on a sample that of the whole: drawn at random it loses nine of ten mates, and what
is left as nearest is noise that no family finds with ease. So a sample holds all true neighbours
of the probes that it is searched with. It is then easier than the whole, which has more around
them: what misses the recall there misses it everywhere.

Source: Jamieson and Talwalkar, Non-stochastic best arm identification and hyperparameter
optimization, 2016.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from likewise.search.tuning.frontier import Point
from likewise.search.tuning.sweep import sweep
from likewise.search.tuning.task import TOO_SLOW, Task
from likewise.search.tuning.trial import Trial, built_over
from likewise.search.tuning.yardstick import Yardstick

__all__ = ["FINALISTS", "Halving", "sample_sizes"]

SMALLEST = 2_000  # vectors in a sample: below, all families look alike
STEP = 4
FINALISTS = 4
SAMPLE_PROBES, FEWEST_PROBES = 500, 50
NEIGHBORS = 4  # one in so many vectors of a sample is a neighbour of a probe
SLACK = 0.03  # a sample's recall may miss the target by this: codebooks improve with more vectors
SECONDS = 0.1  # to time one setting on a sample
MARGINS = (4.0, 2.5, 1.7)  # how much slower than the best a candidate may look, cut by cut


def sample_sizes(count: int) -> list[int]:
    """The sizes of the samples before the whole, ascending.

    Example:
        >>> sample_sizes(7_000), sample_sizes(200_000), sample_sizes(1_000_000)
        ([], [3125, 12500, 50000], [15625, 62500, 250000])
    """
    times = max(0, math.floor(math.log(count / SMALLEST, STEP))) if count > SMALLEST else 0
    return [count // STEP**power for power in range(min(times, 3), 0, -1)]


@dataclass(eq=False)
class Halving:
    """The cuts before the final.

    Args:
        task: what is to be tuned.
        points: every point measured on a sample.
        dropped: why candidates went out, by name.
        beyond: those that a limit stopped.
    """

    task: Task
    points: list[Point] = field(default_factory=list)
    dropped: dict[str, str] = field(default_factory=dict)
    beyond: list[Trial] = field(default_factory=list)

    def run(self, trials: Iterable[Trial], advance: Callable[[int], None]) -> list[Trial]:
        """The candidates that are worth building over all N."""
        left = list(trials)
        count = len(self.task.vectors)
        order = np.random.default_rng([self.task.seed, 3]).permutation(count)
        for cut, size in enumerate(sample_sizes(count)):
            left = self._tried(left, order, size, advance)
            left = self._cut(left, cut)
        return left

    def _tried(
        self,
        trials: list[Trial],
        order: NDArray[np.int64],
        size: int,
        advance: Callable[[int], None],
    ) -> list[Trial]:
        task = self.task
        truth = task.yardstick.truth.ids
        most = size // (NEIGHBORS * max(1, truth.shape[1]))
        probes = min(SAMPLE_PROBES, len(truth), max(FEWEST_PROBES, most))
        drawn = np.random.default_rng([task.seed, 5, size]).permutation(len(truth))
        probed = np.sort(drawn[:probes])
        near = np.unique(truth[probed])  # of rows: the exact index counts from 0
        rest = order[~np.isin(order, near)][: max(0, size - len(near))]
        chosen = np.sort(np.concatenate([near, rest]))
        sample = np.ascontiguousarray(task.vectors[chosen])
        some = task.choosing.take(probed)
        labels = None if task.labels is None else task.labels[chosen]
        exact = built_over(sample, "exact", {}, task.space.metric)
        yardstick = Yardstick(exact.index, some, task.aim.k, labels, task.threshold)
        left = []
        count, dimension = task.vectors.shape
        for trial in trials:
            if len(sample) < trial.family.smallest:  # it would be searched exactly: no trial
                left.append(trial)
                advance(len(sample))
                continue
            settings = trial.settings_for(len(sample), count, dimension, task.space.metric)
            try:
                built = built_over(sample, trial.family.name, settings, task.space.metric)
            except (RuntimeError, ValueError) as error:  # as libraries refuse what they cannot do
                self.dropped[trial.name] = f"cannot be built: {str(error).splitlines()[0][:200]}"
                advance(len(sample))
                continue
            grid = trial.family.search_grid(settings, len(sample), task.aim.k)
            points = sweep(
                built, grid, yardstick, task.aim, task.pace, refine=False, budget=SECONDS
            )
            self.points += points
            reached = [p for p in points if p.reaches(task.aim.targets, SLACK)]
            advance(len(sample))
            if reached:
                trial.points.append(min(reached, key=lambda point: point.seconds))
                left.append(trial)
            elif task.has_lost(points):
                self.dropped[trial.name] = TOO_SLOW
            else:
                self.dropped[trial.name] = f"misses the recall on {len(sample):,} vectors already"
        return left

    def _cut(self, trials: list[Trial], cut: int) -> list[Trial]:
        count, limits = len(self.task.vectors), self.task.limits
        untried = [trial for trial in trials if not trial.points]
        within = []
        for trial in (trial for trial in trials if trial.points):
            built = self.task.count_built
            memory = trial.memory_at(built) + limits.items_bytes
            build_s = trial.build_s_at(built)
            if limits.memory is not None and memory > limits.memory:
                self.drop(trial, f"would take about {memory / 1e6:,.1f} MB of memory")
            elif limits.build is not None and build_s > limits.build:
                self.drop(trial, f"would take about {build_s:,.0f} s to build")
            else:
                within.append(trial)
        within.sort(key=lambda trial: trial.seconds_at(count))
        kept: list[Trial] = []
        seen: set[str] = set()
        exact = self.task.exact_point.seconds if self.task.exact_fits else None
        margin = MARGINS[min(cut, len(MARGINS) - 1)]
        most = max(FINALISTS, math.ceil(len(within) / 2))
        for trial in within:
            seconds = trial.seconds_at(count)
            # In the first cut a family's best stays a while: one sample shows no growth yet.
            first = cut == 0 and trial.family.name not in seen
            seen.add(trial.family.name)
            fast = seconds <= margin * within[0].seconds_at(count) * (2.0 if first else 1.0)
            rivals = not exact or seconds <= 1.5 * exact
            if fast and rivals and (first or len(kept) < most):
                kept.append(trial)
            else:
                self.dropped[trial.name] = f"would take about {1000 * seconds:.3g} ms a query"
        return kept + untried

    def drop(self, trial: Trial, reason: str) -> None:
        """Leave out a candidate that breaks a limit; it is remembered as what would do."""
        self.dropped[trial.name] = reason
        self.beyond.append(trial)
