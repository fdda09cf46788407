"""Which face of a photo is meant, where one is needed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from likewise.arguments import one_of
from likewise.faces.face import Face

__all__ = ["RULES", "choose", "prominent"]

RULES = ("largest", "central")
PROMINENT = 1.5  # by how much the side of the largest face exceeds the next


def choose(faces: Sequence[Face], size: tuple[int, int], rule: str = "largest") -> int:
    """The row of the face that a rule names.

    Args:
        faces: of one photo, at least one.
        size: width and height of the photo.
        rule: ``largest``, or ``central``: the face nearest to the middle of the photo.

    Raises:
        InputError: the rule is unknown.
    """
    one_of("face", rule, RULES)
    boxes = np.array([face.box for face in faces], np.float64)
    if rule == "largest":
        return int(np.argmax(boxes[:, 2] * boxes[:, 3]))
    apart = boxes[:, :2] + boxes[:, 2:] / 2 - np.array(size) / 2
    return int(np.argmin(np.linalg.norm(apart, axis=1)))


def prominent(faces: Sequence[Face]) -> int | None:
    """The row of the face that is clearly the largest; None if there is no such face."""
    sides = np.sqrt([face.box[2] * face.box[3] for face in faces])
    order = np.argsort(-sides)
    if len(order) > 1 and sides[order[0]] < PROMINENT * sides[order[1]]:
        return None
    return int(order[0]) if len(order) else None
