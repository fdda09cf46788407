"""Hard cuts: two frames in a row that show different scenes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["CutDetector", "likeness"]

ROWS, COLUMNS = 36, 64
LEAST_COLOURS = 0.75  # a pan or a turn of the head keeps the colours
LEAST_LAYOUT = 0.6  # a flash or a fade keeps the layout


class CutDetector:
    """Tells for each frame whether the scene has changed since the frame before.

    A cut changes the colours and the layout at once; a pan changes the layout alone, a flash the
    colours alone.

    Example:
        >>> import numpy as np
        >>> from likewise.recognition.video.cuts import CutDetector
        >>> cuts = CutDetector()
        >>> night, day = np.zeros((2, 90, 160, 3), np.uint8)
        >>> day[:45] = 200
        >>> [cuts(frame) for frame in (night, night, day, day)]
        [False, False, True, False]
    """

    def __init__(self) -> None:
        self._before: NDArray[np.uint8] | None = None

    def __call__(self, pixels: NDArray[np.uint8]) -> bool:
        """Whether a cut lies between the frame before and this one, uint8 [H,W,3]."""
        height, width = pixels.shape[:2]
        rows = np.linspace(0, height - 1, 2 * ROWS).astype(int)
        columns = np.linspace(0, width - 1, 2 * COLUMNS).astype(int)
        small = pixels[np.ix_(rows, columns)]
        before, self._before = self._before, small
        if before is None:
            return False
        colours, layout = likeness(before, small)
        return colours < LEAST_COLOURS and layout < LEAST_LAYOUT


def likeness(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> tuple[float, float]:
    """How alike two small pictures [h,w,3] are in their colours (0 to 1) and layout (-1 to 1)."""
    one, other = (
        np.bincount((part.reshape(-1, 3) // 64) @ np.array([16, 4, 1]), minlength=64)
        for part in (a, b)
    )
    colours = np.minimum(one / one.sum(), other / other.sum()).sum()
    grey = [part.mean(axis=2) for part in (a, b)]
    grey = [(g[::2, ::2] + g[1::2, ::2] + g[::2, 1::2] + g[1::2, 1::2]) / 4 for g in grey]
    return float(colours), correlation(*grey)


def correlation(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """The correlation of two pictures of one size; 1 for two plain ones, 0 if one of them is."""
    a, b = a - a.mean(), b - b.mean()
    lengths = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    if min(lengths) < 1:
        return 1.0 if max(lengths) < 1 else 0.0
    return float((a * b).sum()) / (lengths[0] * lengths[1])
