"""Augmented views of the photos of eight people of the AT&T/ORL faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from likewise.data.manifest import Manifest
from likewise.data.preprocess import Preprocess
from likewise.data.transforms import Augment, Blur, Color, Geometry, Light

__all__ = ["Views", "draw_views"]

PREPROCESS = Preprocess(32, 28, 1, mean=(0.5,), std=(0.5,), fit="stretch")
AUGMENT = Augment(
    geometry=Geometry(p=1, degrees=6, zoom=0.06, translate=0.03),
    color=Color(p=1, brightness=0.2, contrast=0.25),
    light=Light(p=1),
    blur=Blur(p=0.3, sigma=0.6),
)


@dataclass(frozen=True)
class Views:
    """Augmented photos.

    Args:
        pixels: uint8 [N, 1, H, W].
        labels: int64 [N], from 0; the views of one person are contiguous.
    """

    pixels: Tensor
    labels: Tensor

    def inputs(self) -> Tensor:
        """Input of the network: float32 [N, 1, H, W], from -1 to 1."""
        return PREPROCESS.normalise(self.pixels)


def draw_views(photos: Manifest, each: int, *, seed: int) -> Views:
    """Draw ``each`` random views of every person, cycling through the photos of that person.

    Args:
        photos: the people.
        each: views per person.
        seed: of every random choice.
    """
    sources = torch.stack([PREPROCESS.pixels(file) for file in photos.photos()])
    labels = torch.from_numpy(photos.labels)
    people = labels.unique()
    rows: list[Tensor] = []
    for person in people:
        own = (labels == person).nonzero()[:, 0]
        rows.append(own[torch.arange(each) % len(own)])
    seeds = np.random.default_rng(seed).integers(2**62, size=each * len(people))
    pixels = AUGMENT.batch_transform(channels=1)(sources[torch.cat(rows)], torch.from_numpy(seeds))
    return Views(pixels, people.repeat_interleave(each))
