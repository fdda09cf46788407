"""Every benchmark in one run: ``python -m benchmarks [--quick] [--json FILE]``."""

from __future__ import annotations

from benchmarks import cli, data, demo, evaluation, lfw, losses, metrics, models, training
from benchmarks.measure import Result, arguments, report

if __name__ == "__main__":
    options = arguments(__doc__)
    found: list[Result] = []
    for benchmark in (cli, data, models, training, losses, demo, lfw, metrics, evaluation):
        found += benchmark.results(quick=options.quick)
    report(found, options.json)
