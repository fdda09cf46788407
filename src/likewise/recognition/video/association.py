"""Which of the faces of a frame continues which track: distances, and the best assignment."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

__all__ = ["assign", "distances"]


def distances(left: NDArray[np.floating], right: NDArray[np.floating]) -> NDArray[np.float64]:
    """Distances [N,M] between the centres of boxes, in units of the side of the larger box.

    Infinite where one box is more than twice as large as the other: not the same face a moment
    later.
    """
    a, b = (np.asarray(boxes, np.float64).reshape(-1, 4) for boxes in (left, right))
    centres = [boxes[:, :2] + boxes[:, 2:] / 2 for boxes in (a, b)]
    sides = [np.sqrt(np.maximum(boxes[:, 2:].prod(axis=1), 1e-9)) for boxes in (a, b)]
    larger = np.maximum(sides[0][:, None], sides[1][None])
    smaller = np.minimum(sides[0][:, None], sides[1][None])
    apart = np.linalg.norm(centres[0][:, None] - centres[1][None], axis=2) / larger
    return np.asarray(np.where(larger > 2 * smaller, np.inf, apart))


def assign(gains: NDArray[np.floating]) -> list[tuple[int, int]]:
    """Pairs of a row and a column, each used once, with the highest sum of gains.

    Args:
        gains: [N,M]; a pair with a gain of 0 or less is never made.
    """
    possible = np.clip(np.asarray(gains, np.float64), 0, None)
    rows, columns = linear_sum_assignment(possible, maximize=True)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [(row, column) for row, column in pairs if possible[row, column] > 0]
