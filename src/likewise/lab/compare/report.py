"""The report of a comparison: its conclusions in sentences, a Markdown table, and an HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from math import degrees
from pathlib import Path

from likewise.lab.compare.comparison import Comparison
from likewise.lab.compare.draw import curves_plot, means_plot
from likewise.lab.compare.intervals import Estimate
from likewise.lab.compare.summary import Row
from likewise.machine import describe, versions
from likewise.pages.environment import named_values, render
from likewise.storage import write_text

__all__ = ["conclusions", "markdown_table", "number", "write_page"]

PAGE = "compare.html"
MOST = 12  # labels listed in a sentence


def conclusions(found: Comparison) -> list[str]:
    """Sentences about the AUC: the best loss, differences from the reference, and failures."""
    ranked = [row for row in found.rows if row.runs]
    if not ranked:
        return ["No run finished."]
    best = ranked[0]
    lines = [
        f"{best.label} has the highest AUC on unseen identities: {_auc(best)}, over "
        f"{best.runs} {'run' if best.runs == 1 else 'runs'}."
    ]
    if len(ranked) > 1:
        lines += _overlapping(ranked[1:], best)
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
            f"Paired with the runs of {found.reference} ({_auc(reference)}), significantly better: "
            f"{_listed(above)}; significantly worse: {_listed(below)}; no significant difference: "
            f"{_listed(unclear)}."
        )
    lines += [
        f"{row.label}: some or all runs failed: {'; '.join(row.failed)}."
        for row in found.rows
        if row.failed
    ]
    return lines


def _overlapping(others: Sequence[Row], best: Row) -> list[str]:
    """The losses whose confidence interval overlaps with that of the best."""
    top = best.estimates["auc"]
    if top.half is None:
        return ["One run per loss gives no confidence interval: use more folds."]
    within = [
        row.label
        for row in others
        if row.estimates["auc"].mean + (row.estimates["auc"].half or 0.0) >= top.mean - top.half
    ]
    return [f"Confidence intervals that overlap with that of {best.label}: {_listed(within)}."]


def _auc(row: Row) -> str:
    found = row.estimates["auc"]
    return f"{found.mean:.4f}" if found.half is None else f"{found.mean:.4f} ± {found.half:.4f}"


def _listed(labels: Sequence[str]) -> str:
    if len(labels) > MOST:
        return f"{len(labels)} losses"
    return ", ".join(labels) if labels else "none"


def markdown_table(found: Comparison) -> str:
    """One line per loss; means ± half the 95 % confidence interval, angles in degrees.

    Significant differences from the reference are set in bold.
    """
    head = (
        "loss", "AUC", f"difference from {found.reference}", "EER", "TAR at FAR 1e-2", "Recall@1",
        "MAP@R", "within", "between", "overlap", "images/s", f"epochs to {found.target.auc:.3f}",
        "MiB",
    )  # fmt: skip
    lines = [_line(head), "|---|" + "---:|" * (len(head) - 1)]
    lines += [_line(_cells(row)) for row in found.rows]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cells(row: Row) -> list[str]:
    if not row.runs:
        return [row.label, f"failed: {'; '.join(row.failed)}", *[""] * 11]
    of = row.estimates.get
    versus = number(row.difference, 4, signed=True)
    epochs = "–" if row.epochs_to_target is None else f"{row.epochs_to_target:g}"
    return [
        row.label,
        number(of("auc"), 4),
        f"**{versus}**" if row.difference is not None and row.difference.certain else versus,
        *(number(of(name), 3) for name in ("eer", "tar", "recall_at_1", "map_at_r")),
        _angle(of("within"), 0),
        _angle(of("between"), 0),
        number(of("overlap"), 3),
        "–" if row.images_per_s is None else f"{row.images_per_s:,.0f}",
        epochs if row.reached == row.runs else f"{epochs} ({row.reached} of {row.runs})",
        "–" if row.step_mib is None else f"{row.step_mib:.1f}",
    ]


def number(found: Estimate | None, digits: int, *, signed: bool = False) -> str:
    """A mean with its confidence interval, such as ``0.9610 ± 0.0065``; a dash for None."""
    if found is None:
        return "–"
    half = "" if found.half is None else f" ± {found.half:.{digits}f}"
    return f"{found.mean:{'+' if signed else ''}.{digits}f}{half}"


def write_page(found: Comparison) -> Path:
    """Write ``compare.html`` into the comparison's folder; returns its path."""
    html = render(
        "compare",
        conclusions=conclusions(found),
        rows=found.rows,
        verdict={row.label: _verdict(row, found.reference) for row in found.rows},
        best=found.rows[0] if found.rows and found.rows[0].runs else None,
        runs=sum(row.runs for row in found.rows),
        target=found.target,
        reference=found.reference,
        means=means_plot(found.rows, found.reference),
        curves=curves_plot(found.rows, found.target),
        spaces=found.spaces,
        settings=named_values(found.settings),
        about=named_values(describe()) + named_values(versions()),
        bad=len(found.bad_images),
        filters={"share": _share, "angle": _angle, "half": _half},
    )
    write_text(found.folder / PAGE, html)
    return found.folder / PAGE


def _verdict(row: Row, reference: str) -> str:
    """The CSS class of a row, which sets its colour."""
    if row.label == reference:
        return "reference"
    if row.difference is None or not row.difference.certain:
        return "unclear"
    return "above" if row.difference.mean > 0 else "below"


def _share(found: Estimate | None, digits: int = 3) -> str:
    return "–" if found is None else f"{found.mean:.{digits}f}"


def _half(found: Estimate | None, digits: int = 3) -> str:
    return "" if found is None or found.half is None else f"±{found.half:.{digits}f}"


def _angle(found: Estimate | None, digits: int = 1) -> str:
    return "–" if found is None else f"{degrees(found.mean):.{digits}f}°"
