"""faiss's product quantizers, read: the codebook of each part, and where a code is decoded to."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

__all__ = ["borders_of", "codebooks_of"]


def codebooks_of(quantizer: Any) -> NDArray[np.float32]:
    """The centroids of each part, float32 [M,K,D/M].

    Args:
        quantizer: a faiss ``ProductQuantizer`` of M parts with K centroids each.
    """
    centroids: NDArray[np.float32] = faiss.vector_to_array(quantizer.centroids)
    return centroids.reshape(quantizer.M, quantizer.ksub, quantizer.dsub)


def borders_of(levels: NDArray[np.floating]) -> NDArray[np.float64]:
    """Where one number changes its code: midway between neighbouring levels [K] → [K-1]."""
    ordered = np.sort(levels.astype(np.float64))
    middles: NDArray[np.float64] = (ordered[1:] + ordered[:-1]) / 2
    return middles
