"""What makes a batch, and that it can be continued anywhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from likewise.data.sampler import BalancedBatches, EpochSampler, PlainBatches
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
    batches = PlainBatches(np.zeros(total, np.int64), size, 7).batches(epoch)
    rows = np.concatenate(batches)
    assert len(set(rows)) == len(rows)
    assert {len(batch) for batch in batches} == {min(size, total)}
    assert total - len(rows) < size


def test_epochs_differ_and_repeat() -> None:
    plan = PlainBatches(np.zeros(50, np.int64), 10, 0)
    assert not np.array_equal(plan.batches(0)[0], plan.batches(1)[0])
    np.testing.assert_array_equal(plan.batches(4), plan.batches(4))


def test_a_sampler_started_in_mid_epoch_draws_what_was_left() -> None:
    labels = np.repeat(np.arange(6), 4)
    whole = EpochSampler(BalancedBatches(labels, 3, 2, 1), seed=5)
    whole.start_at(2, 0)
    expected = list(whole)
    part = EpochSampler(BalancedBatches(labels, 3, 2, 1), seed=5)
    part.start_at(2, 2)
    assert list(part) == expected[2:]
    assert len(part) == len(expected)
    seeds = [seed for batch in expected for _, seed in batch]
    assert len(set(seeds)) == len(seeds)


def test_one_identity_cannot_be_balanced() -> None:
    with pytest.raises(InputError, match="at least 2 identities"):
        BalancedBatches(np.zeros(5, np.int64), 2, 2, 0)
