"""AUC with its standard error over identities: against loops, derivatives, the bootstrap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from likewise.evaluation.intervals.auc_estimate import AucEstimate, auc_estimate
from likewise.evaluation.intervals.bootstrap import bootstrap
from likewise.evaluation.intervals.paired_bootstrap import paired_bootstrap
from likewise.evaluation.intervals.scored_pairs import ScoredPairs
from likewise.evaluation.intervals.weighted_metrics import WeightedPairs


def simulated(seed: int, people: int, photos: int, day: float = 1.0) -> ScoredPairs:
    """All pairs of people who are x = person + day · noise in 16 dimensions."""
    random = np.random.default_rng(seed)
    who = np.repeat(np.arange(people), photos)
    looks = random.normal(size=(people, 16))[who] + day * random.normal(size=(len(who), 16))
    i, j = np.triu_indices(len(who), 1)
    scores = -((looks[i] - looks[j]) ** 2).sum(axis=1)
    return ScoredPairs(scores, who[i] == who[j], who[i], who[j], people)


def auc_by_loop(pairs: ScoredPairs, weight: NDArray[np.float64]) -> float:
    """AUC with a weight of each identity, pair by pair."""
    won = total = 0.0
    for g in np.flatnonzero(pairs.same):
        for i in np.flatnonzero(~pairs.same):
            mass = weight[pairs.left[g]] * weight[pairs.left[i]] * weight[pairs.right[i]]
            gap = pairs.scores[g] - pairs.scores[i]
            won += mass * (0.5 if gap == 0 else float(gap > 0))
            total += mass
    return won / total


def test_the_influence_is_the_derivative_by_the_weight_of_an_identity() -> None:
    pairs = simulated(0, 5, 3)
    pairs = replace(pairs, scores=np.round(pairs.scores))  # with ties
    found = auc_estimate(pairs)
    ones = np.ones(5)
    assert found.value == pytest.approx(auc_by_loop(pairs, ones))
    assert found.people == 5
    for person in range(5):
        step = 1e-5 * (np.arange(5) == person)
        change = auc_by_loop(pairs, ones + step) - auc_by_loop(pairs, ones - step)
        assert found.influence[person] == pytest.approx(change / 2e-5, abs=1e-8)


def test_weights_of_pairs_count_as_copies() -> None:
    pairs = simulated(1, 6, 3)
    times = np.random.default_rng(0).integers(1, 4, len(pairs))
    copied = pairs.take(np.repeat(np.arange(len(pairs)), times))
    one, other = auc_estimate(replace(pairs, weight=times.astype(float))), auc_estimate(copied)
    assert one.value == pytest.approx(other.value)
    np.testing.assert_allclose(one.influence, other.influence, atol=1e-12)


def test_the_value_is_that_of_the_bootstrap_and_the_interval_is_as_wide() -> None:
    pairs = simulated(2, 60, 4)
    found, boot = auc_estimate(pairs), bootstrap(pairs, (), replicates=400).auc
    measured = WeightedPairs(pairs).replicate()
    assert measured is not None
    assert found.value == pytest.approx(measured.auc())
    interval = found.interval()
    assert interval.high - interval.low == pytest.approx(boot.high - boot.low, rel=0.15)


def test_a_paired_difference_is_that_of_the_paired_bootstrap() -> None:
    pairs = simulated(3, 60, 4)
    other = pairs.scores + np.random.default_rng(0).normal(0, 4, len(pairs))
    second = replace(pairs, scores=other)
    gap = auc_estimate(pairs).minus(auc_estimate(second)).interval()
    boot = paired_bootstrap(pairs, other, (), replicates=400).auc
    assert gap.value == pytest.approx(boot.value)
    assert gap.high - gap.low == pytest.approx(boot.high - boot.low, rel=0.15)
    alone = auc_estimate(pairs).interval()
    assert gap.high - gap.low < 0.7 * (alone.high - alone.low)


def test_the_interval_holds_the_true_value_as_often_as_it_says() -> None:
    """Ten people only; ‖x - y‖² is a scaled χ², so that the AUC has a closed form."""
    true = float(stats.f.cdf(2.0, 16, 16))  # ((1 + day²) / day²) with day = 1
    found = [auc_estimate(simulated(seed, 10, 4)).interval() for seed in range(200)]
    held = np.mean([one.low <= true <= one.high for one in found])
    assert 0.89 <= held <= 0.99


def test_intervals_stay_within_0_and_1_and_few_people_are_uncertain() -> None:
    interval = AucEstimate(0.99, np.array([0.02, -0.02]), 2).interval()
    assert 0 <= interval.low < 0.5
    assert 0.99 < interval.high <= 1
    alone = AucEstimate(0.9, np.zeros(1), 1)
    assert (alone.interval().low, alone.interval().high) == (0.0, 1.0)
    perfect = AucEstimate(1.0, np.zeros(3), 3).interval()
    assert perfect.low == pytest.approx(0.025 ** (1 / 3))  # three of three people: 2.5 % by chance
    assert perfect.high == 1.0
    none = AucEstimate(0.0, np.zeros(3), 3).interval()
    assert (none.low, none.high) == (0.0, pytest.approx(1 - 0.025 ** (1 / 3)))


def test_it_survives_json() -> None:
    found = auc_estimate(simulated(4, 5, 3))
    again = AucEstimate.from_dict(found.to_dict())
    assert (again.value, again.people) == (found.value, found.people)
    assert np.array_equal(again.influence, found.influence)
