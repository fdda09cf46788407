"""Lists of pairs read, matched and drawn."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

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


LABELS = np.array([2, 0, 1, 0, 2, 1, 0, 3])
EVERY = {
    kind: [(i, j) for i, j in combinations(range(8), 2) if (LABELS[i] == LABELS[j]) == kind]
    for kind in (True, False)
}


def _rows(pairs: Pairs, kind: bool) -> list[tuple[int, int]]:
    left, right = np.asarray(pairs.left), np.asarray(pairs.right)
    chosen = pairs.same == kind
    return list(zip(left[chosen].tolist(), right[chosen].tolist(), strict=True))


@pytest.mark.parametrize("limit", range(1, len(EVERY[False]) + 2))
def test_every_limit_gives_as_many_pairs_each_once(limit: int) -> None:
    pairs = draw_pairs(LABELS, limit=limit, seed=3)
    for kind, every in EVERY.items():
        rows = _rows(pairs, kind)
        assert len(rows) == min(limit, len(every))
        assert len(set(rows)) == len(rows)
        assert set(rows) <= set(every)
    again = draw_pairs(LABELS, limit=limit, seed=3)
    assert np.array_equal(pairs.left, again.left)
    assert np.array_equal(pairs.right, again.right)


@pytest.mark.parametrize("limit", [1, 2, 5, 12, 13, 20])
def test_a_sample_is_fair(limit: int) -> None:
    """Each pair is drawn as often as any other, few or nearly all of them (chi-square)."""
    draws = 400
    counts: dict[bool, Counter[tuple[int, int]]] = {True: Counter(), False: Counter()}
    for seed in range(draws):
        pairs = draw_pairs(LABELS, limit=limit, seed=seed)
        for kind in EVERY:
            counts[kind].update(_rows(pairs, kind))
    for kind, every in EVERY.items():
        share = min(limit, len(every)) / len(every)
        found = np.array([counts[kind][pair] for pair in every])
        if share == 1:
            assert (found == draws).all()
            continue
        # Within one draw pairs exclude each other, which takes 1 - share off the variance.
        excess = ((found - draws * share) ** 2).sum() / (draws * share * (1 - share))
        excess *= (len(every) - 1) / len(every)
        assert chi2.sf(excess, len(every) - 1) > 1e-3


@pytest.mark.parametrize("limit", [1_000, 9_900, 9_901, 19_000, 19_799, 19_800])
def test_drawing_takes_no_longer_near_the_total(
    monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """200 photos hold 19,800 impostor pairs; at most four random numbers a pair are drawn."""
    drawn = 0
    fresh = np.random.default_rng

    class Counting(np.random.Generator):
        def integers(self, *args: Any, **named: Any) -> Any:
            nonlocal drawn
            found = super().integers(*args, **named)
            drawn += np.size(found)
            assert drawn <= 4 * limit + 1_000
            return found

    monkeypatch.setattr(np.random, "default_rng", lambda seed: Counting(fresh(seed).bit_generator))
    pairs = draw_pairs(np.repeat(np.arange(100), 2), limit=limit)
    assert int((~pairs.same).sum()) == limit


def test_a_small_sample_of_many_pairs_takes_little_memory() -> None:
    """60,000 photos have 1.8 billion pairs; a thousand of each kind take a few MB."""
    labels = np.arange(60_000) // 2
    tracemalloc.start()
    try:
        pairs = draw_pairs(labels, limit=1_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(pairs) == 2_000
    assert peak < 8 * 2**20


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(InputError, match="limit: 0; must be a whole number of at least 1"):
        draw_pairs(LABELS, limit=0)


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


def test_a_dot_in_a_name_begins_no_ending() -> None:
    photos = ["frame.1.jpg", "frame.2.jpg", "frame.jpg"]
    found, _ = match_names(named(("frame.1", "frame.2"), ("frame", "frame.1.jpg")), photos)
    assert (found.left.tolist(), found.right.tolist()) == ([0, 2], [1, 0])


def test_no_pairs_and_no_photos_are_a_line() -> None:
    none = Pairs([], [], np.zeros(0, bool), np.zeros(0, np.int64))
    for pairs, photos in ((none, ["a.jpg"]), (named(("a", "b")), [])):
        with pytest.raises(InputError, match="nothing to match"):
            match_names(pairs, photos)


def test_a_name_that_means_two_photos_is_refused() -> None:
    photos = ["a/img1.jpg", "a/img1.png", "a/img2.jpg"]
    with pytest.raises(InputError, match=r"'a/img1' matches 'a/img1.jpg' and 'a/img1.png'"):
        match_names(named(("a/img1", "a/img2")), photos)
    with pytest.raises(InputError, match=r"'a/img1.bmp' matches"):
        match_names(named(("a/img1.bmp", "a/img2")), photos)
    found, _ = match_names(named(("a/img1.png", "a/img2"), ("a/img1.jpg", "a/img2")), photos)
    assert (found.left.tolist(), found.right.tolist()) == ([1, 0], [2, 2])


def test_a_name_of_two_rows_is_refused_where_it_is_asked_for() -> None:
    photos = ["a/1.jpg", "a/2.jpg", "a/1.jpg"]
    with pytest.raises(InputError, match=r"'a/1.jpg' matches the photos of rows 1 and 3"):
        match_names(named(("a/2.jpg", "a/1.jpg")), photos)
    found, _ = match_names(named(("b/1.jpg", "b/2.jpg")), ["b/1.jpg", "b/2.jpg", "a", "a"])
    assert found.left.tolist() == [0]


def test_a_photo_with_itself_is_no_pair(caplog: pytest.LogCaptureFixture) -> None:
    photos = ["a/1.jpg", "a/2.jpg", "b/1.jpg"]
    listed = named(("a/1.jpg", "a/2.jpg"), ("a/1", "./a/1.jpg"), ("b/1.jpg", "b/1.jpg"))
    found, missing = match_names(listed, photos)
    assert (found.left.tolist(), found.right.tolist(), missing) == ([0], [1], [])
    assert (
        "2 of 3 pairs compare a photo with itself; the first is pair 2, of 'a/1.jpg'" in caplog.text
    )
    with pytest.raises(
        InputError, match="1 of 1 pairs compare a photo with itself; .* no other pair"
    ):
        match_names(named(("a/1", "a/1")), photos)
