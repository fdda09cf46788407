"""A comparison in plain words: what is more than chance, and what is not."""

from __future__ import annotations

from collections.abc import Sequence

from likewise.lab.compare.comparison import Comparison
from likewise.lab.compare.summary import Row

__all__ = ["conclusions"]

MOST = 12  # names in a sentence


def conclusions(found: Comparison) -> list[str]:
    """Sentences about the AUC: who leads, who differs from the reference, who failed."""
    ranked = [row for row in found.rows if row.runs]
    if not ranked:
        return ["No run of any loss finished."]
    best = ranked[0]
    lines = [
        f"{best.label} has the highest AUC on unseen identities: {_share(best)}, over "
        f"{best.runs} {'run' if best.runs == 1 else 'runs'}."
    ]
    if len(ranked) > 1:
        lines += _apart(ranked[1:], best)
    others = [row for row in ranked if row.label != found.reference]
    above: list[str] = []
    below: list[str] = []
    unclear: list[str] = []
    for row in others:
        if row.difference is None or not row.difference.certain:
            unclear.append(row.label)
        else:
            (above if row.difference.mean > 0 else below).append(row.label)
    reference = next((row for row in ranked if row.label == found.reference), None)
    if reference is not None and others:
        lines.append(
            f"Run by run against {found.reference} ({_share(reference)}): above it beyond the "
            f"interval: {_listed(above)}; below it: {_listed(below)}; not to be told from it: "
            f"{_listed(unclear)}."
        )
    lines += [
        f"{row.label}: failed in some or all runs: {'; '.join(row.failed)}."
        for row in found.rows
        if row.failed
    ]
    return lines


def _apart(others: Sequence[Row], best: Row) -> list[str]:
    """Which intervals of the mean reach into the best one's."""
    top = best.estimates["auc"]
    if top.half is None:
        return ["One run a loss says nothing about chance: take more folds."]
    within = [
        row.label
        for row in others
        if row.estimates["auc"].mean + (row.estimates["auc"].half or 0.0) >= top.mean - top.half
    ]
    return [f"Intervals that overlap with its own: {_listed(within)}."]


def _share(row: Row) -> str:
    found = row.estimates["auc"]
    return f"{found.mean:.4f}" if found.half is None else f"{found.mean:.4f} ± {found.half:.4f}"


def _listed(labels: Sequence[str]) -> str:
    if len(labels) > MOST:
        return f"{len(labels)} losses"
    return ", ".join(labels) if labels else "none"
