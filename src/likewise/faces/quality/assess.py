"""What makes a face hard to recognise: signals of its crop and points, and reasons in words."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from likewise.errors import InputError
from likewise.faces.face import eye_distance
from likewise.faces.quality.pose import pose_of
from likewise.faces.quality.sharpness import contrast_of, sharpness_of

__all__ = ["assess"]

# Each limit is where genuine pairs of LFW are rejected three times as often as others, at a
# threshold of FMR 0.1 %: measured by benchmarks/faces/quality.py, see docs/evaluation/quality.md.
SMALL = 13.0  # pixels between the eyes
BLURRED = 0.004  # sharpness
NOISY = 0.14  # sharpness above it
FLAT = 8.0  # grey levels of contrast
TURNED = 27.0  # degrees of yaw or pitch
UNCERTAIN = 0.95  # landmark score


def assess(
    points: NDArray[np.float32],
    crop: NDArray[np.uint8],
    landmark_score: float,
    score: float,
    turn: float,
) -> tuple[dict[str, float], tuple[str, ...]]:
    """The signals of a face, and the reasons why it may not be recognised.

    A face that is turned in the plane of the picture gets no reason for it: its crop is upright.

    Args:
        points: float32 [5,2], in pixels of the photo, in the order of ``POINT_NAMES``.
        crop: uint8 [S,S,3], RGB, aligned.
        landmark_score: of the landmarks, from 0 to 1.
        score: of the detector, from 0 to 1.
        turn: degrees clockwise by which the head is turned in the picture.

    Returns:
        The signals by name: ``eye_distance`` in pixels, ``sharpness``, ``contrast`` in grey levels,
        ``yaw`` and ``pitch`` in degrees, ``landmark_score``, ``score``, ``turn``; and the reasons,
        most serious first, each with its number; none for a good face.

    Raises:
        InputError: the points are not [5,2] or not finite, or the crop is not uint8 [S,S,3].

    Example:
        >>> import numpy as np
        >>> from likewise.faces.quality.assess import assess
        >>> points = np.array([(10, 10), (18, 10), (14, 15), (11, 19), (17, 19)], np.float32)
        >>> signals, reasons = assess(points, np.zeros((112, 112, 3), np.uint8), 0.41, 0.9, 0.0)
        >>> reasons
        ('hardly any contrast: 0 grey levels', 'small: 8 px between the eyes', \
'landmarks uncertain: 0.41')
    """
    places = np.asarray(points, np.float64)
    if places.shape != (5, 2) or not np.isfinite(places).all():
        raise InputError(f"points: {places.shape}; must be five finite points [5,2]")
    if crop.dtype != np.uint8 or crop.ndim != 3 or crop.shape != (len(crop), len(crop), 3):
        raise InputError(f"crop: {crop.dtype} {list(crop.shape)}; must be uint8 [S,S,3], RGB")
    size, sharpness, contrast = eye_distance(places), sharpness_of(crop), contrast_of(crop)
    pose = pose_of(places)
    signals = {
        "eye_distance": size,
        "sharpness": sharpness,
        "contrast": contrast,
        "yaw": pose.yaw,
        "pitch": pose.pitch,
        "landmark_score": float(landmark_score),
        "score": float(score),
        "turn": float(turn),
    }
    reasons = []
    if contrast < FLAT:
        reasons.append(f"hardly any contrast: {contrast:.0f} grey levels")
    if size < SMALL:
        reasons.append(f"small: {size:.0f} px between the eyes")
    if sharpness < BLURRED and contrast >= FLAT:
        reasons.append(f"blurred: sharpness {sharpness:.4f}")
    elif sharpness > NOISY and contrast >= FLAT:
        reasons.append(f"noisy: sharpness {sharpness:.2f}")
    if abs(pose.yaw) > TURNED:
        reasons.append(f"turned to the side: by about {_tens(pose.yaw)}°")
    if abs(pose.pitch) > TURNED:
        way = "down" if pose.pitch > 0 else "up"
        reasons.append(f"turned {way}: by about {_tens(pose.pitch)}°")
    if not landmark_score >= UNCERTAIN:  # also if it is not a number
        reasons.append(f"landmarks uncertain: {landmark_score:.2f}")
    return signals, tuple(reasons)


def _tens(angle: float) -> int:
    """Degrees to the ten: five points tell no more."""
    return 10 * math.floor(abs(angle) / 10 + 0.5)
