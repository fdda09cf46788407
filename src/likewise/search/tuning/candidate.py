"""A candidate of the tuner: a family with build settings, and its measurements on samples."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from likewise.data.embeddings import EXTERNAL
from likewise.errors import MissingExtra
from likewise.search.contents.build import build_base
from likewise.search.contents.contents import Contents
from likewise.search.contents.read_only import ReadOnlyIndex
from likewise.search.contents.space import Space
from likewise.search.engines.engine import Engine, Vectors
from likewise.search.engines.parameters import Settings, checked_settings
from likewise.search.families import FAMILIES, family_named
from likewise.search.tuning.frontier import Point, settings_text
from likewise.search.tuning.sweep import BuiltIndex

__all__ = ["Candidate", "candidates", "extrapolated", "measured_build", "resident_bytes"]


@dataclass(eq=False)
class Candidate:
    """One family with build settings, and its fastest point that reached the target by sample.

    Args:
        family: its class.
        place: the position of the settings in the family's build grid.
        settings: the build settings for all vectors.
        points: measured on samples, the smallest sample first.
    """

    family: type[Engine]
    place: int
    settings: Settings
    points: list[Point] = field(default_factory=list)

    def settings_for(self, sample: int, count: int, dimension: int, metric: str) -> Settings:
        """The build settings for a sample: those at the same position of the sample's grid.

        A thousand lists suit a million vectors, but not ten thousand.
        """
        if sample == count:
            return self.settings
        grid = self.family.build_grid(sample, dimension, metric)
        whole = self.family.build_grid(count, dimension, metric)
        return grid[self.place] if len(grid) == len(whole) else self.settings

    def seconds_at(self, count: int) -> float:
        """The time of a query, extrapolated to ``count`` vectors."""
        values = [point.seconds for point in self.points]
        guess = 1.0 if self.family.exhaustive else 0.6
        return extrapolated(count, self._sizes, values, guess=guess, most=1.0)

    def build_s_at(self, count: int) -> float:
        """The build time, extrapolated to ``count`` vectors."""
        values = [max(point.build_s, 1e-6) for point in self.points]
        return extrapolated(count, self._sizes, values, guess=1.1, most=1.4)

    def memory_at(self, count: int) -> int:
        """The memory, extrapolated to ``count`` vectors."""
        values = [float(max(point.memory, 1)) for point in self.points]
        return round(extrapolated(count, self._sizes, values, guess=1.0, most=1.0))

    @property
    def name(self) -> str:
        """Family and settings in one line."""
        return f"{self.family.name} {settings_text(self.settings)}".strip()

    @property
    def _sizes(self) -> list[int]:
        return [point.count for point in self.points]


def candidates(
    families: Sequence[str] | None, count: int, dimension: int, metric: str
) -> tuple[list[Candidate], dict[str, str]]:
    """The candidates of all usable families; and by name, why the other families are not usable.

    Args:
        families: names; all if None.
        count: N.
        dimension: D.
        metric: the metric of the engine.

    Raises:
        InputError: an unknown family.
    """
    found: list[Candidate] = []
    left_out: dict[str, str] = {}
    for name in FAMILIES if families is None else families:
        family = family_named(name)
        if name == "exact":  # always measured, as the reference
            continue
        try:
            family.require()
        except MissingExtra:
            left_out[name] = f"not installed: pip install 'likewise[{family.extra}]'"
            continue
        if metric not in family.metrics:
            left_out[name] = f"cannot do {metric}"
            continue
        if count < family.min_vectors:
            left_out[name] = f"is for {family.min_vectors:,} vectors and more"
            continue
        grid = family.build_grid(count, dimension, metric)
        found += [Candidate(family, place, settings) for place, settings in enumerate(grid)]
    return found, left_out


def extrapolated(
    count: int, sizes: Sequence[int], values: Sequence[float], *, guess: float, most: float
) -> float:
    """A value at ``count`` vectors, by a power law through the values of the two last samples.

    Args:
        count: N.
        sizes: of the samples, ascending.
        values: measured on each sample, above 0.
        guess: the exponent if there is only one sample.
        most: the highest exponent; the lowest is 0. Measurements on small samples are noisy.

    Example:
        >>> round(extrapolated(1000, [10, 100], [2.0, 20.0], guess=0.5, most=1.0))
        200
    """
    power = guess
    if len(sizes) > 1 and sizes[-1] > sizes[-2]:
        power = float(np.log(values[-1] / values[-2]) / np.log(sizes[-1] / sizes[-2]))
        power = min(max(power, 0.0), most)
    factor: float = (count / sizes[-1]) ** power
    return values[-1] * factor


def resident_bytes(index: ReadOnlyIndex) -> int:
    """The memory of an index after saving and loading it.

    Vectors that searches need not read completely then stay on disk.
    """
    on_disk = 0 if index.engine.exhaustive else index.vectors.nbytes
    return index.memory_bytes - on_disk


def measured_build(vectors: Vectors, family: str, settings: Settings, metric: str) -> BuiltIndex:
    """Build an index over prepared vectors, and measure time and memory.

    Raises:
        DisconnectedGraph: a graph in which searches do not find its own vectors.
    """
    kind, space = family_named(family), Space(metric)
    chosen = checked_settings(family, kind.build_parameters, settings)
    begin = time.perf_counter()
    prepared, ids = space.prepare(vectors), np.arange(len(vectors))
    base = build_base(kind, space, chosen, prepared, ids, None, fallback=False)
    seconds = time.perf_counter() - begin
    searching = checked_settings(family, kind.search_parameters, None)
    index = ReadOnlyIndex(Contents(kind, chosen, space, EXTERNAL, base), searching, {})
    return BuiltIndex(index, dict(settings), seconds, resident_bytes(index))
