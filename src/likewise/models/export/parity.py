"""Parity: the exported network gives the embeddings of the original, at several batch sizes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from likewise.data.manifest import Manifest
from likewise.data.preprocess import Preprocess
from likewise.data.reader import read_pixels
from likewise.distances.similarity import unit
from likewise.errors import LikewiseError
from likewise.progress import progress

__all__ = ["BATCHES", "MOST_DIFFERENT", "check_images", "largest_differences", "require_parity"]

BATCHES = (1, 7, 64)
MOST_DIFFERENT = 1e-3  # between numbers of unit-length embeddings

Forward = Callable[[Tensor], Tensor]


def check_images(
    preprocess: Preprocess, photos: Manifest | None = None, seed: int = 0
) -> list[Tensor]:
    """Images to compare on, one tensor uint8 [B,C,H,W] for each of the batch sizes.

    Args:
        preprocess: from a photo to pixels.
        photos: the first ones replace some of the images, which are half noise, half smooth
            patterns.
        seed: of the random numbers.
    """
    random = np.random.default_rng(seed)
    size = (preprocess.channels, preprocess.height, preprocess.width)
    count = sum(BATCHES)
    noise = torch.from_numpy(random.integers(0, 256, (count, *size), dtype=np.uint8))
    coarse = torch.from_numpy(random.uniform(0, 255, (count, size[0], 6, 6)).astype(np.float32))
    smooth = torch.nn.functional.interpolate(coarse, size[1:], mode="bilinear").to(torch.uint8)
    images = torch.where((torch.arange(count) % 2 == 0).view(-1, 1, 1, 1), noise, smooth)
    if photos is not None:
        few = photos.slice(slice(0, count))
        for row, pixels in enumerate(read_pixels(few.photos(), preprocess)):
            if isinstance(pixels, Tensor):
                images[row] = pixels
    return list(images.split(list(BATCHES)))


def largest_differences(
    images: list[Tensor], original: Forward, exported: Forward
) -> dict[int, float]:
    """The largest absolute difference of unit-length embeddings, by batch size.

    Args:
        images: from ``check_images``.
        original: uint8 [B,C,H,W] → float32 [B,D].
        exported: the same, of the exported network.
    """
    found = {}
    with progress("comparing with the original", 2 * sum(map(len, images))) as advance:
        for batch in images:
            wanted = unit(original(batch))
            advance(len(batch))
            got = unit(exported(batch))
            advance(len(batch))
            if got.shape != wanted.shape:
                raise LikewiseError(
                    f"the exported network gives {list(got.shape)} for a batch of {len(batch)}, "
                    f"the original {list(wanted.shape)}; nothing was written"
                )
            found[len(batch)] = float((got - wanted).abs().max())
    return found


def require_parity(name: str, differences: dict[int, float]) -> None:
    """Refuse an exported network whose embeddings are others.

    Raises:
        LikewiseError: a difference exceeds ``MOST_DIFFERENT``, or is not a number.
    """
    for batch, difference in differences.items():
        if not difference <= MOST_DIFFERENT:
            raise LikewiseError(
                f"{name}: its export gives other embeddings: they differ by {difference:.2g} in a "
                f"batch of {batch}, at most {MOST_DIFFERENT:g} is allowed; nothing was written"
            )
