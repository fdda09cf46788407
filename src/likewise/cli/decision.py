"""From which score on two count as the same person: the options, and what they stand for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from likewise.models.embedder import Embedder
    from likewise.models.operating_point import OperatingPoint

__all__ = ["Fmr", "Threshold", "check_decision", "measured_point"]

Threshold = Annotated[
    float | None,
    typer.Option("--threshold", help="Decide here; default: the model's own."),
]
Fmr = Annotated[
    float | None,
    typer.Option("--fmr", help="Decide at this false match rate, one of those measured."),
]


def check_decision(threshold: float | None, fmr: float | None, *, by_cosine: bool) -> None:
    """Refuse options that cannot decide, before anything is loaded.

    Args:
        threshold: of ``--threshold``.
        fmr: of ``--fmr``.
        by_cosine: what is decided on is a cosine, as a model's own thresholds are.

    Raises:
        InputError: both are given, the threshold is no score, or a rate was measured for another
            score.
    """
    from likewise.errors import InputError

    if threshold is not None and fmr is not None:
        raise InputError("--threshold and --fmr: give one of the two")
    if threshold is not None and math.isnan(threshold):
        raise InputError("--threshold: is not a number")
    if by_cosine and threshold is not None and not -1 <= threshold <= 1:
        raise InputError(f"--threshold: a cosine is from -1 to 1; got {threshold:g}")
    if fmr is not None and not by_cosine:
        raise InputError("--fmr: was measured for the cosine; give a --threshold of this distance")


def measured_point(embedder: Embedder, fmr: float | None) -> OperatingPoint | None:
    """The model's threshold at ``--fmr``, or its own; None where it has none.

    Raises:
        InputError: this rate was not measured.
    """
    from likewise.models.operating_point import at_fmr

    return embedder.operating_point if fmr is None else at_fmr(embedder.operating_points, fmr)
