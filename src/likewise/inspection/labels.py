"""All checks of a set's labels with embeddings."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import norm

from likewise.inspection.ability import Ability, ModelTooWeak, measure_ability
from likewise.inspection.duplicates import Duplicate
from likewise.inspection.embedded_set import EmbeddedSet
from likewise.inspection.impostor_scores import ImpostorScores, fit_impostor_scores
from likewise.inspection.label_noise import LabelNoise, label_noise
from likewise.inspection.mislabeled import (
    LeaveOneOutScores,
    MislabeledPhoto,
    leave_one_out_scores,
    mislabeled_photos,
)
from likewise.inspection.same_person import SamePerson, duplicate_identities
from likewise.inspection.two_people import TwoPeople, two_people

__all__ = ["LabelFindings", "check_labels"]

MARGIN = 0.3  # the least difference of corrected scores that decides between two identities


@dataclass(frozen=True)
class LabelFindings:
    """Findings about labels.

    Args:
        ability: how well the embeddings separate the identities; None where no identity has two
            photos.
        impostors: the distribution of impostor scores.
        own: leave-one-out scores of the photos.
        noise: the share of wrong labels; None where no identity has two photos.
        mislabeled: photos whose label is in doubt, see ``mislabeled_photos``.
        same_person: pairs of identities that look like one person, by ascending p-value.
        two_people: identities that look like two people, the least similar first.
    """

    ability: Ability | None
    impostors: ImpostorScores
    own: LeaveOneOutScores
    noise: LabelNoise | None
    mislabeled: list[MislabeledPhoto]
    same_person: list[SamePerson]
    two_people: list[TwoPeople]

    def supported_row(
        self, duplicate: Duplicate, vector_of_row: dict[int, int], false_alarms: float
    ) -> int | None:
        """Of a duplicate under two identities, the row whose identity the embeddings support.

        Its leave-one-out score must be significant, and that of the other row not significant or
        lower by 0.3. None where neither or both are supported.

        Args:
            duplicate: two photos of one shot.
            vector_of_row: the index of each photo's vector, by the photo's row.
            false_alarms: significance level.
        """
        scores = []
        for row in (duplicate.left, duplicate.right):
            index = vector_of_row.get(row)
            if index is None or not self.own.judged[index]:
                scores.append(-np.inf)
                continue
            z = (self.own.cosines[index] - self.impostors.mean) / self.impostors.deviation
            scores.append(self.own.scores[index] if norm.sf(z) <= false_alarms else -np.inf)
        left, right = scores
        if left == right or abs(left - right) < MARGIN:
            return None
        return duplicate.left if left > right else duplicate.right


def check_labels(
    found: EmbeddedSet,
    *,
    false_alarms: float = 0.01,
    share_false: float = 0.1,
    noise_error: float = 0.05,
) -> LabelFindings:
    """Fit the impostor distribution, test the model, then check every label.

    Rows in the findings are those of the manifest.

    Args:
        found: the set with its embeddings.
        false_alarms: significance level for single photos and splits.
        share_false: false discovery rate among the pairs reported as one person.
        noise_error: see ``label_noise``.

    Raises:
        ModelTooWeak: the embeddings do not separate the identities of this set well enough.
        InputError: fewer than 20 identities.
    """
    impostors = fit_impostor_scores(found.people)
    own = leave_one_out_scores(found.vectors, found.labels, found.people, impostors.ratio)
    ability = measure_ability(found, own, impostors, noise_error)
    if ability is not None and not ability.sufficient:
        raise ModelTooWeak(ability)
    rows = found.rows.tolist()
    mislabeled = [
        replace(m, row=rows[m.row], partner=None if m.partner is None else rows[m.partner])
        for m in mislabeled_photos(
            found.vectors, found.labels, found.people, own, impostors, false_alarms=false_alarms
        )
    ]
    splits = [
        replace(s, first=[rows[n] for n in s.first], second=[rows[n] for n in s.second])
        for s in two_people(found.vectors, found.labels, impostors, false_alarms=false_alarms)
    ]
    return LabelFindings(
        ability,
        impostors,
        own,
        label_noise(own, impostors, noise_error),
        mislabeled,
        duplicate_identities(found.people, impostors, share_false),
        splits,
    )
