"""Names of tracks: hysteresis, nobody twice in a picture; groups against a plain loop."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from likewise.recognition.video.grouping import group
from likewise.recognition.video.naming import Naming, SteadyName, one_name_at_a_time


def names(*answers: tuple[str | None, float | None]) -> list[str | None]:
    """The names that hold after each answer."""
    steady = SteadyName()
    return [
        steady.update(SimpleNamespace(name=n, score=s, probability=None, photo=None, note="")).name
        for n, s in answers
    ]


def test_a_name_is_given_up_only_well_below_the_threshold() -> None:
    assert names((None, 0.3), ("anna", 0.40), (None, 0.38), (None, 0.36)) == [None, *["anna"] * 3]
    assert names(("anna", 0.40), (None, 0.30)) == ["anna", None]
    assert names(("anna", 0.60), ("anna", 0.42), (None, 0.39)) == ["anna"] * 3
    assert names(("anna", 0.40), (None, 0.30), (None, 0.38)) == ["anna", None, None]
    assert names((None, None), ("anna", 0.4)) == [None, "anna"]


def test_another_name_needs_a_higher_score_or_to_come_twice() -> None:
    assert names(("anna", 0.5), ("bob", 0.45), ("anna", 0.5)) == ["anna"] * 3
    assert names(("anna", 0.5), ("bob", 0.45), ("bob", 0.45)) == ["anna", "anna", "bob"]
    assert names(("anna", 0.5), ("bob", 0.55)) == ["anna", "bob"]
    assert names(("anna", 0.5), ("bob", 0.4), ("anna", 0.5), ("bob", 0.4)) == ["anna"] * 4


def test_two_tracks_of_one_picture_never_share_a_name() -> None:
    namings = [Naming("anna", 0.5), Naming("anna", 0.7), Naming("anna", 0.4), Naming("bob", 0.6)]
    found = one_name_at_a_time(namings, [{1, 3}, {0}, set(), {0}])
    assert [naming.name for naming in found] == [None, "anna", "anna", "bob"]
    assert found[0].reason == "anna is in the same picture, with a higher score"


@given(st.integers(0, 10**6), st.integers(0, 12))
def test_of_any_tracks_no_two_of_a_picture_share_a_name(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    choice: list[str | None] = ["anna", "bob", None]
    namings = [Naming(choice[rng.integers(3)], float(rng.random())) for _ in range(count)]
    pairs = np.triu(rng.random((count, count)) < 0.3, 1)
    together = [set(np.flatnonzero(pairs[n] | pairs[:, n]).tolist()) for n in range(count)]
    found = one_name_at_a_time(namings, together)
    for row, others in enumerate(together):
        for other in others:
            assert found[row].name is None or found[row].name != found[other].name
        if namings[row].name is not None and found[row].name is None:
            better = [n for n in others if found[n].name == namings[row].name]
            assert any(found[n].height >= found[row].height for n in better)


def by_plain_loop(vectors: np.ndarray, threshold: float, together: list[set[int]]) -> list[int]:
    """Average linkage over all pairs of members."""
    groups = [[row] for row in range(len(vectors))]
    while True:
        best, pair = threshold, None
        for a in range(len(groups)):
            for b in range(a + 1, len(groups)):
                if any(j in together[i] for i in groups[a] for j in groups[b]):
                    continue
                mean = np.mean([vectors[i] @ vectors[j] for i in groups[a] for j in groups[b]])
                if mean >= best:
                    best, pair = mean, (a, b)
        if pair is None:
            break
        groups[pair[0]] += groups.pop(pair[1])
    groups.sort(key=min)
    return [next(n for n, some in enumerate(groups) if row in some) for row in range(len(vectors))]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 14))
def test_groups_equal_those_of_a_plain_loop(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(4, 6))[rng.integers(0, 4, count)] + rng.normal(size=(count, 6))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = np.triu(rng.random((count, count)) < 0.2, 1)
    together = [set(np.flatnonzero(pairs[n] | pairs[:, n]).tolist()) for n in range(count)]
    for threshold in (0.2, 0.5, 0.8):
        found = group(vectors, threshold, together)
        assert found == by_plain_loop(vectors, threshold, together)
        for row, others in enumerate(together):
            assert all(found[row] != found[other] for other in others)


def test_nothing_to_group() -> None:
    assert group(np.empty((0, 4)), 0.5, []) == []
    assert group(np.eye(3), 0.5, [set()] * 3) == [0, 1, 2]
    assert group(np.ones((2, 1)), 0.5, [{1}, {0}]) == [0, 1]
