"""Calibration: fits the probability of the same person to scores, and thresholds at a given FMR.

The fit is to the log-likelihood ratio, which depends on the embedder only. The prior, which depends
on the application, is applied when a probability is computed. So genuine and impostor pairs have
the same total weight in the fit, whatever their numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from likewise.arguments import check_number
from likewise.data.embeddings import EXTERNAL, NORM, Embeddings, require_same_embedder
from likewise.data.pairs import draw_pairs
from likewise.distances.resolution import indistinguishable, mean_cosine
from likewise.errors import InputError
from likewise.evaluation.calibration.calibrated import Calibrated, operating_points
from likewise.evaluation.calibration.maps import NotIncreasing, fit_calibration
from likewise.evaluation.intervals.bootstrap import bootstrap
from likewise.evaluation.intervals.scored_pairs import ScoredPairs, scored_pairs
from likewise.evaluation.verification.metrics import FARS, pair_scores, verification
from likewise.evaluation.verification.roc import too_few
from likewise.models.embedded.norms import NormReference

if TYPE_CHECKING:
    from likewise.models.embedder import Embedder

__all__ = [
    "Calibrated",
    "NotIncreasing",
    "calibrate",
    "calibrate_pairs",
    "fit_calibration",
]

LIMIT = 200_000  # pairs of each kind: more do not change a curve with two parameters
DEFAULT_FMR = 1e-3


def calibrate_pairs(
    pairs: ScoredPairs,
    *,
    fars: Sequence[float] = FARS,
    fmr: float = DEFAULT_FMR,
    method: str = "logistic",
    replicates: int = 1000,
    seed: int = 0,
) -> Calibrated:
    """Fit a calibration to scored pairs, and measure thresholds with confidence intervals.

    Args:
        pairs: with their identities.
        fars: the FMRs to measure; ``fmr`` is added.
        fmr: of the default operating point; if there are too few impostor pairs for it, the next
            larger one that can be measured.
        method: see ``fit_calibration``.
        replicates: see ``bootstrap``.
        seed: see ``bootstrap``.

    Raises:
        InputError: see ``fit_calibration`` and ``bootstrap``.
    """
    wanted = sorted({*fars, fmr}, reverse=True)
    measured = verification(pairs.scores, pairs.same, wanted)
    intervals = None
    if replicates and pairs.identities >= 5:
        intervals = bootstrap(pairs, wanted, replicates=replicates, seed=seed)
    points = operating_points(measured, intervals)
    try:
        calibration = fit_calibration(pairs.scores, pairs.same, method=method)
    except NotIncreasing:
        calibration = None
    able = [point for point in points if point.fmr >= fmr]
    return Calibrated(
        calibration=calibration,
        points=points,
        chosen=able[-1] if able else None,
        measured=measured,
        intervals=intervals,
    )


def calibrate(
    embedder: Embedder | ArrayLike,
    embeddings: Embeddings | ArrayLike | None = None,
    labels: ArrayLike | None = None,
    *,
    fmr: float = DEFAULT_FMR,
    method: str = "logistic",
    limit: int = LIMIT,
    replicates: int = 1000,
    seed: int = 0,
    data: str = "",
) -> Calibrated:
    """Calibrate an embedder on labeled people that it was not trained on.

    Sets ``calibration``, ``operating_points`` and ``operating_point`` of the embedder, and its
    ``norms`` if the embeddings have a column ``norm``; save it to keep them. With vectors and
    labels alone, ``calibrate(vectors, labels)`` fits the same, and nothing is set.

    Args:
        embedder: to calibrate; or vectors [N,D], with the labels in the second place.
        embeddings: of the people's photos, made by this embedder, with identities; or its vectors.
        labels: with vectors, the identity of each: names or whole numbers [N].
        fmr: see ``calibrate_pairs``; here, too few impostor pairs for it are an error.
        method: see ``fit_calibration``.
        limit: the most genuine and the most impostor pairs; more are sampled.
        replicates: see ``bootstrap``.
        seed: of the sample and the bootstrap.
        data: the name of the photos, which is stored with the ``norms``.

    Raises:
        InputError: another embedder made the embeddings; too few impostor pairs for ``fmr``;
            see ``calibrate_pairs``.

    Example:
        >>> import likewise
        >>> from likewise.evaluation.calibration.fit import calibrate
        >>> embedder = likewise.load(model)
        >>> embeddings, _ = embedder.embed_manifest(likewise.read_manifest(photos))
        >>> found = calibrate(embedder, embeddings, fmr=0.1)
        >>> embedder.calibration == found.calibration
        True
        >>> vectors, labels = [[1, 0], [1, 0.1], [0, 1], [0.1, 1]], ["a", "a", "b", "b"]
        >>> calibrate(vectors, labels, fmr=0.25).chosen.tar
        1.0
    """
    from likewise.models.embedder import Embedder

    if isinstance(embedder, Embedder):
        given = _labeled(embeddings, labels, embedder.fingerprint)
        require_same_embedder(embedder.fingerprint, given.fingerprint, "embeddings")
        if given.vectors.shape[1] != embedder.dimension:
            raise InputError(
                f"embeddings: {given.vectors.shape[1]} numbers in each; those of this embedder "
                f"have {embedder.dimension}"
            )
    elif isinstance(embedder, str | Path):
        raise InputError(f"embedder: {embedder}: load it first, with likewise.load")
    elif embeddings is None or labels is None:
        given = _labeled(embedder, labels if embeddings is None else embeddings, EXTERNAL)
    else:
        raise InputError("embedder: must be an Embedder; for vectors alone: (vectors, labels)")
    found = _calibrated(given, fmr, method, limit, replicates, seed)
    if isinstance(embedder, Embedder):
        embedder.calibration = found.calibration
        embedder.operating_points = found.points
        embedder.operating_point = found.chosen
        if NORM in given.items.column_names:
            embedder.norms = NormReference.measured(given.items[NORM].to_numpy(), data)
    return found


def _labeled(vectors: Any, labels: Any, fingerprint: str) -> Embeddings:
    """Embeddings as they are, or of vectors and labels."""
    if isinstance(vectors, Embeddings):
        if labels is not None:
            raise InputError("labels: the embeddings have their own identities; leave them out")
        return vectors
    if isinstance(vectors, str | Path):
        raise InputError(f"{vectors}: read it first, with likewise.read_embeddings")
    if labels is None:
        raise InputError("labels: missing; give the identity of each vector")
    return Embeddings.of(vectors, labels, fingerprint=fingerprint)


def _calibrated(
    embeddings: Embeddings, fmr: float, method: str, limit: int, replicates: int, seed: int
) -> Calibrated:
    """The calibration of ``calibrate``."""
    pairs = draw_pairs(embeddings.labels, limit=limit, seed=seed)
    left, right = np.asarray(pairs.left), np.asarray(pairs.right)
    impostor = int((~pairs.same).sum())
    check_number("fmr", fmr, above=0, most=1)
    if too_few(fmr, impostor):
        raise InputError(
            f"fmr: {impostor:,} impostor pairs cannot show an FMR of {fmr:g}, which needs "
            f"{round(1 / fmr):,} or more; use {1 / impostor:.1g} or more"
        )
    if indistinguishable(mean_cosine(embeddings.vectors)):
        raise NotIncreasing(
            "the model gives all photos the same embedding within float32 precision"
        )
    scores = pair_scores(embeddings.vectors, left, right)
    labels = embeddings.labels
    found = calibrate_pairs(
        scored_pairs(scores, pairs.same, labels[left], labels[right]),
        fmr=fmr,
        method=method,
        replicates=replicates,
        seed=seed,
    )
    if found.calibration is None:
        raise NotIncreasing
    return found
