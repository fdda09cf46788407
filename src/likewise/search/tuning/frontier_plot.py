"""Plot of the frontier of a tuning: recall against throughput, memory as the size of a point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from likewise.pages.plot import Plot
from likewise.pages.plots import GENUINE, INK, LETTERING
from likewise.search.tuning.evidence import Evidence
from likewise.search.tuning.frontier import Point, frontier
from likewise.search.tuning.target import Target

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["frontier_figure", "frontier_plot"]

# Families differ by color and by marker, for print and color-blind readers.
COLORS = ("#b45309", "#2563eb", "#7c3aed", "#be185d", "#65a30d", "#0891b2", "#78716c", "#ca8a04")
RATES = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 5e-3, 2e-3, 1e-3, 3e-4)
MARKS = "osD^vP*Xhd<>"
MIN_MISSED = 1e-4  # the place of recall 1 on the logarithmic axis of 1 - recall, or less


class Tuned(Protocol):
    """What the plot needs of a ``Tuning``."""

    @property
    def points(self) -> Sequence[Point]:
        """All points over all vectors."""

    @property
    def pick(self) -> Point:
        """The chosen one."""

    @property
    def target(self) -> Target:
        """What was asked for."""

    @property
    def evidence(self) -> Evidence:
        """The measurements of the chosen one."""


def frontier_figure(tuning: Tuned, by: str) -> Figure:
    """All points over all vectors, the frontier as a line, the chosen point in a ring.

    Args:
        tuning: the result.
        by: ``recall`` or ``mates``.
    """
    return frontier_plot(tuning, by).figure()


def frontier_plot(tuning: Tuned, by: str) -> Plot:
    """The plot of ``frontier_figure``."""
    target = tuning.target
    what = "recall of mates" if by == "mates" else f"recall@{target.k}"
    asked = "one at a time" if target.batch == 1 else f"in batches of {target.batch:,}"
    return Plot(
        f"{what}, on probes that are not in the index",
        f"queries a second, {asked}",
        lambda axes: _draw(axes, tuning, by),
        height=4.4,
        columns=3,
        heading="size: memory",
    )


def _draw(axes: Axes, tuning: Tuned, by: str) -> None:
    points = [point for point in tuning.points if by in point.recalls]
    full = _full(points, by)

    def place(point: Point) -> float:
        return max(1 - point.recalls[by].value, full)

    largest = max(point.memory for point in points)
    families = sorted({point.family for point in points} - {"exact"})
    for number, family in enumerate(["exact", *families]):
        own = [point for point in points if point.family == family]
        color = INK if family == "exact" else COLORS[(number - 1) % len(COLORS)]
        axes.scatter(
            [place(point) for point in own],
            [1 / point.seconds for point in own],
            s=[10 + 70 * point.memory / largest for point in own],
            marker=MARKS[number % len(MARKS)], color=color, alpha=0.65, linewidths=0,
            label=family,
        )  # fmt: skip
    best = frontier(points, by)
    line = sorted(((place(p), 1 / p.seconds) for p in _fastest_down(best, by)), reverse=True)
    axes.plot(*zip(*line, strict=True), color="#94a3b8", lw=1.2, zorder=0)
    _scale(axes, [place(p) for p in points], [1 / p.seconds for p in points], full)
    if by in tuning.pick.recalls:
        _mark_pick(axes, tuning, place)
    if by in tuning.target.recalls:
        target = tuning.target.recalls[by]
        axes.axvline(1 - target, color=INK, lw=1, ls="--")
        axes.annotate(
            f"target: {target:g} ", (1 - target, axes.get_ylim()[1] / 1.1),
            fontsize=LETTERING, color=INK, ha="right", va="top",
        )  # fmt: skip


def _full(points: list[Point], by: str) -> float:
    """The place of recall 1 on the axis of 1 - recall: a step past the smallest other value."""
    missed = [1 - point.recalls[by].value for point in points if point.recalls[by].value < 1]
    return max(MIN_MISSED, min(missed, default=MIN_MISSED) / 3)


def _fastest_down(points: list[Point], by: str) -> list[Point]:
    """The part of a frontier in recall, speed and memory that is a frontier without memory."""
    kept: list[Point] = []
    for point in points:  # the fastest first
        if not kept or point.recalls[by].value > kept[-1].recalls[by].value:
            kept.append(point)
    return kept


def _mark_pick(axes: Axes, tuning: Tuned, place: Callable[[Point], float]) -> None:
    pick = tuning.pick
    at = (place(pick), 1 / pick.seconds)
    axes.plot(*at, "o", ms=15, mfc="none", mec=GENUINE, mew=2)
    right = axes.transAxes.inverted().transform(axes.transData.transform(at))[0] > 0.5
    axes.annotate(
        f"pick: {pick.family}, {tuning.evidence.speed:.3g}× exact", at,
        textcoords="offset points", xytext=(-14 if right else 14, 14),
        ha="right" if right else "left", fontsize=LETTERING, color=GENUINE, weight="bold",
    )  # fmt: skip


def _scale(axes: Axes, missed: list[float], speeds: list[float], full: float) -> None:
    """Set both axes logarithmic, so that 0.99 is as far from 0.9 as 0.999 is from 0.99."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(max(missed) * 1.4, min(missed) / 1.6)
    marks = _spaced([rate for rate in RATES if full < rate <= max(missed) * 1.4], full, axes)
    axes.set_xticks([*marks, full], [*(f"{1 - rate:g}" for rate in marks), "1"])
    axes.set_xticks([], minor=True)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(min(speeds) / 1.5, max(speeds) * 1.8)


def _spaced(rates: list[float], full: float, axes: Axes) -> list[float]:
    """The rates whose labels do not overlap with each other or with the one at ``full``."""
    left, right = axes.get_xlim()
    step = (left / right) ** 0.14  # of the axis: a label of five letters
    kept: list[float] = []
    for rate in rates:
        if rate >= full * step and (not kept or kept[-1] >= rate * step):
            kept.append(rate)
    return kept
