"""A verification experiment from end to end: from embeddings and pairs to metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.arrays import data_frame
from likewise.data.embeddings import Embeddings
from likewise.data.pairs import Pairs, draw_pairs, match_names
from likewise.distances import Cosine, Distance, parse_distance
from likewise.errors import InputError
from likewise.evaluation.calibration.held_out import held_out_reliability
from likewise.evaluation.intervals.bootstrap import Intervals, bootstrap
from likewise.evaluation.intervals.scored_pairs import ScoredPairs, scored_pairs
from likewise.evaluation.verification.lfw_accuracy import FoldAccuracy, fold_accuracy
from likewise.evaluation.verification.metrics import (
    FARS,
    Verification,
    operating_table,
    pair_scores,
    verification,
)
from likewise.machine import describe, versions
from likewise.pages.shown import Shown, View

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from likewise.pages.plot import Plot

__all__ = ["Experiment", "evaluate"]

Rows = NDArray[np.int64]


@dataclass(frozen=True, repr=False)
class Experiment(Shown):
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

    Example:
        >>> import likewise
        >>> found = likewise.evaluate([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], ["a", "a", "b", "b"])
        >>> found.to_pandas().columns.tolist()
        ['left', 'right', 'same', 'score']
        >>> found.plot_roc().get_ylabel()
        'true accept rate (TAR)'
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

    def plot_roc(self, ax: Axes | None = None, *, label: str | None = None) -> Axes:
        """Draw the ROC: TAR against FAR on a logarithmic axis.

        Args:
            ax: axes of matplotlib, which may hold other curves already; a new figure if None.
            label: of the curve, in the legend.

        Returns:
            The axes.
        """
        return self.measured.plot_roc(ax, label=label)

    def plot_det(self, ax: Axes | None = None, *, label: str | None = None) -> Axes:
        """Draw the DET: FNMR against FMR on normal deviate scales; see ``plot_roc``."""
        return self.measured.plot_det(ax, label=label)

    def plot_scores(self, ax: Axes | None = None) -> Axes:
        """Draw histograms of the scores of genuine and impostor pairs; see ``plot_roc``."""
        return self._histogram().on(ax)

    def plot_calibration(
        self, ax: Axes | None = None, *, label: str | None = None, seed: int = 0
    ) -> Axes:
        """Draw the reliability diagram: the share of genuine pairs by predicted probability.

        The probabilities are of a calibration that is fitted on half of the people and evaluated
        on the other half.

        Args:
            ax: see ``plot_roc``.
            label: see ``plot_roc``.
            seed: of the halves.

        Raises:
            InputError: the identities are not known, or there are too few of them.
        """
        from likewise.pages import rates

        found = held_out_reliability(self.scored_pairs(), seed)
        return rates.reliability(found.points, label).on(ax)

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame`` with the columns left, right, same and score: all pairs."""
        names = np.asarray(self.names, object)
        left, right = names[self.left], names[self.right]
        return data_frame({"left": left, "right": right, "same": self.same, "score": self.scores})

    def _view(self) -> View:
        measured, lines = self.measured, []
        if (found := self.intervals) is not None:
            lines.append(
                f"{found.level:.0%} confidence: AUC {found.auc.low:.4f} to {found.auc.high:.4f}, "
                f"EER {found.eer.low:.2%} to {found.eer.high:.2%}"
            )
        if self.folds is not None:
            lines.append(
                f"Accuracy over {len(self.folds.accuracies)} folds: {self.folds.mean:.3%} ± "
                f"{self.folds.standard_error:.3%}"
            )
        if self.missing:
            lines.append(f"{len(self.missing):,} photos of the pairs are missing")
        title = (
            f"Experiment: AUC {measured.auc:.4f}, EER {measured.eer:.2%}, {measured.genuine:,} "
            f"genuine and {measured.impostor:,} impostor pairs of {len(self.names):,} photos"
        )
        return View(title, lines, [operating_table(measured)])

    def _plots(self) -> Sequence[Plot]:
        from likewise.pages import curves

        return curves.roc(self.measured), self._histogram()

    def _histogram(self) -> Plot:
        from likewise.pages import curves

        distance = str(self.settings.get("distance", "cosine"))
        genuine, impostor = self.scores[self.same], self.scores[~self.same]
        return curves.scores(self.measured, genuine, impostor, distance)

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
            "folds": None if folds is None else folds.to_dict(),
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
    distance: Distance | str | None = None,
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
        distance: one of its own, or a name such as ``euclidean``; the cosine if None.
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
    distance = parse_distance(distance) if isinstance(distance, str) else distance
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
