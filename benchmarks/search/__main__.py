"""Search: overhead of the index over its library, quality of the tuner, growth with N.

python -m benchmarks.search [--quick] [--json FILE]
python -m benchmarks.search --growth [--most N] [--families A,B]

The rows come from ``benchmarks.search.overhead`` and ``benchmarks.search.tuner``. ``--growth``
tunes for a recall of 0.95 among 10 k, 100 k and 1 M vectors (5 M with ``--most 5000000``). It
prints the time of a query, in units of exact search among 10 k vectors, the bytes a vector, and the
slope of the time in a log-log plot. For all families, see ``benchmarks.search.grid``.
"""

from __future__ import annotations

import argparse
import math

import numpy as np

from benchmarks.measure import Result, report
from benchmarks.search import overhead, tuner
from benchmarks.search.sets import people
from likewise.search.index import Index
from likewise.search.tuning.frontier import settings_text
from likewise.search.tuning.target import Target
from likewise.search.tuning.timing import paired_seconds
from likewise.search.tuning.tune import tune

SIZES = (10_000, 100_000, 1_000_000, 5_000_000)
ROUNDS, K = 15, 10


def growth(most: int, families: list[str] | None) -> None:
    """Print one line for each size."""
    unit = Index.build(people(SIZES[0], 128).vectors)
    before: tuple[int, float, float] | None = None
    for size in [size for size in SIZES if size <= most]:
        data = people(size, 128)
        tuning = tune(data.vectors, data.labels, target=Target(recall=0.95, k=K), families=families)
        pick, exact = tuning.build(data.vectors), Index.build(data.vectors)
        seconds = paired_seconds([pick, exact, unit], data.queries, K, 1, rounds=ROUNDS)
        own, exact_time = (float(np.median(part / seconds[2])) for part in seconds[:2])
        slopes = ""
        if before is not None:
            decades = math.log10(size / before[0])
            slope, plain = (
                math.log10(now / then) / decades
                for now, then in zip((own, exact_time), before[1:], strict=True)
            )
            slopes = f"  slope {slope:.2f}, exact {plain:.2f}"
        settings = settings_text(tuning.pick.settings | tuning.pick.search)
        print(
            f"{size:9,}  {own:7.2f}  exact {exact_time:7.2f}  "
            f"{tuning.pick.memory / size:5.0f} bytes  {tuning.pick.family} {settings}{slopes}",
            flush=True,
        )
        before = (size, own, exact_time)


def results(*, quick: bool) -> list[Result]:
    return [*overhead.results(quick=quick), *tuner.results(quick=quick)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer vectors and rounds")
    parser.add_argument("--json", metavar="FILE", help="write the results there")
    parser.add_argument(
        "--growth", action="store_true", help="measure growth with the number of vectors"
    )
    parser.add_argument("--most", type=int, default=1_000_000, metavar="N", help="for --growth")
    parser.add_argument("--families", help="for --growth; all installed ones by default")
    options = parser.parse_args()
    if options.growth:
        growth(options.most, options.families.split(",") if options.families else None)
    else:
        report(results(quick=options.quick), options.json)
