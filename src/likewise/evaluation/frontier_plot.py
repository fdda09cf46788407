"""The frontier of a tuning as a picture: recall against speed, memory as the size of a point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np

from likewise.evaluation.plots import GENUINE, INK
from likewise.search.frontier import Point, frontier
from likewise.search.tuning import Tuning

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["frontier_figure"]

# Told apart by hue and by form, so that print and the colour-blind can tell them too.
COLORS = ("#b45309", "#2563eb", "#7c3aed", "#be185d", "#65a30d", "#0891b2", "#78716c", "#ca8a04")
MARKS = "osD^vP*Xhd<>"
FULL = 1e-4  # on an axis of what is missed, nothing missed stands here


def frontier_figure(tuning: Tuning, by: str) -> Figure:
    """All points over the whole set, the frontier as a line, the pick in a ring.

    Args:
        tuning: what was measured.
        by: ``recall`` or ``mates``.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    axes = figure.add_subplot()
    points = [point for point in tuning.points if by in point.recalls]
    largest = max(point.memory for point in points)
    families = sorted({point.family for point in points} - {"exact"})
    for number, family in enumerate(["exact", *families]):
        own = [point for point in points if point.family == family]
        color = INK if family == "exact" else COLORS[(number - 1) % len(COLORS)]
        axes.scatter(
            [_place(point, by) for point in own],
            [1 / point.seconds for point in own],
            s=[18 + 130 * point.memory / largest for point in own],
            marker=MARKS[number % len(MARKS)], color=color, alpha=0.65, linewidths=0,
            label=family,
        )  # fmt: skip
    best = frontier(points, by)
    line = sorted(((_place(p, by), 1 / p.seconds) for p in _fastest_down(best, by)), reverse=True)
    axes.plot(*zip(*line, strict=True), color="#94a3b8", lw=1.2, zorder=0)
    _mark_pick(axes, tuning, by)
    _scale(axes, tuning, points, by)
    what = "recall of true mates" if by == "mates" else f"recall@{tuning.aim.k}"
    axes.set_xlabel(f"{what}, on probes that are not in the index", color=INK, fontsize=9)
    asked = "one at a time" if tuning.aim.batch == 1 else f"in batches of {tuning.aim.batch:,}"
    axes.set_ylabel(f"queries a second, {asked}", color=INK, fontsize=9)
    legend = axes.legend(frameon=False, fontsize=8, loc="lower left", title="size: memory")
    legend.get_title().set_fontsize(8)
    for handle in legend.legend_handles:
        handle.set_sizes([36])  # type: ignore[union-attr]
    return figure


def _place(point: Point, by: str) -> float:
    """What is missed: on a logarithmic axis, 0.99 is as far from 0.9 as 0.999 from 0.99."""
    return max(1 - point.recalls[by].value, FULL)


def _fastest_down(points: list[Point], by: str) -> list[Point]:
    """Of a frontier in three measures, the part that recall and speed alone make."""
    kept: list[Point] = []
    for point in points:  # the fastest first
        if not kept or point.recalls[by].value > kept[-1].recalls[by].value:
            kept.append(point)
    return kept


def _mark_pick(axes: Axes, tuning: Tuning, by: str) -> None:
    pick = tuning.pick
    if by not in pick.recalls:
        return
    place = (_place(pick, by), 1 / pick.seconds)
    axes.plot(*place, "o", ms=15, mfc="none", mec=GENUINE, mew=2)
    axes.annotate(
        f"pick: {pick.family}, {tuning.evidence.speed:.3g}× exact", place,
        textcoords="offset points", xytext=(12, 12), fontsize=8, color=GENUINE,
    )  # fmt: skip


def _scale(axes: Axes, tuning: Tuning, points: list[Point], by: str) -> None:
    missed = [_place(point, by) for point in points]
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(max(missed) * 1.4, min(missed) / 1.6)
    marks = [r for r in (0.5, 0.3, 0.1, 0.05, 0.03, 0.01, 3e-3, 1e-3) if r <= max(missed) * 1.4]
    marks = [rate for rate in marks if rate >= min(missed) / 1.6]
    labels = [f"{1 - rate:g}" for rate in marks]
    if min(missed) <= FULL:
        marks, labels = [*marks, FULL], [*labels, "1"]
    axes.set_xticks(marks, labels)
    axes.set_xticks([], minor=True)
    axes.yaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_minor_formatter(mpl.ticker.NullFormatter())
    speeds = np.array([1 / point.seconds for point in points])
    axes.set_ylim(speeds.min() / 1.5, speeds.max() * 1.8)
    if by in tuning.aim.targets:
        axes.axvline(max(1 - tuning.aim.targets[by], FULL), color=INK, lw=1, ls="--")
        axes.annotate(
            f"asked: {tuning.aim.targets[by]:g} ", (1 - tuning.aim.targets[by], speeds.max() * 1.5),
            fontsize=8, color=INK, ha="right", va="top",
        )  # fmt: skip
    axes.tick_params(colors=INK, labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e2e8f0", lw=0.6)
    axes.set_axisbelow(True)
