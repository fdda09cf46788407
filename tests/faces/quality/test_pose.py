"""The pose of five points: against rotations by another program, and on mirrored faces."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from likewise.faces.quality.pose import MEAN_FACE, pose_of

ANGLES = st.tuples(st.floats(-70, 70), st.floats(-50, 50), st.floats(-179, 179))


def seen(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """The mean face, turned and then seen from far away; x right, y down, z away."""
    # The nose, before the head, goes right with yaw and down with pitch.
    turned = Rotation.from_euler("ZXY", [roll, pitch, -yaw], degrees=True).apply(MEAN_FACE)
    return turned[:, :2]


@given(ANGLES, st.floats(1, 500), st.floats(-1000, 1000))
def test_the_pose_of_a_turned_mean_face(
    angles: tuple[float, float, float], scale: float, shift: float
) -> None:
    pose = pose_of(scale * seen(*angles) + shift)
    assert tuple(pose) == pytest.approx(angles, abs=1e-4)


def test_the_nose_tells_where_the_head_is_turned() -> None:
    frontal = seen(0, 0, 0)
    assert (seen(20, 0, 0) - frontal)[2, 0] > 0.2
    assert (seen(0, 20, 0) - frontal)[2, 1] > 0.1
    eyes = seen(0, 0, 20)[:2]
    assert eyes[1, 1] > eyes[0, 1]  # clockwise: the right eye comes down


@given(ANGLES, st.integers(0, 2**32 - 1))
def test_a_mirrored_face_is_turned_to_the_other_side(
    angles: tuple[float, float, float], seed: int
) -> None:
    points = seen(*angles) + np.random.default_rng(seed).normal(0, 0.02, (5, 2))
    mirrored = (points * (-1, 1))[[1, 0, 2, 4, 3]]
    pose, other = pose_of(points), pose_of(mirrored)
    assert (other.yaw, other.pitch) == pytest.approx((-pose.yaw, pose.pitch), abs=1e-3)
    assert np.cos(np.radians(other.roll + pose.roll)) == pytest.approx(1)


def test_small_errors_of_points_give_small_errors_of_angles() -> None:
    random = np.random.default_rng(0)
    found = np.array([pose_of(seen(15, 5, 0) + random.normal(0, 0.03, (5, 2))) for _ in range(500)])
    assert found.mean(axis=0) == pytest.approx([15, 5, 0], abs=1)
    assert found.std(axis=0).max() < 6


def test_points_on_a_line_give_a_pose_all_the_same() -> None:
    line = np.stack([np.arange(5.0), np.arange(5.0)], axis=1)
    assert np.isfinite(pose_of(line)).all()
    assert np.isfinite(pose_of(np.ones((5, 2)))).all()
