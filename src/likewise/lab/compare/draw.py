"""The plots of the page: mean AUC with confidence intervals, and learning curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from likewise.lab.compare.intervals import Estimate
from likewise.lab.compare.summary import Row, Target
from likewise.pages.plots import svg

__all__ = ["curves_plot", "means_plot"]

ABOVE, BELOW, UNCLEAR, INK = "#0f766e", "#b45309", "#64748b", "#334155"
GRID, OTHERS = "#e2e8f0", "#cbd5e1"
COLUMNS = 5
WIDTH = 9.0  # inches; 660 to 900 pixels on the page


def means_plot(rows: Sequence[Row], reference: str) -> str:
    """Left the mean AUC with its confidence interval, right the difference from the reference.

    Green is significantly above the reference, brown significantly below, grey neither.
    """
    from matplotlib.figure import Figure

    shown = [row for row in rows if row.runs]
    figure = Figure(figsize=(WIDTH, 1.1 + 0.29 * max(2, len(shown))), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    places = range(len(shown), 0, -1)
    for place, row in zip(places, shown, strict=True):
        color = INK if row.label == reference else _color(row.difference)
        _whisker(left, place, row.estimates["auc"], color)
        if row.difference is not None:
            _whisker(right, place, row.difference, color)
    right.axvline(0, color=INK, lw=1)
    left.set_xlim(right=min(1.0, left.get_xlim()[1]))
    left.set_yticks(list(places), [row.label for row in shown])
    for axes, text in ((left, "AUC on unseen identities"), (right, f"difference from {reference}")):
        axes.set_xlabel(text, color=INK, fontsize=11)
        axes.tick_params(colors=INK, labelsize=10, length=0)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.grid(axis="x", color=GRID, lw=0.6)
        axes.grid(axis="y", color="#f1f5f9", lw=0.6)
        axes.set_axisbelow(True)
        axes.set_ylim(0.4, len(shown) + 0.6)
    return svg(figure)


def _color(difference: Estimate | None) -> str:
    if difference is None or not difference.certain:
        return UNCLEAR
    return ABOVE if difference.mean > 0 else BELOW


def _whisker(axes: Any, place: int, found: Estimate, color: str) -> None:
    half = found.half or 0.0
    axes.plot(
        [found.mean - half, found.mean + half], [place, place], color=color, lw=2.2, alpha=0.45,
        solid_capstyle="round",
    )  # fmt: skip
    axes.plot(found.mean, place, "o", color=color, ms=5.5, mec="white", mew=0.8)


def curves_plot(rows: Sequence[Row], target: Target) -> str:
    """One small panel per loss: its mean AUC over the epochs, with all other losses in grey."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    shown = [row for row in rows if row.curve]
    columns = min(COLUMNS, max(1, len(shown)))
    lines = math.ceil(max(1, len(shown)) / columns)
    figure = Figure(figsize=(WIDTH, 0.5 + 1.6 * lines), layout="constrained")
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
    values = [auc for row in shown for _, auc in row.curve]
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    for axes, row in zip(panels, shown, strict=False):
        mark = "" if len(row.curve) > 1 else "o"  # a single epoch needs a marker
        for other in shown:
            axes.plot(*zip(*other.curve, strict=True), marker=mark, color=OTHERS, lw=0.6, zorder=1)
        axes.plot(*zip(*row.curve, strict=True), marker=mark, color=ABOVE, lw=2, zorder=3)
        axes.axhline(target.auc, color=BELOW, lw=0.7, ls=(0, (3, 2)), zorder=2)
        axes.set_title(row.label, fontsize=10, color=INK, loc="left", pad=2)
        axes.tick_params(colors=INK, labelsize=9, length=2)
        axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(OTHERS)
        # The first epochs are cut off, because they would compress the range of the last ones.
        axes.set_ylim(_low(values), min(1.0, max(values) + 0.004) if values else 1.0)
    for axes in panels[max(0, len(shown) - columns) : len(shown)]:
        axes.tick_params(labelbottom=True)  # the lowest visible panel of each column
    return svg(figure)


def _low(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 10] - 0.01 if ordered else 0.0
