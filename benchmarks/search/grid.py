"""Every family with every setting of its grids on one set: recall, speed, memory, build time.

python -m benchmarks.search.grid SET [--count N] [--families A,B] [--middle | --survivors FILE]
    --out FILE

SET is one of ``benchmarks.search.sets``. Each point is one line of JSON in FILE; existing points
are not measured again, so an interrupted run continues. Speeds are relative to exact search of the
same set, timed side by side. ``--middle`` builds each family once, with the middle of its build
grid; ``--survivors`` builds only the best settings of another such file, for a larger set.
``benchmarks.search.tables`` prints FILE as a table and a plot.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.search.sets import SETS, SearchSet
from likewise.search.engines.parameters import Settings
from likewise.search.families import available, family_named
from likewise.search.index import Index
from likewise.search.tuning.recall import Found, nearest_found
from likewise.search.tuning.timing import paired_seconds

Point = dict[str, Any]
Builds = list[tuple[str, Settings]]

K = 10
SINGLE_ROUNDS, BATCH_ROUNDS = 7, 3
FULL = 0.999  # beyond it, more effort only takes longer
POOR = 0.8  # a recall below it is not reported
TOO_SLOW = 4  # times the time of exact search, in a batch: more effort is not measured
RECALLS = (POOR, 0.85, 0.9, 0.95, 0.98, 0.99, FULL)  # the fastest setting of each is timed


class Bench:
    """One set with its ground truth, and exact search as the reference of times."""

    def __init__(self, data: SearchSet) -> None:
        self.data = data
        self.exact = Index.build(data.vectors)
        self.truth = Found(*self.exact.search(data.queries, K))

    def points(self, family: str, settings: Settings) -> list[Point]:
        """Build once, search with increasing effort, and time the fastest settings side by side
        with exact search."""
        exact_s = median(self._answer(self.exact)[1] for _ in range(BATCH_ROUNDS))
        begin = time.perf_counter()
        index = self.exact
        if family != "exact":
            index = Index.build(self.data.vectors, family=family, settings=settings)
        build_s = time.perf_counter() - begin
        searches, recalls = self._fastest_settings(index, family, settings, TOO_SLOW * exact_s)
        chosen = [index.with_search_settings(search) for search in searches]
        single, batch = (
            self._speeds(chosen, size, rounds)
            for size, rounds in ((1, SINGLE_ROUNDS), (len(self.data.queries), BATCH_ROUNDS))
        )
        return [
            {
                "set": self.data.name,
                "count": len(self.data.vectors),
                "family": family,
                "settings": settings,
                "search": search,
                "recall": recalls[place],
                "batch": batch[place],
                "single": single[place],
                "memory": self._resident(index) / len(self.data.vectors),
                "build": build_s / exact_s,
            }
            for place, search in enumerate(searches)
        ]

    def _fastest_settings(
        self, index: Index, family: str, settings: Settings, too_slow: float
    ) -> tuple[list[Settings], list[float]]:
        """The search settings that were the fastest to reach some recall, and their recalls."""
        tried: list[tuple[float, float, Settings]] = []
        grid = family_named(family).search_grid(settings, len(self.data.vectors), K)
        for search in grid:
            found, seconds = self._answer(index.with_search_settings(search))
            recall = float(nearest_found(self.truth, found).sum() / self.truth.ids.size)
            tried.append((recall, seconds, search))
            if recall >= FULL or seconds > too_slow:
                break
        wanted = (*RECALLS, max(recall for recall, _, _ in tried))
        reach = [[way for way in tried if way[0] >= max(POOR, recall)] for recall in wanted]
        fastest = [min(ways, key=lambda way: way[1]) for ways in reach if ways]
        kept = [way for way in tried if way in fastest]
        return [search for _, _, search in kept], [recall for recall, _, _ in kept]

    def _speeds(self, indexes: Sequence[Index], batch: int, rounds: int) -> list[float]:
        """The speed of each relative to exact search, with ``batch`` queries at a time."""
        taken = paired_seconds([self.exact, *indexes], self.data.queries, K, batch, rounds=rounds)
        return [float(np.median(taken[0] / own)) for own in taken[1:]]

    def _answer(self, index: Index) -> tuple[Found, float]:
        """The result of a search for all queries, and its seconds."""
        begin = time.perf_counter()
        found = Found(*index.search(self.data.queries, K))
        return found, time.perf_counter() - begin

    def _resident(self, index: Index) -> int:
        """Resident bytes; vectors count only if every search reads all of them."""
        vectors = self.data.vectors.nbytes if index.engine.exhaustive else 0
        return index.engine.memory_bytes + vectors


def builds(families: Sequence[str], count: int, dimension: int, *, middle: bool = False) -> Builds:
    """Every family with every build setting of its grid, or only with the middle one."""
    found: Builds = []
    for family in families:
        grid = family_named(family).build_grid(count, dimension, "cosine")
        found += [(family, settings) for settings in ([grid[len(grid) // 2]] if middle else grid)]
    return found


def survivors(path: Path, families: Sequence[str]) -> Builds:
    """The builds that were the fastest at some recall, single or in batches."""
    found: Builds = [("exact", {})]
    points = read(path)
    for target in (0.9, 0.95, 0.99):
        for mode in ("single", "batch"):
            reach = [p for p in points if p["recall"] >= target and p["family"] in families]
            ranked = sorted(reach, key=lambda p: -p[mode])
            best: dict[str, Point] = {}
            for point in ranked:
                best.setdefault(point["family"], point)
            for point in list(best.values())[:3]:
                build = (point["family"], point["settings"])
                if build not in found:
                    found.append(build)
    return found


def read(path: Path) -> list[Point]:
    """The points of a file; an incomplete last line is left out."""
    if not path.exists():
        return []
    found = []
    for line in path.read_text().splitlines():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("set", choices=sorted(SETS))
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--families", help="comma-separated names; all installed ones by default")
    fewer = parser.add_mutually_exclusive_group()
    fewer.add_argument("--middle", action="store_true")
    fewer.add_argument("--survivors", type=Path, metavar="FILE")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    options = parser.parse_args()
    families = options.families.split(",") if options.families else available()
    data = SETS[options.set](options.count)
    planned = builds(families, *data.vectors.shape, middle=options.middle)
    if options.survivors is not None:
        planned = survivors(options.survivors, families)
    measure(data, options.out, planned)


def measure(data: SearchSet, out: Path, planned: Builds) -> list[Point]:
    """Measure the builds that are missing in the file ``out``; return all of its points."""
    bench = Bench(data)
    count = len(data.vectors)
    done = [(p["set"], p["count"], p["family"], p["settings"]) for p in read(out)]
    for family, settings in planned:
        if (data.name, count, family, settings) in done:
            continue
        points = bench.points(family, settings)
        with out.open("a") as stream:
            stream.writelines(json.dumps(point) + "\n" for point in points)
        print(f"{family:16} {settings!s:60} {_summary(points)}", flush=True)
    return read(out)


def _summary(points: Sequence[Point]) -> str:
    if not points:
        return f"recall below {POOR}"
    most = points[-1]
    return (
        f"recall {most['recall']:.3f}  single {most['single']:6.1f}×  batch {most['batch']:6.1f}×"
    )


if __name__ == "__main__":
    main()
