"""The table of a comparison in Markdown, to be put into a document."""

from __future__ import annotations

from collections.abc import Sequence
from math import degrees

from likewise.lab.compare.comparison import Comparison
from likewise.lab.compare.intervals import Estimate
from likewise.lab.compare.summary import Row

__all__ = ["markdown_table", "number"]


def markdown_table(found: Comparison) -> str:
    """One line a loss; means ± half the 95 % interval, angles in degrees.

    Differences from the reference that lie beyond their interval are set in bold.
    """
    head = (
        "loss", "AUC", f"less {found.reference}'s", "EER", "TAR at FAR 1e-2", "Recall@1", "MAP@R",
        "within", "between", "overlap", "images/s", f"epochs to {found.target.auc:.3f}", "MiB",
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
    late = "–" if row.epochs_to_target is None else f"{row.epochs_to_target:g}"
    return [
        row.label,
        number(of("auc"), 4),
        f"**{versus}**" if row.difference is not None and row.difference.certain else versus,
        *(number(of(name), 3) for name in ("eer", "tar", "recall_at_1", "map_at_r")),
        _angle(of("within")),
        _angle(of("between")),
        number(of("overlap"), 3),
        "–" if row.images_per_s is None else f"{row.images_per_s:,.0f}",
        late if row.reached == row.runs else f"{late} ({row.reached} of {row.runs})",
        "–" if row.step_mib is None else f"{row.step_mib:.1f}",
    ]


def number(found: Estimate | None, digits: int, *, signed: bool = False) -> str:
    """A mean with its interval, such as ``0.9610 ± 0.0065``; a dash where there is none."""
    if found is None:
        return "–"
    half = "" if found.half is None else f" ± {found.half:.{digits}f}"
    return f"{found.mean:{'+' if signed else ''}.{digits}f}{half}"


def _angle(found: Estimate | None) -> str:
    return "–" if found is None else f"{degrees(found.mean):.0f}°"
