"""What finds the five points of a face: a photo and boxes in, points and scores out; its name."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from likewise.faces.registration import Registry

__all__ = ["LANDMARKERS", "Landmarker", "Landmarks", "register_landmarker"]


class Landmarks(NamedTuple):
    """The points of N faces.

    Args:
        points: float32 [N,5,2], pixels of the photo, in the order of ``POINT_NAMES``: left and
            right as in a picture of the face turned upright.
        scores: float32 [N], from 0 to 1: how surely the box holds a face.
        turns: float32 [N]: degrees clockwise by which the eyes of each face are turned.
    """

    points: NDArray[np.float32]
    scores: NDArray[np.float32]
    turns: NDArray[np.float32]

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Landmarks:
        """The points of these faces, in this order."""
        return Landmarks(self.points[rows], self.scores[rows], self.turns[rows])


class Landmarker(Protocol):
    """A network that finds five points inside a box."""

    name: str

    def locate(
        self,
        photo: Image.Image,
        boxes: NDArray[np.float32],
        turns: NDArray[np.float32] | None = None,
    ) -> Landmarks:
        """The points of faces in an RGB photo.

        Args:
            photo: the photo.
            boxes: float32 [N,4]: x, y, width and height in pixels.
            turns: float32 [N]: degrees clockwise by which each face is turned in the photo; the
                network sees it turned back. None: all are upright.
        """
        ...


LANDMARKERS: Registry[Landmarker] = Registry("landmarker", "locate")

register_landmarker = LANDMARKERS.register
"""Class decorator: make a network that finds five points known by name."""
