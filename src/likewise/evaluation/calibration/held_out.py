"""How good the probabilities of a calibration are on people that it was not fitted on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from likewise.evaluation.calibration.fit import fit_calibration
from likewise.evaluation.calibration.reliability import Reliability, reliability
from likewise.evaluation.intervals.scored_pairs import ScoredPairs

__all__ = ["held_out_reliability"]


def held_out_reliability(pairs: ScoredPairs, seed: int = 0) -> Reliability:
    """Fit a logistic calibration on half of the people, and evaluate it on the other half.

    Args:
        pairs: with their identities.
        seed: of the halves.

    Raises:
        InputError: a half has no genuine or no impostor pairs, or genuine pairs do not score
            higher.
    """
    first = np.random.default_rng(seed).permutation(pairs.identities) < pairs.identities // 2
    fitted, held_out = (_within(pairs, side) for side in (first, ~first))
    fit = fit_calibration(fitted.scores, fitted.same)
    return reliability(fit, held_out.scores, held_out.same)


def _within(pairs: ScoredPairs, people: NDArray[np.bool_]) -> ScoredPairs:
    """The pairs of two photos of ``people``."""
    return pairs.take(people[pairs.left] & people[pairs.right])
