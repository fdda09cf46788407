"""The sharpness and the contrast of a crop."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["contrast_of", "sharpness_of"]

FRAME = 8  # an eighth on each side shows hair and background
DARKEST = 1.0  # grey levels of spread: below, nothing is left to be sharp


def sharpness_of(crop: NDArray[np.uint8]) -> float:
    """The variance of the second difference, in the direction where it is least, by that of grey.

    The least of four directions finds a blur by motion too, which leaves the edges along its way
    sharp. Dividing makes the measure independent of contrast and exposure.

    Args:
        crop: uint8 [S,S,3], RGB, aligned.

    Returns:
        About 0.02 for a face of LFW, 0.003 for a blurred one, above 0.1 for noise; 0 for a crop of
        one colour.

    Source: the variance of the Laplacian (Pech-Pacheco et al., Diatom autofocusing in brightfield
    microscopy, 2000), whose two parts are two of the directions.
    """
    grey = _grey(crop)
    spread = float(grey.var())
    if spread < DARKEST**2:
        return 0.0
    middle = 2 * grey[1:-1, 1:-1]
    right, down = grey[1:-1, :-2] + grey[1:-1, 2:], grey[:-2, 1:-1] + grey[2:, 1:-1]
    falling, rising = grey[:-2, :-2] + grey[2:, 2:], grey[:-2, 2:] + grey[2:, :-2]
    straight = min(float((pair - middle).var()) for pair in (right, down))
    # Pixels on a diagonal are √2 apart, which doubles this variance for a smooth picture.
    slanted = min(float((pair - middle).var()) for pair in (falling, rising)) / 2
    return min(straight, slanted) / spread


def contrast_of(crop: NDArray[np.uint8]) -> float:
    """The standard deviation of the brightness of a crop uint8 [S,S,3], in grey levels."""
    return float(_grey(crop).std())


def _grey(crop: NDArray[np.uint8]) -> NDArray[np.float64]:
    edge = len(crop) // FRAME
    grey = np.asarray(Image.fromarray(crop).convert("L"), np.float64)
    return grey[edge : len(crop) - edge, edge : len(crop) - edge]
