"""How good embeddings are: verification and retrieval among identities never trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from likewise.data.pairs import draw_pairs
from likewise.distances.similarity import unit
from likewise.evaluation.retrieval.metrics import retrieval
from likewise.evaluation.verification.metrics import pair_scores, verification

PAIRS = 1_000_000  # of each kind at most; all, if there are no more
CURVE_PAIRS = 100_000

Vectors = NDArray[Any]
Labels = NDArray[np.int64]


def scores(vectors: Vectors, labels: Labels) -> dict[str, float]:
    """AUC, EER, TAR at FAR 1e-2, Recall@1 and MAP@R of the cosine.

    Args:
        vectors: [N,D].
        labels: int64 [N].
    """
    pairs = draw_pairs(labels, limit=PAIRS)
    left, right = np.asarray(pairs.left), np.asarray(pairs.right)
    verified = verification(pair_scores(vectors, left, right), pairs.same, (1e-2,))
    found = retrieval(vectors, labels, ks=[1])
    return {
        "auc": verified.auc,
        "recall_at_1": found.recall[1],
        "map_at_r": found.map_at_r,
        "eer": verified.eer,
        "tar": verified.at(1e-2).tar or 0.0,
    }


def auc(vectors: Vectors, labels: Labels) -> float:
    """The AUC alone, from a sample of pairs: for curves."""
    pairs = draw_pairs(labels, limit=CURVE_PAIRS)
    left, right = np.asarray(pairs.left), np.asarray(pairs.right)
    return verification(pair_scores(vectors, left, right), pairs.same, (1e-2,)).auc


def unit_rows(vectors: Vectors) -> NDArray[np.float32]:
    """The rows with length 1, float32 [N,D]; a zero row stays zero."""
    found: NDArray[np.float32] = unit(torch.from_numpy(np.array(vectors, np.float32))).numpy()
    return found
