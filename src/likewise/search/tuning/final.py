"""The last round: candidates over all vectors, timed in turn, and judged on probes of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from likewise.search.tuning.frontier import Point
from likewise.search.tuning.halving import FINALISTS, Halving
from likewise.search.tuning.recall import Recall
from likewise.search.tuning.sweep import Built, sweep
from likewise.search.tuning.task import TOO_SLOW, Task
from likewise.search.tuning.timing import paired_seconds
from likewise.search.tuning.trial import Trial, built_over

__all__ = ["Verdict", "final_points", "judged"]

ROUNDS = 15


@dataclass(frozen=True)
class Verdict:
    """The pick and what speaks for it.

    Args:
        pick: with its time from the turns, on the scale of the other points: that of exact search
            over the ratio.
        point: the pick as it was measured first.
        recalls: on the judging probes.
        speed: the median of the ratios to exact search within a round.
        rejected: faster points that the judging probes did not confirm.
    """

    pick: Point
    point: Point
    recalls: Mapping[str, Recall]
    speed: float
    rejected: int


def final_points(
    task: Task, trials: Sequence[Trial], halving: Halving, advance: Callable[[int], None]
) -> dict[Point, Built]:
    """Every point over all vectors with its index; exact search is the first.

    The indexes that cannot be picked (over a limit, or short of the aim) are let go at once: the
    value of their points is what they cost, without an index.
    """
    found: dict[Point, Built] = {task.exact_point: task.exact}
    for trial in trials:
        try:
            built = built_over(task.vectors, trial.family.name, trial.settings, task.space.metric)
        except (RuntimeError, ValueError) as error:  # as libraries refuse what they cannot do
            halving.dropped[trial.name] = f"cannot be built: {str(error).splitlines()[0][:200]}"
            continue
        grid = trial.family.search_grid(trial.settings, len(task.vectors), task.aim.k)
        points = sweep(
            built, grid, task.yardstick, task.aim, task.pace, refine=True, budget=task.seconds
        )
        over = broken_limit(task, built)
        sure = [point for point in points if point.surely_reaches(task.aim.targets)]
        if sure:
            trial.points.append(min(sure, key=lambda point: point.seconds))
        if not sure:
            lost = task.has_lost(points)
            halving.dropped[trial.name] = TOO_SLOW if lost else "misses the recall"
        elif over:
            halving.drop(trial, over)
        useful = bool(sure) and not over
        kept = built if useful else replace(built, index=task.exact.index)
        found |= dict.fromkeys(points, kept)
        advance(len(task.vectors))
    return found


def broken_limit(task: Task, built: Built) -> str:
    """Which limit an index breaks, and by what; empty if none."""
    limits = task.limits
    memory, build_s = task.memory_built(built), task.build_s_built(built)
    if limits.memory is not None and memory > limits.memory:
        return f"takes {memory / 1e6:,.1f} MB of memory"
    nothing_built = built.index.family == "exact" and not built.settings
    if limits.build is not None and build_s > limits.build and not nothing_built:
        return f"takes {build_s:,.0f} s to build"
    return ""


def judged(task: Task, found: Mapping[Point, Built]) -> Verdict | None:
    """The fastest point that holds on the judging probes; None if nothing does.

    A point is asked to surely reach the aim twice, on the probes that chose it and on these: what
    was lucky once is not believed.
    """
    fit = [
        point
        for point, built in found.items()
        if point.surely_reaches(task.aim.targets)
        and not broken_limit(task, built)
        and point.seconds <= task.pace.beyond
    ]
    yardstick = task.judge
    rejected = 0
    while fit:
        timed = _timed(task, _likely(fit, found, next(iter(task.aim.targets))), found)
        for point, seconds, speed in timed:
            index = found[point].index.with_search_settings(point.search)
            recalls = yardstick.measure(index)
            picked = replace(point, seconds=task.exact_point.seconds / speed)
            if replace(point, recalls=recalls).surely_reaches(task.aim.targets):
                return Verdict(picked, point, recalls, speed, rejected)
            rejected += 1
            fit.remove(point)
            # What was timed slower than a setting not yet timed has to wait for it.
            if any(other.seconds < seconds for other in fit if other not in _points(timed)):
                break
    return None


def _points(timed: Sequence[tuple[Point, float, float]]) -> list[Point]:
    return [entry[0] for entry in timed]


def _likely(fit: Sequence[Point], found: Mapping[Point, Built], by: str) -> list[Point]:
    """Of each index the point that was timed fastest, and the one with the least recall to spare.

    Times taken one after another are noisy; effort that brings more recall is not in vain.
    """
    fastest: dict[int, Point] = {}
    barest: dict[int, Point] = {}
    for point in sorted(fit, key=lambda point: point.seconds):
        fastest.setdefault(id(found[point]), point)
    for point in sorted(fit, key=lambda point: point.recalls[by].value):
        barest.setdefault(id(found[point]), point)
    kept = [entry for key in fastest for entry in (fastest[key], barest[key])]
    return list(dict.fromkeys(kept))[: 2 * FINALISTS + 1]


def _timed(
    task: Task, points: Sequence[Point], found: Mapping[Point, Built]
) -> list[tuple[Point, float, float]]:
    """Point, its seconds, and how many times as fast as exact search; the fastest first."""
    indexes = [found[point].index.with_search_settings(point.search) for point in points]
    seconds = paired_seconds(
        [task.exact.index, *indexes], task.choosing.queries, task.aim.k, task.aim.batch,
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
