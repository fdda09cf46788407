"""The bootstrap over identities: weights against resampled lists, and coverage."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.coverage import coverage, simulated, truth
from hypothesis import given, settings
from hypothesis import strategies as st

from likewise.errors import InputError
from likewise.evaluation.intervals.bootstrap import Interval, bootstrap, identity_weights
from likewise.evaluation.intervals.paired_bootstrap import paired_bootstrap
from likewise.evaluation.intervals.scored_pairs import ScoredPairs, scored_pairs
from likewise.evaluation.intervals.weighted_metrics import WeightedPairs
from likewise.evaluation.verification.metrics import verification

FARS = (0.5, 0.1, 0.02)


def tied_pairs(seed: int, people: int = 6, count: int = 60) -> ScoredPairs:
    random = np.random.default_rng(seed)
    left, right = random.integers(0, people, (2, count))
    right[: count // 3] = left[: count // 3]
    same = left == right
    same[0] = False  # an impostor pair within one identity, as a wrong label makes it
    left[1], right[1], same[1] = 0, 1, False
    left[2] = right[2]
    same[2] = True
    return scored_pairs(random.integers(0, 6, count) / 4, same, left, right)


def rebuilt(pairs: ScoredPairs, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The list of pairs of a draw, each written as often as it comes in it."""
    scores, same = [], []
    for row in range(len(pairs)):
        a, b = int(pairs.left[row]), int(pairs.right[row])
        copies = weights[a] if a == b else weights[a] * weights[b]
        scores += [pairs.scores[row]] * int(copies)
        same += [pairs.same[row]] * int(copies)
    return np.array(scores), np.array(same)


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 10**6))
def test_weights_equal_the_resampled_list(seed: int) -> None:
    pairs = tied_pairs(seed)
    random = np.random.default_rng(seed)
    weights = random.integers(0, 4, pairs.identities)
    scores, same = rebuilt(pairs, weights)
    found = WeightedPairs(pairs).replicate(weights)
    if not same.any() or same.all():
        assert found is None
        return
    assert found is not None
    expected = verification(scores, same, FARS)
    assert found.auc() == pytest.approx(expected.auc)
    assert found.eer() == pytest.approx((expected.eer, expected.eer_threshold))
    for entry in expected.tar_at_far:
        if entry.tar is not None:
            found_at = found.tar_at(entry.target)
            assert found_at == pytest.approx((entry.tar, entry.far, entry.threshold))
    far, fnmr = found.rates(0.75)
    assert far == pytest.approx(np.mean(scores[~same] >= 0.75))
    assert fnmr == pytest.approx(np.mean(scores[same] < 0.75))


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6))
def test_each_identity_once_is_the_experiment_itself(seed: int) -> None:
    pairs = tied_pairs(seed)
    expected = verification(pairs.scores, pairs.same, FARS)
    found = WeightedPairs(pairs).replicate()
    assert found is not None
    assert found.auc() == pytest.approx(expected.auc)
    assert found.eer() == pytest.approx((expected.eer, expected.eer_threshold))


def test_a_pair_may_represent_several() -> None:
    pairs = tied_pairs(3)
    twice = ScoredPairs(
        pairs.scores, pairs.same, pairs.left, pairs.right, pairs.identities, np.full(60, 2.0)
    )
    a, b = WeightedPairs(pairs).replicate(), WeightedPairs(twice).replicate()
    assert a is not None
    assert b is not None
    assert (a.auc(), *a.eer(), *a.tar_at(0.1)) == pytest.approx((b.auc(), *b.eer(), *b.tar_at(0.1)))


def test_the_same_seed_gives_the_same_replicates() -> None:
    pairs = simulated(1)
    first = bootstrap(pairs, (1e-2,), replicates=30, seed=5)
    assert first == bootstrap(pairs, (1e-2,), replicates=30, seed=5)
    assert first != bootstrap(pairs, (1e-2,), replicates=30, seed=6)
    assert all(weights.sum() == 200 for weights in identity_weights(200, 5, 0))


