"""What makes a face hard to recognise: signals of its crop and points, and reasons in words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from likewise.faces.face import eye_distance

__all__ = ["assess"]

SMALL = 20.0  # pixels between the eyes


def assess(
    points: NDArray[np.float32],
    crop: NDArray[np.uint8],  # noqa: ARG001  # read by the signals of sharpness
    landmark_score: float,
    score: float,
    turn: float,  # noqa: ARG001
) -> tuple[dict[str, float], tuple[str, ...]]:
    """The signals of a face, and the reasons why it may not be recognised.

    Args:
        points: float32 [5,2], in pixels of the photo.
        crop: uint8 [S,S,3], aligned.
        landmark_score: of the landmarks, from 0 to 1.
        score: of the detector, from 0 to 1.
        turn: degrees.
    """
    size = eye_distance(points)
    signals = {"eye_distance": size, "landmark_score": landmark_score, "score": score}
    return signals, ((f"small: {size:.0f} px between the eyes",) if size < SMALL else ())
