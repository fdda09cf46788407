"""The threshold of open-set identification: how alike a stranger may look to anyone in a gallery.

A face is compared with every person of a gallery, so a stranger has as many chances of a false
match. With independent comparisons at the false match rate FMR, the false positive identification
rate among N of them is FPIR = 1 - (1 - FMR)^N (Grother and Ngan, NIST IR 8009, 2014). The threshold
for an FPIR is the one for FMR = 1 - (1 - FPIR)^(1/N), read from the thresholds that were measured
for the model: linear between them in the logarithm of the FMR, and beyond the last one too.
Impostor scores fall faster than that, so a threshold beyond the last one is on the safe side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from likewise.arguments import check_count, check_number
from likewise.errors import InputError
from likewise.models.operating_point import OperatingPoint

__all__ = ["FPIR", "OpenSetThreshold", "open_set_threshold"]

FPIR = 0.01  # by default one stranger in a hundred is taken for someone


@dataclass(frozen=True)
class OpenSetThreshold:
    """The lowest score at which a face is named.

    Args:
        threshold: cosine.
        comparisons: how many chances a stranger has, N.
        fmr: the false match rate of one comparison; None if the model has no measured thresholds.
        fpir: the probability that a stranger is taken for anyone: 1 - (1 - FMR)^N; None likewise.
        extrapolated: the FMR is beyond those that were measured.
    """

    threshold: float
    comparisons: int
    fmr: float | None = None
    fpir: float | None = None
    extrapolated: bool = False


def open_set_threshold(
    points: Sequence[OperatingPoint],
    comparisons: int,
    *,
    fpir: float | None = None,
    fmr: float | None = None,
    threshold: float | None = None,
) -> OpenSetThreshold:
    """The threshold for a gallery.

    Args:
        points: the thresholds that were measured for the model.
        comparisons: how many people, or photos, each face is compared with.
        fpir: the probability that a stranger is taken for anyone; .01 if nothing else is given.
        fmr: the false match rate of one comparison instead; it is not corrected.
        threshold: the threshold itself instead.

    Raises:
        InputError: more than one of the three is given, one is out of range, or the model has fewer
            than two measured thresholds.

    Example:
        >>> from likewise.models.operating_point import OperatingPoint
        >>> from likewise.recognition.open_set import open_set_threshold
        >>> rates = {0.3: 1e-3, 0.4: 1e-4}
        >>> measured = [OperatingPoint(t, fmr, 1.0, 100, 10**6) for t, fmr in rates.items()]
        >>> found = open_set_threshold(measured, 100, fpir=0.01)
        >>> round(found.threshold, 3), f"{found.fmr:.2g}"
        (0.4, '0.0001')
        >>> round(open_set_threshold(measured, 100, fmr=1e-3).fpir, 3)
        0.095
    """
    check_count("comparisons", comparisons, least=0)
    given = {"fpir": fpir, "fmr": fmr, "threshold": threshold}
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise InputError(f"{' and '.join(named)}: give one of them")
    chances = max(1, comparisons)
    known = _rising(points)
    if threshold is not None:
        check_number("threshold", threshold, least=-1, most=1)
        if len(known) < 2:
            return OpenSetThreshold(threshold, comparisons)
        rate = min(1.0, 10 ** _line([t for t, _ in known], [_log(f) for _, f in known], threshold))
        beyond = not known[0][0] <= threshold <= known[-1][0]
        return OpenSetThreshold(threshold, comparisons, rate, _fpir(rate, chances), beyond)
    if len(known) < 2:
        raise InputError(
            "the model has no measured thresholds; measure them with: likewise calibrate DATA "
            "--model M, or give a --threshold"
        )
    if fmr is None:
        wanted = check_number("fpir", FPIR if fpir is None else fpir, above=0, below=1)
        fmr = -math.expm1(math.log1p(-wanted) / chances)
    check_number("fmr", fmr, above=0, below=1)
    rates = [_log(f) for _, f in known][::-1]  # increasing
    value = _line(rates, [t for t, _ in known][::-1], _log(fmr))
    beyond = not rates[0] <= _log(fmr) <= rates[-1]
    return OpenSetThreshold(min(1.0, value), comparisons, fmr, _fpir(fmr, chances), beyond)


def _rising(points: Sequence[OperatingPoint]) -> list[tuple[float, float]]:
    """Thresholds with their FMR, both strictly monotone.

    Of few impostor pairs, two rates may have been measured at one threshold: only the higher one
    says something, and a line through both would have no slope.
    """
    found: list[tuple[float, float]] = []
    for threshold, fmr in sorted(
        {(p.threshold, p.fmr) for p in points if p.fmr > 0}, key=lambda point: (point[0], -point[1])
    ):
        if not found or (threshold > found[-1][0] and fmr < found[-1][1]):
            found.append((threshold, fmr))
    return found


def _fpir(fmr: float, chances: int) -> float:
    return 1.0 if fmr >= 1 else -math.expm1(chances * math.log1p(-fmr))


def _log(fmr: float) -> float:
    return math.log10(fmr)


def _line(x: Sequence[float], y: Sequence[float], at: float) -> float:
    """Linear between the points, whose ``x`` increases, and on along the outermost two."""
    place = min(max(int(np.searchsorted(x, at)), 1), len(x) - 1)
    slope = (y[place] - y[place - 1]) / (x[place] - x[place - 1])
    return y[place] + slope * (at - x[place])
