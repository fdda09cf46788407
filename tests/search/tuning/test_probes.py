"""Probes: what is held out, who is unknown, and that the halves share nobody."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from likewise.errors import InputError
from likewise.search.tuning.probes import given_probes, hold_out


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(1, 12), min_size=12, max_size=60), st.integers(2, 60),
    st.sampled_from([0.0, 0.2, 0.5]), st.integers(0, 1000),
)  # fmt: skip
def test_what_is_held_out(photos: list[int], count: int, unknown: float, seed: int) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(photos)), photos))
    vectors = np.arange(len(labels) * 2, dtype=np.float32).reshape(-1, 2)
    if len(labels) < 20:
        return
    try:
        probes = hold_out(vectors, labels, count=count, unknown=unknown, seed=seed)
    except InputError:
        assert max(photos) == 1 or unknown == 0
        return
    assert probes.rows is not None
    assert probes.labels is not None
    assert len(probes) <= count
    np.testing.assert_array_equal(probes.queries, vectors[probes.rows])
    np.testing.assert_array_equal(probes.labels, labels[probes.rows])
    assert set(probes.rows) <= set(probes.held)
    left = set(np.delete(labels, probes.held))
    for label, nobody in zip(probes.labels, probes.unknown, strict=True):
        assert (label in left) != nobody


def test_a_fifth_are_unknown_and_single_photos_come_first() -> None:
    labels = np.repeat(np.arange(300), 10)
    probes = hold_out(np.ones((3000, 2)), labels, count=250)
    assert probes.unknown.sum() == 50
    assert len(np.unique(probes.groups[~probes.unknown])) == 200  # nobody twice while all have one
    again = hold_out(np.ones((3000, 2)), labels, count=250)
    np.testing.assert_array_equal(probes.rows, again.rows)
    other = hold_out(np.ones((3000, 2)), labels, count=250, seed=1)
    assert not np.array_equal(probes.rows, other.rows)


def test_halves_share_nobody_and_have_their_share_of_strangers() -> None:
    labels = np.repeat(np.arange(300), 10)
    first, second = hold_out(np.ones((3000, 2)), labels, count=250).halves(0)
    assert not set(first.groups) & set(second.groups)
    assert abs(int(first.unknown.sum()) - int(second.unknown.sum())) <= 10
    assert len(first) + len(second) == 250


def test_without_labels_rows_are_drawn() -> None:
    probes = hold_out(np.ones((100, 3)), count=1000)
    assert len(probes) == len(probes.held) == 10  # a tenth at most
    assert not probes.unknown.any()
    assert probes.labels is None


def test_given_queries() -> None:
    probes = given_probes(np.eye(4), [3, -1, 3, -1])
    assert probes.unknown.tolist() == [False, True, False, True]
    assert len(np.unique(probes.groups)) == 3  # two strangers are two people
    assert len(probes.held) == 0
    with pytest.raises(InputError, match=r"labels: \[2\]; must be one for each of 4 queries"):
        given_probes(np.eye(4), [1, 2])


def test_wrong_input() -> None:
    with pytest.raises(InputError, match="19 are too few"):
        hold_out(np.ones((19, 2)))
    with pytest.raises(InputError, match="labels: int64"):
        hold_out(np.ones((30, 2)), np.arange(29))
    with pytest.raises(InputError, match="unknown"):
        hold_out(np.ones((30, 2)), unknown=1.0)
    with pytest.raises(InputError, match="nobody has two photos"):
        hold_out(np.ones((30, 2)), np.arange(30), unknown=0)
    with pytest.raises(InputError, match="of one group"):
        given_probes(np.eye(3), [5, 5, 5]).halves(0)
