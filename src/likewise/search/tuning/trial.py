"""A family with its build settings, on trial: what samples of the set have shown of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from likewise.data.embeddings import EXTERNAL
from likewise.errors import MissingExtra
from likewise.search.contents.rebuild import Contents, engine_base
from likewise.search.contents.space import Space
from likewise.search.families import FAMILIES, family_named
from likewise.search.families.engine import Engine, Vectors
from likewise.search.families.knobs import Settings, settled
from likewise.search.index import Index
from likewise.search.tuning.frontier import Point, settings_text
from likewise.search.tuning.growth import carried_to
from likewise.search.tuning.sweep import Built

__all__ = ["Trial", "built_over", "candidates", "resident_bytes"]


@dataclass(eq=False)
class Trial:
    """One candidate, and its fastest point that reached the aim on each sample so far.

    Args:
        family: its class.
        place: which of the family's build settings, counted along its grid.
        settings: those for the whole set.
        points: on samples, the smallest first.
    """

    family: type[Engine]
    place: int
    settings: Settings
    points: list[Point] = field(default_factory=list)

    def settings_for(self, sample: int, count: int, dimension: int, metric: str) -> Settings:
        """The build settings for a sample: those that take the same place in its own grid.

        A thousand lists are right for a million vectors, and absurd for ten thousand.
        """
        if sample == count:
            return self.settings
        grid = self.family.build_grid(sample, dimension, metric)
        whole = self.family.build_grid(count, dimension, metric)
        return grid[self.place] if len(grid) == len(whole) else self.settings

    def seconds_at(self, count: int) -> float:
        """The time of a query carried to ``count`` vectors."""
        values = [point.seconds for point in self.points]
        guess = 1.0 if self.family.scans else 0.6
        return carried_to(count, self._sizes, values, guess=guess, most=1.0)

    def build_s_at(self, count: int) -> float:
        """The build time carried to ``count`` vectors."""
        values = [max(point.build_s, 1e-6) for point in self.points]
        return carried_to(count, self._sizes, values, guess=1.1, most=1.4)

    def memory_at(self, count: int) -> int:
        """The memory carried to ``count`` vectors."""
        values = [float(max(point.memory, 1)) for point in self.points]
        return round(carried_to(count, self._sizes, values, guess=1.0, most=1.0))

    @property
    def name(self) -> str:
        """Family and settings in a line."""
        return f"{self.family.name} {settings_text(self.settings)}".strip()

    @property
    def _sizes(self) -> list[int]:
        return [point.count for point in self.points]


def candidates(
    families: Sequence[str] | None, count: int, dimension: int, metric: str
) -> tuple[list[Trial], dict[str, str]]:
    """Every family that can be tried, with each of its build settings; and why others cannot.

    Args:
        families: by name; all if None.
        count: N.
        dimension: D.
        metric: what an engine is asked for.

    Raises:
        InputError: an unknown family.
    """
    trials: list[Trial] = []
    left_out: dict[str, str] = {}
    for name in FAMILIES if families is None else families:
        family = family_named(name)
        if name == "exact":  # it is always measured: the others are held against it
            continue
        try:
            family.require()
        except MissingExtra:
            left_out[name] = f"not installed: pip install 'likewise[{family.extra}]'"
            continue
        if metric not in family.metrics:
            left_out[name] = f"cannot do {metric}"
            continue
        if count < family.smallest:
            left_out[name] = f"is for {family.smallest:,} vectors and more"
            continue
        grid = family.build_grid(count, dimension, metric)
        trials += [Trial(family, place, settings) for place, settings in enumerate(grid)]
    return trials, left_out


def resident_bytes(index: Index) -> int:
    """The memory of an index once it is saved and loaded.

    The vectors that no search reads through then stay on disk.
    """
    on_disk = 0 if index.engine.scans else index.vectors.nbytes
    return index.memory_bytes - on_disk


def built_over(vectors: Vectors, family: str, settings: Settings, metric: str) -> Built:
    """An index over vectors that the space has admitted, and what it cost.

    Raises:
        FallenApart: a graph that does not lead to its own vectors.
    """
    kind, space = family_named(family), Space(metric)
    chosen = settled(family, kind.build_knobs, settings)
    begin = time.perf_counter()
    ready, ids = space.admit(vectors), np.arange(len(vectors))
    base = engine_base(kind, space, chosen, ready, ids, None)
    seconds = time.perf_counter() - begin
    searching = settled(family, kind.search_knobs, None)
    index = Index(Contents(kind, chosen, space, EXTERNAL, base), searching, {})
    return Built(index, dict(settings), seconds, resident_bytes(index))
