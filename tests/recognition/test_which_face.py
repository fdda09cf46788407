from __future__ import annotations

import numpy as np

from likewise.faces.choice import choose, prominent
from likewise.faces.face import Face


def test_the_face_that_a_rule_names() -> None:
    def face(x: float, y: float, side: float) -> Face:
        points = np.zeros((5, 2), np.float32)
        return Face((x, y, side, side), points, 1, 1, 0, np.zeros((112, 112, 3), np.uint8))

    corner, middle = face(0, 0, 50), face(85, 85, 30)
    assert choose([corner, middle], (200, 200)) == 0
    assert choose([corner, middle], (200, 200), "central") == 1
    assert prominent([corner, middle], (200, 200)) == 0  # much larger
    assert prominent([corner, face(100, 0, 40)], (200, 200)) is None
    assert prominent([face(80, 80, 45), face(0, 0, 40)], (200, 200)) == 0  # in the middle
    assert prominent([face(80, 80, 45), face(70, 70, 40)], (200, 200)) is None  # both are
    assert prominent([], (200, 200)) is None
