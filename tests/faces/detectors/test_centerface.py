from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from likewise.faces.detectors.centerface import CenterFace, _decode
from likewise.faces.detectors.registry import create_detector
from likewise.faces.finder import FaceFinder
from likewise.models.zoo.weights import find_weights
from tests.faces.conftest import needs_networks


def test_decoding_equals_a_plain_loop() -> None:
    """The loop follows the program of the network's authors."""
    rng = np.random.default_rng(1)
    heat = rng.uniform(0, 1, (6, 9)).astype(np.float32)
    scale, offset = rng.normal(1, 0.5, (2, 2, 6, 9)).astype(np.float32)
    landmarks = rng.uniform(0, 1, (10, 6, 9)).astype(np.float32)
    found = _decode(heat, scale, offset, landmarks, 0.5)
    row = 0
    for y in range(6):
        for x in range(9):
            if heat[y, x] < 0.5:
                continue
            height, width = np.exp(scale[0, y, x]) * 4, np.exp(scale[1, y, x]) * 4
            left = (x + offset[1, y, x] + 0.5) * 4 - width / 2
            top = (y + offset[0, y, x] + 0.5) * 4 - height / 2
            np.testing.assert_allclose(found.boxes[row], [left, top, width, height], rtol=1e-4)
            for k in range(5):
                place = (
                    landmarks[2 * k + 1, y, x] * width + left,
                    landmarks[2 * k, y, x] * height + top,
                )
                np.testing.assert_allclose(found.points[row, k], place, rtol=1e-4, atol=1e-4)
            assert found.scores[row] == heat[y, x]
            row += 1
    assert row == len(found.scores) > 0


@pytest.fixture(scope="module")
def centerface() -> CenterFace:
    needs_networks()
    if find_weights("centerface") is None:
        pytest.skip("the weights are not here: likewise models fetch centerface")
    detector = create_detector("centerface")
    assert isinstance(detector, CenterFace)
    return detector


def test_faces_of_a_group_are_found(centerface: CenterFace, groups: Path) -> None:
    found = centerface.detect(np.asarray(Image.open(groups / "2007_007763.jpg").convert("RGB")))
    assert len(found.scores) == 7
    low, high = found.boxes[:, None, :2], found.boxes[:, None, :2] + found.boxes[:, None, 2:]
    assert ((found.points > low) & (found.points < high)).all()
    assert (found.points[:, 0, 0] < found.points[:, 1, 0]).all()  # left and right


def test_the_finder_takes_it_by_name(centerface: CenterFace, groups: Path) -> None:
    finder = FaceFinder(detector="centerface")
    assert len(finder.find(groups / "2008_001322.jpg")) == 3
    assert finder.alignment == "arcface-112 centerface+onet"
    assert finder.find(groups / "dogs.jpg") == []
