"""Which face of a photo is meant, where one is needed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from likewise.arguments import one_of
from likewise.errors import InputError
from likewise.faces.face import Face

__all__ = ["RULES", "choose", "prominent"]

RULES = ("largest", "central", "clearest")
PROMINENT = 1.5  # by how much the side of the largest face exceeds the next


def choose(faces: Sequence[Face], size: tuple[int, int], rule: str = "largest") -> int:
    """The row of the face that a rule names; of equal ones the first.

    Args:
        faces: of one photo, at least one.
        size: width and height of the photo.
        rule: ``largest``; ``central``: nearest to the middle of the photo; ``clearest``: of those
            with the fewest reasons against it, the one whose eyes are farthest apart.

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
    if rule == "clearest":
        return min(
            range(len(faces)),
            key=lambda row: (len(faces[row].reasons), -faces[row].eye_distance, row),
        )
    boxes = np.array([face.box for face in faces], np.float64)
    if rule == "largest":
        return int(np.argmax(boxes[:, 2] * boxes[:, 3]))
    apart = boxes[:, :2] + boxes[:, 2:] / 2 - np.array(size) / 2
    return int(np.argmin(np.linalg.norm(apart, axis=1)))


def prominent(faces: Sequence[Face], size: tuple[int, int]) -> int | None:
    """The row of the face that is clearly meant; None if it is not clear.

    It is the largest, and either much larger than the next, or the middle of the photo lies in its
    box and in no other's.

    Args:
        faces: of one photo.
        size: width and height of the photo.
    """
    if not faces:
        return None
    boxes = np.array([face.box for face in faces], np.float64)
    sides = np.sqrt(boxes[:, 2] * boxes[:, 3])
    largest = int(np.argmax(sides))
    others = np.arange(len(faces)) != largest
    middle = np.array(size) / 2
    within = (boxes[:, :2] <= middle) & (middle <= boxes[:, :2] + boxes[:, 2:])
    inside = np.logical_and(within[:, 0], within[:, 1])
    much_larger = sides[largest] >= PROMINENT * sides[others].max(initial=0.0)
    return largest if much_larger or (inside[largest] and not inside[others].any()) else None
