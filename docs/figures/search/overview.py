"""The structures side by side, on one page."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.figure import Figure

from docs.figures.search.picture import Picture
from likewise.lab.figures.palette import INK, PAPER, QUIET

__all__ = ["draw_overview"]

COLUMNS = 5


def draw_overview(pictures: Sequence[Picture]) -> Figure:
    """A grid of indexes; under each, what share of its vectors one search compared exactly."""
    columns = min(COLUMNS, len(pictures))
    rows = math.ceil(len(pictures) / columns)
    figure = Figure(figsize=(2.3 * columns, 2.75 * rows), facecolor=PAPER)
    for number, picture in enumerate(pictures):
        row, column = divmod(number, columns)
        width, height = 1 / columns, 1 / rows
        left, bottom = column * width, 1 - (row + 1) * height
        axes = figure.add_axes(
            (left + 0.04 * width, bottom + 0.12 * height, 0.92 * width, 0.76 * height)
        )
        picture.structure(axes)
        middle, title = left + width / 2, picture.title.partition(":")[0]
        figure.text(middle, bottom + 0.94 * height, title, fontsize=11, color=INK, weight="bold",
                    ha="center", va="center")  # fmt: skip
        count = len(picture.scene.vectors)
        told = (
            f"{len(picture.looked) / count:.0%} looked at, {len(picture.exact) / count:.0%} exactly"
        )
        figure.text(middle, bottom + 0.07 * height, told, fontsize=8, color=QUIET, ha="center",
                    va="center")  # fmt: skip
    return figure
