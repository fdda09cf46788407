"""Searching: what the index costs beyond its library, what the tuner finds, how cost grows.

python -m benchmarks.search [--quick] [--json FILE]
python -m benchmarks.search --growth [--most N] [--families A,B]

The rows come from ``benchmarks.search_overhead`` and ``benchmarks.search_tuner``. ``--growth``
tunes for recall 0.95 among 10 k, 100 k and 1 M vectors (up to N: 5,000,000 with --most) and prints
the time of a query, in units of exact search among the first of them, and the bytes a vector, with
the slope: how the time grows when the set grows tenfold. Every family: ``benchmarks.search_grid``.
"""

from __future__ import annotations

import argparse
import math

import numpy as np

from benchmarks import search_overhead, search_tuner
from benchmarks.measure import Result, report
from benchmarks.search_sets import people
from likewise.search.index import Index
from likewise.search.tuning.frontier import settings_text
from likewise.search.tuning.target import Target
from likewise.search.tuning.timing import paired_seconds
from likewise.search.tuning.tune import tune

SIZES = (10_000, 100_000, 1_000_000, 5_000_000)
ROUNDS, K = 15, 10


def growth(most: int, families: list[str] | None) -> None:
    """Print one line a size."""
    unit = Index.build(people(SIZES[0], 128).vectors)
    before: tuple[int, float, float] | None = None
    for size in [size for size in SIZES if size <= most]:
        data = people(size, 128)
        tuning = tune(data.vectors, data.labels, target=Target(recall=0.95, k=K), families=families)
        pick, exact = tuning.build(data.vectors), Index.build(data.vectors)
        seconds = paired_seconds([pick, exact, unit], data.queries, K, 1, rounds=ROUNDS)
        own, whole = (float(np.median(part / seconds[2])) for part in seconds[:2])
        slopes = ""
        if before is not None:
            decades = math.log10(size / before[0])
            slope, plain = (
                math.log10(now / then) / decades
                for now, then in zip((own, whole), before[1:], strict=True)
            )
            slopes = f"  slope {slope:.2f}, exact {plain:.2f}"
        knobs = settings_text(tuning.pick.settings | tuning.pick.search)
        print(
            f"{size:9,}  {own:7.2f}  exact {whole:7.2f}  {tuning.pick.memory / size:5.0f} bytes  "
            f"{tuning.pick.family} {knobs}{slopes}",
            flush=True,
        )
        before = (size, own, whole)


def results(*, quick: bool) -> list[Result]:
    return [*search_overhead.results(quick=quick), *search_tuner.results(quick=quick)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer vectors and rounds")
    parser.add_argument("--json", metavar="FILE", help="write the results there")
    parser.add_argument("--growth", action="store_true", help="how cost grows with the set")
    parser.add_argument("--most", type=int, default=1_000_000, metavar="N", help="of --growth")
    parser.add_argument("--families", help="of --growth; all that are installed")
    options = parser.parse_args()
    if options.growth:
        growth(options.most, options.families.split(",") if options.families else None)
    else:
        report(results(quick=options.quick), options.json)
