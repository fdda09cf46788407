"""What an evaluation may tell beside verification: who it is, what is found, how sure, for whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from likewise.data.embeddings import Embeddings
from likewise.data.labels import clean_label
from likewise.distances import Distance
from likewise.errors import InputError, one_of
from likewise.evaluation.calibration.fit import fit_calibration
from likewise.evaluation.calibration.reliability import Reliability, reliability
from likewise.evaluation.cluster import MOST_AGGLOMERATIVE, cluster
from likewise.evaluation.clustering import Clustering, clustering
from likewise.evaluation.experiment import Experiment
from likewise.evaluation.groups import GroupReport, group_errors
from likewise.evaluation.identification.closed_set import Identification
from likewise.evaluation.intervals.scored_pairs import ScoredPairs
from likewise.evaluation.retrieval.distributed import Searches, attempted, search_together
from likewise.evaluation.retrieval.metrics import Retrieval
from likewise.models.calibration import Calibration
from likewise.shares import Share

__all__ = ["TASKS", "Findings", "find_out"]

TASKS = ("clustering", "identification", "retrieval")
GROUP_REPLICATES = 200


@dataclass(frozen=True)
class Findings:
    """What was measured beside verification; None where it was not asked for, or cannot be.

    Args:
        identification: probes searched in a gallery with one photo an identity.
        retrieval: every photo searched among all the others.
        clustering: groups found without labels, against the labels.
        reliability: how well probabilities hold on people that they were not fitted on.
        calibration_of: what was judged: ``model``'s own, or one of ``half`` the people here.
        groups: the errors of each group, one report a column.
        left_out: why something that was asked for is missing.
    """

    identification: Identification | None = None
    retrieval: Retrieval | None = None
    clustering: Clustering | None = None
    reliability: Reliability | None = None
    calibration_of: str = ""
    groups: tuple[GroupReport, ...] = ()
    left_out: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The report's JSON; curves are left to the plots."""
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
        found["left_out"] = list(self.left_out)
        return found


def find_out(
    experiment: Experiment,
    embeddings: Embeddings,
    *,
    tasks: Sequence[str] = ("identification", "retrieval"),
    groups: Sequence[str] = (),
    calibration: Calibration | None = None,
    distance: Distance | None = None,
    fmr: float = 1e-3,
    seed: int = 0,
    searches: Searches | None = None,
) -> Findings:
    """Measure what else is asked for; what these photos cannot show is named with the reason.

    Args:
        experiment: the verification of the same embeddings.
        embeddings: with identities, and for ``groups`` with these metadata columns.
        tasks: of ``identification``, ``retrieval``, ``clustering``.
        groups: metadata columns whose groups are compared, at the threshold of ``fmr`` (or of the
            nearest larger FAR that the pairs can measure).
        calibration: the embedder's own, to be judged; without one, a logistic one is fitted on
            half of the people and judged on the other half.
        distance: the cosine if None.
        fmr: see ``groups``.
        seed: draws the gallery, and the halves.
        searches: what ``search_together`` has found for the same, where several processes
            searched; if None, it is searched here.

    Raises:
        InputError: an unknown task, or a column that is not there.
    """
    for task in tasks:
        one_of("task", task, TASKS)
    for column in groups:
        one_of("groups", column, embeddings.items.column_names)
    if searches is None:
        searches = search_together(embeddings, Share(), tasks=tasks, distance=distance, seed=seed)
    reasons = list(searches.left_out)

    def clustered() -> Clustering:
        return _clustered(experiment, embeddings, distance)

    def judged() -> Reliability:
        return _judged(experiment, calibration, seed)

    by_group = (
        attempted(
            "groups",
            partial(_by_group, experiment, embeddings, column, fmr, seed, reasons),
            reasons,
        )
        for column in groups
    )
    return Findings(
        identification=searches.identification,
        retrieval=searches.retrieval,
        clustering=attempted("clustering", clustered, reasons) if "clustering" in tasks else None,
        reliability=attempted("calibration", judged, reasons),
        calibration_of="half" if calibration is None else "model",
        groups=tuple(report for report in by_group if report is not None),
        left_out=tuple(reasons),
    )


def _clustered(
    experiment: Experiment, embeddings: Embeddings, distance: Distance | None
) -> Clustering:
    """By the threshold of the rarest measured FAR; where all pairs do not fit, by density."""
    if distance is not None and distance.name != "cosine":
        raise InputError("clusters are found by the cosine alone")
    vectors = embeddings.vectors
    if len(vectors) > MOST_AGGLOMERATIVE:
        return clustering(embeddings.labels, cluster(vectors, "hdbscan"))
    points = [entry for entry in experiment.measured.tar_at_far if entry.threshold is not None]
    rarest = min(points, key=lambda entry: entry.target, default=None)
    threshold = rarest.threshold if rarest else experiment.measured.eer_threshold
    return clustering(embeddings.labels, cluster(vectors, threshold=threshold))


def _judged(experiment: Experiment, calibration: Calibration | None, seed: int) -> Reliability:
    if calibration is not None:
        return reliability(calibration, experiment.scores, experiment.same)
    pairs = experiment.scored_pairs()
    first = np.random.default_rng(seed).permutation(pairs.identities) < pairs.identities // 2
    fitted, judged = (_within(pairs, side) for side in (first, ~first))
    made = fit_calibration(fitted.scores, fitted.same)
    return reliability(made, judged.scores, judged.same)


def _within(pairs: ScoredPairs, people: np.ndarray[Any, np.dtype[np.bool_]]) -> ScoredPairs:
    """The pairs of which both sides are among ``people``."""
    return pairs.take(people[pairs.left] & people[pairs.right])


def _by_group(
    experiment: Experiment,
    embeddings: Embeddings,
    column: str,
    fmr: float,
    seed: int,
    reasons: list[str],
) -> GroupReport:
    """The errors of a column's groups; the photos that are of none are counted in ``reasons``."""
    names, known = _groups(embeddings, column)
    points = [e for e in experiment.measured.tar_at_far if e.threshold is not None]
    usable = [e for e in points if e.target >= fmr]
    if not usable:
        raise InputError(f"{column}: too few impostor pairs for a threshold at FMR {fmr:g}")
    threshold = min(usable, key=lambda entry: entry.target).threshold
    assert threshold is not None
    left, right = experiment.left, experiment.right
    both = known[left] & known[right]
    report = group_errors(
        experiment.scored_pairs().take(both), names[left[both]], names[right[both]], threshold,
        column=column, replicates=GROUP_REPLICATES, seed=seed,
    )  # fmt: skip
    if not known.all():
        row = int(np.argmin(known))
        reasons.append(
            f"groups: {column}: {int((~known).sum()):,} of {len(known):,} photos have no value, "
            f"the first is {embeddings.names[row]!r} in row {row + 1}; pairs with them are in no "
            "group"
        )
    return report


def _groups(
    embeddings: Embeddings, column: str
) -> tuple[np.ndarray[Any, np.dtype[np.str_]], np.ndarray[Any, np.dtype[np.bool_]]]:
    """The group of each photo as text, in one spelling, and of which photos it is known."""
    values = embeddings.items[column].to_pylist()
    texts = ["" if value is None or value != value else clean_label(str(value)) for value in values]
    names = np.array(texts, np.str_)
    known = names != ""
    if not known.any():
        raise InputError(f"{column}: no photo has a value")
    return names, known
