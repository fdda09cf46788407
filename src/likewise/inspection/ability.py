"""Whether a model separates the identities of a set well enough to check its labels.

If a photo is no more similar to its identity than impostors are, either its label is wrong or the
model is weak. Genuine scores are assumed symmetric around their median. So the expected number of
correct labels below the impostor threshold equals the number of scores equally far above the
median, where there are no wrong labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from likewise.data.pairs import draw_pairs
from likewise.errors import InputError
from likewise.evaluation.intervals.bootstrap import Interval, bootstrap
from likewise.evaluation.intervals.scored_pairs import scored_pairs
from likewise.evaluation.verification.metrics import pair_scores
from likewise.inspection.centroids import size_factor
from likewise.inspection.embedded_set import EmbeddedSet
from likewise.inspection.impostor_scores import ImpostorScores
from likewise.inspection.mislabeled import LeaveOneOutScores

__all__ = ["Ability", "ModelTooWeak", "measure_ability"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

PAIRS = 20_000  # genuine pairs, and as many impostor pairs
REPLICATES = 100
OWN_MEDIAN = 5  # fewest photos for a median that one wrong label hardly moves


@dataclass(frozen=True)
class Ability:
    """How well a model separates the identities of a set, measured with the set's own labels.

    Args:
        auc: AUC of genuine against impostor pairs, with its 95 % interval over identities; 0.5 is
            chance.
        unexplained: share of photos no more similar to their identity than impostors are.
        expected: share of correctly labeled photos that would be unexplained with this model.
        error: the share of impostor scores above the threshold; see ``label_noise``.
    """

    auc: Interval
    unexplained: float
    expected: float
    error: float

    @property
    def sufficient(self) -> bool:
        """Better than chance, and not the main cause of unexplained photos itself."""
        weak = self.expected > self.error and self.expected > self.unexplained / 2
        return self.auc.low > 0.5 and not weak

    def __str__(self) -> str:
        return (
            f"verification AUC {self.auc.value:.4f} ({self.auc.low:.4f} to {self.auc.high:.4f}; "
            f"0.5 is chance), and about {self.expected:.0%} of correct labels would look wrong"
        )


class ModelTooWeak(InputError):
    """The model separates the identities of this set too weakly to check its labels."""

    def __init__(self, ability: Ability) -> None:
        super().__init__(f"this model is too weak for this set: {ability}; use a better model")
        self.ability = ability


def measure_ability(
    found: EmbeddedSet, own: LeaveOneOutScores, impostors: ImpostorScores, error: float = 0.05
) -> Ability | None:
    """Test a model on a set before its labels are checked with it.

    Args:
        found: the set with its embeddings.
        own: leave-one-out scores of the photos.
        impostors: the distribution of impostor scores.
        error: see ``label_noise``.

    Returns:
        None where no identity has two photos, so that no label can be checked.

    Raises:
        InputError: fewer than five identities.
    """
    if not own.judged.any():
        return None
    pairs = draw_pairs(found.labels, limit=PAIRS)
    left, right = np.asarray(pairs.left), np.asarray(pairs.right)
    scored = scored_pairs(
        pair_scores(found.vectors, left, right), pairs.same,
        found.labels[left], found.labels[right],
    )  # fmt: skip
    scores, others = own.scores[own.judged], own.others[own.judged]
    factor = size_factor(1, impostors.ratio) * size_factor(others, impostors.ratio)
    threshold = (impostors.mean + impostors.deviation * float(norm.isf(error))) * factor
    mirrored = 2 * _medians(scores, others, found.labels[own.judged]) - threshold
    weights = np.where(others == 1, 0.5, 1.0)  # if two photos disagree, that is one event
    return Ability(
        bootstrap(scored, (), replicates=REPLICATES).auc,
        float(weights[scores < threshold].sum() / weights.sum()),
        float(weights[scores > mirrored].sum() / weights.sum()),
        error,
    )


def _medians(scores: Floats, others: Rows, labels: Rows) -> Floats:
    """For each photo the median score of its identity, or of all photos where it has too few.

    One median for all would not fit a model that separates some identities well and others not.
    """
    medians = np.full(len(scores), np.median(scores))
    order = np.argsort(labels, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
        if others[rows[0]] + 1 >= OWN_MEDIAN:
            medians[rows] = np.median(scores[rows])
    return medians
