"""Which face of a photo is meant, where one is needed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from likewise.faces.choice import RULES, choose
from likewise.faces.face import Face

__all__ = ["RULES", "choose", "prominent"]

PROMINENT = 1.5  # by how much the side of the largest face exceeds the next


def prominent(faces: Sequence[Face]) -> int | None:
    """The row of the face that is clearly the largest; None if there is no such face."""
    sides = np.sqrt([face.box[2] * face.box[3] for face in faces])
    order = np.argsort(-sides)
    if len(order) > 1 and sides[order[0]] < PROMINENT * sides[order[1]]:
        return None
    return int(order[0]) if len(order) else None
