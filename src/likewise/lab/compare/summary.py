"""From runs to a table: means with their intervals, and what differs by more than chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any

from likewise.lab.compare.intervals import Estimate, estimate, paired_difference
from likewise.lab.compare.record import CurvePoint, Record

__all__ = ["METRICS", "Row", "Target", "summarise"]

METRICS = (
    "auc", "eer", "tar", "recall_at_1", "map_at_r", "within", "between", "overlap",
)  # fmt: skip
CHANCE = 0.5
SHARE = 0.95


@dataclass(frozen=True)
class Target:
    """The AUC that losses race to.

    Args:
        auc: the value.
        named: whether it was asked for, rather than taken from the best loss.
    """

    auc: float
    named: bool


@dataclass(frozen=True)
class Row:
    """One loss of the table.

    Args:
        label: of the candidate.
        runs: those that finished.
        failed: why the others did not, each reason once.
        estimates: of each of ``METRICS`` that could be measured.
        difference: of the AUC from the reference's, run by run; None for the reference itself.
        images_per_s: training, of the fastest run: what else a machine does only slows it down.
        step_mib: tensors of one training step at most, the median over runs.
        epochs_to_target: the median over runs; None if half of them do not reach it.
        reached: how many reach it.
        curve: epoch, and the mean AUC over runs.
        tuned: what the tuning chose, a line a fold.
    """

    label: str
    runs: int
    failed: tuple[str, ...]
    estimates: dict[str, Estimate]
    difference: Estimate | None = None
    images_per_s: float | None = None
    step_mib: float | None = None
    epochs_to_target: float | None = None
    reached: int = 0
    curve: tuple[tuple[int, float], ...] = ()
    tuned: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def summarise(
    runs: dict[str, list[Record]], tuned: dict[str, list[str]], target: float | None = None
) -> tuple[list[Row], Target, str]:
    """The rows, the best first, losses without a finished run last.

    Args:
        runs: the final runs of each loss.
        tuned: what the tuning chose for each.
        target: the AUC to race to; by default that at which 95 % of the way from chance to the
            best loss's mean is gone.

    Returns:
        The rows, the target, and the label of the reference: softmax, or the first loss.
    """
    rows = [_row(label, records, tuned.get(label, [])) for label, records in runs.items()]
    reference = "softmax" if "softmax" in runs else next(iter(runs))
    best = max((_auc(row) for row in rows if row.runs), default=CHANCE)
    race = Target(CHANCE + SHARE * (best - CHANCE) if target is None else target, bool(target))
    finished = [
        replace(row, **_race(runs[row.label], race.auc), difference=_difference(
            runs[row.label], runs[reference]) if row.label != reference else None)
        for row in rows
    ]  # fmt: skip
    return sorted(finished, key=lambda row: -_auc(row)), race, reference


def _auc(row: Row) -> float:
    return row.estimates["auc"].mean if row.runs else -1.0


def _row(label: str, records: Sequence[Record], tuned: Sequence[str]) -> Row:
    finished = [record for record in records if record.measured is not None]
    failed = tuple(dict.fromkeys(record.error for record in records if record.error))
    values = [(r.measured.to_dict(), r.key.fold) for r in finished if r.measured]
    estimates = {}
    for metric in METRICS:
        found = [(v, fold) for run, fold in values if (v := run[metric]) is not None]
        if found:
            estimates[metric] = estimate([v for v, _ in found], [fold for _, fold in found])
    speeds = [record.images_per_s for record in finished if record.images_per_s]
    sizes = [record.step_bytes / 2**20 for record in finished if record.step_bytes]
    return Row(
        label=label,
        runs=len(finished),
        failed=failed,
        estimates=estimates,
        images_per_s=max(speeds, default=None),
        step_mib=median(sizes) if sizes else None,
        curve=_mean_curve([record.curve for record in finished]),
        tuned=tuple(tuned),
    )


def _mean_curve(curves: Sequence[Sequence[CurvePoint]]) -> tuple[tuple[int, float], ...]:
    if not curves:
        return ()
    shortest = min(len(curve) for curve in curves)
    return tuple(
        (curves[0][n].epoch, sum(curve[n].auc for curve in curves) / len(curves))
        for n in range(shortest)
    )


def _race(records: Sequence[Record], target: float) -> dict[str, Any]:
    """When each run is first at the target; a run that never is counts as infinitely late."""
    finished = [record for record in records if record.measured is not None]
    epochs = [
        next((point.epoch for point in record.curve if point.auc >= target), math.inf)
        for record in finished
    ]
    reached = sum(epoch < math.inf for epoch in epochs)
    middle = median(epochs) if epochs else math.inf
    return {"epochs_to_target": middle if middle < math.inf else None, "reached": reached}


def _difference(records: Sequence[Record], reference: Sequence[Record]) -> Estimate | None:
    """Over the runs that both finished, matched by fold and seed."""
    of_reference = {(r.key.fold, r.key.number): r.measured.auc for r in reference if r.measured}
    pairs = [
        (record.measured.auc, of_reference[place], record.key.fold)
        for record in records
        if record.measured and (place := (record.key.fold, record.key.number)) in of_reference
    ]
    if not pairs:
        return None
    own, other, folds = zip(*pairs, strict=True)
    return paired_difference(own, other, folds)
