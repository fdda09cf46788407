"""Target neighbors of LMNN: the nearest samples of the same class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

__all__ = ["target_neighbors"]


def target_neighbors(
    X: NDArray[np.float64], classes: NDArray[np.intp], count: int
) -> NDArray[np.intp]:
    """For each sample the rows of its ``count`` nearest samples of the same class, nearest first.

    Args:
        X: [N, D].
        classes: [N], from 0 to C-1.
        count: k.

    Returns:
        [N, k]; where a class has too few samples, the rest of the row is -1.
    """
    targets = np.full((len(X), count), -1, np.intp)
    order = np.argsort(classes, kind="stable")
    for members in np.split(order, np.cumsum(np.bincount(classes))[:-1]):
        near = min(count, len(members) - 1)
        if near > 0:
            search = NearestNeighbors(n_neighbors=near).fit(X[members])
            targets[members, :near] = members[search.kneighbors(return_distance=False)]
    return targets
