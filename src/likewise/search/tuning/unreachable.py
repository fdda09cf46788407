"""The error message if nothing reaches the target: the best index found, and a remedy."""

from __future__ import annotations

import math
from collections.abc import Mapping

from likewise.errors import LikewiseError
from likewise.search.tuning.final import exceeded_limit
from likewise.search.tuning.frontier import Point
from likewise.search.tuning.halving import SuccessiveHalving
from likewise.search.tuning.sweep import BuiltIndex
from likewise.search.tuning.task import Task

__all__ = ["rounded_up", "unreachable"]


def unreachable(
    task: Task, found: Mapping[Point, BuiltIndex], halving: SuccessiveHalving
) -> LikewiseError:
    """The error of a tuning without a result.

    Args:
        task: the tuning task.
        found: the points over all vectors.
        halving: the rounds on samples.
    """
    targets = task.target.recalls
    asked = " and ".join(f"{name} {target:g}" for name, target in targets.items())
    limits = []
    if task.limits.memory is not None:
        limits.append(f"{_size(task.limits.memory)} of memory")
    if task.limits.build is not None:
        limits.append(f"{task.limits.build:g} s to build")
    within = [p for p, built in found.items() if not exceeded_limit(task, built)]
    # And the points on samples, except those of candidates that a limit excluded.
    over_limit = {(t.family.name, str(t.settings)) for t in halving.over_limit}
    within += [p for p in halving.points if (p.family, str(p.settings)) not in over_limit]
    best = min(within, key=lambda point: point.shortfall(targets), default=None)
    closest = "no index meets the limits"
    if best is not None:
        reached = " and ".join(
            f"{name} {best.recalls[name].value:.4f}" for name in targets if name in best.recalls
        )
        where = "" if best.count == len(task.vectors) else f" on a sample of {best.count:,}"
        closest = f"the best is {best.family} with {reached}{where}"
    return LikewiseError(
        f"no index within {' and '.join(limits) or 'the families tried'} reaches {asked} "
        f"at k = {task.target.k} with 95 % confidence: {closest}; {_remedy(task, halving)}"
    )


def _remedy(task: Task, halving: SuccessiveHalving) -> str:
    """The cheapest index that would do, by memory, then by build time."""
    count = task.final_count
    options = [
        (
            trial.memory_at(count) + task.limits.items_bytes,
            trial.build_s_at(count),
            trial.family.name,
        )
        for trial in halving.over_limit
    ]
    options.append((task.final_memory(task.exact), 0.0, "exact"))
    memory, build_s, family = min(options)
    if task.limits.memory is not None and memory > task.limits.memory:
        return f"{family} would reach it with --max-memory {rounded_up(memory)}"
    return f"{family} would reach it with --max-build {max(1, math.ceil(build_s))}s"


def rounded_up(count: int) -> str:
    """A number of bytes, rounded up to three digits.

    Example:
        >>> rounded_up(57_234), rounded_up(1_234_567)
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
