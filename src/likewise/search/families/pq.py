"""Product quantization: how vectors are cut into parts that are coded by their own codebooks."""

from __future__ import annotations

from typing import Any

import faiss

from likewise.search.families.knobs import Knob, Settings

__all__ = ["PARTS", "parts_for", "trains_on_few", "width_for"]

PARTS = Knob(
    "parts", None, "parts that a vector is cut into, one code each; D/2 if not named", 1, 2**15
)


def parts_for(settings: Settings, dimension: int, share: int = 2) -> int:
    """The parts: those named, or one for each ``share`` dimensions."""
    return max(1, min(int(settings.get("parts", -(-dimension // share))), dimension))


def width_for(parts: int, dimension: int) -> int:
    """The dimension that so many parts cut evenly; zeros fill the rest."""
    return parts * -(-dimension // parts)


def trains_on_few(index: Any) -> Any:
    """Let the codebooks train on what there is, without a warning on few vectors."""
    faiss.downcast_index(index).pq.cp.min_points_per_centroid = 1
    return index
