"""What a measurement on samples says about the whole: time and memory carried to a larger set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["carried_to"]


def carried_to(
    count: int, sizes: Sequence[int], values: Sequence[float], *, guess: float, most: float
) -> float:
    """A value at ``count`` vectors, by the power of N that it grew with between the samples.

    Args:
        count: N.
        sizes: of the samples, ascending.
        values: what was measured on each, above 0.
        guess: the power to go by where there is one sample.
        most: the highest power that is believed; the lowest is 0. Two samples that are small show
            their noise too.

    Example:
        >>> round(carried_to(1000, [10, 100], [2.0, 20.0], guess=0.5, most=1.0))
        200
    """
    power = guess
    if len(sizes) > 1 and sizes[-1] > sizes[-2]:
        power = float(np.log(values[-1] / values[-2]) / np.log(sizes[-1] / sizes[-2]))
        power = min(max(power, 0.0), most)
    factor: float = (count / sizes[-1]) ** power
    return values[-1] * factor
