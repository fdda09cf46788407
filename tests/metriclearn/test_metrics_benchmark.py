"""The interval that the table of learned metrics prints."""

from __future__ import annotations

import numpy as np
from benchmarks.metrics import auc_gap_interval

from likewise.data.pairs import draw_pairs
from likewise.evaluation.verification.metrics import verification


def test_a_difference_due_to_few_people_has_a_wide_interval() -> None:
    """The second score is worse only for some people; a bootstrap over pairs would not show it."""
    random = np.random.default_rng(0)
    people = np.repeat([f"p{n}" for n in range(24)], 8)
    pairs = draw_pairs(np.repeat(np.arange(24), 8))
    left, right = np.asarray(pairs.left), np.asarray(pairs.right)
    luck = random.normal(size=24).repeat(8)
    plain = 1.5 * pairs.same + random.normal(size=len(pairs))
    scores = plain + 0.5 * (luck[left] + luck[right])
    low, high = auc_gap_interval(scores, plain, pairs, people)
    gaps = []
    for _ in range(60):
        drawn = random.integers(len(pairs), size=len(pairs))
        both = [verification(s[drawn], pairs.same[drawn]).auc for s in (scores, plain)]
        gaps.append(both[0] - both[1])
    assert (high - low) / 3.92 > 1.5 * np.std(gaps)
