"""The rectangles that are erased: their area, their form and their place."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from likewise.data.augmentation.erasing import draw_erasing, erase
from likewise.data.augmentation.random_numbers import Draws
from likewise.data.augmentation.sections import Erase


def test_area_form_and_place() -> None:
    section = Erase(p=0.4, smallest=0.05, largest=0.3)
    found = draw_erasing(Draws(np.arange(5000)), section, 100, 80)
    erased = found[found[:, 1] > 0]
    assert abs(len(erased) / 5000 - 0.4) < 0.03
    top, bottom, left, right = erased.T
    tall, wide = bottom - top, right - left
    area = tall * wide / 8000
    assert 0.045 < area.min() < 0.06
    assert 0.28 < area.max() < 0.31
    assert abs(np.median(area) - 0.175) < 0.02
    ratio = np.log(tall / wide)
    assert np.abs(ratio).max() < np.log(3.3) + 0.1
    assert abs(np.median(ratio)) < 0.1
    assert (top.min(), left.min(), bottom.max(), right.max()) == (0, 0, 100, 80)


@pytest.mark.parametrize("size", [(8, 200), (200, 8), (8, 8)])
def test_it_lies_inside_photos_of_every_form(size: tuple[int, int]) -> None:
    found = draw_erasing(Draws(np.arange(300)), Erase(p=1, smallest=0, largest=1), *size)
    assert found.min() >= 0
    assert found[:, 1].max() <= size[0]
    assert found[:, 3].max() <= size[1]
    assert (found[:, 1] >= found[:, 0]).all()
    assert (found[:, 3] >= found[:, 2]).all()


def test_the_rectangle_is_grey() -> None:
    photos = np.random.default_rng(0).integers(0, 100, (20, 3, 12, 10), dtype=np.uint8)
    found = draw_erasing(Draws(np.arange(20)), Erase(p=0.5), 12, 10)
    after = photos.copy()
    erase(after, found)
    for row, (top, bottom, left, right) in enumerate(found.tolist()):
        photo, grey = torch.from_numpy(photos[row]), torch.full((3, 1, 1), 128, dtype=torch.uint8)
        expected = tv.erase(photo, top, left, bottom - top, right - left, grey)
        np.testing.assert_array_equal(after[row], expected.numpy())
