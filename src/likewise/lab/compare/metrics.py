"""The metrics of one run, computed on identities that it was not trained on."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from likewise.data.pairs import draw_pairs
from likewise.errors import LikewiseError
from likewise.evaluation.retrieval.metrics import retrieval
from likewise.evaluation.separation import separation
from likewise.evaluation.verification.metrics import pair_scores, verification

__all__ = ["RunMetrics", "compute_metrics", "sampled_auc"]

FAR = 1e-2
CURVE_PAIRS = 20_000  # genuine pairs, and as many impostor pairs
COLLAPSED = 1e-2  # radians; smaller angles between classes are mostly rounding error

Vectors = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class RunMetrics:
    """The metrics of one run, on unseen identities.

    Args:
        auc: verification AUC, with the cosine.
        eer: equal error rate.
        tar: TAR at FAR = 1e-2; None where there are too few pairs.
        recall_at_1: share of photos whose nearest neighbor is of the same identity.
        map_at_r: mean average precision at R (arXiv 2003.08505).
        within: mean angle between two photos of one identity, in radians.
        between: mean angle between photos of two identities, in radians.
        overlap: share of photos that are farther from some photo of their identity than from
            some photo of another.
    """

    auc: float
    eer: float
    tar: float | None
    recall_at_1: float
    map_at_r: float
    within: float
    between: float
    overlap: float

    def to_dict(self) -> dict[str, float | None]:
        """Plain values, for JSON."""
        return asdict(self)


def compute_metrics(vectors: Vectors, labels: Labels) -> RunMetrics:
    """The metrics of unit vectors [N,D] with labels [N].

    Raises:
        LikewiseError: the embedding has collapsed: all photos have nearly the same direction.
    """
    apart = separation(vectors, labels)
    if apart.between < COLLAPSED:
        raise LikewiseError(
            f"the embedding has collapsed: the mean angle between identities is "
            f"{math.degrees(apart.between):.2g}°"
        )
    pairs = draw_pairs(labels)
    scores = pair_scores(vectors, np.asarray(pairs.left), np.asarray(pairs.right))
    verified = verification(scores, pairs.same, (FAR,))
    found = retrieval(vectors, labels, ks=[1])
    return RunMetrics(
        auc=verified.auc,
        eer=verified.eer,
        tar=verified.at(FAR).tar,
        recall_at_1=found.recall[1],
        map_at_r=found.map_at_r,
        within=apart.within,
        between=apart.between,
        overlap=apart.overlap,
    )


def sampled_auc(vectors: Vectors, labels: Labels) -> float:
    """The verification AUC over a fixed sample of pairs, for the learning curve."""
    pairs = draw_pairs(labels, limit=CURVE_PAIRS)
    scores = pair_scores(vectors, np.asarray(pairs.left), np.asarray(pairs.right))
    return verification(scores, pairs.same, (FAR,)).auc
