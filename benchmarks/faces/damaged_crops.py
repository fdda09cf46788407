"""Damage to aligned crops of faces: fewer pixels, blur, motion, noise and darkness."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Crop = NDArray[np.uint8]
EYES = 35.24  # pixels between the eyes in a crop


def shrunk(pixels: float) -> Callable[[Crop], Crop]:
    """A crop of a photo with so many pixels between the eyes."""

    def change(crop: Crop) -> Crop:
        side = max(2, round(len(crop) * pixels / EYES))
        small = Image.fromarray(crop).resize((side, side), Image.Resampling.BOX)
        return np.asarray(small.resize(crop.shape[:2], Image.Resampling.BILINEAR))

    return change


def blurred(sigma: float) -> Callable[[Crop], Crop]:
    """A Gaussian blur, in pixels of the crop."""
    return lambda crop: np.asarray(
        Image.fromarray(crop).filter(ImageFilter.GaussianBlur(sigma)), np.uint8
    )


def moved(length: int, x: int, y: int) -> Callable[[Crop], Crop]:
    """A blur by motion along x and y, in pixels of the crop."""

    def change(crop: Crop) -> Crop:
        steps = range(-(length // 2), length - length // 2)
        shifted = [np.roll(crop.astype(float), (n * y, n * x), (0, 1)) for n in steps]
        return np.asarray(np.mean(shifted, axis=0).round(), np.uint8)

    return change


def noised(sigma: float) -> Callable[[Crop], Crop]:
    """Normal noise of ``sigma`` grey levels."""

    def change(crop: Crop) -> Crop:
        noise = np.random.default_rng(0).normal(0, sigma, crop.shape)
        return np.asarray(np.clip(crop + noise, 0, 255), np.uint8)

    return change


def darkened(factor: float) -> Callable[[Crop], Crop]:
    """Brightness times ``factor``, rounded down as a camera does."""
    return lambda crop: np.asarray(crop * factor, np.uint8)


DAMAGE: dict[str, Callable[[Crop], Crop]] = {
    "none": lambda crop: crop,
    **{f"{px} px between the eyes": shrunk(px) for px in (26, 20, 16, 14, 12, 10, 8, 6)},
    **{f"blur σ {sigma}": blurred(sigma) for sigma in (0.7, 1, 1.5, 2, 2.5)},
    **{f"motion {n} px, across": moved(n, 1, 0) for n in (5, 7, 9)},
    **{f"motion {n} px, slanted": moved(n, 1, 1) for n in (5, 7)},
    **{f"noise σ {sigma}": noised(sigma) for sigma in (10, 20, 40)},
    **{f"dark × {factor}": darkened(factor) for factor in (0.2, 0.15, 0.1, 0.05)},
}
