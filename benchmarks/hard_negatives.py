"""Hard negatives and the size of the data: when do embeddings collapse, and does more data help?

One small network (ContrastNet, 32×32 grey, embeddings of dimension 64, unit length), one loss
(triplets, margin 0.2), batches of 20 people × 4 photos, AdamW. The negatives differ, and the data:
20 people of ORL; 20, 200 and 2,000 people of LFW with at most ten photos each, and those of the
2,000 with more than one photo. Two seeds and two learning rates for every row; the AUC is that of
the better rate, collapses are counted over all runs. The final batch norm of ContrastNet, which
prevents collapse, is removed in all rows but one.

python -m benchmarks.hard_negatives [--quick] [--json FILE]

It takes about ten minutes of CPU time and has no bar, so ``python -m benchmarks`` does not run it.
``--quick`` compares hardest and semi-hard negatives, with one seed, one rate and 200 steps.
LIKEWISE_DATA names the folder of real data; without it only ORL is used.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.hard_negative_runs import Outcome, Run, outcome, prepare
from benchmarks.measure import Result, arguments, report, row
from likewise.machine import usable_cores

STEPS = 300
SEEDS, RATES = (0, 1), (3e-4, 1e-3)
TITLES = {
    "orl_20": "ORL 20",
    "lfw_20": "LFW 20",
    "lfw_200": "LFW 200",
    "lfw_2000": "LFW 2,000",
    "lfw_no_singles": "no singles",
}


class Row(NamedTuple):
    """One line of the table: what its runs have in common."""

    title: str
    mining: str
    squared: bool = False
    norm: bool = False
    rates: Sequence[float] = RATES
    steps: int = STEPS


HARDEST, SEMI_HARD = Row("hardest", "batch_hard"), Row("semi-hard", "semi_hard")
ROWS = (
    HARDEST,
    Row("hardest, five times as long", "batch_hard", rates=(1e-3,), steps=5 * STEPS),
    Row("hardest, d²", "batch_hard", squared=True),
    Row("hardest, batch norm at the end", "batch_hard", norm=True),
    SEMI_HARD,
    Row("semi-hard, d²", "semi_hard", squared=True),
    Row("distance-weighted", "distance_weighted"),
    Row("curriculum", "curriculum"),
)
QUICK = tuple(entry._replace(rates=(1e-3,), steps=200) for entry in (HARDEST, SEMI_HARD))


def runs(entry: Row, faces: str, seeds: Sequence[int]) -> list[Run]:
    return [
        Run(faces, entry.mining, entry.squared, entry.norm, rate, seed, entry.steps)
        for rate in entry.rates
        for seed in seeds
    ]


def best_auc(outcomes: Sequence[Outcome]) -> float:
    """The mean over the seeds, at the rate where it is highest."""
    rates = {found.run.rate for found in outcomes}
    return max(
        float(np.mean([found.auc for found in outcomes if found.run.rate == rate]))
        for rate in rates
    )


def cell(outcomes: Sequence[Outcome]) -> str:
    """The AUC; the number of runs that collapsed, and of those that were collapsed at the end."""
    fired, stayed = (sum(getattr(o, name) for o in outcomes) for name in ("fired", "stayed"))
    return f"{best_auc(outcomes):.3f} ({fired}, {stayed} of {len(outcomes)})"


Table = dict[tuple[Row, str], list[Outcome]]


def measured(
    rows: Sequence[Row], faces: Sequence[str], seeds: Sequence[int], lfw: Path | None
) -> Table:
    """Every run, one process a core; each line of the table is printed as soon as it is known."""
    everything = [run for entry in rows for name in faces for run in runs(entry, name, seeds)]
    print("\nAUC on unseen people (runs that collapsed, runs still collapsed at the end)")
    print(f"{'':31}" + "".join(f"{TITLES[name]:>20}" for name in faces))
    table: Table = {}
    with get_context("spawn").Pool(usable_cores(), prepare, (lfw,)) as pool:
        found = pool.imap(outcome, everything)
        for entry in rows:
            for name in faces:
                table[entry, name] = [next(found) for _ in runs(entry, name, seeds)]
            cells = "".join(f"{cell(table[entry, name]):>20}" for name in faces)
            print(f"{entry.title:31}{cells}", flush=True)
    return table


def show_course(table: Table) -> None:
    """Print mean distances and loss at the start, after a quarter, and at the end."""
    print("\nmean distance of positives / of negatives, and the loss (margin 0.2)")
    for (entry, name), outcomes in table.items():
        mean = np.mean([found.course for found in outcomes], axis=0)
        spans = "   ".join(f"{p:.3f} / {n:.3f}, {loss:.3f}" for p, n, loss in mean)
        print(f"{entry.title:31}{TITLES[name]:>11}   {spans}")


def judged(table: Table) -> list[Result]:
    """For the hardest negatives: the share of runs that ended collapsed, and the AUC."""
    found = []
    for (entry, name), outcomes in table.items():
        if entry.mining != "batch_hard":
            continue
        key = f"{name}.{entry.title.replace(', ', '_').replace(' ', '_').replace('²', '2')}"
        share = float(np.mean([o.stayed for o in outcomes]))
        found.append(row(f"hard_negatives.{key}_stayed", share, "share"))
        found.append(row(f"hard_negatives.{key}_auc", best_auc(outcomes), "AUC"))
    return found


def results(*, quick: bool) -> list[Result]:
    start = time.perf_counter()
    named = os.environ.get("LIKEWISE_DATA")
    lfw = Path(named) / "lfw" if named else None
    if lfw is None or not lfw.is_dir():
        print("LFW is skipped: set LIKEWISE_DATA to the folder of real data that holds lfw/")
        lfw = None
    faces = [*TITLES] if lfw else ["orl_20"]
    rows = QUICK if quick else ROWS
    table = measured(rows, faces, SEEDS[:1] if quick else SEEDS, lfw)
    show_course(table)
    print(f"\n{time.perf_counter() - start:.0f} s")
    return judged(table)


if __name__ == "__main__":
    options = arguments(__doc__)
    report(results(quick=options.quick), options.json)
