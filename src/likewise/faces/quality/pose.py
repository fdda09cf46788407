"""The pose of a head from five points: yaw, pitch and roll in degrees."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["MEAN_FACE", "Pose", "pose_of"]

# A mean face in units of the distance between the eyes: x to the right of the picture, y down,
# z away from the camera; the median of LFW's frontal faces, and the depth of the nose with which
# the eyes come closer as it moves aside (benchmarks/faces/quality.py).
MEAN_FACE = np.array(
    [
        (-0.5, 0.0, 0.0),
        (0.5, 0.0, 0.0),
        (0.0, 0.58, -0.72),
        (-0.43, 1.08, 0.0),
        (0.43, 1.08, 0.0),
    ]
)
_CENTRED = MEAN_FACE - MEAN_FACE.mean(axis=0)
_INVERSE = np.linalg.pinv(_CENTRED.T)  # [5,3]


class Pose(NamedTuple):
    """Degrees by which a head is turned.

    Args:
        yaw: to a side: positive where the nose points to the right of the picture.
        pitch: up or down: positive where the nose points down.
        roll: in the plane of the picture, clockwise, from -180 to 180.
    """

    yaw: float
    pitch: float
    roll: float


def pose_of(points: NDArray[np.floating]) -> Pose:
    """The pose that best maps a mean face onto five points, seen from far away.

    The linear map of the mean face onto the points is found by least squares; the rotation nearest
    to it (by its singular value decomposition) is the pose. Heads differ, so it is good to some ten
    degrees; points that lie on one line give a yaw or pitch of about 90.

    Args:
        points: [5,2] in pixels, in the order of ``POINT_NAMES``.

    Source: DeMenthon and Davis, Model-based object pose in 25 lines of code, 1995 (POS).

    Example:
        >>> from likewise.faces.quality.pose import MEAN_FACE, pose_of
        >>> [abs(round(angle)) for angle in pose_of(40 * MEAN_FACE[:, :2] + 100)]
        [0, 0, 0]
    """
    places = np.asarray(points, np.float64)
    linear = (places - places.mean(axis=0)).T @ _INVERSE  # [2,3]: scale times two rows of R
    left, _, right = np.linalg.svd(linear, full_matrices=False)
    rows = left @ right
    third = np.cross(rows[0], rows[1])
    # R = Rz(roll) · Rx(pitch) · Ry(yaw): the last row is where the picture's depth axis comes from.
    rotation = np.vstack([rows, third])
    pitch = np.arcsin(np.clip(rotation[2, 1], -1, 1))
    yaw = np.arctan2(rotation[2, 0], rotation[2, 2])
    roll = np.arctan2(-rotation[0, 1], rotation[1, 1])
    return Pose(*(float(angle) for angle in np.degrees([yaw, pitch, roll])))
