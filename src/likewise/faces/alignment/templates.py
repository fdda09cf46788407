"""Templates: where the five points of a face lie in an aligned crop."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from likewise.arguments import check_count, one_of

__all__ = ["TEMPLATES", "Template"]


@dataclass(frozen=True)
class Template:
    """The places of five points in a square crop, each as a share of its side.

    Args:
        name: by which crops, embeddings and models name it.
        points: eyes, nose and corners of the mouth: x and y from 0 to 1.
    """

    name: str
    points: tuple[tuple[float, float], ...]

    def at(self, size: int) -> NDArray[np.float64]:
        """The points in a crop of ``size`` × ``size`` pixels, [5,2]."""
        return self._shares * check_count("size", size, least=16, most=1024)

    @cached_property
    def _shares(self) -> NDArray[np.float64]:
        return np.array(self.points)


def _pixels(side: int, *points: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    return tuple((x / side, y / side) for x, y in points)


TEMPLATES = {
    template.name: template
    for template in (
        # InsightFace, arcface_torch: the crops of MS1M, Glint360K and WebFace42M.
        Template(
            "arcface",
            _pixels(
                112,
                (38.2946, 51.6963),
                (73.5318, 51.5014),
                (56.0252, 71.7366),
                (41.5493, 92.3655),
                (70.7299, 92.2041),
            ),
        ),
    )
}


def template_named(name: str) -> Template:
    """The template of this name.

    Raises:
        InputError: it is unknown.
    """
    return TEMPLATES[one_of("template", name, TEMPLATES)]
