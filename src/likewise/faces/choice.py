"""Which face of a photo is meant, where it shows several."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from likewise.arguments import one_of
from likewise.errors import InputError
from likewise.faces.face import Face

__all__ = ["KEEP", "RULES", "choose", "faces_taken", "prominent"]

RULES = {
    "main": "the one that is large and near the middle",
    "largest": "the largest one",
    "central": "the one nearest to the middle",
    "clearest": "the one with the fewest reasons against it",
}
"""The rules that name one face, each with what it takes of several."""

KEEP = {**RULES, "all": "all of them"}
"""The rules by which faces are cut out of a photo."""

PROMINENT = 1.5  # by how much the side of the largest face exceeds the next


def choose(faces: Sequence[Face], size: tuple[int, int], rule: str = "largest") -> int:
    """The row of the face that a rule names; of equal ones the first.

    Args:
        faces: of one photo, at least one.
        size: width and height of the photo.
        rule: a key of ``RULES``. ``main`` weighs the area of a box by how near its middle is to
            that of the photo: fully in the middle, not at all in a corner. ``clearest``: of those
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
    half = np.array(size) / 2
    apart = np.linalg.norm(boxes[:, :2] + boxes[:, 2:] / 2 - half, axis=1)
    if rule == "central":
        return int(np.argmin(apart))
    near = np.maximum(1 - apart / np.linalg.norm(half), 0)
    return int(np.argmax(boxes[:, 2] * boxes[:, 3] * near))


def faces_taken(faces: Sequence[Face], size: tuple[int, int], keep: str = "main") -> list[int]:
    """The faces of a photo that are cut out of it, by their places in ``faces``.

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
    return [choose(faces, size, keep)]


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
