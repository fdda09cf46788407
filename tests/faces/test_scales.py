"""Several sizes of a photo, with a detector that sees green squares."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from likewise.errors import InputError
from likewise.faces.detectors.detector import Detections
from likewise.faces.scales import SHARED, TILE, _spans, check_scales, detect_at_scales


class Squares:
    """Sees green squares of 12 to 480 pixels; its scores are chosen by the size of the photo."""

    name = "squares"
    least_score = 0.5

    def __init__(self, scores: dict[int, float] | None = None) -> None:
        self.scores = scores or {}
        self.looked_at: list[tuple[int, int]] = []

    def detect(self, pixels: NDArray[np.uint8], least_score: float | None = None) -> Detections:
        self.looked_at.append((pixels.shape[1], pixels.shape[0]))
        labels, _ = ndimage.label(pixels[:, :, 1] > 127)
        boxes = [
            (x.start, y.start, x.stop - x.start, y.stop - y.start)
            for y, x in ndimage.find_objects(labels)
            if 12 <= x.stop - x.start <= 480
        ]
        score = self.scores.get(max(pixels.shape[:2]), 0.9)
        count = len(boxes) if score >= (least_score or 0) else 0
        return Detections(
            np.array(boxes[:count], np.float32).reshape(-1, 4),
            np.zeros((count, 5, 2), np.float32),
            np.full(count, score, np.float32),
        )


def draw(size: tuple[int, int], *squares: tuple[int, int, int]) -> Image.Image:
    photo = Image.new("RGB", size)
    for x, y, side in squares:
        ImageDraw.Draw(photo).rectangle((x, y, x + side - 1, y + side - 1), fill=(0, 255, 0))
    return photo


def test_a_usual_photo_is_looked_at_once() -> None:
    detector = Squares()
    found = detect_at_scales(detector, draw((600, 400), (100, 50, 80)), "auto", 1280)
    assert detector.looked_at == [(600, 400)]
    assert found.boxes.tolist() == [[100, 50, 80, 80]]


def test_a_turned_photo_is_shrunk_before_it_is_turned(monkeypatch: pytest.MonkeyPatch) -> None:
    rotate, sizes = Image.Image.rotate, []

    def counted(self: Image.Image, angle: float, **more: bool) -> Image.Image:
        sizes.append(self.size)
        return rotate(self, angle, **more)

    monkeypatch.setattr(Image.Image, "rotate", counted)
    photo, detector = draw((4000, 2000), (400, 200, 320)), Squares()
    found = detect_at_scales(detector, photo, (1000,), 1280, angle=90)
    assert sizes == [(1000, 500)]  # a turned copy of the photo would take its memory again
    assert detector.looked_at == [(500, 1000)]
    assert found.boxes.tolist() == [[200, 4000 - 400 - 320, 320, 320]]


@pytest.mark.parametrize(
    ("square", "score"), [((100, 50, 20), 0.9), ((100, 50, 80), 0.7)], ids=["small", "doubtful"]
)
def test_small_or_doubtful_faces_are_looked_at_again_larger(
    square: tuple[int, int, int], score: float
) -> None:
    detector = Squares({600: score})
    found = detect_at_scales(detector, draw((600, 400), square), "auto", 1280)
    assert detector.looked_at == [(600, 400), (960, 640)]
    assert found.scores == pytest.approx([(score + 0.9) / 2])
    np.testing.assert_allclose(found.boxes, [[*square[:2], square[2], square[2]]], atol=1)


def test_a_face_that_one_of_two_sizes_shows_has_a_lower_score() -> None:
    detector = Squares({600: 0.7, 960: 0.0})
    found = detect_at_scales(detector, draw((600, 400), (100, 50, 80)), "auto", 1280)
    assert found.scores == pytest.approx([(0.7 + 0.4) / 2])


def test_a_close_up_is_found_at_the_smaller_size() -> None:
    detector = Squares()
    found = detect_at_scales(detector, draw((1200, 1000), (100, 100, 800)), "auto", 1280)
    np.testing.assert_allclose(found.boxes, [[100, 100, 800, 800]], atol=3)
    assert found.scores == pytest.approx([0.9])  # sizes that are too large for it have no vote


def test_boxes_are_in_pixels_of_a_large_photo() -> None:
    photo = draw((4000, 3000), (2000, 1000, 600), (100, 200, 100))
    detector = Squares()
    found = detect_at_scales(detector, photo, "auto", 1280)
    assert detector.looked_at[:2] == [(1280, 960), (512, 384)]
    boxes = found.boxes[np.argsort(-found.boxes[:, 2])]
    np.testing.assert_allclose(boxes, [[2000, 1000, 600, 600], [100, 200, 100, 100]], atol=8)


def test_parts_of_a_large_photo_give_each_face_once() -> None:
    rng = np.random.default_rng(0)
    places = [(x, y) for x in range(40, 3900, 330) for y in range(40, 2900, 330)]
    squares = [(x + int(rng.integers(60)), y + int(rng.integers(60)), 60) for x, y in places]
    detector = Squares()
    found = detect_at_scales(detector, draw((4000, 3000), *squares), (4000,), 1280)
    assert max(max(size) for size in detector.looked_at) <= TILE
    expected = sorted([x, y, side, side] for x, y, side in squares)
    assert sorted(found.boxes.tolist()) == expected


@pytest.mark.parametrize("length", [1, TILE, TILE + 1, 2048, 4000, 8192])
def test_parts_cover_a_side_and_overlap(length: int) -> None:
    spans = _spans(length)
    assert (spans[0][0], spans[-1][1]) == (0, length)
    assert all(high - low <= TILE for low, high in spans)
    assert all(a[1] - b[0] == SHARED for a, b in pairwise(spans))


def test_scales_are_checked() -> None:
    assert check_scales([320, 640]) == (320, 640)
    with pytest.raises(InputError, match="did you mean 'auto'"):
        check_scales("autom")
    with pytest.raises(InputError, match="scales: 9; must be a whole number from 32 to 8192"):
        check_scales([9])
    with pytest.raises(InputError, match="scales: none"):
        check_scales([])
    with pytest.raises(InputError, match="scales: 1280; must be auto, all, or a list"):
        check_scales(1280)  # type: ignore[arg-type]  # the fault
