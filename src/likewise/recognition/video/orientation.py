"""Upright pixels of a frame: the display matrix of the file, and pixels that are not square."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["MIRROR", "quarter_turns", "square_pixels", "turn_upright"]

MIRROR = 4
"""Added to the number of quarter turns where the picture is also mirrored."""


def quarter_turns(matrix: bytes | None) -> int:
    """By how many quarter turns, counterclockwise, the stored pixels are to be turned.

    Args:
        matrix: nine int32, row by row, as files of QuickTime and MP4 hold them: a pixel (x, y) is
            shown at (a x + c y, b x + d y); None if there is none.

    Returns:
        0 to 3 quarter turns; plus ``MIRROR`` if the pixels are to be mirrored left to right before.
    """
    if matrix is None or len(matrix) < 36:
        return 0
    a, b, _, c, d, *_ = np.frombuffer(matrix[:36], np.int32).astype(np.int64).tolist()
    mirrored: bool = a * d - b * c < 0
    if mirrored:  # x is mirrored first: its column of the matrix changes its sign
        a, b = -a, -b
    turns: int = round(math.degrees(math.atan2(-b, a)) / 90) % 4  # y points down
    return turns + MIRROR * mirrored


def turn_upright(pixels: NDArray[np.uint8], turns: int) -> NDArray[np.uint8]:
    """Pixels [H,W,3] as they are to be shown; ``turns`` as ``quarter_turns`` gives them."""
    if turns >= MIRROR:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(np.rot90(pixels, turns % MIRROR))


def square_pixels(pixels: NDArray[np.uint8], aspect: Fraction | None) -> NDArray[np.uint8]:
    """Pixels [H,W,3] scaled to square ones, where those of the file are wider or narrower."""
    if not aspect or aspect == 1 or not 0.2 < aspect < 5:
        return pixels
    height, width = pixels.shape[:2]
    size = (max(1, round(width * float(aspect))), height)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
