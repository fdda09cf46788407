"""Which face of several is meant."""

from __future__ import annotations

import numpy as np
import pytest

from likewise.errors import InputError
from likewise.faces.choice import KEEP, choose, faces_taken, prominent
from likewise.faces.face import Face

PHOTO = (100, 100)


def face(x: float, y: float, side: float, *reasons: str) -> Face:
    points = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)]) * side
    points = (points + np.array([x, y])).astype(np.float32)
    return Face((x, y, side, side), points, 0.9, 1.0, 0, np.zeros((8, 8, 3), np.uint8), reasons)


CORNER, MIDDLE, TINY = face(0, 0, 30, "blurred"), face(40, 40, 20), face(48, 48, 4)


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
    with pytest.raises(InputError, match="largest"):
        faces_taken([CORNER], PHOTO, "biggest")


def test_each_rule_takes_what_it_says() -> None:
    faces = [CORNER, MIDDLE, TINY]
    taken = {keep: faces_taken(faces, PHOTO, keep) for keep in KEEP}
    # Of two at the same distance from the middle, the first, larger one.
    assert taken == {
        "main": [1], "largest": [0], "central": [1], "clearest": [1], "all": [0, 1, 2],
    }  # fmt: skip
    assert faces_taken([CORNER, face(44, 40, 20), TINY], PHOTO, "central") == [2]


def test_a_much_larger_face_wins_although_it_is_off_the_middle() -> None:
    assert faces_taken([face(10, 30, 40), TINY], PHOTO) == [0]


@pytest.mark.parametrize("keep", KEEP)
def test_one_face_is_taken_and_none_gives_none(keep: str) -> None:
    assert faces_taken([CORNER], PHOTO, keep) == [0]
    assert faces_taken([], PHOTO, keep) == []


def test_the_face_that_is_clearly_meant() -> None:
    corner, middle = face(0, 0, 50), face(85, 85, 30)
    assert prominent([corner, middle], (200, 200)) == 0  # much larger
    assert prominent([corner, face(100, 0, 40)], (200, 200)) is None
    assert prominent([face(80, 80, 45), face(0, 0, 40)], (200, 200)) == 0  # in the middle
    assert prominent([face(80, 80, 45), face(70, 70, 40)], (200, 200)) is None  # both are
    assert prominent([], (200, 200)) is None
