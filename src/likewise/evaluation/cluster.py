"""Clusters of embeddings: k-means, agglomerative, HDBSCAN."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.errors import InputError, one_of
from likewise.evaluation.labelled import checked_rows

__all__ = ["METHODS", "MOST_AGGLOMERATIVE", "cluster"]

METHODS = ("agglomerative", "hdbscan", "kmeans")
MOST_AGGLOMERATIVE = 20_000  # it holds all N² distances: 3 GiB


def cluster(
    embeddings: ArrayLike,
    method: str = "agglomerative",
    *,
    clusters: int | None = None,
    threshold: float | None = None,
    smallest: int = 2,
    seed: int = 0,
) -> NDArray[np.int64]:
    """Group embeddings by their directions.

    Args:
        embeddings: [N, D], finite, of any length but zero; only directions count.
        method: ``agglomerative`` joins the two groups with the highest mean cosine until none
            reaches ``threshold`` (Sokal and Michener's average linkage, 1958), at most 20,000
            rows; ``hdbscan`` finds dense groups by itself and leaves out noise (Campello et al.,
            2013); ``kmeans`` makes ``clusters`` groups of much the same size (Lloyd, 1982).
        clusters: how many; ``kmeans`` needs it, ``agglomerative`` takes it or a threshold.
        threshold: the mean cosine from which on ``agglomerative`` joins two groups; the threshold
            of verification is a good start. That may be the next number above 1, which no cosine
            reaches.
        smallest: the fewest samples of a group, for ``hdbscan``, at least 2.
        seed: where ``kmeans`` starts.

    Returns:
        int64 [N], the cluster of each row from 0; -1 for noise.

    Raises:
        InputError: an unknown method, a setting that it lacks or does not know, more clusters
            than rows, a row that is not finite or zero, more rows than it can hold.

    Example:
        >>> from likewise.evaluation.cluster import cluster
        >>> cluster([[1, 0], [0, 2], [0, 1], [9, 1]], threshold=0.9).tolist()
        [0, 1, 1, 0]
    """
    one_of("method", method, METHODS)
    rows = checked_rows(embeddings, "embeddings", zero_allowed=False)
    _check(method, len(rows), clusters, threshold, smallest)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    if len(rows) == 1:
        return np.array([-1 if method == "hdbscan" else 0])
    if method == "kmeans":
        from sklearn.cluster import KMeans

        found = KMeans(clusters, n_init=1, random_state=seed).fit_predict(unit)
    elif method == "agglomerative":
        if threshold is not None and threshold > 1:
            return np.arange(len(rows))
        from sklearn.cluster import AgglomerativeClustering

        # scikit-learn joins below its distance, this joins at the threshold too.
        reach = None if threshold is None else np.nextafter(1 - threshold, np.inf)
        found = AgglomerativeClustering(
            clusters, metric="cosine", linkage="average", distance_threshold=reach
        ).fit_predict(unit)
    else:
        from sklearn.cluster import HDBSCAN

        found = HDBSCAN(min_cluster_size=smallest, copy=True).fit_predict(unit)
    return _by_first_row(np.asarray(found, np.int64))


def _check(
    method: str, count: int, clusters: int | None, threshold: float | None, smallest: int
) -> None:
    if method == "kmeans" and clusters is None:
        raise InputError("clusters: k-means needs to be told how many")
    if method == "agglomerative" and (clusters is None) == (threshold is None):
        raise InputError("clusters, threshold: agglomerative needs exactly one of the two")
    highest = np.nextafter(1.0, 2.0)  # TAR at a FAR stands there where an impostor pair scores 1
    if threshold is not None and (method != "agglomerative" or not -1 <= threshold <= highest):
        raise InputError(f"threshold: {threshold}; a cosine from -1 to 1, for agglomerative only")
    if clusters is not None and (method == "hdbscan" or not 1 <= clusters <= count):
        raise InputError(f"clusters: {clusters}; 1 to {count} (the rows), and not for hdbscan")
    if smallest < 2:
        raise InputError(f"smallest: {smallest}; a group has at least 2")
    if method == "agglomerative" and count > MOST_AGGLOMERATIVE:
        raise InputError(
            f"embeddings: {count:,} rows; agglomerative holds all pairs and takes at most "
            f"{MOST_AGGLOMERATIVE:,}: use hdbscan or kmeans"
        )


def _by_first_row(found: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the clusters in the order in which they first appear; noise stays -1."""
    names, first, place = np.unique(found, return_index=True, return_inverse=True)
    numbers = np.empty(len(names), np.int64)
    kept = names >= 0
    numbers[~kept] = -1
    numbers[np.flatnonzero(kept)[np.argsort(first[kept])]] = np.arange(kept.sum())
    renumbered: NDArray[np.int64] = numbers[place]
    return renumbered