def test_resampling_pairs_would_give_too_narrow_intervals() -> None:
    """Photos of a person share its luck: the interval over people is wider than that over pairs."""
    pairs = simulated(2)
    found = bootstrap(pairs, (1e-2,), replicates=200).at(1e-2)
    random = np.random.default_rng(0)
    tars = []
    for _ in range(30):
        rows = random.integers(len(pairs), size=len(pairs))
        tars.append(verification(pairs.scores[rows], pairs.same[rows], (1e-2,)).at(1e-2).tar)
    assert found.tar is not None
    assert (found.tar.high - found.tar.low) / 3.92 > 1.2 * np.std(np.array(tars, float))


def test_no_false_accept_is_no_proof_of_none() -> None:
    people = np.repeat(np.arange(10), 2)
    i, j = np.triu_indices(20, 1)
    same = people[i] == people[j]
    pairs = scored_pairs(np.where(same, 0.9, 0.1), same, people[i], people[j])
    found = bootstrap(pairs, (1e-2, 1e-3), replicates=50)
    entry = found.at(1e-2)
    assert entry.far is not None
    assert (entry.far.value, entry.far.low) == (0.0, 0.0)
    assert 3 / 180 < entry.far.high < 4 / 180  # the rule of 3, two-sided
    assert found.auc == Interval(1.0, 1.0, 1.0)
    assert found.at(1e-3).tar is None  # 180 impostor pairs cannot show it


def test_a_far_without_an_interval_is_named_with_those_that_have_one() -> None:
    pairs = simulated(1)
    found = bootstrap(pairs, (0.1, 1e-2), replicates=20)
    gap = paired_bootstrap(pairs, pairs.scores, (0.1, 1e-2), replicates=20)
    assert found.at(0.3 - 0.2) == found.at_far[0]  # 0.09999999999999998
    for entries in (found, gap):
        with pytest.raises(InputError, match=r"no interval at 0\.05, only at 0\.1, 0\.01"):
            entries.at(0.05)


def test_paired_intervals_are_narrow_where_systems_agree() -> None:
    pairs = simulated(3)
    other = pairs.scores + np.random.default_rng(0).normal(size=len(pairs))
    gap = paired_bootstrap(pairs, other, (1e-2,), replicates=60)
    alone = bootstrap(pairs, (1e-2,), replicates=60)
    a, b = (verification(s, pairs.same, (1e-2,)) for s in (pairs.scores, other))
    assert gap.auc.value == pytest.approx(a.auc - b.auc)
    tar = gap.at(1e-2)
    assert tar is not None
    first, second = a.at(1e-2).tar, b.at(1e-2).tar
    assert first is not None
    assert second is not None
    assert tar.value == pytest.approx(first - second)
    assert gap.auc.high - gap.auc.low < (alone.auc.high - alone.auc.low) / 2
    assert gap.auc.low <= gap.auc.value <= gap.auc.high


def test_the_closed_form_matches_many_people() -> None:
    measured = [verification(p.scores, p.same, (1e-2,)) for p in map(simulated, range(8))]
    auc, tar = truth()
    assert np.mean([m.auc for m in measured]) == pytest.approx(auc, abs=3e-3)
    tars = np.array([m.at(1e-2).tar for m in measured], float)
    assert tars.mean() == pytest.approx(tar, abs=0.04)


def test_coverage_in_a_few_sets() -> None:
    """The short form of the check below: 40 sets, where 95 % may look like 85 %."""
    for measured in coverage(40, replicates=60):
        assert measured.held >= 0.85


@pytest.mark.slow
def test_coverage_equals_the_level() -> None:
    for measured in coverage(500):
        assert 0.92 <= measured.held <= 0.98


def test_wrong_use() -> None:
    pairs = tied_pairs(0)
    with pytest.raises(InputError, match="level"):
        bootstrap(pairs, level=1.0)
    with pytest.raises(InputError, match="replicates"):
        bootstrap(pairs, replicates=3)
    with pytest.raises(InputError, match="at least 5"):
        bootstrap(tied_pairs(0, people=3))
    with pytest.raises(InputError, match="scores for"):
        paired_bootstrap(pairs, [0.1])
    with pytest.raises(InputError, match="not finite"):
        paired_bootstrap(pairs, np.full(len(pairs), np.nan))
    with pytest.raises(InputError, match="its photos are of anna and bob"):
        scored_pairs([0.1, 0.2], [True, False], ["anna", "anna"], ["bob", "bob"])
