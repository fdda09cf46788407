"""Flip, crop and geometry in one resampling: several would blur several times, and take longer."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from likewise.data.augmentation.random_numbers import Draws, Floats
from likewise.data.augmentation.sections import Crop, Geometry
from likewise.data.augmentation.smooth_field import smooth_field

__all__ = ["Resampling", "draw_resampling", "resample"]

CELLS = 5  # a side, of the elastic deformation
# The places of the random numbers. Each has its own, whatever else a recipe draws.
FLIP, CROP, AREA, RATIO, TOP, LEFT = range(6)
MOVE, TURN, ZOOM, ASPECT, ACROSS, DOWN, TILT_X, TILT_Y = range(6, 14)
ELASTIC = 1000


class Resampling:
    """Where the pixels of each photo come from.

    Coordinates run from -1 to 1 along both sides, as in ``torch.nn.functional.grid_sample``. A
    pixel at (x, y) moves to ``matrix`` · (x, y, 1), is tilted and displaced, and then scaled and
    shifted into the ``window``: the crop, mirrored where the photo is flipped.

    Args:
        flipped: bool [B].
        moved: bool [B]: cropped or transformed; the others need no resampling.
        matrix: float64 [B,2,3].
        window: float64 [B,2,2]: scale and shift, of x and of y.
        tilt: float64 [B,2]; None without perspective.
        elastic: float64 [B,2,cells,cells], displacements on a coarse grid; None without.
    """

    def __init__(
        self,
        flipped: NDArray[np.bool_],
        moved: NDArray[np.bool_],
        matrix: Floats,
        window: Floats,
        tilt: Floats | None = None,
        elastic: Floats | None = None,
    ) -> None:
        self.flipped, self.moved = flipped, moved
        self.matrix, self.window = matrix, window
        self.tilt, self.elastic = tilt, elastic

    def grid(self, rows: NDArray[np.int64], height: int, width: int) -> Tensor:
        """The places to read, for some of the photos: float32 [n,height,width,2]."""
        matrix, window = self.matrix[rows], self.window[rows]
        plain = self.tilt is None and self.elastic is None
        if plain:  # the window is a part of the matrix
            matrix = matrix * window[:, :, :1]
            matrix[:, :, 2] += window[:, :, 1]
        x, y = _centres(width), _centres(height)[:, None]
        a = _float32(matrix)[..., None, None]
        # Two planes, one of each coordinate. Single products and sums, each rounded by itself: the
        # result for one photo must not depend on how a library blocks a batch.
        grid = torch.empty(len(rows), 2, height, width)
        for axis, plane in enumerate(grid.unbind(1)):
            torch.add(a[:, axis, 0] * x, a[:, axis, 1] * y + a[:, axis, 2], out=plane)
        if self.tilt is not None:
            tilt = _float32(self.tilt[rows])[..., None, None]
            depth = (grid[:, 0] * tilt[:, 0]).add_(1).add_(grid[:, 1] * tilt[:, 1])
            grid /= depth.clamp_min_(0.2)[:, None]
        if self.elastic is not None:
            grid += smooth_field(_float32(self.elastic[rows]), height, width)
        if not plain:
            scale, shift = _float32(window)[..., None, None].unbind(2)
            grid.mul_(scale).add_(shift)
        return grid.permute(0, 2, 3, 1)


def draw_resampling(
    draws: Draws, flip: float, crop: Crop, geometry: Geometry, height: int, width: int
) -> Resampling:
    """Draw the flip, the crop and the geometry of each photo."""
    count = len(draws.states)
    flipped = draws.uniform(FLIP) < flip
    cropped = draws.uniform(CROP) < crop.p
    warped = draws.uniform(MOVE) < geometry.p
    window = np.tile([1.0, 0.0], (count, 2, 1))
    if crop.p:
        window[cropped] = _windows(draws, crop)[cropped]
    window[flipped, 0] *= -1
    matrix = np.tile(np.eye(2, 3), (count, 1, 1))
    tilt = elastic = None
    if geometry.p:
        matrix[warped] = _matrices(draws, geometry, height / width)[warped]
        if geometry.perspective:
            both = [draws.within(place, geometry.perspective) for place in (TILT_X, TILT_Y)]
            tilt = np.stack(both, axis=1) * warped[:, None]
        if geometry.elastic:
            coarse = draws.normals(ELASTIC, 2 * CELLS**2).reshape(count, 2, CELLS, CELLS)
            elastic = geometry.elastic * coarse * warped[:, None, None, None]
    return Resampling(flipped, cropped | warped, matrix, window, tilt, elastic)


def _windows(draws: Draws, crop: Crop) -> Floats:
    """Scale and shift of a random crop: float64 [B,2,2].

    The area is uniform, and so is the logarithm of the change of the aspect ratio, among those with
    which a crop of this area lies inside the photo.
    """
    area = draws.between(AREA, crop.area, 1)
    widest = np.minimum(math.log(crop.ratio), -np.log(area))
    ratio = np.exp(draws.between(RATIO, -widest, widest))
    sides = np.minimum(1, np.stack([np.sqrt(area * ratio), np.sqrt(area / ratio)], axis=1))
    free = 1 - sides
    shift = free * np.stack([draws.within(LEFT, 1), draws.within(TOP, 1)], axis=1)
    return np.stack([sides, shift], axis=2)


def _matrices(draws: Draws, geometry: Geometry, shape: float) -> Floats:
    """The affine part of the geometry: float64 [B,2,3]; ``shape`` is height over width."""
    turn = draws.within(TURN, math.radians(geometry.degrees))
    zoom = np.exp(draws.within(ZOOM, geometry.zoom))
    aspect = np.exp(draws.within(ASPECT, geometry.aspect))
    # The coordinates span 2 along both sides, so a rotation needs the aspect ratio.
    cos, sin = zoom * np.cos(turn), zoom * np.sin(turn)
    across, down = (2 * draws.within(place, geometry.translate) for place in (ACROSS, DOWN))
    rows = [[cos * aspect, -sin * shape, across], [sin / shape, cos / aspect, down]]
    return np.stack([np.stack(row, axis=1) for row in rows], axis=1)


def resample(pixels: Tensor, grid: Tensor) -> Tensor:
    """Read float32 [N,C,H,W] at the places of the grid; beyond the border it is replicated."""
    return F.grid_sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _centres(size: int) -> Tensor:
    """The centres of the pixels of a side: float32 [size]."""
    return _float32((2 * np.arange(size) + 1) / size - 1)


def _float32(numbers: Floats) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(numbers, np.float32))
