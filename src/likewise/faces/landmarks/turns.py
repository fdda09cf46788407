"""How far a face is turned in a photo, by its points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["TURNS", "between", "turn_of"]

TURNS = tuple(range(-135, 181, 45))
"""Degrees clockwise at which a face of unknown turn is tried."""


def turn_of(points: NDArray[np.floating]) -> float:
    """Degrees clockwise by which a face with these points [5,2] is turned: of its eye line.

    Example:
        >>> import numpy as np
        >>> turn_of(np.array([[0, 0], [0, 10], [-5, 5], [-9, 2], [-9, 8]]))
        90.0
    """
    x, y = points[1] - points[0]
    return float(np.rad2deg(np.arctan2(y, x)))


def between(one: float, other: float) -> float:
    """The angle between two directions in degrees, from 0 to 180.

    Example:
        >>> between(170, -170)
        20
    """
    return abs((one - other + 180) % 360 - 180)
