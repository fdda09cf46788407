"""Brightness, contrast, saturation, hue and grey, with the definitions of torchvision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from likewise.data.augmentation.random_numbers import Draws, Floats
from likewise.data.augmentation.sections import Color

__all__ = ["Jitter", "draw_jitter", "mean_grey", "shift_hue", "to_grey"]

LUMA = (0.2989, 0.587, 0.114)  # the weights of torchvision, which sum up to 0.9999
CHANGE, BRIGHTNESS, CONTRAST, SATURATION, HUE, GREY = range(20, 26)


@dataclass(frozen=True)
class Jitter:
    """The colors of each photo.

    Args:
        changed: bool [B]: the first four apply.
        brightness: float64 [B], a factor.
        contrast: float64 [B], a factor of the distance from the photo's mean grey.
        saturation: float64 [B], a factor of the distance from each pixel's grey; None: unchanged.
        hue: float64 [B], in turns of the circle; None: unchanged.
        grey: bool [B]: converted to grey, whether changed or not.
    """

    changed: NDArray[np.bool_]
    brightness: Floats
    contrast: Floats
    saturation: Floats | None
    hue: Floats | None
    grey: NDArray[np.bool_]

    def apply(self, pixels: Tensor, rows: NDArray[np.int64]) -> None:
        """Change the colors of some photos in place, float32 [n,C,H,W] with values up to 255.

        Brightness, contrast and saturation together are linear in a pixel, its grey and the mean
        grey. So one pass does, without clipping between them.
        """
        brightness, contrast = self.brightness[rows], self.contrast[rows]
        saturation = None if self.saturation is None else self.saturation[rows]
        both = _float32(brightness * contrast)
        grey = to_grey(pixels)
        # The greys of the two steps before are scaled as the pixels are.
        offset = mean_grey(grey) * _float32((1 - contrast) * brightness)
        if saturation is None:
            pixels.mul_(both).add_(offset)
        else:
            pixels.mul_(_float32(brightness * contrast * saturation))
            pixels.add_(grey.mul_(_float32(brightness * contrast * (1 - saturation))).add_(offset))
        if self.hue is not None:
            shift_hue(pixels.clamp_(0, 255), _float32(self.hue[rows])[:, 0])


def draw_jitter(draws: Draws, color: Color, channels: int) -> Jitter:
    """Draw the colors of each photo; saturation, hue and grey are for RGB only."""
    colored = channels == 3
    return Jitter(
        draws.uniform(CHANGE) < color.p,
        1 + draws.within(BRIGHTNESS, color.brightness),
        1 + draws.within(CONTRAST, color.contrast),
        1 + draws.within(SATURATION, color.saturation) if colored and color.saturation else None,
        draws.within(HUE, color.hue) if colored and color.hue else None,
        (draws.uniform(GREY) < color.grey) & colored,
    )


def to_grey(pixels: Tensor) -> Tensor:
    """The grey of each pixel: float32 [N,C,H,W] to [N,1,H,W]; a copy also for one channel."""
    if pixels.shape[1] == 1:
        return pixels.clone()
    red, green, blue = (pixels[:, c : c + 1] for c in range(3))
    return (red * LUMA[0]).add_(green * LUMA[1]).add_(blue * LUMA[2])


def mean_grey(grey: Tensor) -> Tensor:
    """The mean of float32 [N,1,H,W] over each photo: [N,1,1,1].

    Row by row: torch splits the sum over the pixels of a single photo among threads.
    """
    count = grey.shape[-2] * grey.shape[-1]
    return grey.sum(-1, keepdim=True).sum(-2, keepdim=True).div_(count)


def shift_hue(pixels: Tensor, turns: Tensor) -> None:
    """Turn the hue in place: float32 [N,3,H,W] by [N,1,1] turns of the circle, in HSV.

    Source: Smith, Color gamut transform pairs, SIGGRAPH 1978. A channel is the value minus the
    chroma, as far as its hue is away: ``V - C · clip(min(k, 4 - k), 0, 1)`` with
    ``k = (n + 6 · hue) mod 6`` and n = 5, 3, 1.
    """
    red, green, blue = pixels.unbind(1)
    value, chroma = pixels.amax(1), pixels.amax(1).sub_(pixels.amin(1))
    by = chroma.clamp_min(1e-6)  # grey has no hue: all channels are the same
    is_red, is_green = value == red, value == green
    sextant = torch.where(
        is_red,
        (green - blue) / by,
        torch.where(is_green, (blue - red) / by + 2, (red - green) / by + 4),
    )
    sextant += 6 * turns
    for n, channel in zip((5, 3, 1), (red, green, blue), strict=True):
        k = sextant + n
        k -= (k / 6).floor_() * 6
        away = torch.minimum(k, 4 - k).clamp_(0, 1)
        torch.sub(value, away.mul_(chroma), out=channel)


def _float32(numbers: Floats) -> Tensor:
    """Factors, to multiply photos with: float32 [n,1,1,1]."""
    return torch.from_numpy(numbers.astype(np.float32))[:, None, None, None]
