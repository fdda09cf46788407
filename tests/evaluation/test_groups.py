"""Error rates of groups against plain loops, and the warnings of small groups."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from likewise.binomial import clopper_pearson
from likewise.errors import InputError
from likewise.evaluation.groups import group_errors
from likewise.evaluation.intervals.scored_pairs import ScoredPairs, scored_pairs


def people(seed: int, count: int = 12, photos: int = 3) -> tuple[ScoredPairs, np.ndarray, ...]:
    random = np.random.default_rng(seed)
    person = np.repeat(np.arange(count), photos)
    i, j = np.triu_indices(len(person), 1)
    same = person[i] == person[j]
    scores = random.integers(0, 4, len(i)) / 4 + same * 0.25
    group = random.permutation(np.array(["a", "b", "c"]).repeat(count // 3))[person]
    return scored_pairs(scores, same, person[i], person[j]), group[i], group[j]


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.5, 0.75, 2.0]))
def test_against_a_loop(seed: int, threshold: float) -> None:
    pairs, left, right = people(seed)
    report = group_errors(pairs, left, right, threshold, replicates=20)
    assert [g.group for g in report.groups] == ["a", "b", "c"]
    for entry in [*report.groups, report.overall]:
        accepted = refused = impostor = genuine = 0
        for score, same, a, b in zip(pairs.scores, pairs.same, left, right, strict=True):
            if entry.group != "all" and not a == b == entry.group:
                continue
            genuine, impostor = genuine + same, impostor + (not same)
            refused += same and score < threshold
            accepted += (not same) and score >= threshold
        assert (entry.genuine, entry.impostor) == (genuine, impostor)
        assert entry.fmr is not None
        assert entry.fnmr is not None
        assert entry.fmr.value == pytest.approx(accepted / impostor)
        assert entry.fnmr.value == pytest.approx(refused / genuine)
        assert entry.fmr.low <= entry.fmr.value <= entry.fmr.high
        low, high = clopper_pearson(accepted, impostor)
        assert entry.fmr.low <= low + 1e-9
        assert entry.fmr.high >= high - 1e-9
    best = min(g.fmr.value for g in report.groups if g.fmr)
    overall = report.overall.fmr
    assert overall is not None
    for entry in report.groups:
        assert entry.fmr is not None
        if entry.fmr_ratio is not None:
            assert entry.fmr_ratio.value == pytest.approx(entry.fmr.value / overall.value)
        if entry.fmr_to_best is not None:
            assert entry.fmr_to_best == pytest.approx(entry.fmr.value / best)
    assert report.across == int((left != right).sum())


def test_small_groups_get_a_warning() -> None:
    pairs, left, right = people(0)
    report = group_errors(pairs, left, right, 9.0, replicates=20)
    for entry in report.groups:
        assert "no error in" in entry.warnings[0]  # FMR: rule of 3
        assert "with fewer than 30" in entry.warnings[1]  # FNMR: 12 genuine pairs, all refused
    alone = group_errors(pairs, np.array(["x"] * len(pairs)), left, 0.5, replicates=20)
    assert alone.groups[0].fmr is None
    assert "no pair" in alone.groups[0].warnings[0]
    assert alone.across == len(pairs)


def test_wrong_use() -> None:
    pairs, left, right = people(0)
    with pytest.raises(InputError, match="camera: .* groups for"):
        group_errors(pairs, left[:3], right, 0.5, column="camera")
    with pytest.raises(InputError, match="at most 100"):
        group_errors(pairs, np.arange(len(pairs)), right.astype("U8"), 0.5)
