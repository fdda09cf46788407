"""Crops, against OpenCV's and against averages over the area of each pixel."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy.ndimage import map_coordinates

from likewise.faces.alignment.crop import align, cut
from likewise.faces.alignment.similarity import apply, invert
from likewise.faces.alignment.templates import template_named


def picture(width: int = 260, height: int = 200, blur: float = 1.0) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    return Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(blur))


def turned(
    scale: float, degrees: float, middle: tuple[float, float], size: int
) -> NDArray[np.float64]:
    """From the photo to a crop: ``scale`` pixels of the photo per pixel of the crop."""
    angle = np.deg2rad(degrees)
    linear = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
    return np.column_stack([linear, np.full(2, (size - 1) / 2) - linear @ np.array(middle)])


def area_mean(photo: Image.Image, matrix: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Each pixel of the crop as the mean of 10 × 10 samples."""
    places = (np.arange(size * 10) + 0.5) / 10 - 0.5
    x, y = np.meshgrid(places, places)
    columns, rows = apply(invert(matrix), np.stack([x.ravel(), y.ravel()], axis=1)).T
    pixels = np.asarray(photo, np.float64)
    sampled = [map_coordinates(pixels[..., c], [rows, columns], order=1) for c in range(3)]
    return np.stack(sampled, axis=-1).reshape(size, 10, size, 10, 3).mean((1, 3))


def test_no_change_is_exact() -> None:
    photo = picture()
    same = cut(photo, np.array([[1.0, 0, -20], [0, 1, -30]]), 64)
    np.testing.assert_array_equal(same, np.asarray(photo)[30:94, 20:84])


@pytest.mark.parametrize("scale", [0.4, 0.7, 1.0, 1.15])
@pytest.mark.parametrize("degrees", [0, 17, 90, -120])
def test_small_faces_equal_opencv(scale: float, degrees: float) -> None:
    cv2 = pytest.importorskip("cv2")
    photo = picture(blur=2)
    matrix = turned(scale, degrees, (130, 95), 80)
    ours = cut(photo, matrix, 80).astype(int)
    theirs = cv2.warpAffine(np.asarray(photo), matrix, (80, 80), flags=cv2.INTER_LINEAR)
    assert np.abs(ours - theirs).max() <= 3  # both round their weights


@pytest.mark.parametrize("scale", [1.3, 1.9, 2.5, 4.4, 7.8])
def test_large_faces_are_averaged_not_skipped(scale: float) -> None:
    photo = picture(1100, 1000, blur=0.7)
    matrix = turned(scale, 20, (540, 500), 64)
    true = area_mean(photo, matrix, 64)
    error = cut(photo, matrix, 64) - true
    back = invert(matrix)
    back[:, 2] += 0.5 - back[:, :2] @ (0.5, 0.5)  # PIL counts from corners of pixels
    bilinear = Image.Transform.AFFINE, tuple(back.ravel()), Image.Resampling.BILINEAR
    plain = np.asarray(photo.transform((64, 64), *bilinear))
    assert np.sqrt((error**2).mean()) < 0.35 * np.sqrt(((plain - true) ** 2).mean())
    assert abs(error.mean()) < 0.5  # neither brighter nor darker


def test_outside_of_the_photo_is_black() -> None:
    photo = Image.new("RGB", (100, 100), (200, 100, 50))
    crop = cut(photo, np.array([[1.0, 0, 20], [0, 1, 20]]), 64)
    assert (crop[:20] == 0).all()
    assert (crop[:, :20] == 0).all()
    assert (crop[20:, 20:] == (200, 100, 50)).all()
    assert (cut(photo, np.array([[1.0, 0, 900], [0, 1, 900]]), 64) == 0).all()
    huge = cut(Image.new("RGB", (4000, 3000), (9, 9, 9)), turned(30, 45, (2000, 1500), 112), 112)
    assert huge.shape == (112, 112, 3)


@pytest.mark.parametrize("degrees", [0, 30, 90, 180, -45])
@pytest.mark.parametrize("scale", [0.5, 1, 3])
def test_the_points_of_a_face_come_to_lie_on_the_template(degrees: float, scale: float) -> None:
    template = template_named("arcface")
    middle = (300.0, 300.0)
    points = apply(invert(turned(scale, degrees, middle, 112)), template.at(112))
    photo = Image.new("RGB", (600, 600))
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255)]
    half = 3 * scale
    for (x, y), colour in zip(points, colours, strict=True):
        box = tuple(round(v) for v in (x - half, y - half, x + half + 1, y + half + 1))
        photo.paste(colour, box)  # type: ignore[arg-type]  # four numbers
    crop = align(photo, points, template)
    for (x, y), colour in zip(template.at(112), colours, strict=True):
        near = crop[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2].reshape(-1, 3)
        assert np.abs(near.mean(0) - colour).max() < 60, (x, y)
