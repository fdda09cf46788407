"""Lists of pairs read, matched and drawn."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from likewise.data.pairs import Pairs, draw_pairs, match_names
from likewise.errors import InputError


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), min_size=3, max_size=25), st.integers(1, 40))
def test_drawn_pairs_are_distinct_and_rightly_labelled(labels: list[int], limit: int) -> None:
    truth = np.array(labels)
    every = {(i, j) for i, j in combinations(range(len(labels)), 2)}
    genuine = {(i, j) for i, j in every if labels[i] == labels[j]}
    if not genuine or genuine == every:
        with pytest.raises(InputError):
            draw_pairs(truth)
        return
    pairs = draw_pairs(truth, limit=limit, seed=1)
    rows = [tuple(sorted(p)) for p in zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)]
    assert len(set(rows)) == len(rows)
    drawn_genuine = {r for r, same in zip(rows, pairs.same, strict=True) if same}
    drawn_impostor = {r for r, same in zip(rows, pairs.same, strict=True) if not same}
    assert drawn_genuine <= genuine
    assert drawn_impostor <= every - genuine
    assert len(drawn_genuine) == min(limit, len(genuine))
    assert len(drawn_impostor) == min(limit, len(every - genuine))


def test_a_sample_is_fair() -> None:
    """Each pair is drawn about as often as any other (chi-square with a wide margin)."""
    labels = np.repeat([0, 1, 2], [2, 5, 3])
    genuine = {0: 1, 1: 10, 2: 3}
    drawn = np.zeros(3)
    for seed in range(600):
        pairs = draw_pairs(labels, limit=2, seed=seed)
        drawn += np.bincount(labels[pairs.left[pairs.same]], minlength=3)
    expected = np.array([genuine[n] for n in range(3)]) / 14 * 1200
    assert ((drawn - expected) ** 2 / expected).sum() < 20


def test_names_match_with_or_without_ending() -> None:
    pairs = Pairs(["a/a_0001", "a/a_0001.jpg", "zed"], ["b/b_0001.png", "b/b_0001", "a/a_0001"],
                  np.array([False, False, True]), np.zeros(3, np.int64))  # fmt: skip
    found, missing = match_names(pairs, ["b/b_0001.png", "a/a_0001.jpg"])
    assert found.left.tolist() == [1, 1]
    assert found.right.tolist() == [0, 0]
    assert missing == ["zed"]
    with pytest.raises(InputError, match="none of the 3 pairs has both photos here"):
        match_names(pairs, ["other.jpg"])


def named(*pairs: tuple[str, str]) -> Pairs:
    left, right = zip(*pairs, strict=True)
    return Pairs(left, right, np.ones(len(pairs), bool), np.zeros(len(pairs), np.int64))


def test_a_name_that_means_two_photos_is_refused() -> None:
    photos = ["a/img1.jpg", "a/img1.png", "a/img2.jpg"]
    with pytest.raises(InputError, match=r"'a/img1' means 'a/img1.jpg' and 'a/img1.png'"):
        match_names(named(("a/img1", "a/img2")), photos)
    with pytest.raises(InputError, match=r"'a/img1.bmp' means"):
        match_names(named(("a/img1.bmp", "a/img2")), photos)
    found, _ = match_names(named(("a/img1.png", "a/img2"), ("a/img1.jpg", "a/img2")), photos)
    assert (found.left.tolist(), found.right.tolist()) == ([1, 0], [2, 2])


def test_a_name_of_two_rows_is_refused_where_it_is_asked_for() -> None:
    photos = ["a/1.jpg", "a/2.jpg", "a/1.jpg"]
    with pytest.raises(InputError, match=r"'a/1.jpg' means the photos of rows 1 and 3"):
        match_names(named(("a/2.jpg", "a/1.jpg")), photos)
    found, _ = match_names(named(("b/1.jpg", "b/2.jpg")), ["b/1.jpg", "b/2.jpg", "a", "a"])
    assert found.left.tolist() == [0]
