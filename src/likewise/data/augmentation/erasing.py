"""Random erasing: a grey rectangle hides a part of a photo.

Source: Zhong et al., Random erasing data augmentation, AAAI 2020.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from likewise.data.augmentation.random_numbers import Draws
from likewise.data.augmentation.sections import Erase

__all__ = ["draw_erasing", "erase"]

GREY = 128
RATIO = math.log(3.3)  # the largest aspect ratio of the rectangle: height over width
ERASE, AREA, ASPECT, TOP, LEFT = range(50, 55)


def draw_erasing(draws: Draws, erase: Erase, height: int, width: int) -> NDArray[np.int64]:
    """The rectangle of each photo: int64 [B,4], top, bottom, left and right; empty where none is.

    The area is uniform, and so is the logarithm of the aspect ratio, among those with which a
    rectangle of this area lies inside the photo.
    """
    largest = max(erase.smallest, erase.largest)
    share = np.maximum(draws.between(AREA, erase.smallest, largest), 1e-9)
    area = share * height * width
    flattest, tallest = np.log(area / width**2), np.log(height**2 / area)
    low = np.clip(-RATIO, flattest, tallest)
    high = np.clip(RATIO, flattest, tallest)
    ratio = np.exp(draws.between(ASPECT, low, high))
    tall = np.minimum(height, np.rint(np.sqrt(area * ratio)))
    wide = np.minimum(width, np.rint(np.sqrt(area / ratio)))
    top = np.floor(draws.uniform(TOP) * (height - tall + 1))
    left = np.floor(draws.uniform(LEFT) * (width - wide + 1))
    sides = np.stack([top, top + tall, left, left + wide], axis=1)
    sides[draws.uniform(ERASE) >= erase.p] = 0
    return sides.astype(np.int64)


def erase(pixels: NDArray[np.uint8], rectangles: NDArray[np.int64]) -> None:
    """Fill the rectangle of each photo in place: uint8 [B,C,H,W]."""
    for row in np.flatnonzero(rectangles[:, 1]).tolist():
        top, bottom, left, right = rectangles[row].tolist()
        pixels[row, :, top:bottom, left:right] = GREY
