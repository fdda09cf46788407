"""The demo with five seeds: verification AUC on unseen people, and that of the best baseline.

python -m benchmarks.demo [--quick] [--json FILE]
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import mean, stdev

from benchmarks.measure import Result, arguments, report, row
from likewise.lab.demo.demo import run

SEEDS = range(5)


def results(*, quick: bool) -> list[Result]:
    found, best_baseline = [], 0.0
    for seed in SEEDS[:1] if quick else SEEDS:
        with tempfile.TemporaryDirectory() as folder:
            rows = run(Path(folder), seed=seed).rows
        found.append(rows[-1].auc)
        best_baseline = max(row.auc for row in rows[:-1])
        print(
            f"seed {seed}: AUC {rows[-1].auc:.4f}, EER {rows[-1].eer:.4f}, TAR {rows[-1].tar:.3f}"
        )
    lowest, average = min(found), mean(found)
    spread = stdev(found) if len(found) > 1 else 0.0
    return [
        row("demo.auc_mean", average, "AUC", ">= 0.97", average >= 0.97),
        row("demo.auc_sd", spread, "AUC", "<= 0.01", spread <= 0.01),
        row("demo.auc_lowest_over_best_baseline", lowest - best_baseline, "AUC", "> 0",
            lowest > best_baseline),
    ]  # fmt: skip


if __name__ == "__main__":
    options = arguments(__doc__)
    report(results(quick=options.quick), options.json)
