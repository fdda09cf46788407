"""Sets in which the truth is known: people are directions, photos are those with noise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from likewise.data.embeddings import Embeddings
from likewise.data.manifest import Manifest

DIMENSION = 64
NOISE = 0.7  # of a photo, in lengths of its person: two photos have a cosine of about 0.67


def people(count: int, seed: int) -> NDArray[np.float64]:
    """Directions, of length 1, [count,D]."""
    found = np.random.default_rng(seed).normal(size=(count, DIMENSION))
    directions: NDArray[np.float64] = found / np.linalg.norm(found, axis=1, keepdims=True)
    return directions


def photos_of(who: NDArray[np.float64], seed: int) -> NDArray[np.float32]:
    """One embedding for each row of ``who``, of unit length."""
    random = np.random.default_rng([seed, 1])
    noisy = who + NOISE * random.normal(size=who.shape) / np.sqrt(DIMENSION)
    units: NDArray[np.float32] = (noisy / np.linalg.norm(noisy, axis=1, keepdims=True)).astype(
        np.float32
    )
    return units


def as_embeddings(manifest: Manifest, vectors: NDArray[np.float32]) -> Embeddings:
    return Embeddings(vectors, manifest.table.select(["path", "identity"]))


def picture(seed: int, size: int = 64) -> Image.Image:
    """A picture with large and small patterns, like no other."""
    random = np.random.default_rng(seed)
    image = Image.fromarray(random.uniform(0, 255, (7, 7, 3)).astype(np.uint8))
    image = image.resize((size, size), Image.Resampling.BICUBIC)
    noise = random.normal(0, 25, (size, size, 1))
    pixels = np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(1))


def make_pictures(folder: Path, names: Sequence[str], each: int = 4, *, seed: int = 0) -> Path:
    """A folder of identities whose photos are all different; photo n of all is ``picture(n)``."""
    for person, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for take in range(each):
            picture(seed + each * person + take).save(folder / name / f"{take}.png")
    return folder
