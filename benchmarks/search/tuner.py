"""The tuner against the full grid: does its pick reach the recall, and how fast is it?

python -m benchmarks.search.tuner [--quick] [--set SET] [--grid FILE] [--json FILE]

The tuner is run for recalls of 0.90, 0.95 and 0.99, one query at a time, on 200,000 vectors of SET
(see ``benchmarks.search.sets``; people128 needs no file). Its pick is built over all vectors and
searched with unseen queries. The grid has every family with every setting over the same vectors,
with the same queries; the pick is timed side by side with the fastest setting that reaches the
recall on them, chosen with hindsight. FILE is a grid of SET by ``benchmarks.search.grid``; without
it the grid is measured here, in about an hour on two cores.

``--quick``: 20,000 vectors of people64, four families, 0.95 alone.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.measure import Result, report, row
from benchmarks.search.grid import K, Point, builds, measure, read
from benchmarks.search.sets import SETS, SearchSet
from likewise.search.families import available
from likewise.search.index import Index
from likewise.search.tuning.frontier import settings_text
from likewise.search.tuning.recall import Found, nearest_found
from likewise.search.tuning.target import Target
from likewise.search.tuning.timing import paired_seconds
from likewise.search.tuning.tune import tune

COUNT, SET, RECALLS = 200_000, "people128", (0.90, 0.95, 0.99)
QUICK_COUNT, QUICK_SET, QUICK_RECALLS = 20_000, "people64", (0.95,)
QUICK_FAMILIES = ("exact", "scalar", "pq_fastscan", "ivf_flat", "hnsw")
TOP = 3  # of the grid, timed again side by side: the fastest in one timing may be chance
ROUNDS = 31


def rivals(points: Sequence[Point], recall: float) -> list[Point]:
    """The fastest points of the grid that reach a recall, one query at a time."""
    reach = [point for point in points if point["recall"] >= recall]
    return sorted(reach, key=lambda point: -point["single"])[:TOP]


def rebuilt(data: SearchSet, point: Point) -> Index:
    """The index of a point of the grid."""
    return Index.build(
        data.vectors,
        family=point["family"],
        settings=point["settings"],
        search_settings=point["search"],
    )


def compared(
    data: SearchSet, points: Sequence[Point], recalls: Sequence[float], families: Sequence[str]
) -> list[Result]:
    """The pick for each recall against the best of the grid."""
    truth = Found(*Index.build(data.vectors).search(data.queries, K))
    gaps, ratios, found = [], [], []
    for recall in recalls:
        tuning = tune(
            data.vectors, data.labels, target=Target(recall=recall, k=K), families=list(families)
        )
        pick = tuning.build(data.vectors)
        answer = Found(*pick.search(data.queries, K))
        reached = float(nearest_found(truth, answer).sum() / truth.ids.size)
        best = rivals(points, recall)
        others = [rebuilt(data, point) for point in best]
        seconds = paired_seconds([pick, *others], data.queries, K, 1, rounds=ROUNDS)
        over = [float(np.median(own / seconds[0])) for own in seconds[1:]]
        place = int(np.argmin(over))
        rival = best[place]
        print(
            f"{data.name} {recall}: pick {tuning.name}, {reached:.4f} reached; best of the grid "
            f"{rival['family']} {settings_text(rival['settings'] | rival['search'])}, "
            f"{rival['recall']:.4f}",
            flush=True,
        )
        gaps.append(recall - reached)
        ratios.append(over[place])
        found += [
            row(f"search.tuner_recall_{recall:g}", reached, ""),
            row(f"search.tuner_vs_grid_{recall:g}", over[place], "x"),
            row(f"search.tuner_vs_exact_{recall:g}", tuning.evidence.speed, "x"),
        ]
    gap, ratio = max(gaps), min(ratios)
    return [
        row("search.tuner_recall_gap", gap, "", "<= 0.005", gap <= 0.005),
        row("search.tuner_vs_grid", ratio, "x", ">= 0.8", ratio >= 0.8),
        *found,
    ]


def results(*, quick: bool, name: str | None = None, grid: Path | None = None) -> list[Result]:
    count, recalls, families = COUNT, RECALLS, tuple(available())
    if quick:
        count, recalls, families = QUICK_COUNT, QUICK_RECALLS, QUICK_FAMILIES
    data = SETS[name or (QUICK_SET if quick else SET)](count)
    if grid is not None:
        points = [p for p in read(grid) if (p["set"], p["count"]) == (data.name, count)]
        if not points:
            raise SystemExit(f"{grid}: holds no points of {data.name} with {count:,} vectors")
        return compared(data, points, recalls, families)
    with tempfile.TemporaryDirectory() as folder:
        planned = builds(families, *data.vectors.shape)
        points = measure(data, Path(folder) / "grid.jsonl", planned)
    return compared(data, points, recalls, families)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer vectors, families and recalls")
    parser.add_argument("--set", choices=sorted(SETS), help="the vectors")
    parser.add_argument("--grid", type=Path, metavar="FILE", help="a grid that was measured before")
    parser.add_argument("--json", metavar="FILE", help="write the results there")
    options = parser.parse_args()
    found = results(quick=options.quick, name=options.set, grid=options.grid)
    report(found, options.json)
