"""The page of a comparison: one file, with everything in it."""

from __future__ import annotations

import json
from math import degrees
from pathlib import Path
from typing import Any

from likewise.lab.compare.comparison import Comparison
from likewise.lab.compare.conclusions import conclusions
from likewise.lab.compare.draw import curves_plot, means_plot
from likewise.lab.compare.intervals import Estimate
from likewise.lab.compare.summary import Row
from likewise.machine import describe, versions
from likewise.pages.environment import render
from likewise.storage import write_text

__all__ = ["PAGE", "write_page"]

PAGE = "compare.html"


def write_page(found: Comparison) -> Path:
    """Write ``compare.html`` into the comparison's folder; returns it."""
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
        settings=_pairs(found.settings),
        about=_pairs(describe()) + _pairs(versions()),
        bad=len(found.bad_images),
        filters={"share": _share, "angle": _angle, "half": _half},
    )
    write_text(found.folder / PAGE, html)
    return found.folder / PAGE


def _verdict(row: Row, reference: str) -> str:
    """The class of a row: what its colour says."""
    if row.label == reference:
        return "reference"
    if row.difference is None or not row.difference.certain:
        return "unclear"
    return "above" if row.difference.mean > 0 else "below"


def _share(found: Estimate | None, digits: int = 3) -> str:
    return "–" if found is None else f"{found.mean:.{digits}f}"


def _half(found: Estimate | None, digits: int = 3) -> str:
    return "" if found is None or found.half is None else f"±{found.half:.{digits}f}"


def _angle(found: Estimate | None) -> str:
    return "–" if found is None else f"{degrees(found.mean):.1f}°"


def _pairs(values: dict[str, Any]) -> list[tuple[str, str]]:
    def text(value: Any) -> str:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    return [(key.replace("_", " "), text(value)) for key, value in values.items()]
