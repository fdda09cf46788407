"""Which face of several is taken."""

from __future__ import annotations

import numpy as np
import pytest

from likewise.errors import InputError
from likewise.faces.aligned_set.choice import KEEP, faces_taken
from likewise.faces.face import Face


def face(x: float, y: float, side: float) -> Face:
    crop = np.zeros((4, 4, 3), np.uint8)
    return Face((x, y, side, side), np.zeros((5, 2), np.float32), 1.0, 1.0, 0.0, crop)


CORNER, MIDDLE, TINY = face(0, 0, 30), face(40, 40, 20), face(48, 48, 4)
PHOTO = (100, 100)


def test_each_rule_takes_what_it_says() -> None:
    faces = [CORNER, MIDDLE, TINY]
    assert faces_taken(faces, PHOTO, "largest") == [0]
    assert faces_taken(faces, PHOTO, "central") == [1]  # at the same distance the first, larger one
    assert faces_taken([CORNER, face(44, 40, 20), TINY], PHOTO, "central") == [2]
    assert faces_taken(faces, PHOTO, "main") == [1]
    assert faces_taken(faces, PHOTO, "all") == [0, 1, 2]


def test_a_much_larger_face_wins_although_it_is_off_the_middle() -> None:
    assert faces_taken([face(10, 30, 40), TINY], PHOTO) == [0]


@pytest.mark.parametrize("keep", KEEP)
def test_one_face_is_taken_and_none_gives_none(keep: str) -> None:
    assert faces_taken([CORNER], PHOTO, keep) == [0]
    assert faces_taken([], PHOTO, keep) == []


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(InputError, match="largest"):
        faces_taken([CORNER], PHOTO, "biggest")
