"""The form of every picture: the structure on the left, one search through it on the right."""

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
    """A family's index over a scene, and one search through it.

    Args:
        family: as users name it.
        title: as people call it.
        says: what it does, in a line.
        knobs: the settings that the picture was made with.
        scene: what it is built over.
        structure: draws the index.
        search: draws the search.
        left: what is seen on the left.
        right: what is seen on the right.
        looked: rows whose distance, or its estimate, the search computed.
        exact: rows that were compared exactly.
        found: rows that it gave back.
    """

    family: str
    title: str
    says: str
    knobs: str
    scene: Scene
    structure: Callable[[Axes], None]
    search: Callable[[Axes], None]
    left: str
    right: str
    looked: Rows
    exact: Rows
    found: Rows

    @property
    def hits(self) -> int:
        """How many of the true nearest were found."""
        return len(np.intersect1d(self.found, self.scene.truth))

    def to_dict(self) -> dict[str, Any]:
        """The numbers under the picture, for JSON."""
        return {
            "family": self.family,
            "vectors": len(self.scene.vectors),
            "looked": len(self.looked),
            "exact": len(self.exact),
            "found": self.hits,
            "nearest": len(self.scene.truth),
        }


@dataclass(frozen=True)
class Contrast:
    """Two planes to be compared.

    Args:
        family: whose idea it explains, as users name it.
        title: what it is about.
        says: what it shows, in a line.
        knobs: the settings that it was made with.
        first: draws the left plane.
        second: draws the right plane.
        left: what is seen on the left.
        right: what is seen on the right.
        told: the numbers.
    """

    family: str
    title: str
    says: str
    knobs: str
    first: Callable[[Axes], None]
    second: Callable[[Axes], None]
    left: str
    right: str
    told: str


def draw_picture(picture: Picture) -> Figure:
    """The structure, a search through it, and the numbers of the search."""
    figure = _framed(picture.title, picture.says, picture.knobs, picture.left, picture.right)
    picture.structure(figure.add_axes(LEFT))
    picture.search(figure.add_axes(RIGHT))
    _draw_numbers(figure, picture)
    return figure


def draw_contrast(contrast: Contrast) -> Figure:
    """Two planes side by side, and the numbers."""
    figure = _framed(contrast.title, contrast.says, contrast.knobs, contrast.left, contrast.right)
    contrast.first(figure.add_axes(LEFT))
    contrast.second(figure.add_axes(RIGHT))
    _centred(figure, 0.037, [(INK, contrast.told)])
    return figure


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


def _framed(title: str, says: str, knobs: str, left: str, right: str) -> Figure:
    figure = Figure(figsize=(8, 5), facecolor=PAPER)
    figure.text(0.03, 0.945, title, fontsize=15, color=INK, weight="bold", va="center")
    figure.text(0.97, 0.945, knobs, fontsize=9.5, color=QUIET, ha="right", va="center")
    figure.text(0.03, 0.885, says, fontsize=10, color=INK, va="center")
    for middle, text in ((0.2575, left), (0.7425, right)):
        figure.text(middle, 0.095, text, fontsize=8.5, color=QUIET, ha="center", va="center")
    return figure


def numbers_line(picture: Picture) -> str:
    """What the search looked at, in words."""
    looked, exact, count = len(picture.looked), len(picture.exact), len(picture.scene.vectors)
    if looked == exact:
        return f"compared exactly {exact} of {count} vectors"
    return f"compared the codes of {looked} of {count} vectors, and {exact} exactly"


def _draw_numbers(figure: Figure, picture: Picture) -> None:
    hits, wanted = picture.hits, len(picture.scene.truth)
    parts = [(INK, f"{numbers_line(picture)}  ·  "), (FIRST, "●"),
             (INK, f" found {hits} of the {wanted} nearest")]  # fmt: skip
    if hits < wanted:
        parts += [(INK, ",  "), (SECOND, "○"), (INK, f" missed {wanted - hits}")]
    _centred(figure, 0.037, parts)


def _centred(figure: Figure, height: float, parts: list[tuple[str, str]]) -> None:
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
