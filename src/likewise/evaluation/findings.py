"""The tasks of an evaluation beyond verification, and their results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from likewise.arguments import one_of
from likewise.data.embeddings import NORM, Embeddings
from likewise.data.labels import clean_label
from likewise.distances import Distance
from likewise.errors import InputError
from likewise.evaluation.calibration.held_out import held_out_reliability
from likewise.evaluation.calibration.reliability import Reliability, reliability
from likewise.evaluation.clustering import (
    MOST_AGGLOMERATIVE,
    Clustering,
    cluster,
    clustering,
)
from likewise.evaluation.error_versus_discard import ErrorDiscard, error_versus_discard
from likewise.evaluation.experiment import Experiment
from likewise.evaluation.groups import GroupReport, group_errors
from likewise.evaluation.identification.closed_set import Identification
from likewise.evaluation.retrieval.distributed import Searches, search_distributed, try_task
from likewise.evaluation.retrieval.metrics import Retrieval
from likewise.models.calibration import Calibration
from likewise.models.embedded.norms import tell_apart
from likewise.shares import Share

__all__ = ["TASKS", "Findings", "evaluate_tasks"]

TASKS = ("clustering", "identification", "retrieval")
FMR = 1e-3  # at the threshold where groups are compared, and photos discarded
REPLICATES = 200  # of the intervals of groups and of discarding


@dataclass(frozen=True)
class Findings:
    """The results beyond verification; None if a task was not requested or is impossible.

    Args:
        identification: probes in a gallery with one photo per identity.
        retrieval: every photo as a query among all others.
        clustering: clusters found without labels, compared with the labels.
        reliability: of calibrated probabilities, on people that were not used to fit them.
        calibration_of: the calibration evaluated: the ``model``'s own, or one fitted on ``half``
            of the people.
        groups: the error rates of each group, one report for each column.
        quality: how the error falls when photos of low quality are discarded, one curve for each
            measure of quality.
        left_out: the reasons why a requested task is missing.
    """

    identification: Identification | None = None
    retrieval: Retrieval | None = None
    clustering: Clustering | None = None
    reliability: Reliability | None = None
    calibration_of: str = ""
    groups: tuple[GroupReport, ...] = ()
    quality: tuple[ErrorDiscard, ...] = ()
    left_out: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The report's JSON, without the curves."""
        parts = {"identification": self.identification, "retrieval": self.retrieval,
                 "clustering": self.clustering}  # fmt: skip
        found: dict[str, Any] = {
            name: None if part is None else part.to_dict() for name, part in parts.items()
        }
        found["calibration"] = (
            None
            if self.reliability is None
            else {"of": self.calibration_of, **asdict(self.reliability)}
        )
        found["groups"] = [asdict(report) for report in self.groups]
        found["quality"] = [curve.to_dict() for curve in self.quality]
        found["left_out"] = list(self.left_out)
        return found


def evaluate_tasks(
    experiment: Experiment,
    embeddings: Embeddings,
    *,
    tasks: Sequence[str] = ("identification", "retrieval"),
    groups: Sequence[str] = (),
    quality: Sequence[str] | None = None,
    calibration: Calibration | None = None,
    distance: Distance | None = None,
    seed: int = 0,
    searches: Searches | None = None,
) -> Findings:
    """Run tasks beyond verification; a task that is impossible with these photos gives a reason.

    Args:
        experiment: the verification of the same embeddings.
        embeddings: with identities, and with the metadata columns of ``groups``.
        tasks: any of ``identification``, ``retrieval`` and ``clustering``.
        groups: metadata columns whose groups are compared, at the threshold of FMR 0.1% (or of the
            next larger FAR that can be measured).
        quality: metadata columns with the quality of each photo, higher is better; for each an
            error-versus-discard curve is measured at the same threshold. If None, the column
            ``norm``, if there is one and it can be measured.
        calibration: the embedder's own, to evaluate; if None, a logistic calibration is fitted on
            half of the people and evaluated on the other half.
        distance: the cosine if None.
        seed: of the random choice of the gallery, and of the halves.
        searches: the result of ``search_distributed`` for the same embeddings; if None, it is
            computed here.

    Raises:
        InputError: an unknown task or column.
    """
    for task in tasks:
        one_of("task", task, TASKS)
    for column in groups:
        one_of("groups", column, embeddings.items.column_names)
    for column in quality or ():
        one_of("quality", column, embeddings.items.column_names)
    if searches is None:
        searches = search_distributed(
            embeddings, Share(), tasks=tasks, distance=distance, seed=seed
        )
    reasons = list(searches.left_out)

    def clusters() -> Clustering:
        return _clustering(experiment, embeddings, distance)

    def probabilities() -> Reliability:
        return _reliability(experiment, calibration, seed)

    by_group = (
        try_task(
            "groups",
            partial(_by_group, experiment, embeddings, column, seed, reasons),
            reasons,
        )
        for column in groups
    )
    # Nobody asked for the norm: if it cannot be measured, that is no news.
    hints = reasons if quality is not None else []
    curves = (
        try_task(
            "quality", partial(_by_quality, experiment, embeddings, column, seed, hints), hints
        )
        for column in (_own_quality(embeddings) if quality is None else quality)
    )
    return Findings(
        identification=searches.identification,
        retrieval=searches.retrieval,
        clustering=try_task("clustering", clusters, reasons) if "clustering" in tasks else None,
        reliability=try_task("calibration", probabilities, reasons),
        calibration_of="half" if calibration is None else "model",
        groups=tuple(report for report in by_group if report is not None),
        quality=tuple(curve for curve in curves if curve is not None),
        left_out=tuple(reasons),
    )


