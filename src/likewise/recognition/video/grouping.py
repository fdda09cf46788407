"""The same person in several tracks: average linkage, never of two tracks seen at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["group"]


def group(
    vectors: NDArray[np.floating], threshold: float, together: Sequence[Collection[int]]
) -> list[int]:
    """Which tracks show the same person.

    The mean cosine between two groups is the dot product of the sums of their vectors over the
    product of their sizes, so only sums are kept.

    Args:
        vectors: [N,D], one of unit length for each track.
        threshold: the lowest mean cosine between two groups that are joined.
        together: for each track the others that were seen in the same frame: other people.

    Returns:
        The group of each track, numbered from 0 by first appearance.

    Source: Sokal and Michener, A statistical method for evaluating systematic relationships, 1958.
    """
    count = len(vectors)
    if not count:
        return []
    sums = np.asarray(vectors, np.float64).copy()
    sizes = np.ones(count)
    apart = np.zeros((count, count), bool)
    for row, others in enumerate(together):
        apart[row, list(others)] = apart[list(others), row] = True
    cosines = np.where(apart, -np.inf, sums @ sums.T)
    np.fill_diagonal(cosines, -np.inf)
    labels = np.arange(count)
    while True:
        left, right = sorted(map(int, divmod(int(cosines.argmax()), count)))
        if cosines[left, right] < threshold or left == right:
            break
        sums[left] += sums[right]
        sizes[left] += sizes[right]
        labels[labels == right] = left
        apart[left] |= apart[right]
        gone = labels[np.arange(count)] != np.arange(count)
        found = (sums @ sums[left]) / (sizes * sizes[left])
        found[apart[left] | gone] = -np.inf
        found[left] = -np.inf
        apart[:, left] |= apart[left]
        cosines[left], cosines[:, left] = found, found
        cosines[right], cosines[:, right] = -np.inf, -np.inf
    order = list(dict.fromkeys(labels.tolist()))
    return [order.index(label) for label in labels.tolist()]
