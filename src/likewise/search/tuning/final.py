"""The final round: candidates over all vectors, timed side by side, validated on other probes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from likewise.errors import first_line
from likewise.search.tuning.candidate import Candidate, measured_build
from likewise.search.tuning.frontier import Point
from likewise.search.tuning.halving import FINALISTS, SuccessiveHalving
from likewise.search.tuning.recall import Recall
from likewise.search.tuning.sweep import BuiltIndex, sweep
from likewise.search.tuning.task import TOO_SLOW, Task
from likewise.search.tuning.timing import paired_seconds

__all__ = ["ValidatedPick", "exceeded_limit", "final_points", "validated_pick"]

ROUNDS = 15


@dataclass(frozen=True)
class ValidatedPick:
    """The chosen point, with its measurements on the validation probes.

    Args:
        pick: the point, with the time of exact search divided by ``speed`` as its time, so that it
            compares with the other points.
        point: the point as it was first measured.
        recalls: on the validation probes.
        speed: how many times as fast as exact search: the median of the ratios within rounds.
        rejected: how many faster points failed on the validation probes.
    """

    pick: Point
    point: Point
    recalls: Mapping[str, Recall]
    speed: float
    rejected: int


def final_points(
    task: Task,
    candidates: Sequence[Candidate],
    halving: SuccessiveHalving,
    advance: Callable[[int], None],
) -> dict[Point, BuiltIndex]:
    """All points over all vectors with their index; exact search is the first.

    Points that cannot be chosen (over a limit, or below the target) keep their cost but not their
    index, to free memory.
    """
    found: dict[Point, BuiltIndex] = {task.exact_point: task.exact}
    for candidate in candidates:
        family, settings = candidate.family, candidate.settings
        try:
            built = measured_build(task.vectors, family.name, settings, task.space.metric)
        except (RuntimeError, ValueError) as error:  # errors of the libraries
            halving.dropped[candidate.name] = f"cannot be built: {first_line(error)}"
            continue
        points = sweep(
            built, family.search_grid(settings, len(task.vectors), task.target.k),
            task.selection_truth, task.target, task.timer, refine=True, budget=task.seconds,
        )  # fmt: skip
        exceeded = exceeded_limit(task, built)
        reached = [point for point in points if point.reaches_confidently(task.target.recalls)]
        if reached:
            candidate.points.append(min(reached, key=lambda point: point.seconds))
        if not reached:
            too_slow = task.too_slow(points)
            halving.dropped[candidate.name] = TOO_SLOW if too_slow else "misses the recall"
        elif exceeded:
            halving.drop(candidate, exceeded)
        useful = bool(reached) and not exceeded
        kept = built if useful else replace(built, index=task.exact.index)
        found |= dict.fromkeys(points, kept)
        advance(len(task.vectors))
    return found


def exceeded_limit(task: Task, built: BuiltIndex) -> str:
    """Which limit an index exceeds, and its cost; empty if none."""
    limits = task.limits
    memory, build_s = task.final_memory(built), task.final_build_s(built)
    if limits.memory is not None and memory > limits.memory:
        return f"takes {memory / 1e6:,.1f} MB of memory"
    nothing_built = built.index.family == "exact" and not built.settings
    if limits.build is not None and build_s > limits.build and not nothing_built:
        return f"takes {build_s:,.0f} s to build"
    return ""


def validated_pick(task: Task, found: Mapping[Point, BuiltIndex]) -> ValidatedPick | None:
    """The fastest point that also reaches the target on the validation probes; None if none does.

    A point has to reach the target twice, on the selection probes and on the validation probes:
    the fastest of many points may have reached it once by chance.
    """
    fit = [
        point
        for point, built in found.items()
        if point.reaches_confidently(task.target.recalls)
        and not exceeded_limit(task, built)
        and point.seconds <= task.timer.bound
    ]
    rejected = 0
    while fit:
        timed = _timed(task, _likely(fit, found, next(iter(task.target.recalls))), found)
        timed_points = [entry[0] for entry in timed]
        for point, seconds, speed in timed:
            index = found[point].index.with_search_settings(point.search)
            recalls = task.validation_truth.measure(index)
            if replace(point, recalls=recalls).reaches_confidently(task.target.recalls):
                picked = replace(point, seconds=task.exact_point.seconds / speed)
                return ValidatedPick(picked, point, recalls, speed, rejected)
            rejected += 1
            fit.remove(point)
            # A point that is not timed yet may be faster than the next timed one: time again.
            if any(other.seconds < seconds for other in fit if other not in timed_points):
                break
    return None


def _likely(fit: Sequence[Point], found: Mapping[Point, BuiltIndex], by: str) -> list[Point]:
    """For each index, the point that was timed fastest, and the one with the lowest recall.

    Single timings are noisy, and the point with the lowest recall should take the least time.
    """
    fastest: dict[int, Point] = {}
    lowest: dict[int, Point] = {}
    for point in sorted(fit, key=lambda point: point.seconds):
        fastest.setdefault(id(found[point]), point)
    for point in sorted(fit, key=lambda point: point.recalls[by].value):
        lowest.setdefault(id(found[point]), point)
    kept = [entry for key in fastest for entry in (fastest[key], lowest[key])]
    return list(dict.fromkeys(kept))[: 2 * FINALISTS + 1]


def _timed(
    task: Task, points: Sequence[Point], found: Mapping[Point, BuiltIndex]
) -> list[tuple[Point, float, float]]:
    """Points with their seconds and their speed relative to exact search; fastest first."""
    indexes = [found[point].index.with_search_settings(point.search) for point in points]
    seconds = paired_seconds(
        [task.exact.index, *indexes], task.selection.queries, task.target.k, task.target.batch,
        rounds=ROUNDS,
    )  # fmt: skip
    timed = [
        (
            point,
            float(np.median(own)),
            1.0 if point is task.exact_point else float(np.median(seconds[0] / own)),
        )
        for point, own in zip(points, seconds[1:], strict=True)
    ]
    return sorted(timed, key=lambda entry: -entry[2])