def _clustering(
    experiment: Experiment, embeddings: Embeddings, distance: Distance | None
) -> Clustering:
    """Agglomerative at the threshold of the smallest measured FAR; HDBSCAN for large sets."""
    if distance is not None and distance.name != "cosine":
        raise InputError(f"distance: {distance.name}; must be cosine")
    vectors = embeddings.vectors
    if len(vectors) > MOST_AGGLOMERATIVE:
        return clustering(embeddings.labels, cluster(vectors, "hdbscan"))
    points = [entry for entry in experiment.measured.tar_at_far if entry.threshold is not None]
    smallest = min(points, key=lambda entry: entry.target, default=None)
    threshold = smallest.threshold if smallest else experiment.measured.eer_threshold
    return clustering(embeddings.labels, cluster(vectors, threshold=threshold))


def _reliability(experiment: Experiment, calibration: Calibration | None, seed: int) -> Reliability:
    if calibration is not None:
        return reliability(calibration, experiment.scores, experiment.same)
    return held_out_reliability(experiment.scored_pairs(), seed)


def _by_group(
    experiment: Experiment,
    embeddings: Embeddings,
    column: str,
    seed: int,
    reasons: list[str],
) -> GroupReport:
    """The error rates of a column's groups; ``reasons`` counts the photos that are in none."""
    names, known = _groups(embeddings, column)
    threshold = _threshold(experiment, column)
    left, right = experiment.left, experiment.right
    both = known[left] & known[right]
    report = group_errors(
        experiment.scored_pairs().take(both), names[left[both]], names[right[both]], threshold,
        column=column, replicates=REPLICATES, seed=seed,
    )  # fmt: skip
    if not known.all():
        row = int(np.argmin(known))
        reasons.append(
            f"groups: {column}: {int((~known).sum()):,} of {len(known):,} photos have no value, "
            f"the first is {embeddings.names[row]!r} in row {row + 1}; pairs with them are in no "
            "group"
        )
    return report


def _threshold(experiment: Experiment, column: str) -> float:
    """The threshold at FMR 0.1%, or at the next larger FAR that can be measured."""
    points = [e for e in experiment.measured.tar_at_far if e.threshold is not None]
    usable = [e for e in points if e.target >= FMR]
    if not usable:
        raise InputError(f"{column}: too few impostor pairs for a threshold at FMR {FMR:g}")
    threshold = min(usable, key=lambda entry: entry.target).threshold
    assert threshold is not None
    return threshold


def _own_quality(embeddings: Embeddings) -> list[str]:
    """The column ``norm``, if the lengths in it say something about quality."""
    items = embeddings.items
    if NORM not in items.column_names or not pa.types.is_floating(items.schema.field(NORM).type):
        return []
    return [NORM] if tell_apart(items[NORM].to_numpy()) else []


def _by_quality(
    experiment: Experiment,
    embeddings: Embeddings,
    column: str,
    seed: int,
    reasons: list[str],
) -> ErrorDiscard:
    """The curve of a column's values; ``reasons`` counts the photos without a value."""
    values = _numbers(embeddings, column)
    known = np.isfinite(values)
    left, right = experiment.left, experiment.right
    both = known[left] & known[right]
    if not (experiment.same & both).any():
        raise InputError(f"{column}: no genuine pair has a value for both photos")
    used = np.union1d(left[both], right[both])
    found = error_versus_discard(
        experiment.scored_pairs().take(both), values[left[both]], values[right[both]],
        _threshold(experiment, column), column=column, photos=values[used], replicates=REPLICATES,
        seed=seed,
    )  # fmt: skip
    if not known.all():
        row = int(np.argmin(known))
        reasons.append(
            f"quality: {column}: {int((~known).sum()):,} of {len(known):,} photos have no value, "
            f"the first is {embeddings.names[row]!r} in row {row + 1}; pairs with them are left out"
        )
    return found


def _numbers(embeddings: Embeddings, column: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The values of a column of numbers, NaN if there is none."""
    values = embeddings.items[column]
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    kind = values.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise InputError(
            f"quality: column {column} holds {kind}; it must hold numbers, higher for better photos"
        )
    return np.asarray(values.cast(pa.float64()).to_numpy(), np.float64)


def _groups(
    embeddings: Embeddings, column: str
) -> tuple[np.ndarray[Any, np.dtype[np.str_]], np.ndarray[Any, np.dtype[np.bool_]]]:
    """The group of each photo as normalized text, and whether it is known."""
    values = embeddings.items[column].to_pylist()
    texts = ["" if value is None or value != value else clean_label(str(value)) for value in values]
    names = np.array(texts, np.str_)
    known = names != ""
    if not known.any():
        raise InputError(f"{column}: no photo has a value")
    return names, known
