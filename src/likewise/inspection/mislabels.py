"""Photos that are unlike the identity they are filed under, and perhaps like another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit
from scipy.stats import logistic, norm

from likewise.inspection.strangers import Strangers
from likewise.inspection.templates import Templates, nearest_people, size_factor

__all__ = ["Mislabel", "OwnScores", "mislabels", "own_scores"]

Vectors = NDArray[np.float32]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

ROUNDS = 100


@dataclass(frozen=True)
class OwnScores:
    """How alike each photo is to the rest of its identity.

    Args:
        cosines: with the template of the identity's other photos (leave one out), [N]; NaN where
            it is the only one.
        scores: the same, corrected for the number of photos: about 1 where the label is right.
        others: how many other photos there are, int64 [N].
    """

    cosines: Floats
    scores: Floats
    others: Rows

    @property
    def judged(self) -> NDArray[np.bool_]:
        """Which photos have others to be compared with."""
        return self.others > 0


@dataclass(frozen=True)
class Mislabel:
    """A photo whose label is in doubt.

    Args:
        row: the photo.
        own: its corrected score with the rest of its identity.
        identity: the identity that it resembles most, among the others.
        other: its corrected score with that one.
        chance: that the best of all strangers would resemble it as much.
        probability: that the label is wrong. Where the photo resembles nobody else it counts on
            every right label being like its person: a profile or a mask is not.
        elsewhere: it resembles the other identity more than its own, and more than chance allows.
        partner: the other photo of an identity that has two, where nothing tells which is wrong.
    """

    row: int
    own: float
    identity: int
    other: float
    chance: float
    probability: float
    elsewhere: bool
    partner: int | None = None


def own_scores(vectors: Vectors, labels: Rows, people: Templates, ratio: float) -> OwnScores:
    """Compare each photo with the mean of its identity's other photos.

    Args:
        vectors: unit length, float32 [N,D].
        labels: int64 [N].
        people: the templates of these vectors.
        ratio: ρ.
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
    return OwnScores(cosines, cosines * factor, others)


def mislabels(
    vectors: Vectors,
    labels: Rows,
    people: Templates,
    own: OwnScores,
    strangers: Strangers,
    *,
    false_alarms: float = 0.01,
    at_least: float = 0.1,
) -> list[Mislabel]:
    """Photos whose label is wrong with at least this probability.

    Those that look like somebody else come first, then those that look like nobody, which are
    often merely hard; in both the likeliest first.

    Two kinds of scores are mixed in ``own``: of right labels (a logistic law, fitted by
    expectation and maximisation with the share of wrong ones) and of strangers (known). Bayes'
    rule gives the odds that a photo is a stranger's. Where it is more like another identity than
    like its own, the odds are divided by the number of strangers expected to be that alike.

    Args:
        vectors: unit length, float32 [N,D].
        labels: int64 [N].
        people: their templates.
        own: their own scores.
        strangers: the law learnt on ``people``.
        false_alarms: the chance up to which a likeness to somebody else is none.
        at_least: the probability from which on a photo is listed.
    """
    rows = np.flatnonzero(own.judged)
    if len(rows) == 0:
        return []
    odds = _log_odds(own.scores[rows], own.others[rows], strangers)
    one = np.ones(len(rows), np.int64)
    scores, identities = nearest_people(
        vectors[rows], one, people, strangers.ratio, 1, own=labels[rows]
    )
    chances = strangers.chance(scores[:, 0], one, people.sizes)
    expected = -np.log1p(-np.minimum(chances, 1 - 1e-12))
    elsewhere = scores[:, 0] > own.scores[rows]
    found_elsewhere = elsewhere & (chances <= false_alarms)
    odds += np.where(elsewhere, np.maximum(-np.log(np.maximum(expected, 1e-30)), 0), 0)
    found = []
    pairs = _pairs_of_two(rows, labels[rows], people)
    place_of = {int(row): place for place, row in enumerate(rows)} if pairs else {}
    for place in np.lexsort((rows, -odds, ~found_elsewhere)).tolist():
        probability = float(expit(odds[place]))
        if probability < at_least:
            continue
        row = int(rows[place])
        partner = pairs.get(row)
        if partner is not None:
            rival = place_of[partner]
            mine = found_elsewhere[place], odds[place], -row
            if mine < (found_elsewhere[rival], odds[rival], -partner):
                continue  # the two photos of an identity disagree once, not twice
            round_cosines = found_elsewhere[place] or odds[place] - odds[rival] >= 1
            partner = None if round_cosines else partner
        found.append(
            Mislabel(
                row, float(own.scores[row]), int(identities[place, 0]), float(scores[place, 0]),
                float(chances[place]), probability, bool(found_elsewhere[place]), partner,
            )
        )  # fmt: skip
    return found


def _log_odds(scores: Floats, others: Rows, strangers: Strangers) -> Floats:
    """log P(a stranger's) - log P(the person's own), by a mixture of the two kinds of scores."""
    factor = size_factor(1, strangers.ratio) * size_factor(others, strangers.ratio)
    middle = strangers.mean * factor
    # Nothing is more a stranger than a stranger: below their mean the odds stay as they are.
    seen = np.maximum(scores, middle)
    of_stranger = norm.logpdf(seen, middle, strangers.deviation * factor)
    weights = np.where(others == 1, 0.5, 1.0)  # two photos disagree with each other: one event
    centre = float(np.median(scores))
    spread = max(float(np.median(np.abs(scores - centre))) * 1.4826, 1e-3)
    share = 0.01
    for _ in range(ROUNDS):
        of_own = logistic.logpdf(seen, centre, spread * np.sqrt(3) / np.pi)
        odds = np.log(share) - np.log1p(-share) + of_stranger - of_own
        genuine = weights * np.exp(log_expit(-odds))
        total = max(float(genuine.sum()), 1e-9)
        centre = float((genuine * seen).sum() / total)
        spread = max(float(np.sqrt((genuine * (seen - centre) ** 2).sum() / total)), 1e-3)
        share = float(np.clip(1 - total / weights.sum(), 0.5 / weights.sum(), 0.5))
    found: Floats = odds
    return found


def _pairs_of_two(rows: Rows, labels: Rows, people: Templates) -> dict[int, int]:
    """Of identities with two photos, the partner of each."""
    two = np.flatnonzero(people.sizes[labels] == 2)
    order = two[np.argsort(labels[two], kind="stable")]
    left, right = rows[order[::2]].tolist(), rows[order[1::2]].tolist()
    return dict(zip(left, right, strict=True)) | dict(zip(right, left, strict=True))
