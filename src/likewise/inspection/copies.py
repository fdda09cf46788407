"""From which cosine, and which likeness of pixels, two photos are one shot: measured on copies.

Neither alone is enough: a model takes two shots of one person for alike, and a weak one takes two
people; a miniature takes two people before one wall.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from likewise.data.images import BadImage, decode
from likewise.data.manifest import Manifest
from likewise.inspection.census import miniature
from likewise.inspection.duplicates import Duplicate
from likewise.inspection.hashes import correlations, shared_picture
from likewise.models.embedder import Embedder

__all__ = ["CopyLines", "copied", "lines_from_copies", "threshold_from_doubles"]

PHOTOS = 128
FOUND = 0.9  # of the copies are above the threshold
FEWEST_DOUBLES = 10


def copied(image: Image.Image) -> Image.Image:
    """As a photo comes back from the web: 2 % cropped off, three quarters of the size, JPEG 60."""
    width, height = image.size
    x, y = round(0.02 * width), round(0.02 * height)
    smaller = image.crop((x, y, width - x, height - y)).resize(
        (max(round(0.75 * width), 8), max(round(0.75 * height), 8)), Image.Resampling.LANCZOS
    )
    buffer = io.BytesIO()
    smaller.save(buffer, "JPEG", quality=60)
    with Image.open(buffer) as again:
        return again.convert("RGB")


@dataclass(frozen=True)
class CopyLines:
    """From where on two photos are one shot: both must be reached.

    Args:
        cosine: of the embeddings.
        pixels: the correlation of the miniatures.
    """

    cosine: float
    pixels: float


def lines_from_copies(
    manifest: Manifest,
    grey: NDArray[np.uint8],
    rows: NDArray[np.int64],
    embedder: Embedder | None = None,
    *,
    seed: int = 0,
) -> tuple[float | None, float] | None:
    """Copy some of the photos, and measure what nine of ten copies reach with their originals.

    Args:
        manifest: the photos.
        grey: the miniatures of all, uint8 [N,1024].
        rows: those that can be read; of them 128 are copied.
        embedder: what makes the embeddings.
        seed: draws them.

    Returns:
        The cosine (None without an embedder) and the correlation of the miniatures; None without
        photos.
    """
    random = np.random.default_rng(seed)
    chosen = np.sort(random.choice(rows, min(PHOTOS, len(rows)), replace=False))
    originals = []
    for row in chosen.tolist():
        try:
            originals.append(decode(manifest.photo(row)))
        except BadImage:
            continue
    if not originals:
        return None
    copies = [copied(image) for image in originals]
    before, after = (np.stack([miniature(i) for i in images]) for images in (originals, copies))
    pixels = correlations(before, after, shared_picture(grey))
    cosine = None
    if embedder is not None:
        products = (embedder.embed(originals) * embedder.embed(copies)).sum(axis=1)
        cosine = float(np.quantile(products, 1 - FOUND))
    return cosine, float(np.quantile(pixels, 1 - FOUND))


def threshold_from_doubles(
    vectors: NDArray[np.float32], places: dict[int, int], doubles: list[Duplicate]
) -> float | None:
    """The cosine that nine of ten doubles found by their pixels reach; None below ten of them.

    Args:
        vectors: unit length, float32 [M,D].
        places: the row of ``vectors`` of each photo.
        doubles: the near doubles.
    """
    known = [d for d in doubles if d.kind == "near" and d.left in places and d.right in places]
    if len(known) < FEWEST_DOUBLES:
        return None
    left, right = (
        np.array([places[getattr(d, side)] for d in known]) for side in ("left", "right")
    )
    return float(np.quantile((vectors[left] * vectors[right]).sum(axis=1), 1 - FOUND))
