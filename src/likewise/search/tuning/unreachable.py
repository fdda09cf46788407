"""The one line that says why nothing reaches the aim, what came nearest, and what would do."""

from __future__ import annotations

import math
from collections.abc import Mapping

from likewise.errors import LikewiseError
from likewise.search.tuning.final import broken_limit
from likewise.search.tuning.frontier import Point
from likewise.search.tuning.halving import Halving
from likewise.search.tuning.sweep import Built
from likewise.search.tuning.task import Task

__all__ = ["enough", "unreachable"]


def unreachable(task: Task, found: Mapping[Point, Built], halving: Halving) -> LikewiseError:
    """The error of a tuning without an outcome.

    Args:
        task: what was asked.
        found: what was measured over all vectors.
        halving: what samples showed.
    """
    targets = task.aim.targets
    asked = " and ".join(f"{name} {target:g}" for name, target in targets.items())
    limits = []
    if task.limits.memory is not None:
        limits.append(f"{_size(task.limits.memory)} of memory")
    if task.limits.build is not None:
        limits.append(f"{task.limits.build:g} s to build")
    within = [p for p, built in found.items() if not broken_limit(task, built)]
    # Of those that only a sample could tell about, the ones that a limit did not stop.
    stopped = {(t.family.name, str(t.settings)) for t in halving.beyond}
    within += [p for p in halving.points if (p.family, str(p.settings)) not in stopped]
    best = min(within, key=lambda point: point.shortfall(targets), default=None)
    nearest = "nothing fits at all"
    if best is not None:
        reached = " and ".join(
            f"{name} {best.recalls[name].value:.4f}" for name in targets if name in best.recalls
        )
        where = "" if best.count == len(task.vectors) else f" on a sample of {best.count:,}"
        nearest = f"the best is {best.family} with {reached}{where}"
    return LikewiseError(
        f"no index within {' and '.join(limits) or 'the families tried'} surely reaches {asked} "
        f"at k = {task.aim.k}: {nearest}; {_remedy(task, halving)}"
    )


def _remedy(task: Task, halving: Halving) -> str:
    """The cheapest way to what is asked: in memory, then in time to build."""
    count = task.count_built
    ways = [
        (
            trial.memory_at(count) + task.limits.items_bytes,
            trial.build_s_at(count),
            trial.family.name,
        )
        for trial in halving.beyond
    ]
    ways.append((task.memory_built(task.exact), 0.0, "exact"))
    memory, build_s, family = min(ways)
    if task.limits.memory is not None and memory > task.limits.memory:
        return f"{family} would reach it with --max-memory {enough(memory)}"
    return f"{family} would reach it with --max-build {max(1, math.ceil(build_s))}s"


def enough(count: int) -> str:
    """An amount of memory in three digits that is no less than so many bytes.

    Example:
        >>> enough(57_234), enough(1_234_567)
        ('57.3KB', '1.24MB')
    """
    step = int(10 ** max(0, len(str(count)) - 3))
    return _size(-(-count // step) * step)


def _size(count: int) -> str:
    rounded = float(f"{count:.3g}")
    for unit, size in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if rounded >= size:
            return f"{rounded / size:.3g}{unit}"
    return f"{count}B"
