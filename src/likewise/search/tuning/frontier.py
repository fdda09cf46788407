"""The points that a tuning measured, and those of them that nothing else beats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from likewise.search.families.knobs import Settings
from likewise.search.tuning.recall import Recall

__all__ = ["Point", "frontier", "settings_text"]


@dataclass(frozen=True, eq=False)
class Point:
    """One way to search, measured.

    Args:
        family: of the index.
        settings: it was built with.
        search: the settings of the search.
        count: how many vectors it held; fewer than all for a point of a sample.
        recalls: by name: ``recall``, and ``mates`` where they were measured.
        seconds: a query.
        build_s: seconds to build it.
        memory: bytes resident.
    """

    family: str
    settings: Settings
    search: Settings
    count: int
    recalls: Mapping[str, Recall]
    seconds: float
    build_s: float
    memory: int

    def reaches(self, targets: Mapping[str, float], slack: float = 0.0) -> bool:
        """Whether each recall reaches its target, as measured, or misses it by ``slack``."""
        return all(self._share(name) >= target - slack for name, target in targets.items())

    def surely_reaches(self, targets: Mapping[str, float]) -> bool:
        """Whether the lower bound of each recall reaches its target."""
        return self.family == "exact" or all(
            name in self.recalls and self.recalls[name].low >= target
            for name, target in targets.items()
        )

    def shortfall(self, targets: Mapping[str, float]) -> float:
        """By how much the recall that misses its target most misses it."""
        return max(target - self._share(name) for name, target in targets.items())

    def to_dict(self) -> dict[str, Any]:
        """The record in a report."""
        return {
            "family": self.family,
            "settings": dict(self.settings),
            "search": dict(self.search),
            "count": self.count,
            "recalls": {name: recall.to_dict() for name, recall in self.recalls.items()},
            "seconds_per_query": self.seconds,
            "queries_per_second": 1 / self.seconds,
            "build_s": self.build_s,
            "memory_bytes": self.memory,
        }

    def _share(self, name: str) -> float:
        return self.recalls[name].value if name in self.recalls else 0.0


def frontier(points: Sequence[Point], by: str = "recall") -> list[Point]:
    """The points that no other beats in recall, speed and memory at once, the fastest first.

    Example:
        >>> from likewise.search.tuning.recall import recall_of
        >>> def point(hits, seconds, memory):
        ...     recalls = {"recall": recall_of([hits], [9])}
        ...     return Point("hnsw", {}, {}, 9, recalls, seconds, 1, memory)
        >>> fast, sure, poor = point(8, 1, 5), point(9, 2, 5), point(8, 2, 9)
        >>> frontier([sure, poor, fast]) == [fast, sure]
        True
    """

    def beats(one: Point, other: Point) -> bool:
        mine = (-one.recalls[by].value, one.seconds, one.memory)
        theirs = (-other.recalls[by].value, other.seconds, other.memory)
        return mine != theirs and all(a <= b for a, b in zip(mine, theirs, strict=True))

    known = [point for point in points if by in point.recalls]
    kept = [point for point in known if not any(beats(other, point) for other in known)]
    return sorted(kept, key=lambda point: point.seconds)


def settings_text(settings: Mapping[str, object]) -> str:
    """Settings as the command line takes them.

    Example:
        >>> settings_text({"links": 16, "effort": 64})
        'links=16 effort=64'
    """
    return " ".join(f"{name}={value}" for name, value in settings.items())
