"""Data augmentation for training: the section of a recipe, and what applies it to batches."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from likewise.data.augmentation.blurring import draw_blurring
from likewise.data.augmentation.colors import draw_jitter, to_grey
from likewise.data.augmentation.erasing import draw_erasing, erase
from likewise.data.augmentation.lighting import draw_lighting
from likewise.data.augmentation.random_numbers import Draws
from likewise.data.augmentation.resampling import draw_resampling, resample
from likewise.data.augmentation.sections import (
    Blur,
    Color,
    Crop,
    Erase,
    Fraction,
    Geometry,
    Light,
    Section,
)

__all__ = ["Augment", "BatchTransform", "Blur", "Color", "Crop", "Erase", "Geometry", "Light"]

PART = 2**20  # bytes of the float32 pixels that are worked on at once: they stay in the cache


class Augment(Section):
    """The augmentation of a recipe; the steps are applied in the order of the keys.

    Example:
        >>> import torch
        >>> from likewise.data.transforms import Augment
        >>> transform = Augment(flip=0.5).batch_transform(channels=3)
        >>> photos = torch.zeros(2, 3, 112, 112, dtype=torch.uint8)
        >>> transform(photos, torch.tensor([17, 18])).shape
        torch.Size([2, 3, 112, 112])
    """

    flip: Fraction = Field(0.5, description="probability of a horizontal flip")
    crop: Crop = Field(default_factory=Crop)
    geometry: Geometry = Field(default_factory=Geometry)
    color: Color = Field(default_factory=Color)
    light: Light = Field(default_factory=Light)
    blur: Blur = Field(default_factory=Blur)
    erase: Erase = Field(default_factory=Erase)

    def batch_transform(self, *, channels: int) -> BatchTransform:
        """What applies it to batches of photos with this number of channels: 1 or 3."""
        return BatchTransform(self, channels)


class BatchTransform:
    """Augments a batch of photos, each by its own seed.

    The pixels of a photo depend on the photo and its seed alone, bit for bit: not on the other
    photos of the batch, the number of threads or what was drawn before. A photo is resampled at
    most once, and rounded once.

    Args:
        augment: what may happen to a photo.
        channels: 1 or 3.
    """

    def __init__(self, augment: Augment, channels: int) -> None:
        self.augment = augment
        self.channels = channels

    def __call__(self, pixels: Tensor, seeds: Tensor) -> Tensor:
        """The augmented photos.

        Args:
            pixels: uint8 [B,C,H,W] on the CPU; not changed.
            seeds: int64 [B].

        Returns:
            uint8 [B,C,H,W], in memory of their own.
        """
        a, (height, width) = self.augment, pixels.shape[-2:]
        draws = Draws(seeds.numpy())
        moves = draw_resampling(draws, a.flip, a.crop, a.geometry, height, width)
        jitter = draw_jitter(draws, a.color, self.channels)
        light = draw_lighting(draws, a.light) if a.light.p else None
        blur = draw_blurring(draws, a.blur) if a.blur.p else None
        nobody = np.zeros(len(seeds), bool)
        relit = nobody if light is None else light.relit
        blurred = nobody if blur is None else blur.blurred

        out = pixels.clone(memory_format=torch.contiguous_format)
        photos = out.numpy()  # the same memory: NumPy gathers and scatters photos faster than torch
        mirrored = np.flatnonzero(moves.flipped & ~moves.moved)
        photos[mirrored] = torch.from_numpy(photos[mirrored]).flip(-1).numpy()
        for rows in self._parts(moves.moved, jitter.changed, relit | blurred | jitter.grey, out):
            values = torch.from_numpy(photos[rows]).float()
            if moved := int(moves.moved[rows].sum()):
                values[:moved] = resample(values[:moved], moves.grid(rows[:moved], height, width))
            changed = np.flatnonzero(jitter.changed[rows])
            if len(changed):  # one after another: see _parts
                colored = slice(int(changed[0]), int(changed[-1]) + 1)
                jitter.apply(values[colored], rows[colored])
            whole = values.numpy()
            if len(some := np.flatnonzero(jitter.grey[rows])):
                whole[some] = to_grey(torch.from_numpy(whole[some]).clamp_(0, 255)).numpy()
            if light is not None and len(some := np.flatnonzero(relit[rows])):
                whole[some] = light.apply(torch.from_numpy(whole[some]), rows[some]).numpy()
            if blur is not None and len(some := np.flatnonzero(blurred[rows])):
                clipped = torch.from_numpy(whole[some]).clamp_(0, 255)
                whole[some] = blur.apply(clipped, rows[some]).numpy()
            photos[rows] = values.round_().clamp_(0, 255).numpy()
        if a.erase.p:
            erase(photos, draw_erasing(draws, a.erase, height, width))
        return out

    def _parts(
        self,
        moved: NDArray[np.bool_],
        changed: NDArray[np.bool_],
        other: NDArray[np.bool_],
        pixels: Tensor,
    ) -> list[NDArray[np.int64]]:
        """The photos that are worked on in float32, some at a time.

        Those that are moved come first, then those that also change their colors, then those that
        only do this: a step then works on neighbours in memory, without copies.
        """
        rank = np.where(moved, np.where(changed, 1, 0), np.where(changed, 2, 3))
        order = np.argsort(rank, kind="stable")
        order = order[(moved | changed | other)[order]]
        each = 4 * pixels[0].numel() if len(pixels) else 1
        size = max(1, PART // each)
        return [order[start : start + size] for start in range(0, len(order), size)]
