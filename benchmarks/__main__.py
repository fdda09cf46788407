"""All benchmarks in one run: ``python -m benchmarks [--quick] [--json FILE]``."""

from __future__ import annotations

from benchmarks import (
    cli,
    coverage,
    data,
    demo,
    evaluation,
    export,
    known_classes,
    lfw,
    losses,
    metrics,
    models,
    overlap,
    training,
)
from benchmarks.classes import scale as class_scale
from benchmarks.faces import __main__ as faces
from benchmarks.faces import albums, found, quality
from benchmarks.measure import Result, arguments, report
from benchmarks.search import __main__ as search

BENCHMARKS = (
    cli, data, models, training, class_scale, losses, evaluation, demo, lfw, metrics, known_classes,
    overlap, coverage, search, found, faces, quality, albums, export,
)  # fmt: skip

if __name__ == "__main__":
    options = arguments(__doc__)
    measured: list[Result] = []
    for benchmark in BENCHMARKS:
        measured += benchmark.results(quick=options.quick)
    report(measured, options.json)
