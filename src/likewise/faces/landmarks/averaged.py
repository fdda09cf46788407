"""Points averaged over slightly shifted boxes: more exact than those of one box."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from likewise.faces.landmarks.landmarker import Landmarker, Landmarks
from likewise.faces.landmarks.turns import turn_of

__all__ = ["locate_averaged"]

SHIFTS = np.array([(0, 0), (0.05, 0), (-0.05, 0), (0, 0.05), (0, -0.05)], np.float32)
"""Of the box, in its longer sides. On LFW: a lowest 5 % of cosines to the reference crops of .956
instead of .947."""


def locate_averaged(
    landmarker: Landmarker, photo: Image.Image, boxes: NDArray[np.float32]
) -> Landmarks:
    """The points of upright faces, averaged over shifted boxes with the scores as weights.

    Args:
        landmarker: gives the points of each box.
        photo: RGB.
        boxes: float32 [N,4].
    """
    count, shifts = len(boxes), len(SHIFTS)
    shifted = np.repeat(boxes, shifts, axis=0)
    shifted[:, :2] += np.tile(SHIFTS, (count, 1)) * shifted[:, 2:].max(1, initial=0)[:, None]
    found = landmarker.locate(photo, shifted)
    weights = found.scores.reshape(count, shifts, 1, 1) + np.float32(1e-6)
    points = (found.points.reshape(count, shifts, 5, 2) * weights).sum(1) / weights.sum(1)
    turns = np.array([turn_of(face) for face in points], np.float32)
    return Landmarks(points.astype(np.float32), found.scores[::shifts], turns)
