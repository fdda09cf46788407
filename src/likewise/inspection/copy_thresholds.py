"""Thresholds at and above which two photos are copies of one shot, measured on synthetic copies.

Two thresholds are needed. Embeddings of two shots of one person are similar, and a weak model's of
two people as well; thumbnails of two people in front of one background are similar.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from likewise.data.images import BadImage, decode
from likewise.data.manifest import Manifest
from likewise.inspection.census import thumbnail
from likewise.inspection.duplicates import Duplicate
from likewise.inspection.hashes import correlations, mean_picture
from likewise.models.embedder import Embedder

__all__ = ["CopyThresholds", "copied", "threshold_from_duplicates", "thresholds_from_copies"]

PHOTOS = 128
SHARE_ABOVE = 0.9  # share of the copies that reach the threshold
FEWEST_DUPLICATES = 10


def copied(image: Image.Image) -> Image.Image:
    """A synthetic copy: 2 % cropped from each side, scaled to three quarters, JPEG quality 60."""
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
class CopyThresholds:
    """The thresholds of duplicates by embedding; a pair must reach both.

    Args:
        cosine: of the embeddings.
        pixels: correlation of the thumbnails.
    """

    cosine: float
    pixels: float


def thresholds_from_copies(
    manifest: Manifest,
    grey: NDArray[np.uint8],
    rows: NDArray[np.int64],
    embedder: Embedder | None = None,
) -> tuple[float | None, float] | None:
    """Copy up to 128 photos; the values that nine of ten copies reach with their originals.

    Args:
        manifest: the photos.
        grey: thumbnails of all photos, uint8 [N,1024].
        rows: the readable photos, from which the sample is drawn.
        embedder: computes the embeddings.

    Returns:
        The cosine (None without an embedder) and the correlation of the thumbnails; None if no
        photo can be decoded.
    """
    random = np.random.default_rng(0)
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
    before, after = (np.stack([thumbnail(i) for i in images]) for images in (originals, copies))
    pixels = correlations(before, after, mean_picture(grey))
    cosine = None
    if embedder is not None:
        products = (embedder.embed(originals) * embedder.embed(copies)).sum(axis=1)
        cosine = float(np.quantile(products, 1 - SHARE_ABOVE))
    return cosine, float(np.quantile(pixels, 1 - SHARE_ABOVE))


def threshold_from_duplicates(
    vectors: NDArray[np.float32], vector_of_row: dict[int, int], duplicates: list[Duplicate]
) -> float | None:
    """The cosine that nine of ten near-duplicates reach; None with fewer than ten of them.

    Args:
        vectors: unit length, float32 [M,D].
        vector_of_row: the index of each photo's vector, by the photo's row.
        duplicates: the near-duplicates.
    """
    known = [
        (vector_of_row[d.left], vector_of_row[d.right])
        for d in duplicates
        if d.kind == "near" and d.left in vector_of_row and d.right in vector_of_row
    ]
    if len(known) < FEWEST_DUPLICATES:
        return None
    left, right = np.array(known).T
    return float(np.quantile((vectors[left] * vectors[right]).sum(axis=1), 1 - SHARE_ABOVE))
