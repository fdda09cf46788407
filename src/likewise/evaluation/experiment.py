"""A verification experiment from end to end: from embeddings and pairs to metrics."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.data.embeddings import Embeddings
from likewise.data.pairs import Pairs, draw_pairs, match_names
from likewise.distances import Cosine, Distance
from likewise.errors import InputError
from likewise.evaluation.intervals.bootstrap import Intervals, bootstrap
from likewise.evaluation.intervals.scored_pairs import ScoredPairs, scored_pairs
from likewise.evaluation.verification.lfw_accuracy import FoldAccuracy, fold_accuracy
from likewise.evaluation.verification.metrics import FARS, Verification, pair_scores, verification
from likewise.machine import describe, versions

__all__ = ["Experiment", "evaluate"]

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Experiment:
    """The results of an evaluation: metrics, the pairs they come from, and the settings.

    Args:
        measured: the verification metrics.
        folds: accuracy over folds; None if the pairs have no folds.
        names: of the photos, [N].
        left: the row of the first photo of each pair.
        right: the row of the second photo.
        same: whether the pair shows one person.
        scores: of each pair, higher for more similar.
        missing: names in the pairs that the embeddings do not have.
        settings: what was evaluated, and how.
        identities: the identity of each photo, [N]; None if not known.
        intervals: the confidence intervals; None if not requested.
    """

    measured: Verification
    folds: FoldAccuracy | None
    names: list[str]
    left: Rows
    right: Rows
    same: NDArray[np.bool_]
    scores: NDArray[np.float64]
    missing: list[str]
    settings: dict[str, Any] = field(default_factory=dict)
    identities: NDArray[np.int64] | None = None
    intervals: Intervals | None = None

    def scored_pairs(self) -> ScoredPairs:
        """The pairs with their identities, for a bootstrap, a calibration or groups.

        Raises:
            InputError: the identities are not known, or a genuine pair has two.
        """
        if self.identities is None:
            raise InputError("embeddings: no column identity, which confidence intervals need")
        people = self.identities
        return scored_pairs(self.scores, self.same, people[self.left], people[self.right])

    def to_dict(self) -> dict[str, Any]:
        """The report's JSON."""
        measured, folds = self.measured, self.folds
        return {
            "verification": {
                "genuine_pairs": measured.genuine,
                "impostor_pairs": measured.impostor,
                "auc": measured.auc,
                "eer": measured.eer,
                "eer_threshold": measured.eer_threshold,
                "d_prime": measured.d_prime,
                "min_dcf": [
                    {
                        "p_target": entry.p_target,
                        "cost": entry.cost,
                        "threshold": entry.threshold if np.isfinite(entry.threshold) else None,
                    }
                    for entry in measured.min_dcf
                ],
                "tar_at_far": [
                    {
                        "far_asked": entry.target,
                        "tar": entry.tar,
                        "far": entry.far,
                        "threshold": entry.threshold,
                        "measurable": entry.tar is not None,
                    }
                    for entry in measured.tar_at_far
                ],
            },
            "folds": None
            if folds is None
            else {
                "accuracy": folds.mean,
                "standard_error": folds.standard_error,
                "of_each": list(folds.accuracies),
                "thresholds": list(folds.thresholds),
            },
            "intervals": None if self.intervals is None else asdict(self.intervals),
            "missing_photos": self.missing,
            "settings": self.settings,
            "versions": versions(),
            "machine": describe(),
        }


def evaluate(
    embeddings: Embeddings | ArrayLike,
    labels: ArrayLike | Pairs | None = None,
    *,
    pairs: Pairs | None = None,
    limit: int = 1_000_000,
    seed: int = 0,
    fars: tuple[float, ...] = FARS,
    distance: Distance | None = None,
    replicates: int = 0,
    settings: dict[str, Any] | None = None,
) -> Experiment:
    """Verify pairs of embeddings with the cosine or another distance.

    Args:
        embeddings: of the photos, with names, and with identities if ``pairs`` is None; or vectors
            [N,D]: NumPy, torch, a DataFrame, or lists.
        labels: with vectors, the identity of each: names or whole numbers [N].
        pairs: by name; if None, all pairs of the labeled photos, or a random sample of ``limit``
            genuine and ``limit`` impostor pairs if there are more. They may stand in the place of
            the labels.
        limit: see ``pairs``.
        seed: of the sample and the bootstrap.
        fars: the false accept rates for which TAR is reported.
        distance: the cosine if None.
        replicates: of the bootstrap for confidence intervals; 0 for none.
        settings: added to the settings of the report, such as the data and the model.

    Raises:
        InputError: none of the named photos has an embedding, or there are no genuine or no
            impostor pairs; intervals are requested and the identities are not known.

    Example:
        >>> import likewise
        >>> embeddings, _ = likewise.load(model).embed_manifest(likewise.read_manifest(photos))
        >>> likewise.evaluate(embeddings).measured.genuine
        18
        >>> vectors, labels = [[1, 0], [1, 0.1], [0, 1], [0.1, 1]], ["a", "a", "b", "b"]
        >>> likewise.evaluate(vectors, labels).measured.auc
        1.0
    """
    if isinstance(labels, Pairs):
        labels, pairs = None, labels
    if pairs is not None and not isinstance(pairs, Pairs):
        raise InputError(
            f"pairs: {type(pairs).__name__}; likewise.read_pairs reads a list of pairs"
        )
    if isinstance(embeddings, str | Path):
        raise InputError(f"{embeddings}: read it first, with likewise.read_embeddings")
    if not isinstance(embeddings, Embeddings):
        if labels is None:
            raise InputError("labels: missing; give the identity of each vector")
        embeddings = Embeddings.of(embeddings, labels)
    elif labels is not None:
        raise InputError("labels: the embeddings have their own identities; leave the labels out")
    missing: list[str] = []
    if pairs is None:
        chosen = draw_pairs(embeddings.labels, limit=limit, seed=seed)
        origin = f"drawn from the labels (at most {limit:,} of each kind, seed {seed})"
    else:
        chosen, missing = match_names(pairs, embeddings.names)
        origin = f"given: {len(pairs):,}, of which {len(pairs) - len(chosen):,} lack a photo"
    left, right = np.asarray(chosen.left, np.int64), np.asarray(chosen.right, np.int64)
    scores = pair_scores(embeddings.vectors, left, right, distance)
    several_folds = len(np.unique(chosen.fold)) > 1
    known = "identity" in embeddings.items.column_names
    experiment = Experiment(
        measured=verification(scores, chosen.same, fars),
        folds=fold_accuracy(scores, chosen.same, chosen.fold) if several_folds else None,
        names=embeddings.names,
        left=left,
        right=right,
        same=chosen.same,
        scores=scores,
        missing=missing,
        settings={
            "embedder": embeddings.fingerprint,
            "photos": len(embeddings),
            "pairs": origin,
            "distance": (distance or Cosine()).name,
            **(settings or {}),
        },
        identities=embeddings.labels if known else None,
    )
    if not replicates:
        return experiment
    found = bootstrap(experiment.scored_pairs(), fars, replicates=replicates, seed=seed)
    return replace(experiment, intervals=found)
