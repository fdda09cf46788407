"""The layout of a picture: the structure on the left, one search in it on the right."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from docs.figures.search.scene import Scene
from likewise.lab.figures.palette import FIRST, INK, PAPER, QUIET, SECOND
from likewise.search.engines.engine import Rows

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

__all__ = ["Contrast", "Picture", "draw_contrast", "draw_overview", "draw_picture", "numbers_line"]

COLUMNS = 5  # of the overview
LEFT, RIGHT = (0.03, 0.13, 0.455, 0.72), (0.515, 0.13, 0.455, 0.72)


@dataclass(frozen=True)
class Picture:
    """An index of one family over a scene, and one search in it.

    Args:
        family: its name.
        title: of the picture.
        says: how it works, in one line.
        settings: build and search parameters, as text.
        scene: the vectors and the query.
        structure: draws the index.
        search: draws the search.
        left: the caption on the left.
        right: the caption on the right.
        compared: rows whose distance, or an estimate of it, the search computed.
        exact: rows that were compared exactly.
        found: rows that the search returned.
    """

    family: str
    title: str
    says: str
    settings: str
    scene: Scene
    structure: Callable[[Axes], None]
    search: Callable[[Axes], None]
    left: str
    right: str
    compared: Rows
    exact: Rows
    found: Rows

    @property
    def hits(self) -> int:
        """How many of the true nearest were found."""
        return len(np.intersect1d(self.found, self.scene.truth))

    def to_dict(self) -> dict[str, Any]:
        """The numbers of the search, for JSON."""
        return {
            "family": self.family,
            "vectors": len(self.scene.vectors),
            "looked": len(self.compared),
            "exact": len(self.exact),
            "found": self.hits,
            "nearest": len(self.scene.truth),
        }


@dataclass(frozen=True)
class Contrast:
    """Two planes side by side.

    Args:
        family: its name.
        title: of the picture.
        says: what it shows, in one line.
        settings: build and search parameters, as text.
        first: draws the left plane.
        second: draws the right plane.
        left: the caption on the left.
        right: the caption on the right.
        numbers: the results, as text.
    """

    family: str
    title: str
    says: str
    settings: str
    first: Callable[[Axes], None]
    second: Callable[[Axes], None]
    left: str
    right: str
    numbers: str


def draw_picture(picture: Picture) -> Figure:
    """The structure, a search in it, and the numbers of the search."""
    figure = _framed(picture.title, picture.says, picture.settings, picture.left, picture.right)
    picture.structure(figure.add_axes(LEFT))
    picture.search(figure.add_axes(RIGHT))
    _draw_numbers(figure, picture)
    return figure


def draw_contrast(contrast: Contrast) -> Figure:
    """Two planes side by side, and the results."""
    figure = _framed(
        contrast.title, contrast.says, contrast.settings, contrast.left, contrast.right
    )
    contrast.first(figure.add_axes(LEFT))
    contrast.second(figure.add_axes(RIGHT))
    _centered(figure, 0.037, [(INK, contrast.numbers)])
    return figure


def draw_overview(pictures: Sequence[Picture]) -> Figure:
    """A grid of indexes, each with the share of vectors that one search compared."""
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
        compared, exact = len(picture.compared) / count, len(picture.exact) / count
        caption = f"{compared:.0%} compared, {exact:.0%} exactly"
        figure.text(middle, bottom + 0.07 * height, caption, fontsize=8, color=QUIET, ha="center",
                    va="center")  # fmt: skip
    return figure


def _framed(title: str, says: str, settings: str, left: str, right: str) -> Figure:
    figure = Figure(figsize=(8, 5), facecolor=PAPER)
    figure.text(0.03, 0.945, title, fontsize=15, color=INK, weight="bold", va="center")
    figure.text(0.97, 0.945, settings, fontsize=9.5, color=QUIET, ha="right", va="center")
    figure.text(0.03, 0.885, says, fontsize=10, color=INK, va="center")
    for middle, text in ((0.2575, left), (0.7425, right)):
        figure.text(middle, 0.095, text, fontsize=8.5, color=QUIET, ha="center", va="center")
    return figure


def numbers_line(picture: Picture) -> str:
    """The number of comparisons, in words."""
    compared, exact, count = len(picture.compared), len(picture.exact), len(picture.scene.vectors)
    if compared == exact:
        return f"compared exactly {exact} of {count} vectors"
    return f"compared the codes of {compared} of {count} vectors, and {exact} exactly"


def _draw_numbers(figure: Figure, picture: Picture) -> None:
    hits, wanted = picture.hits, len(picture.scene.truth)
    parts = [(INK, f"{numbers_line(picture)}  ·  "), (FIRST, "●"),
             (INK, f" found {hits} of the {wanted} nearest")]  # fmt: skip
    if hits < wanted:
        parts += [(INK, ",  "), (SECOND, "○"), (INK, f" missed {wanted - hits}")]
    _centered(figure, 0.037, parts)


def _centered(figure: Figure, height: float, parts: list[tuple[str, str]]) -> None:
    from matplotlib.offsetbox import AnchoredOffsetbox, HPacker, TextArea

    words: list[Artist] = [
        TextArea(text, textprops={"color": color, "fontsize": 10, "va": "baseline"})
        for color, text in parts
    ]
    packed = HPacker(children=words, align="baseline", pad=0, sep=0)
    box = AnchoredOffsetbox(
        "center",
        child=packed,
        frameon=False,
        pad=0,
        borderpad=0,
        bbox_to_anchor=(0.5, height),
        bbox_transform=figure.transFigure,
    )
    figure.add_artist(box)
