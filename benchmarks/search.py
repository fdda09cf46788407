"""What the index costs beyond the library that it calls, and how searching grows with the set.

python -m benchmarks.search [--quick] [--json FILE]

The bare side calls faiss with the same settings on the same vectors; ours also checks the queries,
gives them unit length, scores what was found exactly and sorts it. All families with all their
settings: ``benchmarks.search_grid``; the tuner: ``benchmarks.search_tuner``.
"""

from __future__ import annotations

from statistics import median

import faiss
import numpy as np

from benchmarks.measure import Result, arguments, interleaved, report, row
from likewise.search.index import Index
from likewise.search.plain import threads_for

DIMENSION, K, BATCH, SINGLES = 128, 10, 1000, 200


def drawn(rows: int) -> np.ndarray:
    """Clustered vectors of unit length: ten around each of rows/10 centres."""
    random = np.random.default_rng(0)
    centres = random.standard_normal((rows // 10, DIMENSION), dtype=np.float32)
    noise = random.standard_normal((rows, DIMENSION), dtype=np.float32)
    vectors = np.repeat(centres, 10, axis=0) + 0.7 * noise
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def overhead(rounds: int, count: int) -> list[Result]:
    """Batches of 1,000 and single queries, exact and by an HNSW graph."""
    vectors = drawn(count + BATCH)
    queries, held = vectors[:BATCH], vectors[BATCH:]
    exact = Index.build(held)
    graph = Index.build(held, family="hnsw", settings={"links": 16, "ef_construction": 60})
    graph = graph.with_search_settings({"ef": 64})
    parameters = faiss.SearchParametersHNSW(efSearch=64)
    bare_graph = graph.engine.index  # type: ignore[attr-defined]  # faiss's own, inside the engine

    def bare_exact(rows: np.ndarray) -> None:
        with threads_for(len(rows)):
            faiss.cvar.distance_compute_blas_threshold = 10 * DIMENSION
            faiss.knn(rows, held, K, metric=faiss.METRIC_INNER_PRODUCT)

    def bare_hnsw(rows: np.ndarray) -> None:
        with threads_for(len(rows)):
            bare_graph.search(rows, K, params=parameters)

    found = []
    batches, singles = {}, {}
    for name, index, bare in (("exact", exact, bare_exact), ("hnsw", graph, bare_hnsw)):
        ours, theirs = interleaved([
            lambda index=index: index.search(queries, K), lambda bare=bare: bare(queries),
        ], rounds)  # fmt: skip
        batches[name] = median(a / b for a, b in zip(ours, theirs, strict=True))

        def each(call, rows=queries[:SINGLES]) -> None:
            for place in range(SINGLES):
                call(rows[place : place + 1])

        ours, theirs = interleaved([
            lambda index=index: each(lambda rows: index.search(rows, K)),
            lambda bare=bare: each(bare),
        ], rounds)  # fmt: skip
        gaps = [(a - b) / SINGLES * 1e6 for a, b in zip(ours, theirs, strict=True)]
        singles[name] = median(gaps)
    for name in batches:
        found.append(row(f"search.overhead_batch_{name}", batches[name], "x"))
        found.append(row(f"search.overhead_single_us_{name}", singles[name], "us"))
    worst = max(batches.values())
    slowest = max(singles.values())
    found.append(row("search.overhead_batch", worst, "x", "<= 1.05", worst <= 1.05))
    found.append(row("search.overhead_single_us", slowest, "us", "<= 50", slowest <= 50))
    return found


def results(*, quick: bool) -> list[Result]:
    return overhead(5, 20_000) if quick else overhead(15, 100_000)


if __name__ == "__main__":
    options = arguments(__doc__)
    report(results(quick=options.quick), options.json)
