"""What finds the five points of a face: a photo and boxes in, points and scores out."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["Landmarker", "Landmarks"]


class Landmarks(NamedTuple):
    """The points of N faces.

    Args:
        points: float32 [N,5,2], pixels of the photo, in the order of ``POINT_NAMES``: left and
            right as the face itself sees them when it is turned upright.
        scores: float32 [N], from 0 to 1: how surely the box holds a face.
        turns: float32 [N]: degrees clockwise by which each face is turned in the picture.
    """

    points: NDArray[np.float32]
    scores: NDArray[np.float32]
    turns: NDArray[np.float32]


class Landmarker(Protocol):
    """A network that finds five points inside a box, whatever the turn of the face."""

    name: str

    def locate(self, photo: Image.Image, boxes: NDArray[np.float32]) -> Landmarks:
        """The points of the faces in boxes [N,4] of an RGB photo."""
        ...
