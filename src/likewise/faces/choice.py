"""Which face of a photo is meant, where one is needed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from likewise.arguments import one_of
from likewise.errors import InputError
from likewise.faces.face import Face

__all__ = ["RULES", "choose"]

RULES = ("largest", "central", "best")


def choose(faces: Sequence[Face], size: tuple[int, int], rule: str = "largest") -> int:
    """The row of the face that a rule names; of equal ones the first.

    Args:
        faces: of one photo, at least one.
        size: width and height of the photo.
        rule: ``largest``; ``central``: nearest to the middle of the photo; ``best``: of those with
            the fewest reasons against it, the one whose eyes are farthest apart.

    Raises:
        InputError: the rule is unknown, or there is no face.

    Example:
        >>> from likewise.faces.choice import choose
        >>> choose([], (640, 480))
        Traceback (most recent call last):
        likewise.errors.InputError: faces: none to choose from
    """
    one_of("face", rule, RULES)
    if not faces:
        raise InputError("faces: none to choose from")
    if rule == "best":
        return min(
            range(len(faces)),
            key=lambda row: (len(faces[row].reasons), -faces[row].eye_distance, row),
        )
    boxes = np.array([face.box for face in faces], np.float64)
    if rule == "largest":
        return int(np.argmax(boxes[:, 2] * boxes[:, 3]))
    apart = boxes[:, :2] + boxes[:, 2:] / 2 - np.array(size) / 2
    return int(np.argmin(np.linalg.norm(apart, axis=1)))
