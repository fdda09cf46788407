"""The threshold of albums: how alike the faces of a group are at least."""

from __future__ import annotations

from collections.abc import Sequence

from likewise.arguments import check_number
from likewise.errors import InputError
from likewise.models.operating_point import OperatingPoint, at_fmr

__all__ = ["album_threshold"]

# The best B-cubed F of average linkage on 4,174 photos of 1,600 people of LFW, by the curve of
# `python -m benchmarks.faces.albums`.
MEASURED = {"sface": 0.45}
FMR = 1e-4
"""The false match rate of the threshold of other models: near the best of both measured ones."""


def album_threshold(
    model: str,
    points: Sequence[OperatingPoint],
    threshold: float | None = None,
    fmr: float | None = None,
) -> float:
    """The threshold to group faces with.

    Args:
        model: the name of the model.
        points: its measured thresholds.
        threshold: what the user chose, a cosine.
        fmr: the false match rate that the user chose.

    Raises:
        InputError: both are given, one is out of range, or nothing was measured for the model.
    """
    if threshold is not None and fmr is not None:
        raise InputError("threshold and fmr: give one of the two")
    if threshold is not None:
        return check_number("threshold", threshold, least=-1, most=1)
    if fmr is not None:
        return at_fmr(points, check_number("fmr", fmr, above=0, below=1)).threshold
    if model in MEASURED:
        return MEASURED[model]
    strict = [point for point in points if point.fmr <= FMR * (1 + 1e-9)]
    if not strict:
        raise InputError(
            f"threshold: none was measured for {model} at an FMR of {FMR:g}; give one, or measure "
            f"it: likewise calibrate DATA --model {model} --fmr {FMR:g}"
        )
    return max(strict, key=lambda point: point.fmr).threshold
