"""Every family with every setting of its grids on one set: recall, speed, memory, time to build.

python -m benchmarks.search_grid SET [--count N] [--families A,B] [--survivors FILE] --out FILE

SET is one of ``benchmarks.search_sets``. Each point is one line of JSON in FILE; what is there
already is not measured again, so that an interrupted run goes on. Speeds are ratios to exact
search of the same set, whose turns lie between those of the family. ``--survivors`` builds only
what was on the frontier in another such file, as one does for a larger set;
``benchmarks.search_tables`` shows what FILE holds as a table and a plot.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.search_sets import SETS, SearchSet
from likewise.search.families import available, family_named
from likewise.search.index import Index
from likewise.search.knobs import Settings
from likewise.search.tuning.recall import Found, nearest_found

Point = dict[str, Any]
Builds = list[tuple[str, Settings]]

K, TURNS, SINGLES = 10, 3, 40
FULL = 0.999  # past it a greater effort only takes longer
POOR = 0.8  # below it no speed helps


class Bench:
    """One set, its truth, and how long exact search takes beside whatever is timed."""

    def __init__(self, data: SearchSet) -> None:
        self.data = data
        self.exact = Index.build(data.vectors)
        self.truth = Found(*self.exact.search(data.queries, K))

    def points(self, family: str, settings: Settings) -> Iterator[Point]:
        """Build once, then search with growing effort until all is found."""
        begin = time.perf_counter()
        index = self.exact
        if family != "exact":
            index = Index.build(self.data.vectors, family=family, settings=settings)
        build_s = time.perf_counter() - begin
        kind = family_named(family)
        for search in kind.search_grid(settings, len(self.data.vectors), K):
            chosen = index.with_search_settings(search)
            recall = self._recall(chosen)
            if recall < POOR and search != {}:
                continue
            batch, single = self._speeds(chosen)
            yield {
                "set": self.data.name,
                "count": len(self.data.vectors),
                "family": family,
                "settings": settings,
                "search": search,
                "recall": recall,
                "batch": batch,
                "single": single,
                "memory": self._resident(index) / len(self.data.vectors),
                "build": build_s / self.exact_s,
            }
            if recall >= FULL:
                return

    @property
    def exact_s(self) -> float:
        """Seconds of exact search for the batch of all queries."""
        if not hasattr(self, "_exact_s"):
            self._exact_s = median(self._batch(self.exact) for _ in range(TURNS))
        return self._exact_s

    def _resident(self, index: Index) -> int:
        """Bytes that stay in memory: the vectors only where every search reads them all."""
        vectors = self.data.vectors.nbytes if index.engine.scans else 0
        return index.engine.memory_bytes + vectors

    def _recall(self, index: Index) -> float:
        found = Found(*index.search(self.data.queries, K))
        return float(nearest_found(self.truth, found).sum() / self.truth.ids.size)

    def _speeds(self, index: Index) -> tuple[float, float]:
        """How many times as fast as exact search: in a batch, and one query at a time."""
        found = []
        for take in (self._batch, self._single):
            ratios = []
            for _ in range(TURNS):
                own = take(index)
                ratios.append(take(self.exact) / own)
            found.append(median(ratios))
        return found[0], found[1]

    def _batch(self, index: Index) -> float:
        begin = time.perf_counter()
        index.search(self.data.queries, K)
        return time.perf_counter() - begin

    def _single(self, index: Index) -> float:
        begin = time.perf_counter()
        for query in self.data.queries[:SINGLES]:
            index.search(query, K)
        return time.perf_counter() - begin


def builds(families: Sequence[str], count: int, dimension: int) -> Builds:
    """Every family with every build setting of its grid."""
    return [
        (family, settings)
        for family in families
        for settings in family_named(family).build_grid(count, dimension, "cosine")
    ]


def survivors(path: Path | None, families: Sequence[str]) -> Builds | None:
    """The builds that were the fastest of all, single or in batches, at some recall."""
    if path is None:
        return None
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
    """The points of a file; a last line that a crash tore is left out."""
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
    parser.add_argument("--families", help="names with commas between; all that are installed")
    parser.add_argument("--survivors", type=Path, metavar="FILE")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    options = parser.parse_args()
    families = options.families.split(",") if options.families else available()
    data = SETS[options.set](options.count)
    measure(data, options.out, families, survivors(options.survivors, families))


def measure(
    data: SearchSet, out: Path, families: Sequence[str], only: Builds | None = None
) -> list[Point]:
    """Add to the file ``out`` what it lacks of the grid of these families; return all of it."""
    bench = Bench(data)
    count, dimension = data.vectors.shape
    planned = builds(families, count, dimension) if only is None else only
    done = [(p["set"], p["count"], p["family"], p["settings"]) for p in read(out)]
    for family, settings in planned:
        if (data.name, count, family, settings) in done:
            continue
        points = list(bench.points(family, settings))
        with out.open("a") as stream:
            stream.writelines(json.dumps(point) + "\n" for point in points)
        last = points[-1] if points else {"recall": np.nan, "batch": np.nan, "single": np.nan}
        print(
            f"{family:16} {settings!s:60} recall {last['recall']:.3f}  "
            f"single {last['single']:6.1f}×  batch {last['batch']:6.1f}×",
            flush=True,
        )
    return read(out)


if __name__ == "__main__":
    main()
