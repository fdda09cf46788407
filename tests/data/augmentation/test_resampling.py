"""Flip, crop and geometry in one resampling, against plain loops and torchvision."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as tv

from likewise.data.augmentation import resampling
from likewise.data.augmentation.random_numbers import Draws
from likewise.data.augmentation.resampling import Resampling, draw_resampling, resample
from likewise.data.augmentation.sections import Crop, Geometry
from tests.data.augmentation.fixed_draws import FixedDraws

NOTHING = Geometry(p=1, degrees=0, translate=0, zoom=0)
ALL = Geometry(
    p=0.9, degrees=30, translate=0.1, zoom=0.2, aspect=0.1, perspective=0.2, elastic=0.05
)


def moved_by(photos: Tensor, moves: Resampling) -> Tensor:
    height, width = photos.shape[-2:]
    return resample(photos, moves.grid(np.arange(len(photos)), height, width))


def random_photos(count: int, height: int, width: int) -> Tensor:
    return 255 * torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(0))


def by_loops(photo: np.ndarray, moves: Resampling, row: int) -> np.ndarray:
    """One photo, pixel by pixel, in float64."""
    channels, height, width = photo.shape
    field = None
    if moves.elastic is not None:
        coarse = torch.from_numpy(moves.elastic[row : row + 1])
        field = F.interpolate(coarse, (height, width), mode="bicubic", align_corners=True)[0]
    out = np.empty_like(photo)
    for down in range(height):
        for across in range(width):
            at = np.array([(2 * across + 1) / width - 1, (2 * down + 1) / height - 1])
            x, y = moves.matrix[row] @ [*at, 1]
            if moves.tilt is not None:
                depth = max(0.2, 1 + x * moves.tilt[row, 0] + y * moves.tilt[row, 1])
                x, y = x / depth, y / depth
            if field is not None:
                x, y = x + float(field[0, down, across]), y + float(field[1, down, across])
            x, y = moves.window[row, :, 0] * [x, y] + moves.window[row, :, 1]
            left = np.clip(((x + 1) * width - 1) / 2, 0, width - 1)
            top = np.clip(((y + 1) * height - 1) / 2, 0, height - 1)
            total = np.zeros(channels)
            for i in (math.floor(top), math.floor(top) + 1):
                for j in (math.floor(left), math.floor(left) + 1):
                    weight = max(0, 1 - abs(top - i)) * max(0, 1 - abs(left - j))
                    total += weight * photo[:, min(i, height - 1), min(j, width - 1)]
            out[:, down, across] = total
    return out


@pytest.mark.parametrize("geometry", [ALL, ALL.model_copy(update={"elastic": 0.0}), Geometry(p=1)])
def test_it_is_bilinear_interpolation(geometry: Geometry) -> None:
    photos = random_photos(4, 11, 9)
    moves = draw_resampling(Draws(np.arange(4)), 0.5, Crop(p=0.5, area=0.5), geometry, 11, 9)
    assert moves.flipped.any()
    assert not moves.flipped.all()
    for row, moved in enumerate(moved_by(photos, moves).numpy()):
        np.testing.assert_allclose(moved, by_loops(photos[row].numpy(), moves, row), atol=0.01)


def test_half_a_turn_and_a_quarter() -> None:
    photos = random_photos(2, 12, 12)
    turned = FixedDraws(2, {resampling.TURN: 1.0})
    for degrees, times in ((90, 1), (180, 2)):
        geometry = NOTHING.model_copy(update={"degrees": degrees})
        moved = moved_by(photos, draw_resampling(turned, 0, Crop(), geometry, 12, 12))
        torch.testing.assert_close(moved, photos.rot90(times, (-2, -1)), atol=0.01, rtol=0)


@pytest.mark.parametrize("size", [(24, 24), (32, 20)])
def test_turn_zoom_and_shift_are_those_of_torchvision(size: tuple[int, int]) -> None:
    photos = F.interpolate(random_photos(1, 5, 5), size, mode="bilinear")
    height, width = size
    drawn = {resampling.TURN: 0.9, resampling.ZOOM: 0.2, resampling.ACROSS: 0.75}
    geometry = NOTHING.model_copy(update={"degrees": 20.0, "zoom": 0.3, "translate": 0.1})
    moved = moved_by(photos, draw_resampling(FixedDraws(1, drawn), 0, Crop(), geometry, *size))
    turn, zoom, across = math.radians(0.8 * 20), math.exp(-0.6 * 0.3), 0.05 * width
    # Torchvision is told where the photo goes; the matrix says where a pixel comes from.
    shift = [-across * math.cos(turn) / zoom, across * math.sin(turn) / zoom]
    bilinear = tv.InterpolationMode.BILINEAR
    theirs = tv.affine(photos, -math.degrees(turn), shift, 1 / zoom, [0.0, 0.0], bilinear)
    inner = (slice(None), slice(None), slice(6, height - 6), slice(6, width - 6))  # no fill
    torch.testing.assert_close(moved[inner], theirs[inner], atol=0.05, rtol=0)


def test_a_shift_reads_the_pixels_beside() -> None:
    ramp = torch.arange(16.0).repeat(16, 1)[None, None] * 16
    geometry = NOTHING.model_copy(update={"translate": 0.5})
    draws = Draws(np.arange(5))
    moved = moved_by(
        ramp.expand(5, -1, -1, -1), draw_resampling(draws, 0, Crop(), geometry, 16, 16)
    )
    across = 0.5 * 16 * (2 * draws.uniform(resampling.ACROSS) - 1)
    for photo, shift in zip(moved, across, strict=True):
        expected = (torch.arange(16) + shift).clamp(0, 15) * 16
        torch.testing.assert_close(photo[0, 8], expected.float(), atol=0.01, rtol=0)


def test_a_flip_alone_is_exact() -> None:
    photos = random_photos(2, 10, 7)
    moves = draw_resampling(Draws(np.arange(2)), 1, Crop(), NOTHING, 10, 7)
    torch.testing.assert_close(moved_by(photos, moves), photos.flip(-1), atol=0.01, rtol=0)


def test_a_photo_is_flipped_before_it_is_cropped_and_moved() -> None:
    photos, crop, draws = random_photos(6, 14, 12), Crop(p=1, area=0.4), Draws(np.arange(6))
    flipped = moved_by(photos, draw_resampling(draws, 1, crop, ALL, 14, 12))
    before = moved_by(photos.flip(-1), draw_resampling(draws, 0, crop, ALL, 14, 12))
    torch.testing.assert_close(flipped, before, atol=0.02, rtol=0)


def test_a_crop_is_torchvisions() -> None:
    """The same window, resized: rows 4 to 20 and columns 2 to 14 of 24 × 18."""
    photos = random_photos(1, 24, 18)
    window = np.array([[[12 / 18, (2 + 6) / 9 - 1], [16 / 24, (4 + 8) / 12 - 1]]])
    yes, no = np.ones(1, bool), np.zeros(1, bool)
    moves = Resampling(no, yes, np.eye(2, 3)[None], window)
    expected = tv.resized_crop(photos, 4, 2, 16, 12, [24, 18], antialias=True)
    inner = (slice(None), slice(None), slice(1, -1), slice(1, -1))  # the rim sees the photo beside
    torch.testing.assert_close(moved_by(photos, moves)[inner], expected[inner], atol=0.02, rtol=0)


def test_crops_keep_the_area_and_the_ratio_and_lie_inside() -> None:
    crop = Crop(p=1, area=0.3, ratio=1.5)
    moves = draw_resampling(Draws(np.arange(2000)), 0, crop, Geometry(p=0), 20, 20)
    sides, shift = moves.window[:, :, 0], moves.window[:, :, 1]
    area, ratio = sides.prod(1), sides[:, 0] / sides[:, 1]
    assert area.min() >= 0.3 - 1e-9
    assert area.min() < 0.31
    assert area.max() > 0.98
    assert np.abs(np.log(ratio)).max() <= math.log(1.5) + 1e-9
    assert (np.abs(shift) + sides <= 1 + 1e-9).all()
    assert np.abs((np.abs(shift) + sides)[sides < 0.9] - 1).min() < 1e-2  # up to the border


def test_photos_that_are_not_moved_have_no_part_in_the_tilt_and_the_displacement() -> None:
    moves = draw_resampling(
        Draws(np.arange(50)), 0, Crop(), ALL.model_copy(update={"p": 0.5}), 8, 8
    )
    still = ~moves.moved
    assert 10 < still.sum() < 40
    assert moves.tilt is not None
    assert moves.elastic is not None
    assert not moves.tilt[still].any()
    assert not moves.elastic[still].any()
    assert (moves.matrix[still] == np.eye(2, 3)).all()
