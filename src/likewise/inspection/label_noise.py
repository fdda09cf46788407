"""The share of wrong labels, with its confidence interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from likewise.binomial import clopper_pearson
from likewise.inspection.impostor_scores import ImpostorScores
from likewise.inspection.mislabeled import LeaveOneOutScores

__all__ = ["LabelNoise", "label_noise"]


@dataclass(frozen=True)
class LabelNoise:
    """The share of wrong labels.

    Args:
        rate: the estimate.
        low: the lower end of its 95 % confidence interval.
        high: the upper end.
        unexplained: number of photos that are no more similar to their identity than impostors
            are. Photos of identities with two photos count one half each.
        judged: number of photos of identities with at least two photos, counted likewise.
        error: the share of impostor scores above the threshold.
    """

    rate: float
    low: float
    high: float
    unexplained: float
    judged: float
    error: float


def label_noise(
    own: LeaveOneOutScores, impostors: ImpostorScores, error: float = 0.05
) -> LabelNoise | None:
    """Estimate the share of wrong labels from the photos that score like impostors.

    The threshold is the cosine that the share ``error`` of impostor scores exceeds. A photo is
    unexplained if its cosine with the other photos of its identity is below it. A wrong label is
    unexplained with probability 1 - ``error``, so the count is divided by that (Storey, "A Direct
    Approach to False Discovery Rates", 2002). Two assumptions: correct labels never score so low
    (hard photos, such as a profile view or a masked face, make the estimate too high), and wrong
    labels are of random other people (look-alikes are missed). The interval is that of Clopper
    and Pearson, 1934, for the count alone.

    Args:
        own: leave-one-out scores of the photos.
        impostors: the distribution of impostor scores.
        error: 0 … 0.5.

    Returns:
        None where no identity has two photos.
    """
    weights = np.where(own.others == 1, 0.5, 1.0)[own.judged]
    judged = float(weights.sum())
    if judged == 0:
        return None
    z = (own.cosines[own.judged] - impostors.mean) / impostors.deviation
    count = float(weights[norm.sf(z) > error].sum())
    low, high = clopper_pearson(count, judged)
    rate, low, high = (min(float(x) / (1 - error), 1.0) for x in (count / judged, low, high))
    return LabelNoise(rate, low, high, count, judged, error)
