"""How well a clustering agrees with the classes: NMI, AMI, pairwise F, BCubed."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.errors import InputError
from likewise.evaluation.labelled import label_codes

__all__ = ["NOISE", "Agreement", "Clustering", "clustering"]

NOISE = -1
"""The cluster of a sample that is in none."""


@dataclass(frozen=True)
class Agreement:
    """Precision, recall and their harmonic mean.

    Args:
        precision: how pure the clusters are.
        recall: how whole the classes are.
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
        classes: in the labels.
        clusters: found, noise not counted.
        noise: samples in no cluster; each is judged as a cluster of its own.
        nmi: normalised mutual information, by the arithmetic mean of the entropies (Strehl and
            Ghosh, 2002). It grows with the number of clusters, whatever they hold.
        ami: the same, adjusted for chance (Vinh et al., JMLR 2010): 0 for random clusters.
        pairwise: over pairs of samples: of those in one cluster, the share of one class; of
            those of one class, the share in one cluster. 1 where there is no such pair.
        bcubed: over samples: the share of a sample's cluster that is of its class, and of its
            class that is in its cluster, itself included (Bagga and Baldwin, 1998; Amigó et al.,
            2009). Large classes do not rule it as they do the pairs.
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
        clusters: int [N], the cluster of each, -1 for none; see ``cluster``.

    Raises:
        InputError: shapes that do not fit, or fewer than two classes.

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
            "one whole number each is expected"
        )
    if len(np.unique(classes)) < 2:
        raise InputError("labels: fewer than two classes; there is nothing to keep apart")
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
    """For each (class, cluster) that share a sample: how many, the class's and cluster's size."""
    cells, shared = np.unique(classes * (groups.max() + 1) + groups, return_counts=True)
    of_class, of_group = np.divmod(cells, groups.max() + 1)
    sizes = np.bincount(classes)[of_class], np.bincount(groups)[of_group]
    return tuple(part.astype(np.float64) for part in (shared, *sizes))


def _pairwise(shared: Counts, in_class: Counts, in_cluster: Counts) -> Agreement:
    # A size stands once for each cell; weighted by shared/size it is summed once for each class.
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
