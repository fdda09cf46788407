"""Embeddings like those of faces: people around centres of their own, and strangers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def faces(
    people: int, photos: int = 10, dimension: int = 32, seed: int = 0, spread: float = 0.8
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Unit vectors [people·photos, D] and whose each is."""
    random = np.random.default_rng(seed)
    centres = _unit(random.standard_normal((people, dimension)))
    labels = np.repeat(np.arange(people), photos)
    noise = _unit(random.standard_normal((len(labels), dimension)))
    return _unit(centres[labels] + spread * noise).astype(np.float32), labels


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
