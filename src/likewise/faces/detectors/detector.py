"""What a face detector is: pixels in, boxes with points and scores out; and how one is named."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from likewise.errors import InputError
from likewise.faces.registration import Registry

__all__ = ["DETECTORS", "Detections", "Detector", "register_detector"]


class Detections(NamedTuple):
    """The faces that a detector found, best score first.

    Args:
        boxes: float32 [N,4]: x, y, width and height in pixels.
        points: float32 [N,5,2]: five points in pixels, in the order of ``POINT_NAMES``.
        scores: float32 [N], from 0 to 1.
    """

    boxes: NDArray[np.float32]
    points: NDArray[np.float32]
    scores: NDArray[np.float32]

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Detections:
        """These detections, in this order."""
        return Detections(self.boxes[rows], self.points[rows], self.scores[rows])

    def moved(self, factor: float, shift: tuple[float, float] = (0.0, 0.0)) -> Detections:
        """The detections in another frame: pixels times ``factor``, then shifted by x and y."""
        offset = np.array(shift, np.float32)
        boxes = self.boxes * np.float32(factor)
        boxes[:, :2] += offset
        return Detections(boxes, self.points * np.float32(factor) + offset, self.scores)

    @classmethod
    def checked(cls, found: Any, name: str) -> Detections:
        """What a detector gave, as float32: it may be of the user's own.

        Args:
            found: boxes, points and scores; arrays, or what becomes arrays.
            name: of the detector, for the message.

        Raises:
            InputError: the shapes are others, or a number is not finite.
        """
        try:
            boxes, points, scores = (np.asarray(part, np.float32) for part in found)
        except (TypeError, ValueError):
            raise InputError(
                f"detector {name}: gave {type(found).__name__}; must give Detections(boxes, points,"
                " scores), of which each becomes an array of numbers"
            ) from None
        if not boxes.size and not scores.size:
            return cls.joined([])
        shapes = tuple(part.shape for part in (boxes, points, scores))
        count = len(boxes) if boxes.ndim else 0
        if shapes != ((count, 4), (count, 5, 2), (count,)):
            raise InputError(
                f"detector {name}: gave boxes, points and scores of the shapes "
                f"{', '.join(map(str, map(list, shapes)))}; must be [N,4], [N,5,2] and [N]"
            )
        if not all(np.isfinite(part).all() for part in (boxes, points, scores)):
            raise InputError(f"detector {name}: gave a number that is not finite")
        return cls(boxes, points, scores)

    @classmethod
    def joined(cls, parts: Iterable[Detections]) -> Detections:
        """All detections of several parts, one after the other."""
        columns = list(zip(*parts, strict=True))
        if not columns:
            return cls(*(np.zeros((0, *shape), np.float32) for shape in ((4,), (5, 2), ())))
        return cls(*(np.concatenate(column) for column in columns))


class Detector(Protocol):
    """A network that finds faces."""

    name: str
    least_score: float

    def detect(self, pixels: NDArray[np.uint8], least_score: float | None = None) -> Detections:
        """The faces in RGB pixels uint8 [H,W,3], one scale, after non-maximum suppression.

        Args:
            pixels: the photo, or a part of it.
            least_score: leave out detections below it; by default the detector's own threshold.
        """
        ...


DETECTORS: Registry[Detector] = Registry("detector", "detect", ["least_score"])

register_detector = DETECTORS.register
"""Class decorator: make a face detector known by name to ``create_detector`` and the commands."""
