"""What makes a batch, and that it can be continued anywhere."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from likewise.data.sampler import (
    BalancedBatches,
    BatchPlan,
    EpochSampler,
    PairBatches,
    PlainBatches,
)
from likewise.errors import InputError


@given(
    st.lists(st.integers(1, 9), min_size=2, max_size=12),
    st.integers(2, 8),
    st.integers(1, 5),
    st.integers(0, 50),
)
def test_balanced_batches_hold_p_identities_of_k_photos(
    counts: list[int], identities: int, images: int, seed: int
) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    plan = BalancedBatches(labels, identities, images, seed)
    wanted = min(identities, len(counts))
    seen: list[int] = []
    for rows in plan.batches(3):
        chosen = labels[rows].reshape(wanted, images)
        assert (chosen == chosen[:, :1]).all()
        assert len(set(chosen[:, 0])) == wanted
        seen += chosen[:, 0].tolist()
        for person, own in zip(chosen[:, 0], rows.reshape(wanted, images), strict=True):
            assert len(set(own)) == min(images, counts[person])
    # Shuffled rounds: nobody comes a third time before all have come once.
    times = np.bincount(seen, minlength=len(counts))
    assert times.max() - times.min() <= 2


@given(st.integers(2, 60), st.integers(2, 16), st.integers(0, 9))
def test_plain_batches_take_every_photo_at_most_once(total: int, size: int, epoch: int) -> None:
    plan = PlainBatches(np.zeros(total, np.int64), size, 7)
    batches = list(plan.batches(epoch))
    assert len(batches) == len(plan)
    rows = np.concatenate(batches)
    assert len(set(rows)) == len(rows)
    assert {len(batch) for batch in batches} == {min(size, total)}
    assert total - len(rows) < size


def test_epochs_differ_and_repeat() -> None:
    plan = PlainBatches(np.zeros(50, np.int64), 10, 0)
    assert not np.array_equal(next(plan.batches(0)), next(plan.batches(1)))
    np.testing.assert_array_equal(list(plan.batches(4)), list(plan.batches(4)))


def test_identities_drawn_by_their_photos() -> None:
    """A batch of one identity: exactly in proportion to the photos less one, at most 20."""
    sizes = np.array([1, 2, 3, 6, 400])
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(5), sizes))
    plan = BalancedBatches(labels, 1, 2, 7, by_photos=True)
    drawn = [labels[rows[0]] for epoch in range(30) for rows in plan.batches(epoch)]
    share = np.bincount(drawn, minlength=5) / len(drawn)
    expected = np.array([0, 1, 2, 5, 20]) / 28
    np.testing.assert_allclose(share, expected, atol=4 * np.sqrt(0.25 / len(drawn)))
    assert share[0] == 0


def test_a_weighted_batch_is_the_same_on_every_machine() -> None:
    labels = np.repeat(np.arange(50), np.arange(2, 52))
    plan = BalancedBatches(labels, 4, 2, 7, by_photos=True)
    assert labels[next(plan.batches(3))].tolist() == [14, 14, 26, 26, 33, 33, 41, 41]


def test_a_weighted_batch_repeats_no_identity() -> None:
    labels = np.repeat(np.arange(6), [2, 2, 2, 2, 40, 1])
    plan = BalancedBatches(labels, 6, 2, 7, by_photos=True)
    for rows in plan.batches(0):
        assert len(rows) == 10  # the single photo has no other one
        assert len(set(labels[rows].tolist())) == 5
    with pytest.raises(InputError, match=r"at least 2 identities with two photos \(batch.draw"):
        BalancedBatches(np.array([0, 0, 1, 2]), 2, 2, 0, by_photos=True)


LABELS = np.repeat(np.arange(6), 4)
PLANS: dict[str, BatchPlan] = {
    "plain": PlainBatches(LABELS, 5, 1),
    "balanced": BalancedBatches(LABELS, 4, 2, 1),
    "by photos": BalancedBatches(
        np.repeat(np.arange(6), [2, 3, 4, 4, 5, 6]), 4, 2, 1, by_photos=True
    ),
    "pairs": PairBatches(LABELS, 8, 1),
}


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_a_sampler_started_in_mid_epoch_draws_what_was_left(plan: BatchPlan) -> None:
    sampler = EpochSampler(plan, seed=5)
    sampler.start_at(2, 0)
    expected = list(sampler)
    assert len(sampler) == len(expected)
    for batch in range(len(expected) + 1):
        sampler.start_at(2, batch)
        assert list(sampler) == expected[batch:]
    seeds = [seed for batch in expected for _, seed in batch]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_processes_share_each_batch(plan: BatchPlan, processes: int) -> None:
    shares = [list(EpochSampler(plan, 5, rank=r, processes=processes)) for r in range(processes)]
    together = [[draw for part in parts for draw in part] for parts in zip(*shares, strict=True)]
    assert together == list(EpochSampler(plan, 5))


def test_more_processes_than_photos() -> None:
    with pytest.raises(InputError, match="5 photos for 6 processes"):
        next(iter(EpochSampler(PLANS["plain"], 5, rank=0, processes=6)))


def test_pairs_are_uniform_over_all_same_and_all_different_pairs() -> None:
    """Against a count of every pair of a small set, by a chi-square bound."""
    labels = np.array([2, 0, 1, 1, 0, 1, 3])
    plan = PairBatches(labels, 6, 0)
    counts: Counter[tuple[int, int]] = Counter()
    for epoch in range(4000):
        for rows in plan.batches(epoch):
            first, second = rows.reshape(-1, 2).T
            assert (labels[first[:2]] == labels[second[:2]]).all()
            assert labels[first[2]] != labels[second[2]]
            assert (first != second).all()
            counts.update(zip(first.tolist(), second.tolist(), strict=True))
    everything = list(permutations(range(len(labels)), 2))
    for same in (True, False):
        kind = [p for p in everything if (labels[p[0]] == labels[p[1]]) == same]
        found = np.array([counts[p] for p in kind])
        expected = found.sum() / len(kind)
        assert ((found - expected) ** 2 / expected).sum() < 2 * len(kind) + 20


def test_no_pairs_to_draw() -> None:
    for labels in ([0, 1, 2], [0, 0, 0]):
        with pytest.raises(InputError, match="an identity with two photos"):
            PairBatches(np.array(labels), 4, 0)


def test_one_identity_cannot_be_balanced() -> None:
    with pytest.raises(InputError, match="at least 2 identities"):
        BalancedBatches(np.zeros(5, np.int64), 2, 2, 0)
