"""Non-maximum suppression: of boxes that overlap, the one with the best score stays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["overlaps", "suppress"]


def overlaps(left: NDArray[np.floating], right: NDArray[np.floating]) -> NDArray[np.float64]:
    """Intersection over union [N,M] of boxes [N,4] and [M,4] (x, y, width, height)."""
    a = np.asarray(left, np.float64).reshape(-1, 1, 4)
    b = np.asarray(right, np.float64).reshape(1, -1, 4)
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    common = np.clip(high - low, 0, None).prod(-1)
    union = a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - common
    ratio: NDArray[np.float64] = common / np.maximum(union, np.finfo(np.float64).tiny)
    return ratio


def suppress(
    boxes: NDArray[np.floating], scores: NDArray[np.floating], threshold: float
) -> NDArray[np.intp]:
    """The rows that stay, best score first: none overlaps a better one by more than ``threshold``.

    Args:
        boxes: [N,4]: x, y, width, height.
        scores: [N].
        threshold: intersection over union above which the lower score goes.
    """
    order = np.argsort(-np.asarray(scores), kind="stable")
    kept: list[int] = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(int(best))
        if len(order):
            order = order[overlaps(boxes[best][None], boxes[order])[0] <= threshold]
    return np.array(kept, np.intp)
