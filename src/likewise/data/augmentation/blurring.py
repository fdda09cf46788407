"""Gaussian blur with five taps a side, as torchvision's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from likewise.data.augmentation.random_numbers import Draws, Floats
from likewise.data.augmentation.sections import Blur

__all__ = ["Blurring", "draw_blurring"]

LEAST = 0.1  # pixels; narrower is no blur
BLURRED, SIGMA = range(40, 42)


@dataclass(frozen=True)
class Blurring:
    """The blur of each photo.

    Args:
        blurred: bool [B].
        sigma: float64 [B], the standard deviation in pixels.
    """

    blurred: NDArray[np.bool_]
    sigma: Floats

    def apply(self, pixels: Tensor, rows: NDArray[np.int64]) -> Tensor:
        """Blur some photos, float32 [n,C,H,W]; the border is mirrored."""
        taps = np.exp(-0.5 * (np.arange(3) / self.sigma[rows, None]) ** 2)
        taps /= taps[:, :1] + 2 * taps[:, 1:].sum(1, keepdims=True)
        middle, near, far = torch.from_numpy(taps.astype(np.float32)).T[..., None, None, None]
        for axis in (-1, -2):
            # One side at a time: the pixels at a distance are views of the padded ones.
            wide = F.pad(pixels, (2, 2, 0, 0) if axis == -1 else (0, 0, 2, 2), mode="reflect")
            size = pixels.shape[axis]
            at = [wide.narrow(axis, place, size) for place in range(5)]
            pixels = at[2] * middle
            pixels += (at[1] + at[3]).mul_(near)
            pixels += (at[0] + at[4]).mul_(far)
        return pixels


def draw_blurring(draws: Draws, blur: Blur) -> Blurring:
    """Draw the blur of each photo."""
    sigma = draws.between(SIGMA, LEAST, max(LEAST, blur.sigma))
    return Blurring(draws.uniform(BLURRED) < blur.p, sigma)
