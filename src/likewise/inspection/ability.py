"""Whether a model tells a set's people apart well enough to doubt its labels: asked first of all.

A photo that is no more like its identity than strangers are has a wrong label, or the model is
weak. The scores of right labels lie about a median, as far below it as above it. So as many right
labels are expected below the strangers' line as there are scores equally far above the median,
where no wrong label is.
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
from likewise.inspection.embedded import EmbeddedSet
from likewise.inspection.mislabels import OwnScores
from likewise.inspection.strangers import Strangers
from likewise.inspection.templates import size_factor

__all__ = ["Ability", "CannotJudge", "measure_ability"]

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

PAIRS = 20_000  # of each kind
DRAWS = 100
OWN_MEDIAN = 5  # photos from which on an identity has a median that one wrong label hardly moves


@dataclass(frozen=True)
class Ability:
    """How well a model tells the people of a set apart, by the set's own labels.

    Args:
        auc: the chance that two photos of one identity score above two of different ones, with
            the 95 % interval over identities; 0.5 is guessing.
        unexplained: the share of photos no more like their identity than strangers are.
        expected: the share of right labels that this model would put there too.
        error: the part of strangers above the line; see ``label_noise``.
    """

    auc: Interval
    unexplained: float
    expected: float
    error: float

    @property
    def sufficient(self) -> bool:
        """Better than guessing, and most of what is unexplained is not the model's weakness."""
        weak = self.expected > self.error and self.expected > self.unexplained / 2
        return self.auc.low > 0.5 and not weak

    def __str__(self) -> str:
        return (
            "two photos of one identity score above two of different ones with chance "
            f"{self.auc.value:.4f} ({self.auc.low:.4f} to {self.auc.high:.4f}; 0.5 is guessing), "
            f"and about {self.expected:.0%} of right labels would look like strangers"
        )


class CannotJudge(InputError):
    """The model is too weak for this set."""

    def __init__(self, ability: Ability) -> None:
        super().__init__(f"this model cannot judge this set: {ability}; take a better model")
        self.ability = ability


def measure_ability(
    found: EmbeddedSet, own: OwnScores, strangers: Strangers, error: float = 0.05
) -> Ability | None:
    """Test a model on a set before any label is doubted by it.

    Args:
        found: the set with its embeddings.
        own: how alike each photo is to the rest of its identity.
        strangers: the law of strangers' scores.
        error: see ``label_noise``.

    Returns:
        None where no identity has two photos, so that no label can be judged.

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
    factor = size_factor(1, strangers.ratio) * size_factor(others, strangers.ratio)
    line = (strangers.mean + strangers.deviation * float(norm.isf(error))) * factor
    above = 2 * _medians(scores, others, found.labels[own.judged]) - line
    weights = np.where(others == 1, 0.5, 1.0)  # two photos disagree with each other: one event
    return Ability(
        bootstrap(scored, (), replicates=DRAWS).auc,
        float(weights[scores < line].sum() / weights.sum()),
        float(weights[scores > above].sum() / weights.sum()),
        error,
    )


def _medians(scores: Floats, others: Rows, labels: Rows) -> Floats:
    """For each photo the median score of its identity; of all, where that has too few photos.

    A model that knows some of the people and not the others has no median that holds for both.
    """
    medians = np.full(len(scores), np.median(scores))
    order = np.argsort(labels, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
        if others[rows[0]] + 1 >= OWN_MEDIAN:
            medians[rows] = np.median(scores[rows])
    return medians
