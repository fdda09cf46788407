"""From which cosine on two embeddings are of one shot: measured on copies, not assumed."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from likewise.data.images import BadImage, decode
from likewise.data.manifest import Manifest
from likewise.lab.inspect.duplicates import Duplicate
from likewise.models.embedder import Embedder

__all__ = ["copied", "threshold_from_copies", "threshold_from_doubles"]

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


def threshold_from_copies(
    embedder: Embedder, manifest: Manifest, rows: NDArray[np.int64], *, seed: int = 0
) -> float | None:
    """The cosine that nine of ten copies reach with their originals; None without photos.

    Args:
        embedder: what makes the embeddings.
        manifest: the photos.
        rows: those that can be read; of them 128 are copied.
        seed: draws them.
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
    left = embedder.embed(originals)
    right = embedder.embed([copied(image) for image in originals])
    return float(np.quantile((left * right).sum(axis=1), 1 - FOUND))


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
