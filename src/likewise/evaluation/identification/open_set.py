"""Open-set identification: which identity of the gallery is it, if any?

FPIR, the false positive identification rate, is the share of non-mated probes (people who are not
in the gallery) whose best candidate scores at the threshold or above. TPIR is the share of mated
probes whose mate scores at the threshold or above and is among the first ``max_rank`` candidates;
FNIR = 1 - TPIR (Grother and Ngan, NIST IR 8009, 2014; Klare et al., IJB-A, CVPR 2015). These rates
do not follow from the FMR of pairs: a non-mated probe is compared with the whole gallery, and its
highest score counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from likewise.arguments import check_count, check_number
from likewise.errors import InputError
from likewise.evaluation.identification.probe_scores import ProbeScores
from likewise.evaluation.verification.roc import ROUNDING, Det, too_few

__all__ = ["FPIRS", "OpenSet", "TpirAtFpir", "open_set"]

Floats = NDArray[np.float64]
FPIRS = (1e-1, 1e-2, 1e-3)


@dataclass(frozen=True)
class TpirAtFpir:
    """The most mates that can be found while FPIR stays at or below ``target``.

    Args:
        target: the FPIR requested.
        tpir: the largest TPIR among thresholds with FPIR ≤ target; None if it cannot be measured.
        fpir: the FPIR at that threshold, at most ``target``.
        threshold: the lowest score at which a candidate is accepted.
    """

    target: float
    tpir: float | None
    fpir: float | None
    threshold: float | None


@dataclass(frozen=True)
class OpenSet:
    """The results of open-set identification.

    Args:
        mated: probes whose identity is in the gallery.
        non_mated: probes whose identity is not.
        max_rank: a mate beyond this rank counts as missed, whatever its score.
        tpir_at_fpir: one entry for each FPIR requested.
        det: the whole curve, FNIR against FPIR.
    """

    mated: int
    non_mated: int
    max_rank: int
    tpir_at_fpir: tuple[TpirAtFpir, ...]
    det: Det

    def to_dict(self) -> dict[str, Any]:
        """For the report's JSON, without the curve."""
        return {
            "mated_probes": self.mated,
            "non_mated_probes": self.non_mated,
            "max_rank": self.max_rank,
            "tpir_at_fpir": [
                {
                    "fpir_asked": entry.target,
                    "tpir": entry.tpir,
                    "fpir": entry.fpir,
                    "threshold": entry.threshold,
                    "measurable": entry.tpir is not None,
                }
                for entry in self.tpir_at_fpir
            ],
        }


def open_set(scored: ProbeScores, *, fpirs: Sequence[float] = FPIRS, max_rank: int = 1) -> OpenSet:
    """TPIR at the requested FPIRs, and the DET curve.

    Args:
        scored: from ``probe_scores``.
        fpirs: the false positive identification rates for which TPIR is reported. A rate below
            1/non-mated probes cannot be measured, since one false alarm would exceed it.
        max_rank: the largest rank at which a mate counts as found.

    Raises:
        InputError: there is no mated or no non-mated probe; an FPIR is not in (0, 1]; a rank
            that was not recorded.

    Example:
        >>> from likewise.evaluation.identification.probe_scores import probe_scores
        >>> from likewise.evaluation.identification.open_set import open_set
        >>> probes, who = [[3, 4], [1, 0.1], [1, 1]], ["bob", "anna", "carl"]
        >>> scored = probe_scores(probes, who, [[1, 0], [0, 1]], ["anna", "bob"])
        >>> open_set(scored, fpirs=[1.0]).tpir_at_fpir[0].tpir
        1.0
    """
    mated, non_mated = int(scored.mated.sum()), int((~scored.mated).sum())
    if non_mated == 0:
        raise InputError(
            "open set: every probe has a mate in the gallery; FPIR needs non-mated probes"
        )
    if mated == 0:
        raise InputError("open set: no probe has a mate in the gallery; there is no TPIR")
    check_count("max_rank", max_rank, most=scored.limit)
    found = scored.mate[scored.mated & (scored.rank <= max_rank)].astype(np.float64)
    alarms = scored.best_other[~scored.mated].astype(np.float64)
    curve = _det(found, mated, alarms)
    return OpenSet(
        mated, non_mated, max_rank, tuple(_tpir_at(curve, t, non_mated) for t in fpirs), curve
    )


def _det(found: Floats, mated: int, alarms: Floats) -> Det:
    thresholds = np.unique(np.concatenate([found, alarms]))[::-1]
    accepted = [
        len(scores) - np.searchsorted(np.sort(scores), thresholds) for scores in (found, alarms)
    ]
    return Det(
        threshold=np.concatenate([[np.inf], thresholds]),
        false_positive=np.concatenate([[0.0], accepted[1] / len(alarms)]),
        false_negative=np.concatenate([[1.0], (mated - accepted[0]) / mated]),
    )


def _tpir_at(curve: Det, target: float, non_mated: int) -> TpirAtFpir:
    check_number("fpir", target, above=0, most=1)
    if too_few(target, non_mated):
        return TpirAtFpir(target, None, None, None)
    limit = target * (1 + ROUNDING)
    point = int(np.searchsorted(curve.false_positive, limit, side="right")) - 1
    if point == 0:  # more non-mated probes share the highest score than may be accepted
        # The next float32: scores are float32, so that a threshold between two would be rounded.
        above = np.nextafter(np.float32(curve.threshold[1]), np.float32(np.inf))
        return TpirAtFpir(target, 0.0, 0.0, float(above))
    return TpirAtFpir(
        target,
        float(1 - curve.false_negative[point]),
        float(curve.false_positive[point]),
        float(curve.threshold[point]),
    )
