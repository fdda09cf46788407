"""Accuracy by LFW's protocol: each fold is evaluated at the best threshold of the other folds.

"Labeled Faces in the Wild" (Huang et al., 2007), View 2: ten folds of 300 + 300 pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.errors import InputError
from likewise.evaluation.verification.roc import paired_arrays

__all__ = ["FoldAccuracy", "best_threshold", "fold_accuracy"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FoldAccuracy:
    """The share of correctly classified pairs, over folds.

    Args:
        mean: over the folds.
        standard_error: σ̂/√folds, with ddof = 1.
        accuracies: of each fold.
        thresholds: of each fold, chosen on the other folds.
    """

    mean: float
    standard_error: float
    accuracies: tuple[float, ...]
    thresholds: tuple[float, ...]

    def to_dict(self) -> dict[str, object]:
        """For the report's JSON."""
        return {
            "accuracy": self.mean,
            "standard_error": self.standard_error,
            "of_each": list(self.accuracies),
            "thresholds": list(self.thresholds),
        }


def best_threshold(scores: ArrayLike, same: ArrayLike) -> float:
    """The threshold with the highest accuracy; a pair is accepted if ``score ≥ threshold``.

    Candidates are the lowest score (accepts all pairs), the midpoints between adjacent distinct
    scores, and the next number above the highest score (accepts none). Of several best ones the
    highest is taken. (Other valid rules for ties change LFW's result by a few hundredths of a per
    cent.)

    Raises:
        InputError: a score is not finite, or the shapes differ.

    Example:
        >>> from likewise.evaluation.verification.lfw_accuracy import best_threshold
        >>> best_threshold([0.2, 0.4, 0.9], [False, True, True])
        0.30000000000000004
    """
    values, truth = paired_arrays(scores, same)
    distinct, place = np.unique(values, return_inverse=True)
    genuine = np.bincount(place, weights=truth)
    impostor = np.bincount(place, weights=~truth)
    # Candidate i rejects the first i distinct scores: correct are the impostors among these, and
    # the genuine pairs among the others.
    correct = np.cumsum([0.0, *impostor]) + genuine.sum() - np.cumsum([0.0, *genuine])
    best = len(correct) - 1 - int(np.argmax(correct[::-1]))
    middle = (distinct[:-1] + distinct[1:]) / 2
    return float([distinct[0], *middle, np.nextafter(distinct[-1], np.inf)][best])


def fold_accuracy(scores: ArrayLike, same: ArrayLike, fold: ArrayLike) -> FoldAccuracy:
    """The accuracy of each fold at the threshold that is best on all other folds.

    Args:
        scores: [N], higher for more similar.
        same: bool [N].
        fold: int [N], the fold of each pair.

    Raises:
        InputError: there are fewer than two folds, a score is not finite, or the shapes differ.
    """
    values, truth = paired_arrays(scores, same)
    folds = np.asarray(fold)
    if folds.shape != values.shape:
        raise InputError(f"fold: shape {folds.shape} for {len(values)} pairs; must be one each")
    numbers = np.unique(folds)
    if len(numbers) < 2:
        raise InputError("folds: all pairs are in one fold; the protocol needs two or more")
    thresholds = [best_threshold(values[folds != n], truth[folds != n]) for n in numbers]
    accuracies = [
        float(np.mean((values[folds == n] >= threshold) == truth[folds == n]))
        for n, threshold in zip(numbers, thresholds, strict=True)
    ]
    spread = float(np.std(accuracies, ddof=1)) / len(numbers) ** 0.5
    return FoldAccuracy(float(np.mean(accuracies)), spread, tuple(accuracies), tuple(thresholds))
