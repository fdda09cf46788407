"""Overhead of the index over the bare library: ids, exact scores, order, input checks.

``python -m benchmarks.search.overhead [--quick] [--json FILE]``

Both sides search the same faiss index for the same queries: directly, and through ``Index``. For
single queries the result is the difference in microseconds; for a batch of 1,000, the ratio.
"""

from __future__ import annotations

import time
from statistics import median

import faiss
import numpy as np

from benchmarks.measure import Result, arguments, interleaved, report, row
from likewise.search.engines.faiss_engine import FaissEngine
from likewise.search.index import Index

DIMENSION, PROBES, K = 128, 16, 10
SINGLE_BAR_US, BATCH_BAR = 50, 1.05


def results(*, quick: bool) -> list[Result]:
    """Overhead of one query and of a batch, with faiss's inverted file."""
    count, rounds = 200_000, 15 if quick else 25
    random = np.random.default_rng(0)
    vectors = random.standard_normal((count, DIMENSION), np.float32)
    queries = random.standard_normal((1_000, DIMENSION), np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    index = Index.build(
        vectors, family="ivf_flat", settings={"lists": 1_024}, search_settings={"probes": PROBES}
    )
    engine = index.engine
    assert isinstance(engine, FaissEngine)
    parameters = faiss.SearchParametersIVF(nprobe=PROBES)
    bare, through = interleaved(
        (
            lambda: engine.faiss_search(queries, K, params=parameters),
            lambda: index.search(queries, K),
        ),
        rounds,
    )
    batch = median(ours / theirs for theirs, ours in zip(bare, through, strict=True))
    extra = median(_single_overheads(index, engine, queries, parameters)) * 1e6
    return [
        row(
            "search.overhead_single_us",
            max(0.0, extra),
            "µs",
            f"≤ {SINGLE_BAR_US}",
            extra <= SINGLE_BAR_US,
        ),
        row("search.overhead_batch", batch, "×", f"≤ {BATCH_BAR}", batch <= BATCH_BAR),
    ]


def _single_overheads(
    index: Index, engine: FaissEngine, queries: np.ndarray, parameters: object
) -> list[float]:
    """Seconds that the index adds, query by query; the order of the two sides alternates.

    The first of two searches for the same query warms the cache for the second.
    """
    sides = (
        lambda query: engine.faiss_search(query, K, params=parameters),
        lambda query: index.search(query, K),
    )
    found = []
    for turn in range(len(queries)):
        query = queries[turn : turn + 1]
        seconds = [0.0, 0.0]
        for side in (0, 1) if turn % 2 else (1, 0):
            sides[side](query)  # both with a warm cache
            start = time.perf_counter()
            sides[side](query)
            seconds[side] = time.perf_counter() - start
        found.append(seconds[1] - seconds[0])
    return found


if __name__ == "__main__":
    options = arguments(__doc__)
    report(results(quick=options.quick), options.json)
