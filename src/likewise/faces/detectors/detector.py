"""What a face detector is: pixels in, boxes with points and scores out."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Detections", "Detector"]


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


class Detector(Protocol):
    """A network that finds faces."""

    name: str

    def detect(self, pixels: NDArray[np.uint8], least_score: float | None = None) -> Detections:
        """The faces in RGB pixels uint8 [H,W,3], one scale, after non-maximum suppression.

        Args:
            pixels: the photo, or a part of it.
            least_score: leave out detections below it; by default the detector's own threshold.
        """
        ...
