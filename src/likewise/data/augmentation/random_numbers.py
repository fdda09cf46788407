"""Random numbers for each photo of a batch, from the photo's own seed alone.

A number is a hash of the photo's seed and the place of the draw. So it does not depend on what was
drawn before, on the other photos of the batch, on the worker, or on a restart.

Source: Steele, Lea and Flood, Fast splittable pseudorandom number generators, OOPSLA 2014
(SplitMix64): the numbers of a photo are those of this generator, started at the mixed seed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Draws", "Floats"]

Floats = NDArray[np.float64]
Words = NDArray[np.uint64]
STEP = np.uint64(0x9E3779B97F4A7C15)


def _mixed(words: Words) -> Words:
    """SplitMix64's hash of each word."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Words = words ^ (words >> np.uint64(31))
    return mixed


class Draws:
    """The random numbers of some photos.

    Args:
        seeds: int64 [B], one for each photo.

    Example:
        >>> import numpy as np
        >>> from likewise.data.augmentation.random_numbers import Draws
        >>> both, alone = Draws(np.array([7, 8])), Draws(np.array([8]))
        >>> bool(both.uniform(3)[1] == alone.uniform(3)[0])
        True
    """

    def __init__(self, seeds: NDArray[np.int64]) -> None:
        # Mixed first: seeds that differ by STEP would give the same numbers, one place apart.
        self.states = _mixed(np.ascontiguousarray(seeds, np.int64).view(np.uint64) + STEP)

    def words(self, first: int, count: int) -> Words:
        """The numbers at ``count`` places from ``first`` on: uint64 [B,count]."""
        places = np.arange(first + 1, first + 1 + count, dtype=np.uint64) * STEP
        return _mixed(self.states[:, None] + places)

    def uniform(self, place: int) -> Floats:
        """One number for each photo from [0, 1): float64 [B]."""
        return self.uniforms(place, 1)[:, 0].copy()

    def uniforms(self, first: int, count: int) -> Floats:
        """``count`` numbers for each photo from [0, 1): float64 [B,count]."""
        numbers: Floats = (self.words(first, count) >> np.uint64(11)) * np.float64(2.0**-53)
        return numbers

    def between(self, place: int, low: float | Floats, high: float | Floats) -> Floats:
        """One number for each photo from [low, high): float64 [B]."""
        return low + self.uniform(place) * (high - low)

    def within(self, place: int, largest: float) -> Floats:
        """One number for each photo from [-largest, largest): float64 [B]."""
        return self.between(place, -largest, largest)

    def normals(self, first: int, count: int) -> Floats:
        """``count`` normal numbers for each photo: float64 [B,count]; they take 2 × count places.

        By the transformation of Box and Muller, 1958.
        """
        uniform = self.uniforms(first, 2 * count)
        length = np.sqrt(-2 * np.log1p(-uniform[:, :count]))  # 1 - u is never 0
        numbers: Floats = length * np.cos(2 * np.pi * uniform[:, count:])
        return numbers
