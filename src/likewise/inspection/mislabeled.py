"""Mislabeled photos: unlike the other photos of their identity, and perhaps like another one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit
from scipy.stats import logistic, norm

from likewise.inspection.centroids import Centroids, nearest_identities, size_factor
from likewise.inspection.impostor_scores import ImpostorScores

__all__ = ["LeaveOneOutScores", "MislabeledPhoto", "leave_one_out_scores", "mislabeled_photos"]

Vectors = NDArray[np.float32]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

ROUNDS = 100


@dataclass(frozen=True)
class LeaveOneOutScores:
    """The similarity of each photo to the other photos of its identity.

    Args:
        cosines: cosine with the centroid of the identity's other photos, [N]; NaN where there are
            none.
        scores: the cosines corrected for the number of photos: about 1 where the label is right.
        others: number of other photos of the identity, int64 [N].
    """

    cosines: Floats
    scores: Floats
    others: Rows

    @property
    def judged(self) -> NDArray[np.bool_]:
        """Photos that have others of their identity to be compared with."""
        return self.others > 0


@dataclass(frozen=True)
class MislabeledPhoto:
    """A photo whose label is in doubt.

    Args:
        row: the photo.
        own: its corrected score with the other photos of its identity.
        identity: the most similar other identity.
        other: its corrected score with that identity.
        p_value: the probability that the best of all impostors scores as high as ``other``.
        probability: that the label is wrong. Where the photo resembles no other identity, this
            assumes that every correctly labeled photo resembles its person, which a profile view
            or a masked face does not.
        elsewhere: the other identity scores higher than its own, and significantly so.
        partner: the other photo of an identity with two photos, where it is undecided which of
            the two is mislabeled.
    """

    row: int
    own: float
    identity: int
    other: float
    p_value: float
    probability: float
    elsewhere: bool
    partner: int | None = None


def leave_one_out_scores(
    vectors: Vectors, labels: Rows, people: Centroids, ratio: float
) -> LeaveOneOutScores:
    """Compare each photo with the centroid of the other photos of its identity.

    Args:
        vectors: unit length, float32 [N,D].
        labels: int64 [N].
        people: the centroids of these vectors.
        ratio: ρ, see ``noise_ratio``.
    """
    others = people.sizes[labels] - 1
    cosines = np.full(len(labels), np.nan)
    for start in range(0, len(labels), 65_536):
        part = slice(start, start + 65_536)
        rest = people.sums[labels[part]] - vectors[part]
        lengths = np.maximum(np.linalg.norm(rest, axis=1), 1e-9)
        cosines[part] = (vectors[part] * rest).sum(axis=1) / lengths
    cosines[others == 0] = np.nan
    factor = size_factor(1, ratio) * size_factor(others, ratio)
    return LeaveOneOutScores(cosines, cosines * factor, others)


def mislabeled_photos(
    vectors: Vectors,
    labels: Rows,
    people: Centroids,
    own: LeaveOneOutScores,
    impostors: ImpostorScores,
    *,
    false_alarms: float = 0.01,
    at_least: float = 0.1,
) -> list[MislabeledPhoto]:
    """Photos whose label is wrong with at least the probability ``at_least``.

    Photos that resemble another identity come first, then those that resemble none, which are
    often only hard photos; within each group by descending probability.

    The scores ``own`` are a mixture of genuine scores (a logistic distribution, fitted by EM
    together with the share of wrong labels) and impostor scores (known). Bayes' rule gives the
    odds that a photo is mislabeled. Where another identity scores higher than the photo's own,
    the odds are divided by the expected number of impostors that score as high.

    Args:
        vectors: unit length, float32 [N,D].
        labels: int64 [N].
        people: their centroids.
        own: their leave-one-out scores.
        impostors: the distribution fitted on ``people``.
        false_alarms: significance level of the similarity to another identity.
        at_least: the least probability of a photo that is listed.
    """
    rows = np.flatnonzero(own.judged)
    if len(rows) == 0:
        return []
    odds = _log_odds(own.scores[rows], own.others[rows], impostors)
    one = np.ones(len(rows), np.int64)
    scores, identities = nearest_identities(
        vectors[rows], one, people, impostors.ratio, 1, own=labels[rows]
    )
    p_values = impostors.p_values(scores[:, 0], one, people.sizes)
    expected = -np.log1p(-np.minimum(p_values, 1 - 1e-12))
    elsewhere = scores[:, 0] > own.scores[rows]
    found_elsewhere = elsewhere & (p_values <= false_alarms)
    odds += np.where(elsewhere, np.maximum(-np.log(np.maximum(expected, 1e-30)), 0), 0)
    found = []
    pairs = _pairs_of_two(rows, labels[rows], people)
    index_of = {int(row): index for index, row in enumerate(rows)} if pairs else {}
    for index in np.lexsort((rows, -odds, ~found_elsewhere)).tolist():
        probability = float(expit(odds[index]))
        if probability < at_least:
            continue
        row = int(rows[index])
        partner = pairs.get(row)
        if partner is not None:
            rival = index_of[partner]
            rank = found_elsewhere[index], odds[index], -row
            if rank < (found_elsewhere[rival], odds[rival], -partner):
                continue  # report a disagreement between two photos once, not twice
            decided = found_elsewhere[index] or odds[index] - odds[rival] >= 1
            partner = None if decided else partner
        found.append(
            MislabeledPhoto(
                row, float(own.scores[row]), int(identities[index, 0]), float(scores[index, 0]),
                float(p_values[index]), probability, bool(found_elsewhere[index]), partner,
            )
        )  # fmt: skip
    return found


def _log_odds(scores: Floats, others: Rows, impostors: ImpostorScores) -> Floats:
    """log P(impostor) - log P(genuine), by EM for a mixture of genuine and impostor scores."""
    factor = size_factor(1, impostors.ratio) * size_factor(others, impostors.ratio)
    middle = impostors.mean * factor
    # Below the impostors' mean a lower score is no further evidence: the odds stay constant.
    seen = np.maximum(scores, middle)
    log_impostor = norm.logpdf(seen, middle, impostors.deviation * factor)
    weights = np.where(others == 1, 0.5, 1.0)  # if two photos disagree, that is one event
    centre = float(np.median(scores))
    spread = max(float(np.median(np.abs(scores - centre))) * 1.4826, 1e-3)
    share = 0.01
    for _ in range(ROUNDS):
        log_genuine = logistic.logpdf(seen, centre, spread * np.sqrt(3) / np.pi)
        odds = np.log(share) - np.log1p(-share) + log_impostor - log_genuine
        genuine = weights * np.exp(log_expit(-odds))
        total = max(float(genuine.sum()), 1e-9)
        centre = float((genuine * seen).sum() / total)
        spread = max(float(np.sqrt((genuine * (seen - centre) ** 2).sum() / total)), 1e-3)
        share = float(np.clip(1 - total / weights.sum(), 0.5 / weights.sum(), 0.5))
    found: Floats = odds
    return found


def _pairs_of_two(rows: Rows, labels: Rows, people: Centroids) -> dict[int, int]:
    """For each photo of an identity with two photos, the other one."""
    two = np.flatnonzero(people.sizes[labels] == 2)
    order = two[np.argsort(labels[two], kind="stable")]
    left, right = rows[order[::2]].tolist(), rows[order[1::2]].tolist()
    return dict(zip(left, right, strict=True)) | dict(zip(right, left, strict=True))
