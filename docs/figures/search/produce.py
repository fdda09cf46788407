"""All pictures of indexes, made anew: built, searched once, drawn and written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss

from docs.figures.search.families import PICTURED, contrasts_of, picture_of, pictured_by
from docs.figures.search.picture import Picture, draw_contrast, draw_overview, draw_picture
from docs.figures.search.scene import Scene, draw_scene
from likewise.errors import MissingExtra
from likewise.lab.figures.palette import save_png
from likewise.storage import require_writable, write_json

__all__ = ["SearchPictured", "produce"]

DPI = 110
COLORS = 256
SIDE_BY_SIDE = tuple(name for name in PICTURED if name != "scalar")
"""The families of the overview; a grid of bytes is too fine to be seen there."""


@dataclass(frozen=True)
class SearchPictured:
    """What was made for one family.

    Args:
        picture: the index, and the search.
        files: the pictures written.
    """

    picture: Picture
    files: list[Path]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return self.picture.to_dict() | {"files": [str(file) for file in self.files]}


def produce(
    out: Path,
    families: Sequence[str] | None = None,
    *,
    seed: int = 0,
    say: Callable[[str], None] = print,
) -> list[SearchPictured]:
    """Write ``FAMILY.png`` for each family, and ``overview.png`` if none is left out.

    Each shows an index over 400 vectors of two numbers and one search through it; where a second
    picture says more (``rabitq_estimates.png``, ``scann_codes.png``), it is written too. The
    numbers are written beside them, as ``figures.json``.

    Args:
        out: the folder.
        families: names as in ``likewise.search.families.FAMILIES``; if None, all whose library is
            installed.
        seed: draws the vectors.
        say: told each step as it begins.

    Raises:
        InputError: an unknown family.
        MissingExtra: a family that is named has no library here.
        LikewiseError: the folder cannot be written.
    """
    names = list(dict.fromkeys(pictured_by(name) for name in families or PICTURED))
    require_writable(out)
    scene = draw_scene(seed)
    made: list[SearchPictured] = []
    with _one_thread():
        for number, name in enumerate(names, 1):
            try:
                say(f"{name} ({number} of {len(names)})")
                made.append(_draw(name, scene, out))
            except MissingExtra as error:
                if families is not None:
                    raise
                say(f"{name} is left out: {error}")
        shown = [entry.picture for entry in made if entry.picture.family in SIDE_BY_SIDE]
        if len(shown) == len(SIDE_BY_SIDE):
            say("the overview")
            save_png(draw_overview(shown), out / "overview.png", dpi=DPI - 15, colors=COLORS)
    told = [entry.to_dict() | {"files": [file.name for file in entry.files]} for entry in made]
    write_json(out / "figures.json", [entry | {"seed": seed} for entry in told])
    return made


def _draw(name: str, scene: Scene, out: Path) -> SearchPictured:
    picture = picture_of(name, scene)
    figures = {name: draw_picture(picture)}
    for other, contrast in contrasts_of(name, scene).items():
        figures[other] = draw_contrast(contrast)
    files = []
    for file, figure in figures.items():
        files.append(out / f"{file}.png")
        save_png(figure, files[-1], dpi=DPI, colors=COLORS, rare=True)
    return SearchPictured(picture, files)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Graphs that several threads build differ from run to run."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
