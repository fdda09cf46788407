"""What embeddings say about the labels of a set, all of it together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import norm

from likewise.inspection.ability import Ability, CannotJudge, measure_ability
from likewise.inspection.duplicates import Duplicate
from likewise.inspection.embedded import EmbeddedSet
from likewise.inspection.label_noise import LabelNoise, label_noise
from likewise.inspection.mislabels import Mislabel, OwnScores, mislabels, own_scores
from likewise.inspection.same_person import SamePerson, same_within
from likewise.inspection.strangers import Strangers, learn_strangers
from likewise.inspection.two_people import TwoPeople, two_people

__all__ = ["LabelFindings", "judge_labels"]

AHEAD = 0.3  # of corrected score, by which one of two identities must win a double


@dataclass(frozen=True)
class LabelFindings:
    """Doubts about labels.

    Args:
        ability: how well the embeddings tell these people apart; None where no identity has two
            photos.
        strangers: the law of strangers' scores that all of it rests on.
        own: how alike each photo is to the rest of its identity.
        noise: the share of wrong labels; None where no identity has two photos.
        mislabels: photos whose label is in doubt, the likeliest first.
        merges: identities that look like one person, the surest first.
        splits: identities that look like two people, the least alike first.
    """

    ability: Ability | None
    strangers: Strangers
    own: OwnScores
    noise: LabelNoise | None
    mislabels: list[Mislabel]
    merges: list[SamePerson]
    splits: list[TwoPeople]

    def rightful(
        self, double: Duplicate, places: dict[int, int], false_alarms: float
    ) -> int | None:
        """Of a double under two identities the row whose identity the embeddings support.

        Its own score must be beyond strangers', and the other's not, or lower by 0.3. None where
        neither or both are supported.

        Args:
            double: two photos of one shot.
            places: where among the vectors each row is.
            false_alarms: the part of strangers that would pass.
        """
        scores = []
        for row in (double.left, double.right):
            place = places.get(row)
            if place is None or not self.own.judged[place]:
                scores.append(-np.inf)
                continue
            z = (self.own.cosines[place] - self.strangers.mean) / self.strangers.deviation
            scores.append(self.own.scores[place] if norm.sf(z) <= false_alarms else -np.inf)
        left, right = scores
        if left == right or abs(left - right) < AHEAD:
            return None
        return double.left if left > right else double.right


def judge_labels(
    found: EmbeddedSet,
    *,
    false_alarms: float = 0.01,
    share_false: float = 0.1,
    noise_error: float = 0.05,
) -> LabelFindings:
    """Learn how alike strangers look, and doubt every label by it. Rows are the manifest's.

    First the embeddings are tested: labels are not doubted by a model that cannot tell these
    people apart.

    Args:
        found: the set with its embeddings.
        false_alarms: the chance at which strangers are still taken for one person.
        share_false: of the names that are taken for one person, the part that may be two.
        noise_error: see ``label_noise``.

    Raises:
        CannotJudge: the embeddings are too weak for this set.
        InputError: fewer than 20 identities.
    """
    strangers = learn_strangers(found.people)
    own = own_scores(found.vectors, found.labels, found.people, strangers.ratio)
    ability = measure_ability(found, own, strangers, noise_error)
    if ability is not None and not ability.sufficient:
        raise CannotJudge(ability)
    rows = found.rows.tolist()
    doubted = [
        replace(m, row=rows[m.row], partner=None if m.partner is None else rows[m.partner])
        for m in mislabels(
            found.vectors, found.labels, found.people, own, strangers, false_alarms=false_alarms
        )
    ]
    splits = [
        replace(s, first=[rows[n] for n in s.first], second=[rows[n] for n in s.second])
        for s in two_people(found.vectors, found.labels, strangers, false_alarms=false_alarms)
    ]
    return LabelFindings(
        ability,
        strangers,
        own,
        label_noise(own, strangers, noise_error),
        doubted,
        same_within(found.people, strangers, share_false),
        splits,
    )
