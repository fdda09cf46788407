"""All benchmarks in one run: ``python -m benchmarks [--quick] [--json FILE]``."""

from __future__ import annotations

from benchmarks import (
    albums,
    cli,
    coverage,
    data,
    demo,
    evaluation,
    known_classes,
    lfw,
    losses,
    metrics,
    models,
    overlap,
    quality,
    training,
)
from benchmarks.classes import scale as class_scale
from benchmarks.measure import Result, arguments, report
from benchmarks.search import __main__ as search

BENCHMARKS = (
    cli, data, models, training, class_scale, losses, evaluation, demo, lfw, metrics, known_classes,
    overlap, quality, coverage, albums, search,
)  # fmt: skip

if __name__ == "__main__":
    options = arguments(__doc__)
    found: list[Result] = []
    for benchmark in BENCHMARKS:
        found += benchmark.results(quick=options.quick)
    report(found, options.json)
