"""The table of a comparison: means, confidence intervals, and differences from the reference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any

from likewise.lab.compare.intervals import Estimate, estimate, mean_difference
from likewise.lab.compare.record import CurvePoint, Record

__all__ = ["METRICS", "Row", "Target", "summarize"]

METRICS = (
    "auc", "eer", "tar", "recall_at_1", "map_at_r", "within", "between", "overlap",
)  # fmt: skip
CHANCE = 0.5  # the AUC of guessing
TARGET_SHARE = 0.95  # of the way from chance to the best loss


@dataclass(frozen=True)
class Target:
    """The AUC for which the epochs to reach it are counted.

    Args:
        auc: the value.
        named: whether it was given, and not derived from the best loss.
    """

    auc: float
    named: bool


@dataclass(frozen=True)
class Row:
    """One row of the table: a loss.

    Args:
        label: of the candidate.
        runs: number of finished runs.
        failed: the reasons why other runs failed, each once.
        estimates: of each of ``METRICS`` that could be measured.
        difference: mean paired difference of the AUC from the reference; None for the reference.
        images_per_s: training throughput of the fastest run, the one least disturbed by other
            load on the machine.
        step_mib: peak tensor memory of one training step, the median over runs.
        epochs_to_target: the median over runs; None if half of them do not reach the target.
        reached: number of runs that reach the target.
        curve: epoch and mean AUC over runs.
        tuned: the chosen hyperparameters, one line per fold.
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


def summarize(
    runs: dict[str, list[Record]], tuned: dict[str, list[str]], target: float | None = None
) -> tuple[list[Row], Target, str]:
    """The rows, the best loss first, losses without a finished run last.

    Args:
        runs: the final runs of each loss.
        tuned: the chosen hyperparameters of each loss.
        target: the target AUC; by default, 95 % of the way from chance to the mean of the best
            loss.

    Returns:
        The rows, the target, and the label of the reference: softmax if it takes part, otherwise
        the first loss.
    """
    rows = [_row(label, records, tuned.get(label, [])) for label, records in runs.items()]
    reference = "softmax" if "softmax" in runs else next(iter(runs))
    best = max((_auc(row) for row in rows if row.runs), default=CHANCE)
    goal = Target(
        CHANCE + TARGET_SHARE * (best - CHANCE) if target is None else target, bool(target)
    )
    finished = [
        replace(row, **_epochs_to(goal.auc, runs[row.label]), difference=_difference(
            runs[row.label], runs[reference]) if row.label != reference else None)
        for row in rows
    ]  # fmt: skip
    return sorted(finished, key=lambda row: -_auc(row)), goal, reference


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


def _epochs_to(target: float, records: Sequence[Record]) -> dict[str, Any]:
    """The median epoch at which a run first reaches the target; infinite where it never does."""
    finished = [record for record in records if record.measured is not None]
    epochs = [
        next((point.epoch for point in record.curve if point.auc >= target), math.inf)
        for record in finished
    ]
    reached = sum(epoch < math.inf for epoch in epochs)
    middle = median(epochs) if epochs else math.inf
    return {"epochs_to_target": middle if middle < math.inf else None, "reached": reached}


def _difference(records: Sequence[Record], reference: Sequence[Record]) -> Estimate | None:
    """Over the runs that both losses finished, paired by fold and seed."""
    of_reference = {(r.key.fold, r.key.number): r.measured.auc for r in reference if r.measured}
    pairs = [
        (record.measured.auc, of_reference[place], record.key.fold)
        for record in records
        if record.measured and (place := (record.key.fold, record.key.number)) in of_reference
    ]
    if not pairs:
        return None
    own, other, folds = zip(*pairs, strict=True)
    return mean_difference(own, other, folds)
