"""A tuning made ready: what is indexed, what is held out, the truth, the time of exact search."""

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
from likewise.search.families.engine import Vectors
from likewise.search.tuning.aim import Aim, Limits
from likewise.search.tuning.frontier import Point
from likewise.search.tuning.indexed_queries import without_indexed
from likewise.search.tuning.probes import Probes, hold_out
from likewise.search.tuning.sweep import Built
from likewise.search.tuning.timing import MANY, Pace
from likewise.search.tuning.trial import built_over
from likewise.search.tuning.yardstick import Yardstick, operating_threshold

__all__ = ["SECONDS", "TOO_SLOW", "Task", "exact_is_enough", "prepared"]

SECONDS = 0.3  # to time one setting over the whole set
SMALL, SECONDS_SMALL = 20_000, 0.1  # and where the set is small
FLOOR = 1.25  # exact search so near to the time of an empty call leaves nothing to gain
REFERENCE = 4_000  # vectors of the search that all others are timed against
REFERENCE_MANY = 1_000  # and for batches of many, whose turns are long
BEHIND = 2.0  # times exact search's time: what takes more will not be picked
TOO_SLOW = "takes more than twice as long as exact search"
FEWEST_PEOPLE = 20  # of fewer the probes would be a handful of groups, and prove nothing
TINY = 32  # vectors of an index whose search is the call alone


@dataclass(frozen=True, eq=False)
class Task:
    """What the steps of a tuning share.

    Args:
        space: what the vectors are compared in.
        vectors: float32 [N,D], as the space admits them, without what is held out.
        labels: int64 [N], or None.
        choosing: the probes that choose.
        judging: the probes that judge what was chosen.
        held_out: how many vectors were left out.
        aim: what is to be reached.
        limits: what it may cost.
        threshold: of mates.
        seed: of all that is drawn.
        exact: exact search over ``vectors``.
        exact_point: its time.
        yardstick: of the choosing probes.
        pace: measures the time of searches.
    """

    space: Space
    vectors: Vectors
    labels: NDArray[np.int64] | None
    choosing: Probes
    judging: Probes
    held_out: int
    aim: Aim
    limits: Limits
    threshold: float | None
    seed: int
    exact: Built
    exact_point: Point
    yardstick: Yardstick
    pace: Pace

    @property
    def seconds(self) -> float:
        """How long to time a setting over the whole set."""
        return SECONDS if len(self.vectors) > SMALL else SECONDS_SMALL

    @property
    def count_built(self) -> int:
        """How many vectors the pick will be built over: those held out as well."""
        return len(self.vectors) + self.held_out

    def has_lost(self, points: Iterable[Point]) -> bool:
        """Whether one of them was given up on, and what takes more effort with it."""
        return any(self.pace.beyond < point.seconds < math.inf for point in points)

    def memory_built(self, built: Built) -> int:
        """Bytes of an index over ``vectors``, carried to those that the pick will hold, and of the
        items."""
        carried = math.ceil(built.memory * self.count_built / len(self.vectors))
        return carried + self.limits.items_bytes

    def build_s_built(self, built: Built) -> float:
        """Seconds to build it, carried likewise."""
        return built.build_s * self.count_built / len(self.vectors)

    @property
    def exact_fits(self) -> bool:
        """Whether exact search is within the limit of memory."""
        return self.limits.memory is None or self.memory_built(self.exact) <= self.limits.memory

    @cached_property
    def judge(self) -> Yardstick:
        """The yardstick of the judging probes."""
        return Yardstick(self.exact.index, self.judging, self.aim.k, self.labels, self.threshold)


def prepared(
    vectors: ArrayLike,
    labels: ArrayLike | None,
    aim: Aim,
    limits: Limits,
    metric: str | Mahalanobis,
    probes: Probes | None,
    count: int,
    seed: int,
) -> Task:
    """Hold out probes, find the truth, time exact search; see ``tune``."""
    space = space_of(metric)
    ready = space.admit(vectors)
    own = _checked_labels(labels, len(ready))
    if aim.mates is not None and own is None:
        raise InputError("mates: needs labels, to know who is whose mate")
    if aim.mates is None and own is not None and len(np.unique(own)) < FEWEST_PEOPLE:
        own = None  # a folder of everything, rather than people to hold out
    if probes is None:
        probes = hold_out(ready, own, count=count, seed=seed)
    else:
        if aim.mates is not None and probes.labels is None:
            raise InputError("mates: the queries need labels too")
        admitted = space.admit(probes.queries, "queries")
        probes, _ = without_indexed(replace(probes, queries=admitted), ready)
    choosing, judging = probes.halves(seed)
    kept = np.delete(np.arange(len(ready)), probes.held)
    indexed = np.ascontiguousarray(ready[kept]) if len(probes.held) else ready
    labelled = None if own is None else own[kept]
    threshold = _threshold(space, ready, own, aim, seed)
    exact = built_over(indexed, "exact", {}, space.metric)
    yardstick = Yardstick(exact.index, choosing, aim.k, labelled, threshold)
    recalls = yardstick.measure(exact.index)
    if aim.mates is not None and "mates" not in recalls:
        raise InputError(
            f"mates: no probe has a mate that scores {threshold:.4g} or more; "
            "nothing could be lost, and nothing can be tuned for"
        )
    few = REFERENCE if aim.batch < MANY else REFERENCE_MANY
    reference = built_over(indexed[:few], "exact", {}, space.metric)
    pace = Pace(reference.index, choosing.queries, aim.k, aim.batch)
    seconds = pace.seconds(exact.index, budget=SECONDS)
    point = Point("exact", {}, {}, len(indexed), recalls, seconds, exact.build_s, exact.memory)
    task = Task(
        space, indexed, labelled, choosing, judging, len(probes.held), aim, limits, threshold,
        seed, exact, point, yardstick, pace,
    )  # fmt: skip
    return replace(task, pace=pace.bounded(BEHIND * seconds)) if task.exact_fits else task


def exact_is_enough(task: Task) -> str:
    """Why exact search will do, in a sentence; empty if it will not."""
    seconds, aim = task.exact_point.seconds, task.aim
    if not task.exact_fits:
        return ""
    if aim.latency is not None and seconds <= aim.latency:
        return (
            f"exact search takes {1000 * seconds:.3g} ms a query, within the "
            f"{1000 * aim.latency:.3g} ms that are allowed"
        )
    tiny = built_over(task.vectors[:TINY], "exact", {}, task.space.metric)
    floor = task.pace.seconds(tiny.index)
    if seconds <= FLOOR * floor:
        return (
            f"exact search takes {1000 * seconds:.3g} ms a query, of which {1000 * floor:.3g} ms "
            "are the call that any family needs"
        )
    return ""


def _checked_labels(labels: ArrayLike | None, count: int) -> NDArray[np.int64] | None:
    if labels is None:
        return None
    own = np.asarray(labels)
    if own.shape != (count,) or own.dtype.kind not in "iu":
        raise InputError(f"labels: {own.dtype} {list(own.shape)} for {count} vectors")
    return own.astype(np.int64)


def _threshold(
    space: Space, vectors: Vectors, labels: NDArray[np.int64] | None, aim: Aim, seed: int
) -> float | None:
    """That of the aim, or of the impostors; None where mates are not asked for and not known."""
    if labels is None or aim.threshold is not None:
        return aim.threshold if labels is not None else None
    try:
        return operating_threshold(space, vectors, labels, seed=seed)
    except InputError:
        if aim.mates is not None:
            raise
        return None
