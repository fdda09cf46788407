"""The decision threshold of ``verify`` and ``index search``: --threshold, --fmr or the model's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from likewise.errors import InputError

if TYPE_CHECKING:
    from likewise.models.embedder import Embedder
    from likewise.models.operating_point import OperatingPoint

__all__ = ["check_decision", "find_operating_point"]


def check_decision(threshold: float | None, fmr: float | None, *, by_cosine: bool) -> None:
    """Refuse a --threshold or --fmr that cannot decide, before a model is loaded.

    Args:
        threshold: the value of --threshold.
        fmr: the value of --fmr.
        by_cosine: whether scores are cosines, as the model's own thresholds are.

    Raises:
        InputError: both are given, the threshold is out of range, or --fmr comes with another
            distance than the cosine.
    """
    if threshold is not None and fmr is not None:
        raise InputError("--threshold and --fmr: give one of the two")
    if threshold is not None and math.isnan(threshold):
        raise InputError("--threshold: is not a number")
    if by_cosine and threshold is not None and not -1 <= threshold <= 1:
        raise InputError(f"--threshold: a cosine is from -1 to 1; got {threshold:g}")
    if fmr is not None and not by_cosine:
        raise InputError("--fmr: was measured for the cosine; give a --threshold of this distance")


def find_operating_point(embedder: Embedder, fmr: float | None) -> OperatingPoint | None:
    """Return the model's operating point at ``fmr``, or its default one; None if it has none.

    Raises:
        InputError: the model has no threshold measured at ``fmr``.
    """
    from likewise.models.operating_point import at_fmr

    return embedder.operating_point if fmr is None else at_fmr(embedder.operating_points, fmr)
