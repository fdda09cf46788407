"""What is measured of an embedding of identities that it was not trained on."""

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

__all__ = ["FAR", "Measured", "auc_of", "measure"]

FAR = 1e-2
CURVE_PAIRS = 20_000  # of each kind: enough for a curve, and quick
COLLAPSED = 1e-2  # radians between classes: below it, what is left is rounding

Vectors = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Measured:
    """The numbers of one run, on unseen identities.

    Args:
        auc: verification, by the cosine.
        eer: equal error rate.
        tar: TAR at FAR = 1e-2; None where there are too few pairs to tell.
        recall_at_1: share of photos whose nearest other photo is of the same identity.
        map_at_r: mean average precision at R (arXiv 2003.08505).
        within: mean angle between two photos of one identity, in radians.
        between: of two identities.
        overlap: share of photos whose farthest own photo is farther than the nearest stranger's.
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


def measure(vectors: Vectors, labels: Labels) -> Measured:
    """Measure unit vectors [N,D] against their labels [N].

    Raises:
        LikewiseError: the embedding has collapsed: all photos have one direction.
    """
    apart = separation(vectors, labels)
    if apart.between < COLLAPSED:
        raise LikewiseError(
            f"collapsed: identities are {math.degrees(apart.between):.2g}° apart, so that all "
            "photos look the same"
        )
    pairs = draw_pairs(labels)
    scores = pair_scores(vectors, np.asarray(pairs.left), np.asarray(pairs.right))
    verified = verification(scores, pairs.same, (FAR,))
    found = retrieval(vectors, labels, ks=[1])
    return Measured(
        auc=verified.auc,
        eer=verified.eer,
        tar=verified.at(FAR).tar,
        recall_at_1=found.recall[1],
        map_at_r=found.map_at_r,
        within=apart.within,
        between=apart.between,
        overlap=apart.overlap,
    )


def auc_of(vectors: Vectors, labels: Labels) -> float:
    """The verification AUC over a fixed sample of pairs, for a learning curve."""
    pairs = draw_pairs(labels, limit=CURVE_PAIRS)
    scores = pair_scores(vectors, np.asarray(pairs.left), np.asarray(pairs.right))
    return verification(scores, pairs.same, (FAR,)).auc
