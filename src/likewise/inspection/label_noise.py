"""How many labels are wrong: a rate with an interval, and what it rests on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from likewise.binomial import clopper_pearson
from likewise.inspection.mislabels import OwnScores
from likewise.inspection.strangers import Strangers

__all__ = ["LabelNoise", "label_noise"]


@dataclass(frozen=True)
class LabelNoise:
    """The share of wrong labels.

    Args:
        rate: the estimate.
        low: the lower end of its 95 % interval.
        high: the upper end.
        unexplained: photos no more alike to their identity than strangers are (of two photos that
            disagree each counts a half).
        judged: the photos of identities with at least two, those with two counting a half.
        error: the part of strangers that is let pass by the threshold.
    """

    rate: float
    low: float
    high: float
    unexplained: float
    judged: float
    error: float


def label_noise(own: OwnScores, strangers: Strangers, error: float = 0.05) -> LabelNoise | None:
    """Count what cannot be explained at the chosen error rate.

    A photo is unexplained if its cosine with the rest of its identity is below what the part
    ``error`` of strangers exceed; of wrong labels 1 - ``error`` are, so the count is divided by
    that (Storey, "A Direct Approach to False Discovery Rates", 2002). It assumes that a right
    label never scores so low: hard photos (a profile, a mask) count as noise, and then it is too
    high; and that wrong labels are of strangers: those of look-alikes are missed. The interval is
    Clopper and Pearson's, 1934, of the count alone.

    Args:
        own: how alike each photo is to the rest of its identity.
        strangers: the law of strangers' scores.
        error: 0 … 0.5.

    Returns:
        None where no identity has two photos.
    """
    weights = np.where(own.others == 1, 0.5, 1.0)[own.judged]
    judged = float(weights.sum())
    if judged == 0:
        return None
    z = (own.cosines[own.judged] - strangers.mean) / strangers.deviation
    count = float(weights[norm.sf(z) > error].sum())
    low, high = clopper_pearson(count, judged)
    rate, low, high = (min(float(x) / (1 - error), 1.0) for x in (count / judged, low, high))
    return LabelNoise(rate, low, high, count, judged, error)
