"""The style that all plots share, their conversion to SVG, and two general charts."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.ticker import FuncFormatter, MaxNLocator

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

__all__ = [
    "GENUINE",
    "IMPOSTOR",
    "INK",
    "LETTERING",
    "WIDTH",
    "bar_chart",
    "canvas",
    "legend_above",
    "rate_axis",
    "score_chart",
    "styled",
    "svg",
]

GENUINE, IMPOSTOR = "#0f766e", "#b45309"
INK = "#334155"
# Font size in points for a figure that is 5 inches wide: legible on a phone, which shows the
# figure 320 pixels wide, and no larger than the text around it on a desktop, at 500 pixels.
LETTERING = 11
WIDTH = 5.0  # inches


def canvas(x: str, y: str, height: float = 3.6) -> tuple[Figure, mpl.axes.Axes]:
    """An empty plot with labeled axes; ``height`` is in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.add_subplot()
    styled(axes, x, y)
    return figure, axes


def styled(axes: mpl.axes.Axes, x: str, y: str) -> None:
    """Empty axes in the style of all plots, with their names."""
    axes.set_xlabel(x, color=INK, fontsize=LETTERING)
    axes.set_ylabel(y, color=INK, fontsize=LETTERING)
    axes.tick_params(colors=INK, labelsize=LETTERING)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e2e8f0", lw=0.6)
    axes.set_axisbelow(True)


def rate_axis(axes: mpl.axes.Axes) -> None:
    """A logarithmic x axis of rates."""
    axes.set_xscale("log")
    # 0.001 as in the tables; the exponent of 10⁻³ would be too small to read.
    axes.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:g}"))


def legend_above(figure: Figure, columns: int = 2, title: str | None = None) -> Legend:
    """A legend above the axes, where it cannot cover the data."""
    return figure.legend(
        loc="outside upper left", ncols=columns, frameon=False, fontsize=LETTERING, title=title,
        title_fontsize=LETTERING, alignment="left", borderpad=0, handlelength=1.4,
        columnspacing=1.2, labelcolor=INK,
    )  # fmt: skip


def bar_chart(rows: Sequence[tuple[str, int]], unit: str) -> str:
    """Horizontal bars, the first row on top, with the count at the end of each bar.

    Args:
        rows: label and count of each bar.
        unit: what the labels count, as the name of their axis.

    Returns:
        SVG.
    """
    figure, axes = canvas("", "", 0.8 + 0.3 * max(len(rows), 1))
    places = range(len(rows))
    bars = axes.barh(places, [count for _, count in rows], color=GENUINE)
    axes.bar_label(
        bars, [f"{count:,}" for _, count in rows], padding=4, color=INK, fontsize=LETTERING
    )
    axes.set_yticks(places, [label for label, _ in rows])
    axes.invert_yaxis()
    axes.margins(x=0.14)  # for the count at the end of the longest bar
    axes.set_xticks([])
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_title(unit, loc="left", color=INK, fontsize=LETTERING)
    return svg(figure)


def score_chart(
    series: Sequence[tuple[str, Sequence[float]]], edges: Sequence[float], axis: str
) -> str:
    """Histograms of scores, one over the other, on one axis.

    Args:
        series: label and bin heights of each histogram; impostors first, genuine last.
        edges: of the bins: one more than there are heights.
        axis: name of the score.

    Returns:
        SVG.
    """
    figure, axes = canvas(axis, "")
    colors = (IMPOSTOR, GENUINE)[-len(series) :]
    for (label, heights), color in zip(series, colors, strict=True):
        axes.stairs(heights, edges, fill=True, color=color, alpha=0.55, label=label)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(bottom=0)
    axes.set_yticks([])
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 5, 10]))
    axes.spines["left"].set_visible(False)
    legend_above(figure, columns=1)
    return svg(figure)


def svg(figure: Figure) -> str:
    """A figure as SVG text for embedding in a page."""
    buffer = io.StringIO()
    # Text stays text: smaller files, selectable, and in the font of the page.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "likewise"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
