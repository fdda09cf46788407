"""Make the pictures: build each index, search it once, draw and write."""

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

__all__ = ["WrittenPicture", "produce"]

DPI = 110
COLORS = 256
IN_OVERVIEW = tuple(name for name in PICTURED if name != "scalar")
"""The families of the overview; the grid of scalar quantization is too fine for it."""


@dataclass(frozen=True)
class WrittenPicture:
    """The picture of one family.

    Args:
        picture: the index and the search.
        files: the written files.
    """

    picture: Picture
    files: list[Path]

    def to_dict(self) -> dict[str, Any]:
        """The values for JSON."""
        return self.picture.to_dict() | {"files": [str(file) for file in self.files]}


def produce(
    out: Path,
    families: Sequence[str] | None = None,
    *,
    seed: int = 0,
    say: Callable[[str], None] = print,
) -> list[WrittenPicture]:
    """Write ``FAMILY.png`` for each family, and ``overview.png`` if no family is left out.

    Each shows an index over 400 vectors of two numbers and one search in it. Some families have a
    second picture (``rabitq_estimates.png``, ``scann_codes.png``). The numbers are written to
    ``figures.json``.

    Args:
        out: the folder.
        families: names of families; if None, all whose library is installed.
        seed: of the random vectors.
        say: called with a line for each step.

    Raises:
        InputError: an unknown family.
        MissingExtra: the library of a given family is not installed.
        LikewiseError: the folder cannot be written.
    """
    names = list(dict.fromkeys(pictured_by(name) for name in families or PICTURED))
    require_writable(out)
    scene = draw_scene(seed)
    written: list[WrittenPicture] = []
    with _one_thread():
        for number, name in enumerate(names, 1):
            try:
                say(f"{name} ({number} of {len(names)})")
                written.append(_draw(name, scene, out))
            except MissingExtra as error:
                if families is not None:
                    raise
                say(f"{name} is left out: {error}")
        shown = [entry.picture for entry in written if entry.picture.family in IN_OVERVIEW]
        if len(shown) == len(IN_OVERVIEW):
            say("the overview")
            save_png(draw_overview(shown), out / "overview.png", dpi=DPI - 15, colors=COLORS)
    records = [
        entry.to_dict() | {"files": [file.name for file in entry.files]} for entry in written
    ]
    write_json(out / "figures.json", [entry | {"seed": seed} for entry in records])
    return written


def _draw(name: str, scene: Scene, out: Path) -> WrittenPicture:
    picture = picture_of(name, scene)
    figures = {name: draw_picture(picture)}
    for other, contrast in contrasts_of(name, scene).items():
        figures[other] = draw_contrast(contrast)
    files = []
    for file, figure in figures.items():
        files.append(out / f"{file}.png")
        save_png(figure, files[-1], dpi=DPI, colors=COLORS, rare=True)
    return WrittenPicture(picture, files)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Use one thread: graphs built by several threads differ from run to run."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
