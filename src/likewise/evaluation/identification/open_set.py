"""Open-set identification: who is it, if it is anybody we know?

FPIR, the false positive identification rate, is the share of non-mated probes (people who are not
in the gallery) whose best candidate scores at the threshold or above. TPIR is the share of mated
probes whose mate does, and is among the first ``max_rank``; FNIR = 1 - TPIR (Grother and Ngan,
NIST IR 8009, 2014; Klare et al., IJB-A, CVPR 2015). Pairs of different people say nothing here:
one stranger meets the whole gallery, and is mistaken by the best of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from likewise.errors import InputError
from likewise.evaluation.identification.probe_scores import ProbeScores

__all__ = ["FPIRS", "Det", "OpenSet", "TpirAtFpir", "open_set"]

Floats = NDArray[np.float64]
FPIRS = (1e-1, 1e-2, 1e-3)


@dataclass(frozen=True)
class Det:
    """Detection error trade-off: one point for each distinct score, descending.

    Args:
        threshold: float64 [T]; the first is infinite (nobody is recognised).
        fpir: [T], rising from 0 to 1.
        fnir: [T], falling from 1.
    """

    threshold: Floats
    fpir: Floats
    fnir: Floats


@dataclass(frozen=True)
class TpirAtFpir:
    """The most mates that can be found while FPIR stays at or below ``target``.

    Args:
        target: the FPIR asked for.
        tpir: the largest TPIR among thresholds with FPIR ≤ target; None if it cannot be measured.
        fpir: the FPIR there, at most ``target``.
        threshold: the score from which on a candidate is believed.
    """

    target: float
    tpir: float | None
    fpir: float | None
    threshold: float | None


@dataclass(frozen=True)
class OpenSet:
    """The numbers of open-set identification.

    Args:
        mated: probes whose identity is in the gallery.
        non_mated: probes whose identity is not.
        max_rank: a mate beyond this rank counts as missed, whatever its score.
        tpir_at_fpir: one entry for each FPIR asked for.
        det: the whole curve.
    """

    mated: int
    non_mated: int
    max_rank: int
    tpir_at_fpir: tuple[TpirAtFpir, ...]
    det: Det

    def to_dict(self) -> dict[str, Any]:
        """For the report's JSON; the curve is left to the plots."""
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
    """TPIR at the FPIRs asked for, and the DET.

    Args:
        scored: from ``probe_scores``.
        fpirs: the false positive identification rates at which TPIR is wanted. One below
            1/non-mated probes cannot be measured: not even one false alarm would be that rare.
        max_rank: up to which rank the mate must come.

    Raises:
        InputError: there is no mated or no non-mated probe; an FPIR is not in (0, 1]; a rank that
            was not told.

    Example:
        >>> from likewise.evaluation.identification.probe_scores import probe_scores
        >>> from likewise.evaluation.identification.open_set import open_set
        >>> probes, who = [[3, 4], [1, 0.1], [1, 1]], ["bob", "anna", "a stranger"]
        >>> scored = probe_scores(probes, who, [[1, 0], [0, 1]], ["anna", "bob"])
        >>> open_set(scored, fpirs=[1.0]).tpir_at_fpir[0].tpir
        1.0
    """
    mated, non_mated = int(scored.mated.sum()), int((~scored.mated).sum())
    if non_mated == 0:
        raise InputError(
            "open set: every probe has a mate in the gallery; without strangers there is no FPIR"
        )
    if mated == 0:
        raise InputError("open set: no probe has a mate in the gallery; there is no TPIR")
    if not 1 <= max_rank <= scored.limit:
        raise InputError(f"max_rank: {max_rank}; ranks 1 to {scored.limit} were told")
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
        fpir=np.concatenate([[0.0], accepted[1] / len(alarms)]),
        fnir=np.concatenate([[1.0], (mated - accepted[0]) / mated]),
    )


def _tpir_at(curve: Det, target: float, non_mated: int) -> TpirAtFpir:
    if not 0 < target <= 1:
        raise InputError(f"fpir: must be in (0, 1]; got {target}")
    if target * non_mated < 1 - 1e-9:
        return TpirAtFpir(target, None, None, None)
    point = int(np.searchsorted(curve.fpir, target * (1 + 1e-12), side="right")) - 1
    if point == 0:  # the best score of all is shared by more strangers than may be accepted
        # The next float32: scores are of this type, and a threshold between two is rounded away.
        above = np.nextafter(np.float32(curve.threshold[1]), np.float32(np.inf))
        return TpirAtFpir(target, 0.0, 0.0, float(above))
    return TpirAtFpir(
        target,
        float(1 - curve.fnir[point]),
        float(curve.fpir[point]),
        float(curve.threshold[point]),
    )
