"""Lighting: a gamma curve, and a shade that varies smoothly across the photo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from likewise.data.augmentation.random_numbers import Draws, Floats
from likewise.data.augmentation.sections import Light
from likewise.data.augmentation.smooth_field import smooth_field

__all__ = ["Lighting", "draw_lighting"]

CELLS = 3  # a side, of the shade
RELIGHT, GAMMA, DEPTH = range(30, 33)
SHADE = 2000


@dataclass(frozen=True)
class Lighting:
    """The light of each photo.

    Args:
        relit: bool [B].
        gamma: float64 [B], the exponent.
        shade: float64 [B,1,cells,cells]: the logarithm of the factor on a coarse grid.
    """

    relit: NDArray[np.bool_]
    gamma: Floats
    shade: Floats

    def apply(self, pixels: Tensor, rows: NDArray[np.int64]) -> Tensor:
        """Relight some photos, float32 [n,C,H,W] with values up to 255."""
        coarse = torch.from_numpy(self.shade[rows].astype(np.float32))
        shade = smooth_field(coarse, pixels.shape[-2], pixels.shape[-1])
        gamma = self.gamma[rows].astype(np.float32)[:, None, None, None]
        # Not by torch's pow, which differs in its last bit with the place of a number in the batch;
        # and by NumPy, which is faster here. Black stays black: its logarithm is minus infinity.
        light = (pixels / 255).clamp_(0, 1).numpy()
        with np.errstate(divide="ignore"):
            np.log(light, out=light)
        light *= gamma
        light += shade.numpy()
        np.exp(light, out=light)
        light *= np.float32(255)
        return torch.from_numpy(light)


def draw_lighting(draws: Draws, light: Light) -> Lighting:
    """Draw the light of each photo."""
    depth = draws.between(DEPTH, 0, light.shade)
    field = draws.normals(SHADE, CELLS**2).reshape(-1, 1, CELLS, CELLS)
    return Lighting(
        draws.uniform(RELIGHT) < light.p,
        np.exp(draws.within(GAMMA, light.gamma)),
        depth[:, None, None, None] * field,
    )
