"""Templates: where the five points of a face lie in an aligned crop."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from likewise.arguments import check_count, one_of

__all__ = ["TEMPLATES", "Template", "template_named"]


@dataclass(frozen=True)
class Template:
    """The places of five points in a square crop, each as a share of its side.

    Args:
        name: by which crops, embeddings and models name it.
        points: eyes, nose and corners of the mouth: x and y from 0 to 1.
        side: the usual side of a crop in pixels.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    side: int = 112

    def at(self, size: int) -> NDArray[np.float64]:
        """The points in a crop of ``size`` × ``size`` pixels, [5,2]."""
        return self._shares * check_count("size", size, least=16, most=1024)

    @cached_property
    def _shares(self) -> NDArray[np.float64]:
        return np.array(self.points)


def _template(name: str, side: int, *points: tuple[float, float]) -> Template:
    """A template from its points in a crop of ``side`` × ``side`` pixels."""
    return Template(name, tuple((x / side, y / side) for x, y in points), side)


TEMPLATES = {
    template.name: template
    for template in (
        # InsightFace (Guo et al.), ``arcface_torch``: the crops of MS1M, Glint360K, WebFace42M.
        # Its middle 96 columns of 112 are the 96 × 112 crops of SphereFace and CosFace.
        _template(
            "arcface",
            112,
            (38.2946, 51.6963),
            (73.5318, 51.5014),
            (56.0252, 71.7366),
            (41.5493, 92.3655),
            (70.7299, 92.2041),
        ),
        # InsightFace, ``face_align.estimate_norm`` for 128 pixels and multiples: the same face in
        # the same pixels, with 8 more on both sides and 16 below.
        _template(
            "arcface128",
            128,
            (46.2946, 51.6963),
            (81.5318, 51.5014),
            (64.0252, 71.7366),
            (49.5493, 92.3655),
            (78.7299, 92.2041),
        ),
        # facexlib, ``FaceRestoreHelper``: mean points of FFHQ, as face restoration uses them.
        _template(
            "ffhq",
            512,
            (192.98138, 239.94708),
            (318.90277, 240.1936),
            (256.63416, 314.01935),
            (201.26117, 371.41043),
            (313.08905, 371.15118),
        ),
        # dlib, ``get_face_chip_details`` with 150 pixels and padding 0.25, as its face network
        # takes them: (0.25 + mean shape) / 1.5; an eye is the mean of its six points.
        Template(
            "dlib",
            tuple(
                ((0.25 + x) / 1.5, (0.25 + y) / 1.5)
                for x, y in (
                    (0.225492, 0.215990),
                    (0.754761, 0.215990),
                    (0.490127, 0.515625),
                    (0.254149, 0.780233),
                    (0.726104, 0.780233),
                )
            ),
            150,
        ),
    )
}


def template_named(name: str) -> Template:
    """The template of this name.

    Raises:
        InputError: it is unknown.
    """
    return TEMPLATES[one_of("template", name, TEMPLATES)]
