"""The two recalls against plain loops, and their bounds against simulated truth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from likewise.errors import InputError
from likewise.search.tuning.recall import Found, mates_found, nearest_found, recall_of


def answers(seed: int, queries: int, k: int) -> tuple[np.ndarray, Found, Found]:
    """All scores [Q,N] with many ties, the true answer, and one that misses some."""
    random = np.random.default_rng(seed)
    scores = random.integers(0, 6, (queries, 20)).astype(np.float32) / 8
    order = np.lexsort((np.tile(np.arange(20), (queries, 1)), -scores))
    truth = order[:, :k]
    ours = np.stack([np.sort(random.permutation(20)[:k]) for _ in range(queries)])

    def found(ids: np.ndarray) -> Found:
        own = np.take_along_axis(scores, ids, axis=1)
        best = np.lexsort((ids, -own))
        return Found(np.take_along_axis(own, best, axis=1), np.take_along_axis(ids, best, axis=1))

    return scores, found(truth), found(ours)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 8), st.floats(0, 0.8))
def test_both_recalls_against_a_plain_loop(seed: int, k: int, threshold: float) -> None:
    scores, truth, found = answers(seed, 5, k)
    labels = np.arange(20) % 3
    whose = np.arange(5) % 3
    got, there = mates_found(truth, found, whose, labels[truth.ids], labels[found.ids], threshold)
    hits = nearest_found(truth, found)
    for query in range(5):
        floor = sorted(scores[query], reverse=True)[k - 1]
        assert hits[query] == min(k, sum(scores[query, i] >= floor for i in found.ids[query]))
        wanted = [
            i for i in truth.ids[query]
            if labels[i] == whose[query] and scores[query, i] >= threshold - 1e-6
        ]  # fmt: skip
        mine = [
            i for i in found.ids[query]
            if labels[i] == whose[query] and scores[query, i] >= max(floor, threshold - 1e-6)
        ]  # fmt: skip
        assert there[query] == len(wanted)
        assert got[query] == min(len(wanted), len(mine))


def test_the_truth_finds_itself_whichever_ties_it_names() -> None:
    scores = np.float32([[0.9, 0.5, 0.5]])
    truth = Found(scores[:, :2], np.array([[1, 2]]))
    for twin in ([1, 2], [1, 3]):
        assert nearest_found(truth, Found(scores[:, :2], np.array([twin]))).tolist() == [2]


def test_an_id_named_twice_or_none_counts_once_or_not() -> None:
    truth = Found(np.float32([[0.9, 0.8, 0.7]]), np.array([[1, 2, 3]]))
    twice = Found(np.float32([[0.9, 0.9, -np.inf]]), np.array([[1, 1, -1]]))
    assert nearest_found(truth, twice).tolist() == [1]


def test_negative_ids_are_ids_and_absence_is_the_score() -> None:
    scores = np.float32([[0.9, 0.8, 0.7]])
    truth = Found(scores, np.array([[-1, -(2**63), 3]]))
    assert nearest_found(truth, truth).tolist() == [3]
    own = np.array([[7, 7, 7]])
    assert [part.tolist() for part in mates_found(truth, truth, [7], own, own, 0.5)] == [[3], [3]]
    # A filler may have the number of an id that was found, or of one that was not.
    for filler in (-1, 3):
        short = Found(np.float32([[0.9, 0.8, -np.inf]]), np.array([[-1, -(2**63), filler]]))
        assert nearest_found(truth, short).tolist() == [2]
        assert mates_found(truth, short, [7], own, own, 0.5)[0].tolist() == [2]


def test_a_mate_below_the_threshold_or_past_k_is_not_missed() -> None:
    truth = Found(np.float32([[0.9, 0.3]]), np.array([[1, 2]]))
    nothing = Found(np.float32([[0.1, 0.1]]), np.array([[8, 9]]))
    mine, others = np.array([[5, 5]]), np.array([[0, 0]])
    got, there = mates_found(truth, nothing, [5], mine, others, 0.4)
    assert (got.tolist(), there.tolist()) == ([0], [1])


def test_bounds_of_single_trials_are_the_exact_binomial_ones() -> None:
    hits = np.r_[np.ones(180), np.zeros(20)]
    found = recall_of(hits, np.ones(200))
    assert found.low == pytest.approx(beta.ppf(0.05, 180, 21), abs=1e-3)
    assert found.high == pytest.approx(beta.ppf(0.95, 181, 20), abs=1e-3)
    full = recall_of(np.full(200, 10), np.full(200, 10))
    assert (full.value, full.high) == (1.0, 1.0)
    assert full.low == pytest.approx(0.05 ** (1 / 200))


def test_the_lower_bound_holds_as_often_as_it_says() -> None:
    """Queries differ in how hard they are, and people in how hard all their queries are."""
    random = np.random.default_rng(0)
    truth, held, narrow = 0.95, 0, 0
    groups = np.repeat(np.arange(100), 3)
    for _ in range(400):
        person = random.beta(19, 1, 100)[groups]
        hits = random.binomial(10, person)
        trials = np.full(300, 10)
        held += recall_of(hits, trials, groups).low <= truth
        narrow += beta.ppf(0.05, hits.sum(), 3000 - hits.sum() + 1) <= truth
    assert held >= 0.92 * 400
    assert narrow < held  # as if all 3,000 were independent: too sure of itself


@pytest.mark.parametrize(
    ("sizes", "ability", "truth"),
    [
        # A few people with most of the photos; each person is found, or is not.
        (lambda random: np.minimum(random.zipf(1.5, 100), 300), (0, 0.97), 0.97),
        (lambda random: np.minimum(random.zipf(1.5, 100), 300), (9, 1), 0.9),
        (lambda random: random.integers(1, 6, 200), (0, 0.98), 0.98),
    ],
)
def test_the_lower_bound_holds_where_people_have_unequal_numbers_of_photos(
    sizes: Callable[[np.random.Generator], np.ndarray], ability: tuple[float, float], truth: float
) -> None:
    """With the variance that was seen alone, it is above the truth in 53, 10 and 7 of a hundred."""
    random = np.random.default_rng(4)
    above, of = 0, 400
    for _ in range(of):
        photos = sizes(random)
        person = np.repeat(np.arange(len(photos)), photos)
        if ability[0]:
            easy = random.beta(*ability, len(photos))
        else:
            easy = (random.random(len(photos)) < ability[1]).astype(float)
        hits = random.random(len(person)) < easy[person]
        above += recall_of(hits, np.ones(len(person)), person).low > truth
    assert above <= 0.05 * of


def test_rare_total_losses_are_not_ruled_out_by_small_ones() -> None:
    """Of 100 queries, some lose one of ten; one in a hundred loses all, or did not happen to."""
    random = np.random.default_rng(0)
    above, of = 0, 400
    for _ in range(of):
        hits = np.where(random.random(100) < 0.01, 0, 10 - (random.random(100) < 0.1))
        above += recall_of(hits, np.full(100, 10)).low > 0.99 * 0.99
    assert above <= 0.05 * of


def test_where_all_was_found_a_large_person_is_one_among_few() -> None:
    person = np.repeat(np.arange(20), np.r_[200, np.full(19, 5)])
    found = recall_of(np.ones(len(person)), np.ones(len(person)), person)
    assert found.low == pytest.approx(0.05 ** ((200**2 + 19 * 5**2) / 295**2))


def test_many_independent_losses_are_taken_as_such() -> None:
    """2,000 queries of ten places each are worth little less than 20,000 trials."""
    hits = np.random.default_rng(0).binomial(10, 0.95, 2000)
    found = recall_of(hits, np.full(2000, 10))
    lost = 20_000 - hits.sum()
    assert found.low == pytest.approx(beta.ppf(0.05, 20_000 - lost, lost + 1), abs=5e-4)


def test_strata_take_out_what_was_set_by_hand() -> None:
    unknown = np.arange(1000) < 200
    random = np.random.default_rng(1)
    hits = random.binomial(10, np.where(unknown, 0.7, 1.0))
    groups = np.where(unknown, np.arange(1000) // 10, np.arange(1000))
    plain = recall_of(hits, np.full(1000, 10), groups)
    with_strata = recall_of(hits, np.full(1000, 10), groups, unknown)
    assert plain.value == with_strata.value
    assert with_strata.value - with_strata.low < 0.5 * (plain.value - plain.low)


@pytest.mark.parametrize(
    ("hits", "trials", "problem"),
    [
        ([1, 2], [1], "one of each"),
        ([2], [1], "hits at most trials"),
        ([0, 0], [0, 0], "nothing to find for any query"),
    ],
)
def test_wrong_counts(hits: list[int], trials: list[int], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        recall_of(hits, trials)


def test_answers_that_do_not_fit() -> None:
    one = Found(np.zeros((1, 2), np.float32), np.zeros((1, 2), np.int64))
    two = Found(np.zeros((2, 2), np.float32), np.zeros((2, 2), np.int64))
    with pytest.raises(InputError, match="1 and 2 queries"):
        nearest_found(one, two)
    with pytest.raises(InputError, match="one label for each id"):
        mates_found(one, one, [1], [[1]], [[1, 2]], 0.5)
    with pytest.raises(InputError, match=r"both must be \[Q,k\]"):
        Found(np.zeros((1, 2), np.float32), np.zeros((1, 3), np.int64))
