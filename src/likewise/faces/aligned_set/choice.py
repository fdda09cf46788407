"""Which faces of a photo are cut out, if it shows several."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from likewise.arguments import one_of
from likewise.faces.choice import choose
from likewise.faces.face import Face

__all__ = ["KEEP", "faces_taken"]

KEEP = {
    "main": "the one that is large and near the middle",
    "largest": "the largest one",
    "central": "the one nearest to the middle",
    "best": "the one with the fewest reasons against it",
    "all": "all of them",
}
"""The rules, each with what it takes of several faces."""


def faces_taken(faces: Sequence[Face], size: tuple[int, int], keep: str = "main") -> list[int]:
    """The faces of a photo that a rule takes, by their places in ``faces``.

    ``main`` weighs the area of a box by how near its middle is to that of the photo: fully in the
    middle, not at all in a corner.

    Args:
        faces: of one photo.
        size: width and height of the photo in pixels.
        keep: a key of ``KEEP``.

    Raises:
        InputError: there is no such rule.
    """
    one_of("keep", keep, KEEP)
    if keep == "all" or len(faces) < 2:
        return list(range(len(faces)))
    if keep != "main":
        return [choose(faces, size, keep)]
    boxes = np.array([face.box for face in faces])
    areas = boxes[:, 2] * boxes[:, 3]
    middles = boxes[:, :2] + boxes[:, 2:] / 2
    half = np.array(size) / 2
    distances = np.linalg.norm(middles - half, axis=1) / np.linalg.norm(half)
    return [int(np.argmax(areas * np.maximum(1 - distances, 0)))]
