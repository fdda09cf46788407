"""Product quantization: vectors are cut into parts, each quantized by its own codebook."""

from __future__ import annotations

from typing import Any

import faiss

from likewise.search.engines.parameters import Parameter, Settings

__all__ = ["PARTS", "padded_width", "parts_for", "trains_on_few"]

PARTS = Parameter("parts", None, "parts of a vector, with one code each; D/2 by default", 1, 2**15)


def parts_for(settings: Settings, dimension: int, share: int = 2) -> int:
    """The number of parts: as given, or one for each ``share`` dimensions."""
    return max(1, min(int(settings.get("parts", -(-dimension // share))), dimension))


def padded_width(parts: int, dimension: int) -> int:
    """The next dimension that is divisible by ``parts``; vectors are padded to it with zeros."""
    return parts * -(-dimension // parts)


def trains_on_few(index: Any) -> Any:
    """Train the codebooks on any number of vectors without a warning."""
    faiss.downcast_index(index).pq.cp.min_points_per_centroid = 1
    return index
