"""LFW's protocol: accuracy over folds, each judged by a threshold from the others.

"Labeled Faces in the Wild" (Huang et al., 2007), View 2: ten folds of 300 + 300 pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.errors import InputError

__all__ = ["FoldAccuracy", "best_threshold", "fold_accuracy"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FoldAccuracy:
    """The share of pairs judged rightly, over folds.

    Args:
        mean: over the folds.
        standard_error: σ̂/√folds, with ddof = 1.
        accuracies: of each fold.
        thresholds: of each fold, chosen on the others.
    """

    mean: float
    standard_error: float
    accuracies: tuple[float, ...]
    thresholds: tuple[float, ...]


def best_threshold(scores: ArrayLike, same: ArrayLike) -> float:
    """The threshold of the best accuracy: ``score ≥ threshold`` is "same".

    Candidates are the midpoints between adjacent distinct scores; of several that are best, the
    highest. (Ties matter: other valid rules move LFW's result by some hundredths of a per cent.)
    """
    values = np.asarray(scores, np.float64)
    truth = np.asarray(same, bool)
    distinct, place = np.unique(values, return_inverse=True)
    if len(distinct) == 1:
        return float(distinct[0])
    genuine = np.bincount(place, weights=truth, minlength=len(distinct))
    impostor = np.bincount(place, weights=~truth, minlength=len(distinct))
    # Between distinct[i] and distinct[i+1]: right are the impostors below and the genuine above.
    right = np.cumsum(impostor)[:-1] + genuine.sum() - np.cumsum(genuine)[:-1]
    best = len(right) - 1 - int(np.argmax(right[::-1]))
    return float((distinct[best] + distinct[best + 1]) / 2)


def fold_accuracy(scores: ArrayLike, same: ArrayLike, fold: ArrayLike) -> FoldAccuracy:
    """Accuracy of each fold at the threshold that is best on all the others.

    Args:
        scores: [N], higher for more alike.
        same: bool [N].
        fold: int [N], the fold of each pair.

    Raises:
        InputError: there are fewer than two folds.
    """
    values, truth, folds = np.asarray(scores), np.asarray(same, bool), np.asarray(fold)
    numbers = np.unique(folds)
    if len(numbers) < 2:
        raise InputError("folds: the pairs are in one fold; the protocol needs two or more")
    thresholds = [best_threshold(values[folds != n], truth[folds != n]) for n in numbers]
    accuracies = [
        float(np.mean((values[folds == n] >= threshold) == truth[folds == n]))
        for n, threshold in zip(numbers, thresholds, strict=True)
    ]
    spread = float(np.std(accuracies, ddof=1)) / len(numbers) ** 0.5
    return FoldAccuracy(float(np.mean(accuracies)), spread, tuple(accuracies), tuple(thresholds))
