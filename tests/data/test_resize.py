"""Pixels for another network: what Pillow makes of the same picture, near enough."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter, ImageOps

from likewise.data.preprocess import Preprocess
from likewise.data.resize import resize_to
from tests.conftest import draw_person


def as_pixels(image: Image.Image) -> torch.Tensor:
    array = np.atleast_3d(np.asarray(image))
    return torch.from_numpy(array.transpose(2, 0, 1).copy())[None]


def wanted(height: int, width: int, channels: int = 3, fit: str = "crop") -> Preprocess:
    half = (0.5,) * channels
    return Preprocess(height, width, channels, mean=half, std=half, fit=fit)


@pytest.mark.parametrize("size", [(24, 24), (48, 32), (20, 40), (112, 112), (30, 90)])
@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_it_fits_as_pillow_does(size: tuple[int, int], fit: str) -> None:
    image = draw_person(3, 0, size=40).resize((48, 40), Image.Resampling.BICUBIC)
    image = image.filter(ImageFilter.GaussianBlur(2))
    height, width = size
    by_pillow = {
        "crop": lambda: ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR),
        "pad": lambda: ImageOps.pad(
            image, (width, height), Image.Resampling.BILINEAR, color=(128, 128, 128)
        ),
        "stretch": lambda: image.resize((width, height), Image.Resampling.BILINEAR),
    }[fit]()
    got = resize_to(as_pixels(image), wanted(height, width, fit=fit))
    assert got.dtype == torch.uint8
    assert got.shape == (1, 3, height, width)
    difference = (got.float() - as_pixels(by_pillow).float()).abs()
    assert difference.mean() < 3.5  # of 255: Pillow cuts between pixels, we at them


def test_colour_and_grey() -> None:
    image = draw_person(1, 0, size=24)
    grey = resize_to(as_pixels(image), wanted(24, 24, channels=1))
    assert (grey.int() - as_pixels(image.convert("L")).int()).abs().max() <= 1
    back = resize_to(grey, wanted(24, 24))
    assert back.shape == (1, 3, 24, 24)
    assert (back == grey).all()


def test_the_same_size_is_the_same_picture() -> None:
    pixels = as_pixels(draw_person(2, 0))
    assert resize_to(pixels, wanted(40, 40)) is pixels


@pytest.mark.parametrize("how", ["bilinear", "bicubic", "lanczos", "nearest"])
def test_interpolation_and_crop_are_those_of_the_photos(how: str) -> None:
    image = draw_person(3, 0, size=60).filter(ImageFilter.GaussianBlur(3))
    used = Preprocess(24, 24, interpolation=how, crop=0.8)
    difference = (resize_to(as_pixels(image), used)[0].float() - used.pixels(image).float()).abs()
    assert difference.mean() < 3
