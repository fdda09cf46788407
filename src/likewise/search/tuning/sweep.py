"""Measure one index with increasing search effort until it reaches the target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from likewise.search.contents.read_only import ReadOnlyIndex
from likewise.search.engines.parameters import Settings
from likewise.search.tuning.frontier import Point
from likewise.search.tuning.ground_truth import GroundTruth
from likewise.search.tuning.target import Target
from likewise.search.tuning.timing import ReferenceTimer

__all__ = ["BuiltIndex", "between", "sweep"]

CLOSE = 0.15  # a recall this far below its target is not timed: it will not be chosen
SOME, SOME_ERROR = 200, 0.05  # probes of a first measurement, and its possible error
EXTRA = 1  # settings measured past the first that reaches the target, for the frontier
HALVINGS = 3


@dataclass(frozen=True, eq=False)
class BuiltIndex:
    """An index with its build settings and cost.

    Args:
        index: over the vectors of the ground truth.
        settings: the build settings.
        build_s: seconds to build it.
        memory: resident bytes.
    """

    index: ReadOnlyIndex
    settings: Settings
    build_s: float
    memory: int


def sweep(
    built: BuiltIndex,
    grid: Sequence[Settings],
    truth: GroundTruth,
    target: Target,
    timer: ReferenceTimer,
    *,
    refine: bool,
    budget: float,
) -> list[Point]:
    """Measure search settings from fastest to most thorough; stop soon after the target.

    Once a setting takes longer than the timer's bound, no more thorough setting is measured.

    Args:
        built: the index.
        grid: search settings, from fastest to most thorough.
        truth: measures the recall.
        target: the recall to be reached.
        timer: measures the time.
        refine: try settings between the last that misses the target and the first that reaches it.
        budget: seconds to time each setting.

    Returns:
        The points; one that is far from the target was not timed, and has infinite seconds.
    """
    points: list[Point] = []
    too_slow: list[Settings] = []
    reached = 0
    for settings in grid:
        if any(_at_least(settings, other) for other in too_slow):
            continue
        point = _measured(built, settings, truth, target, timer, budget)
        points.append(point)
        if timer.bound < point.seconds < math.inf:
            too_slow.append(settings)
        if point.reaches_confidently(target.recalls):
            reached += 1
        if reached > EXTRA or (reached and _found_all(point)):
            break
    if refine:
        points += _refined(built, points, truth, target, timer, budget)
    return points


def between(less: Settings, more: Settings) -> Settings | None:
    """The geometric mean of two settings; None if nothing lies between them.

    Only whole numbers may differ, and none may be smaller in ``more``.

    Example:
        >>> between({"effort": 16, "depth": 2}, {"effort": 64, "depth": 2})
        {'effort': 32, 'depth': 2}
    """
    if less.keys() != more.keys():
        return None
    middle = dict(less)
    for name, low in less.items():
        high = more[name]
        if low == high:
            continue
        if not (isinstance(low, int) and isinstance(high, int) and 0 < low < high):
            return None
        middle[name] = round(math.sqrt(low * high))
    return None if middle in (less, more) else middle


def _at_least(more: Settings, less: Settings) -> bool:
    """Whether each setting is at least that of ``less``."""
    return more.keys() == less.keys() and all(
        more[name] == low
        or (isinstance(low, int | float) and isinstance(more[name], int | float)
            and float(more[name]) >= low)
        for name, low in less.items()
    )  # fmt: skip


def _refined(
    built: BuiltIndex,
    points: Sequence[Point],
    truth: GroundTruth,
    target: Target,
    timer: ReferenceTimer,
    budget: float,
) -> list[Point]:
    reached = [point.reaches_confidently(target.recalls) for point in points]
    if True not in reached:
        return []
    first = reached.index(True)
    more = points[first].search
    below = [p.search for p in points[:first] if between(p.search, more) is not None]
    if not below:
        return []
    less = below[-1]
    found = []
    for _ in range(HALVINGS):
        middle = between(less, more)
        if middle is None:
            break
        point = _measured(built, middle, truth, target, timer, budget, only_reached=True)
        found.append(point)
        if point.reaches_confidently(target.recalls):
            more = middle
        else:
            less = middle
    return found


def _measured(
    built: BuiltIndex,
    settings: Settings,
    truth: GroundTruth,
    target: Target,
    timer: ReferenceTimer,
    budget: float,
    *,
    only_reached: bool = False,
) -> Point:
    index = built.index.with_search_settings(settings)
    recalls = truth.measure(index, SOME)
    far = all(name in recalls for name in target.recalls) and any(
        recalls[name].value < least - CLOSE - SOME_ERROR for name, least in target.recalls.items()
    )
    if not far:
        recalls = truth.measure(index)
    point = Point(
        index.family, built.settings, settings, len(index), recalls, math.inf, built.build_s,
        built.memory,
    )  # fmt: skip
    reached = point.reaches_confidently(target.recalls)
    if not reached and (only_reached or not point.reaches(target.recalls, slack=CLOSE)):
        return point
    return replace(point, seconds=timer.seconds(index, budget=budget if reached else budget / 2))


def _found_all(point: Point) -> bool:
    return all(recall.value >= 0.9995 for recall in point.recalls.values())
