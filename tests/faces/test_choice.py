from __future__ import annotations

import numpy as np
import pytest

from likewise.errors import InputError
from likewise.faces.choice import choose
from likewise.faces.face import Face


def face(x: float, y: float, side: float, *reasons: str) -> Face:
    points = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)]) * side
    points = (points + np.array([x, y])).astype(np.float32)
    return Face((x, y, side, side), points, 0.9, 1.0, 0, np.zeros((8, 8, 3), np.uint8), reasons)


def test_the_face_that_a_rule_names() -> None:
    faces = [face(0, 0, 90, "blurred"), face(180, 100, 40), face(300, 10, 60)]
    assert choose(faces, (400, 240)) == 0
    assert choose(faces, (400, 240), "central") == 1
    assert choose(faces, (400, 240), "clearest") == 2


def test_mistakes_are_told() -> None:
    with pytest.raises(InputError, match="did you mean 'largest'"):
        choose([face(0, 0, 9)], (9, 9), "larges")
    with pytest.raises(InputError, match="faces: none to choose from"):
        choose([], (9, 9))
