"""Clustering of embeddings, and its agreement with classes: NMI, AMI, pairwise F, BCubed."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.arguments import check_count, check_number, one_of
from likewise.errors import InputError
from likewise.evaluation.inputs import checked_rows, label_codes

__all__ = [
    "MOST_AGGLOMERATIVE",
    "Agreement",
    "Clustering",
    "cluster",
    "clustering",
]

METHODS = ("agglomerative", "hdbscan", "kmeans")
MOST_AGGLOMERATIVE = 20_000  # it holds all N² distances: 3 GiB
NOISE = -1
"""The cluster of a sample that is in no cluster."""


def cluster(
    embeddings: ArrayLike,
    method: str = "agglomerative",
    *,
    clusters: int | None = None,
    threshold: float | None = None,
    smallest: int = 2,
    seed: int = 0,
) -> NDArray[np.int64]:
    """Cluster embeddings by the cosine.

    Args:
        embeddings: [N, D], finite and not zero; they need not be normalized.
        method: ``agglomerative`` merges the two clusters with the highest mean cosine until that
            is below ``threshold`` (average linkage, Sokal and Michener, 1958), for at most 20,000
            rows; ``hdbscan`` finds dense clusters and their number, and marks noise (Campello et
            al., 2013); ``kmeans`` makes ``clusters`` clusters of similar size (Lloyd, 1982).
        clusters: their number; required by ``kmeans``, an alternative to ``threshold`` for
            ``agglomerative``.
        threshold: the lowest mean cosine at which ``agglomerative`` merges two clusters; the
            threshold of verification is a good start. It may be the next number above 1, which no
            cosine reaches.
        smallest: the minimum cluster size of ``hdbscan``, at least 2.
        seed: of the initial centers of ``kmeans``.

    Returns:
        int64 [N], the cluster of each row, numbered from 0; -1 for noise.

    Raises:
        InputError: an unknown method, a setting that it requires or does not take, more clusters
            than rows, a row that is not finite or zero, too many rows for ``agglomerative``.

    Example:
        >>> from likewise.evaluation.clustering import cluster
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

        # scikit-learn merges strictly below its distance; this merges at the threshold too.
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
        raise InputError("clusters: missing; kmeans needs the number of clusters")
    if method == "agglomerative" and (clusters is None) == (threshold is None):
        raise InputError("clusters, threshold: agglomerative needs exactly one of the two")
    if threshold is not None:
        if method != "agglomerative":
            raise InputError(f"threshold: {method} takes none; leave it out")
        # TAR at FAR has a threshold just above 1 if an impostor pair scores 1.
        check_number("threshold", threshold, least=-1, most=float(np.nextafter(1.0, 2.0)))
    if clusters is not None:
        if method == "hdbscan":
            raise InputError("clusters: hdbscan takes none; leave it out")
        check_count("clusters", clusters, most=count)
    check_count("smallest", smallest, least=2)
    if method == "agglomerative" and count > MOST_AGGLOMERATIVE:
        raise InputError(
            f"embeddings: {count:,} rows; agglomerative keeps all pairs in memory and takes at "
            f"most {MOST_AGGLOMERATIVE:,}: use hdbscan or kmeans"
        )


def _by_first_row(found: NDArray[np.int64]) -> NDArray[np.int64]:
    """Renumber the clusters by first appearance; noise stays -1."""
    names, first, place = np.unique(found, return_index=True, return_inverse=True)
    numbers = np.empty(len(names), np.int64)
    kept = names >= 0
    numbers[~kept] = -1
    numbers[np.flatnonzero(kept)[np.argsort(first[kept])]] = np.arange(kept.sum())
    renumbered: NDArray[np.int64] = numbers[place]
    return renumbered


@dataclass(frozen=True)
class Agreement:
    """Precision, recall and their harmonic mean.

    Args:
        precision: whether clusters hold one class only.
        recall: whether classes lie in one cluster.
        f: ``2PR/(P + R)``, 0 where both are 0.
    """

    precision: float
    recall: float
    f: float


