"""The main losses side by side, on one page."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.figure import Figure

from likewise.evaluation.separation import Separation
from likewise.lab.figures.draw_plane import draw_circle, draw_plane
from likewise.lab.figures.learn import Snapshot
from likewise.lab.figures.palette import INK, PAPER, QUIET
from likewise.lab.figures.settings import Setting

__all__ = ["draw_overview"]

COLUMNS = 4
ON_THE_PLANE = ("softmax", "center", "lsoftmax", "sphereface")
"""Losses for which the length of an embedding counts: drawn without normalisation."""


def draw_overview(pictures: Sequence[tuple[Setting, Snapshot, Separation]]) -> Figure:
    """A grid of planes and circles, each with its measured separation."""
    rows = math.ceil(len(pictures) / COLUMNS)
    columns = min(COLUMNS, len(pictures))
    figure = Figure(figsize=(2.75 * columns, 3.3 * rows), facecolor=PAPER)
    for number, (setting, seen, measured) in enumerate(pictures):
        row, column = divmod(number, COLUMNS)
        left, bottom = column / columns, 1 - (row + 1) / rows
        width, height = 1 / columns, 1 / rows
        axes = figure.add_axes(
            (left + 0.04 * width, bottom + 0.15 * height, 0.92 * width, 0.74 * height)
        )
        if setting.name in ON_THE_PLANE:
            draw_plane(axes, seen, dot=4)
        else:
            draw_circle(axes, seen, dot=4)
        middle = left + width / 2
        figure.text(middle, bottom + 0.94 * height, setting.figure.title, fontsize=12, color=INK,
                    weight="bold", ha="center", va="center")  # fmt: skip
        text = f"{math.degrees(measured.within):.1f}° within · {measured.overlap:.0%} overlap"
        figure.text(middle, bottom + 0.095 * height, text, fontsize=9, color=QUIET,
                    ha="center", va="center")  # fmt: skip
    return figure
