"""A face in a photo: where it is, how it was found, and its aligned crop."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["POINT_NAMES", "Face", "eye_distance"]

POINT_NAMES = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
"""The order of the five points everywhere; left and right as seen in an upright photo."""


def eye_distance(points: NDArray[np.floating]) -> float:
    """The distance between the eyes of five points [5,2], in pixels."""
    return float(np.linalg.norm(np.asarray(points[1], np.float64) - points[0]))


@dataclass(frozen=True, eq=False)
class Face:
    """One face of a photo. Pixels are those of the upright photo (EXIF orientation applied).

    Args:
        box: x, y, width and height, in pixels.
        points: float32 [5,2]: eyes, nose and corners of the mouth, x and y in pixels, in the order
            of ``POINT_NAMES``.
        score: of the detector, from 0 to 1.
        landmark_score: of the second network, which also finds the points, from 0 to 1.
        turn: by how many degrees the head is turned clockwise in the picture, from -180 to 180.
        crop: uint8 [S,S,3], RGB: the face aligned to a template.
        reasons: what makes this face hard to recognise, in words; empty for a good one.
        signals: numbers behind the reasons, such as ``sharpness``.

    Example:
        >>> import numpy as np
        >>> from likewise import Face
        >>> points = np.float32([[30, 40], [70, 40], [50, 60], [35, 80], [65, 80]])
        >>> crop = np.zeros((112, 112, 3), np.uint8)
        >>> face = Face((10, 10, 80, 90), points, 0.99, 0.98, 0.0, crop)
        >>> round(face.eye_distance)
        40
    """

    box: tuple[float, float, float, float]
    points: NDArray[np.float32]
    score: float
    landmark_score: float
    turn: float
    crop: NDArray[np.uint8] = field(repr=False)
    reasons: tuple[str, ...] = ()
    signals: dict[str, float] = field(default_factory=dict)

    @property
    def eye_distance(self) -> float:
        """The distance between the eyes, in pixels of the photo."""
        return eye_distance(self.points)
