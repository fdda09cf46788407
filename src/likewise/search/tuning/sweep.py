"""One built index, searched with growing effort until it reaches what is asked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from likewise.search.families.knobs import Settings
from likewise.search.index import Index
from likewise.search.tuning.aim import Aim
from likewise.search.tuning.frontier import Point
from likewise.search.tuning.timing import Pace
from likewise.search.tuning.yardstick import Yardstick

__all__ = ["Built", "between", "sweep"]

CLOSE = 0.15  # what is so far below the target is not timed: it will not be taken
SOME, SOME_ERROR = 200, 0.05  # probes for a first look, and how far that may mislead
BEYOND = 1  # settings measured past the first that surely reaches it, for the frontier
HALVINGS = 3


@dataclass(frozen=True, eq=False)
class Built:
    """An index built with some settings, and what that cost.

    Args:
        index: over the vectors that the yardstick knows.
        settings: it was built with.
        build_s: seconds that it took.
        memory: bytes resident.
    """

    index: Index
    settings: Settings
    build_s: float
    memory: int


def sweep(
    built: Built,
    grid: Sequence[Settings],
    yardstick: Yardstick,
    aim: Aim,
    pace: Pace,
    *,
    refine: bool,
    budget: float,
) -> list[Point]:
    """Measure search settings in ascending effort; past the aim there is little left to learn.

    Nor is there where a setting has lost by its time: none with more effort is measured then.

    Args:
        built: the index.
        grid: search settings in ascending effort.
        yardstick: measures the recall.
        aim: what is to be reached.
        pace: measures the time.
        refine: look between the last setting that fails and the first that reaches it.
        budget: seconds to time each.

    Returns:
        The points; one that is far from the aim has infinite seconds, for it was not timed.
    """
    points: list[Point] = []
    lost: list[Settings] = []
    reached = 0
    for settings in grid:
        if any(_no_less(settings, less) for less in lost):
            continue
        point = _measured(built, settings, yardstick, aim, pace, budget)
        points.append(point)
        if pace.beyond < point.seconds < math.inf:
            lost.append(settings)
        if point.surely_reaches(aim.targets):
            reached += 1
        if reached > BEYOND or (reached and _full(point)):
            break
    if refine:
        points += _refined(built, points, yardstick, aim, pace, budget)
    return points


def between(less: Settings, more: Settings) -> Settings | None:
    """The setting half-way, in ratio, of two; None if nothing lies between.

    Only whole numbers may differ, and none may be less in ``more``.

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


def _no_less(more: Settings, less: Settings) -> bool:
    """Whether no setting is below that of ``less``."""
    return more.keys() == less.keys() and all(
        more[name] == low
        or (isinstance(low, int | float) and isinstance(more[name], int | float)
            and float(more[name]) >= low)
        for name, low in less.items()
    )  # fmt: skip


def _refined(
    built: Built, points: Sequence[Point], yardstick: Yardstick, aim: Aim, pace: Pace, budget: float
) -> list[Point]:
    sure = [point.surely_reaches(aim.targets) for point in points]
    if True not in sure:
        return []
    first = sure.index(True)
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
        point = _measured(built, middle, yardstick, aim, pace, budget, only_sure=True)
        found.append(point)
        if point.surely_reaches(aim.targets):
            more = middle
        else:
            less = middle
    return found


def _measured(
    built: Built,
    settings: Settings,
    yardstick: Yardstick,
    aim: Aim,
    pace: Pace,
    budget: float,
    *,
    only_sure: bool = False,
) -> Point:
    index = built.index.with_search_settings(settings)
    recalls = yardstick.measure(index, SOME)
    far = all(name in recalls for name in aim.targets) and any(
        recalls[name].value < target - CLOSE - SOME_ERROR for name, target in aim.targets.items()
    )
    if not far:
        recalls = yardstick.measure(index)
    point = Point(
        index.family, built.settings, settings, len(index), recalls, math.inf, built.build_s,
        built.memory,
    )  # fmt: skip
    sure = point.surely_reaches(aim.targets)
    if not sure and (only_sure or not point.reaches(aim.targets, slack=CLOSE)):
        return point
    seconds = pace.seconds(index, budget=budget if sure else budget / 2)
    return Point(
        point.family, point.settings, settings, point.count, recalls, seconds, point.build_s,
        point.memory,
    )  # fmt: skip


def _full(point: Point) -> bool:
    return all(recall.value >= 0.9995 for recall in point.recalls.values())
