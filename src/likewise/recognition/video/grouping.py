"""The same person in several tracks: average linkage, never of two tracks seen at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from likewise.recognition.albums.linkage import average_linkage

__all__ = ["group"]


def group(
    vectors: NDArray[np.floating], threshold: float, together: Sequence[Collection[int]]
) -> list[int]:
    """Which tracks show the same person.

    Args:
        vectors: [N,D], one of unit length for each track.
        threshold: the lowest mean cosine between two groups that are joined.
        together: for each track the others that were seen in the same frame: other people.

    Returns:
        The group of each track, numbered from 0 by first appearance.
    """
    count = len(vectors)
    pairs = [  # a mark for each pair of tracks that were seen at once
        {min(row, other) * count + max(row, other) for other in others}
        for row, others in enumerate(together)
    ]
    return [int(number) for number in average_linkage(vectors, threshold, apart=pairs)]
