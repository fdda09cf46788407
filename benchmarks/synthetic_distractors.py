"""Synthetic distractors with the mean and covariance of real embeddings."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.arguments import check_count
from likewise.errors import InputError
from likewise.evaluation.inputs import checked_rows

__all__ = ["synthetic_distractors"]

BLOCK = 65_536


def synthetic_distractors(vectors: ArrayLike, count: int, *, seed: int = 0) -> NDArray[np.float32]:
    """Draw embeddings from a normal distribution with the mean and covariance of ``vectors``.

    They show how an evaluation scales in time and memory. They do not replace photos: look-alikes,
    twins and bad photos make real distractors harder.

    Args:
        vectors: [N, D], N ≥ 2; best one photo of each person.
        count: how many to draw.
        seed: of the random numbers.

    Returns:
        float32 [count, D].

    Raises:
        InputError: fewer than two vectors; a count below 1; a row that is not finite.

    Example:
        >>> from benchmarks.synthetic_distractors import synthetic_distractors
        >>> synthetic_distractors([[1, 0], [0, 1], [1, 1]], 1000).shape
        (1000, 2)
    """
    rows = checked_rows(vectors, "vectors").astype(np.float64)
    check_count("count", count)
    if len(rows) < 2:
        raise InputError("vectors: only one row; the covariance needs at least 2")
    mean = rows.mean(axis=0)
    # Cᵀ = VΛ½: a factor of the covariance, which may be singular.
    _, scales, axes = np.linalg.svd((rows - mean) / np.sqrt(len(rows) - 1), full_matrices=False)
    factor = (scales[:, None] * axes).astype(np.float32)
    random = np.random.default_rng(seed)
    drawn = np.empty((count, rows.shape[1]), np.float32)
    for start in range(0, count, BLOCK):
        block = drawn[start : start + BLOCK]
        normal = random.standard_normal((len(block), len(factor)), dtype=np.float32)
        block[:] = normal @ factor + mean.astype(np.float32)
    return drawn