@dataclass(frozen=True)
class Clustering:
    """How well clusters agree with classes.

    Args:
        samples: N.
        classes: the number of classes in the labels.
        clusters: the number of clusters, without noise.
        noise: samples in no cluster; each is counted as a cluster of its own.
        nmi: normalized mutual information, with the arithmetic mean of the entropies (Strehl and
            Ghosh, 2002). It grows with the number of clusters, even for random ones.
        ami: adjusted mutual information (Vinh et al., JMLR 2010): 0 for random clusters.
        pairwise: over pairs of samples. Precision is the share of the pairs in one cluster that
            are of one class, recall the share of the pairs of one class that are in one cluster;
            1 if there is no such pair.
        bcubed: over samples, each included in its own cluster and class. Precision is the share of
            a sample's cluster that is of its class, recall the share of its class that is in its
            cluster (Bagga and Baldwin, 1998; Amigó et al., 2009). Large classes dominate it less
            than the pairwise metrics.
    """

    samples: int
    classes: int
    clusters: int
    noise: int
    nmi: float
    ami: float
    pairwise: Agreement
    bcubed: Agreement

    def to_dict(self) -> dict[str, object]:
        """For the report's JSON."""
        return asdict(self)


def clustering(labels: ArrayLike, clusters: ArrayLike) -> Clustering:
    """Compare clusters with classes.

    Args:
        labels: [N], the class of each sample, numbers or names.
        clusters: int [N], the cluster of each sample, -1 for noise; see ``cluster``.

    Raises:
        InputError: shapes that do not match, or fewer than two classes.

    Example:
        >>> from likewise.evaluation.clustering import clustering
        >>> found = clustering(["a", "a", "b", "b"], [0, 0, 0, 1])
        >>> round(found.bcubed.precision, 4), found.bcubed.recall, found.pairwise.recall
        (0.6667, 0.75, 0.5)
    """
    from sklearn.metrics import adjusted_mutual_info_score, normalized_mutual_info_score

    found = np.asarray(clusters)
    (classes,) = label_codes(("labels", labels, np.size(np.asarray(labels))))
    if found.shape != classes.shape or found.dtype.kind not in "iu":
        raise InputError(
            f"clusters: {found.dtype} {list(found.shape)} for {len(classes)} labels; "
            "must be one whole number for each"
        )
    if len(np.unique(classes)) < 2:
        raise InputError("labels: fewer than two classes; add samples of another class")
    noise = found == NOISE
    groups = np.unique(found, return_inverse=True)[1].astype(np.int64)
    groups[noise] = groups.max() + 1 + np.arange(noise.sum())
    shared, in_class, in_cluster = _contingency(classes, groups)
    return Clustering(
        samples=len(classes),
        classes=len(np.unique(classes)),
        clusters=len(np.unique(found[~noise])),
        noise=int(noise.sum()),
        nmi=float(normalized_mutual_info_score(classes, groups)),
        ami=float(adjusted_mutual_info_score(classes, groups)),
        pairwise=_pairwise(shared, in_class, in_cluster),
        bcubed=_bcubed(shared, in_class, in_cluster),
    )


Counts = NDArray[np.float64]


def _contingency(classes: NDArray[np.int64], groups: NDArray[np.int64]) -> tuple[Counts, ...]:
    """For each class and cluster with common samples: their number, and the two sizes."""
    cells, shared = np.unique(classes * (groups.max() + 1) + groups, return_counts=True)
    of_class, of_group = np.divmod(cells, groups.max() + 1)
    sizes = np.bincount(classes)[of_class], np.bincount(groups)[of_group]
    return tuple(part.astype(np.float64) for part in (shared, *sizes))


def _pairwise(shared: Counts, in_class: Counts, in_cluster: Counts) -> Agreement:
    # Each size occurs in several cells; weighting by the shared samples counts each pair once.
    right = float((shared * (shared - 1)).sum())
    claimed = float((shared * (in_cluster - 1)).sum())
    true = float((shared * (in_class - 1)).sum())
    return _agreement(right / claimed if claimed else 1.0, right / true if true else 1.0)


def _bcubed(shared: Counts, in_class: Counts, in_cluster: Counts) -> Agreement:
    samples = shared.sum()
    squares = shared**2
    return _agreement(
        float((squares / in_cluster).sum() / samples), float((squares / in_class).sum() / samples)
    )


def _agreement(precision: float, recall: float) -> Agreement:
    total = precision + recall
    return Agreement(precision, recall, 2 * precision * recall / total if total else 0.0)
