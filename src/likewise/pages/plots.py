"""What every plot of a page shares: its canvas, its legend, and how it becomes SVG."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.ticker import FuncFormatter

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

__all__ = [
    "GENUINE",
    "IMPOSTOR",
    "INK",
    "LETTERING",
    "WIDTH",
    "canvas",
    "legend_above",
    "rate_axis",
    "svg",
]

GENUINE, IMPOSTOR = "#0f766e", "#b45309"
INK = "#334155"
# Points of lettering in a figure that is 5 inches wide: legible where a phone shows it in 320
# pixels, and no larger than the text around it where a desk shows it in 500.
LETTERING = 11
WIDTH = 5.0  # inches


def canvas(x: str, y: str, height: float = 3.6) -> tuple[Figure, mpl.axes.Axes]:
    """An empty plot with its two axes named; ``height`` in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x, color=INK, fontsize=LETTERING)
    axes.set_ylabel(y, color=INK, fontsize=LETTERING)
    axes.tick_params(colors=INK, labelsize=LETTERING)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e2e8f0", lw=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def rate_axis(axes: mpl.axes.Axes) -> None:
    """A logarithmic x axis of rates."""
    axes.set_xscale("log")
    # 0.001 as in the tables; the exponents of 10⁻³ would be too small to read.
    axes.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:g}"))


def legend_above(figure: Figure, columns: int = 2, title: str | None = None) -> Legend:
    """What the colours mean, above the axes: inside, it would lie on what is drawn."""
    return figure.legend(
        loc="outside upper left", ncols=columns, frameon=False, fontsize=LETTERING, title=title,
        title_fontsize=LETTERING, alignment="left", borderpad=0, handlelength=1.4,
        columnspacing=1.2, labelcolor=INK,
    )  # fmt: skip


def svg(figure: Figure) -> str:
    """A figure as SVG to be placed in a page."""
    buffer = io.StringIO()
    # Text stays text: smaller, selectable, and in the page's own font.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "likewise"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
