"""A tuning task: indexed vectors, held-out probes, ground truth, and the time of exact search."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.distances.mahalanobis import Mahalanobis
from likewise.errors import InputError
from likewise.search.contents.space import Space, space_of
from likewise.search.engines.engine import Vectors
from likewise.search.tuning.candidate import measured_build
from likewise.search.tuning.frontier import Point
from likewise.search.tuning.ground_truth import GroundTruth, operating_threshold
from likewise.search.tuning.probes import Probes, checked_labels, hold_out, without_indexed
from likewise.search.tuning.sweep import BuiltIndex
from likewise.search.tuning.target import Limits, Target
from likewise.search.tuning.timing import LARGE_BATCH, ReferenceTimer

__all__ = ["SECONDS", "TOO_SLOW", "Task", "prepare", "why_exact_suffices"]

SECONDS = 0.3  # to time one setting over all vectors
SMALL, SECONDS_SMALL = 20_000, 0.1  # up to this many vectors, and the seconds then
OVERHEAD = 1.25  # exact search within this factor of an empty search cannot be improved
REFERENCE = 4_000  # vectors of the reference search of the timer
REFERENCE_BATCH = 1_000  # the same for large batches, whose rounds are long
MAX_SLOWDOWN = 2.0  # relative to exact search: slower settings will not be chosen
TOO_SLOW = "takes more than twice as long as exact search"
MIN_PEOPLE = 20  # with fewer, the probes would be few groups, and prove nothing
TINY = 32  # vectors of an index whose search time is only the overhead of the call


@dataclass(frozen=True, eq=False)
class Task:
    """The data that the steps of a tuning share.

    Args:
        space: the metric.
        vectors: float32 [N,D], prepared by the space, without the held-out rows.
        labels: int64 [N], or None.
        selection: the probes that select settings.
        validation: the probes that validate the selected settings.
        held_out: how many vectors were held out.
        target: what the index must reach.
        limits: what it may cost.
        threshold: for the recall of mates.
        seed: of all random choices.
        exact: exact search over ``vectors``.
        exact_point: its measurements.
        selection_truth: the ground truth of the selection probes.
        timer: measures the time of searches.
    """

    space: Space
    vectors: Vectors
    labels: NDArray[np.int64] | None
    selection: Probes
    validation: Probes
    held_out: int
    target: Target
    limits: Limits
    threshold: float | None
    seed: int
    exact: BuiltIndex
    exact_point: Point
    selection_truth: GroundTruth
    timer: ReferenceTimer

    @property
    def seconds(self) -> float:
        """How long to time a setting over all vectors."""
        return SECONDS if len(self.vectors) > SMALL else SECONDS_SMALL

    @property
    def final_count(self) -> int:
        """The number of vectors of the final index, which also holds the held-out ones."""
        return len(self.vectors) + self.held_out

    def too_slow(self, points: Iterable[Point]) -> bool:
        """Whether the sweep stopped at a point that exceeded the timer's bound."""
        return any(self.timer.bound < point.seconds < math.inf for point in points)

    def final_memory(self, built: BuiltIndex) -> int:
        """The bytes of an index over ``vectors``, scaled to the final count, plus the items."""
        scaled = math.ceil(built.memory * self.final_count / len(self.vectors))
        return scaled + self.limits.items_bytes

    def final_build_s(self, built: BuiltIndex) -> float:
        """The seconds to build it, scaled in the same way."""
        return built.build_s * self.final_count / len(self.vectors)

    @property
    def exact_fits(self) -> bool:
        """Whether exact search is within the memory limit."""
        return self.limits.memory is None or self.final_memory(self.exact) <= self.limits.memory

    @cached_property
    def validation_truth(self) -> GroundTruth:
        """The ground truth of the validation probes."""
        return GroundTruth(
            self.exact.index, self.validation, self.target.k, self.labels, self.threshold
        )


def prepare(
    vectors: ArrayLike,
    labels: ArrayLike | None,
    target: Target,
    limits: Limits,
    metric: str | Mahalanobis,
    probes: Probes | None,
    count: int,
    seed: int,
) -> Task:
    """Hold out probes, compute the ground truth, time exact search; see ``tune``."""
    space = space_of(metric)
    prepared = space.prepare(vectors)
    own = None if labels is None else checked_labels(labels, len(prepared))
    if target.mates is not None and own is None:
        raise InputError("mates: needs labels, the identity of each vector")
    if target.mates is None and own is not None and len(np.unique(own)) < MIN_PEOPLE:
        own = None  # rather a folder of mixed photos than people
    if probes is None:
        probes = hold_out(prepared, own, count=count, seed=seed)
    else:
        if target.mates is not None and probes.labels is None:
            raise InputError("mates: the queries need labels too")
        queries = space.prepare(probes.queries, "queries")
        probes, _ = without_indexed(replace(probes, queries=queries), prepared)
    selection, validation = probes.halves(seed)
    kept = np.delete(np.arange(len(prepared)), probes.held)
    indexed = np.ascontiguousarray(prepared[kept]) if len(probes.held) else prepared
    indexed_labels = None if own is None else own[kept]
    threshold = _threshold(space, prepared, own, target, seed)
    exact = measured_build(indexed, "exact", {}, space.metric)
    truth = GroundTruth(exact.index, selection, target.k, indexed_labels, threshold)
    recalls = truth.measure(exact.index)
    if target.mates is not None and "mates" not in recalls:
        raise InputError(
            f"mates: no probe has a mate with a score of {threshold:.4g} or more, so their recall "
            "cannot be measured; lower the threshold, or ask for recall"
        )
    few = REFERENCE if target.batch < LARGE_BATCH else REFERENCE_BATCH
    reference = measured_build(indexed[:few], "exact", {}, space.metric)
    timer = ReferenceTimer(reference.index, selection.queries, target.k, target.batch)
    seconds = timer.seconds(exact.index, budget=SECONDS)
    point = Point("exact", {}, {}, len(indexed), recalls, seconds, exact.build_s, exact.memory)
    task = Task(
        space, indexed, indexed_labels, selection, validation, len(probes.held), target, limits,
        threshold, seed, exact, point, truth, timer,
    )  # fmt: skip
    if not task.exact_fits:
        return task
    return replace(task, timer=timer.bounded(MAX_SLOWDOWN * seconds))


def why_exact_suffices(task: Task) -> str:
    """Why exact search is fast enough, in a sentence; empty if it is not."""
    seconds, target = task.exact_point.seconds, task.target
    if not task.exact_fits:
        return ""
    if target.latency is not None and seconds <= target.latency:
        return (
            f"exact search takes {1000 * seconds:.3g} ms a query, within the "
            f"{1000 * target.latency:.3g} ms that are allowed"
        )
    tiny = measured_build(task.vectors[:TINY], "exact", {}, task.space.metric)
    overhead = task.timer.seconds(tiny.index)
    if seconds <= OVERHEAD * overhead:
        return (
            f"exact search takes {1000 * seconds:.3g} ms a query, of which {1000 * overhead:.3g} "
            "ms are the overhead of any search"
        )
    return ""


def _threshold(
    space: Space, vectors: Vectors, labels: NDArray[np.int64] | None, target: Target, seed: int
) -> float | None:
    """The threshold of mates: given or measured; None if mates are not asked for and not known."""
    if labels is None or target.threshold is not None:
        return target.threshold if labels is not None else None
    try:
        return operating_threshold(space, vectors, labels, seed=seed)
    except InputError:
        if target.mates is not None:
            raise
        return None
