from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from likewise.faces.landmarks.turns import between, turn_of

FACE = np.array([(38, 52), (74, 52), (56, 72), (42, 92), (71, 92)], np.float64)


@given(st.floats(-179, 179))
def test_the_turn_of_a_turned_face_is_its_angle_clockwise(degrees: float) -> None:
    angle = np.deg2rad(degrees)  # y points down: this matrix turns clockwise
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert turn_of(FACE @ matrix.T) == pytest.approx(degrees, abs=1e-6)


@given(st.floats(-180, 180), st.floats(-180, 180))
def test_the_angle_between_two_turns(one: float, other: float) -> None:
    a, b = np.exp(1j * np.deg2rad([one, other]))
    assert between(one, other) == pytest.approx(np.rad2deg(np.abs(np.angle(a / b))), abs=1e-5)
    assert between(one, other) == pytest.approx(between(other, one), abs=1e-9)
