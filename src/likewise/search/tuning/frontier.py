"""The points that the tuner measured, and their Pareto frontier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from likewise.search.engines.parameters import Settings
from likewise.search.tuning.recall import Recall

__all__ = ["Point", "frontier", "settings_text"]


@dataclass(frozen=True, eq=False)
class Point:
    """The measurements of one index with one choice of search settings.

    Args:
        family: of the index.
        settings: the build settings.
        search: the search settings.
        count: the number of vectors; less than N for a sample.
        recalls: by name: ``recall``, and ``mates`` if they were measured.
        seconds: a query; infinite if it was not timed.
        build_s: seconds to build it.
        memory: resident bytes.
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
        """Whether each measured recall is at least its target less ``slack``."""
        return all(self._value(name) >= target - slack for name, target in targets.items())

    def reaches_confidently(self, targets: Mapping[str, float]) -> bool:
        """Whether the lower bound of each recall is at least its target."""
        return self.family == "exact" or all(
            name in self.recalls and self.recalls[name].low >= target
            for name, target in targets.items()
        )

    def shortfall(self, targets: Mapping[str, float]) -> float:
        """The largest difference between a target and the measured recall."""
        return max(target - self._value(name) for name, target in targets.items())

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

    def _value(self, name: str) -> float:
        return self.recalls[name].value if name in self.recalls else 0.0


def frontier(points: Sequence[Point], by: str = "recall") -> list[Point]:
    """The points that no other point beats in recall, speed and memory, fastest first.

    Example:
        >>> from likewise.search.tuning.recall import recall_of
        >>> def point(hits, seconds, memory):
        ...     recalls = {"recall": recall_of([hits], [9])}
        ...     return Point("hnsw", {}, {}, 9, recalls, seconds, 1, memory)
        >>> fast, thorough, poor = point(8, 1, 5), point(9, 2, 5), point(8, 2, 9)
        >>> frontier([thorough, poor, fast]) == [fast, thorough]
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
    """Settings as command-line words.

    Example:
        >>> settings_text({"links": 16, "effort": 64})
        'links=16 effort=64'
    """
    return " ".join(f"{name}={value}" for name, value in settings.items())
