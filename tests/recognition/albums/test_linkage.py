"""Average linkage: against SciPy, against a plain loop with constraints, and in bounded memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage

from likewise.errors import InputError
from likewise.recognition.albums.linkage import average_linkage, by_first_row


def people(count: int, each: int, spread: float, seed: int, dim: int = 16) -> NDArray[np.float64]:
    """Unit vectors around random centers."""
    random = np.random.default_rng(seed)
    centers = random.normal(size=(count, dim))
    rows = np.repeat(centers, each, 0) + spread * random.normal(size=(count * each, dim))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def plain(
    rows: NDArray[np.float64],
    threshold: float,
    apart: list[list[int]] | None = None,
    start: list[int] | None = None,
) -> list[int]:
    """The definition: the best allowed pair of clusters is merged, again and again."""
    cosines = rows @ rows.T
    first = list(range(len(rows))) if start is None else start
    clusters = [[row for row in range(len(rows)) if first[row] == c] for c in dict.fromkeys(first)]
    marks = [{m for row in c for m in (apart[row] if apart else [])} for c in clusters]
    while True:
        best, pair = threshold, None
        for i in range(len(clusters)):
            for j in range(i):
                score = cosines[np.ix_(clusters[i], clusters[j])].mean()
                if score >= best and not marks[i] & marks[j]:
                    best, pair = score, (j, i)
        if pair is None:
            break
        j, i = pair
        clusters[j] += clusters.pop(i)
        marks[j] |= marks.pop(i)
    labels = np.empty(len(rows), np.int64)
    for number, cluster in enumerate(clusters):
        labels[cluster] = number
    return by_first_row(labels).tolist()


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5, 0.8])
def test_without_constraints_it_is_average_linkage_of_scipy(threshold: float) -> None:
    rows = people(40, 7, 0.6, seed=3)
    tree = linkage(rows, "average", metric="cosine")
    expected = fcluster(tree, 1 - threshold, "distance")
    found = average_linkage(rows, threshold)
    assert found.tolist() == by_first_row(expected.astype(np.int64)).tolist()


@given(
    seed=st.integers(0, 10**6),
    count=st.integers(1, 22),
    threshold=st.floats(-0.5, 0.95),
    photos=st.integers(1, 12),
    anchors=st.integers(0, 3),
)
@settings(max_examples=80, deadline=None)
def test_with_constraints_it_is_the_plain_loop(
    seed: int, count: int, threshold: float, photos: int, anchors: int
) -> None:
    random = np.random.default_rng(seed)
    rows = people(1, count, 1.5, seed, dim=5)
    apart = [[int(random.integers(photos))] for _ in range(count)]
    start = list(range(count))
    for row in range(count):
        if anchors and random.random() < 0.4:
            start[row] = -1 - int(random.integers(anchors))
            apart[row].append(99)
    found = average_linkage(rows, threshold, apart=apart, start=np.array(start))
    assert found.tolist() == plain(rows, threshold, apart, start)
    # no cluster joins rows that must stay apart, unless they began together
    begun = [start.index(value) for value in start]
    for cluster in range(found.max() + 1):
        inside = np.flatnonzero(found == cluster)
        groups = {begun[row]: set[int]() for row in inside}
        for row in inside:
            groups[begun[row]] |= set(apart[row])
        carried = [mark for marks in groups.values() for mark in marks]
        assert len(carried) == len(set(carried))


def test_the_order_of_rows_does_not_matter() -> None:
    rows = people(12, 9, 0.7, seed=5)
    photos = [[int(n)] for n in np.random.default_rng(1).integers(0, 40, len(rows))]
    found = average_linkage(rows, 0.3, apart=photos)
    order = np.random.default_rng(2).permutation(len(rows))
    again = average_linkage(rows[order], 0.3, apart=[photos[row] for row in order])
    assert by_first_row(found[order]).tolist() == again.tolist()


def test_copies_and_ties_come_to_an_end() -> None:
    rows = np.repeat(np.eye(4), 50, 0)
    assert np.bincount(average_linkage(rows, 0.9)).tolist() == [50] * 4
    one_photo = average_linkage(rows, 0.9, apart=[[0]] * 200)
    assert one_photo.tolist() == list(range(200))
    pairs = average_linkage(rows, 0.9, apart=[[row % 2] for row in range(200)])
    assert set(np.bincount(pairs)) == {2}


def test_progress_counts_merged_and_finished_clusters() -> None:
    rows, told = people(30, 6, 0.4, seed=8), list[int]()
    clusters = average_linkage(rows, 0.5, advance=told.append)
    assert clusters.max() > 20
    assert all(count > 0 for count in told)
    assert len(rows) - 1 <= sum(told) <= len(rows)


def test_few_rows() -> None:
    assert average_linkage(np.empty((0, 3)), 0.5).tolist() == []
    assert average_linkage(np.array([[1.0, 0.0]]), 0.5).tolist() == [0]
    assert average_linkage(np.array([[1.0, 0], [1, 0]]), 0.5, start=np.array([7, 7])).tolist() == [
        0, 0,
    ]  # fmt: skip


def test_wrong_input_is_named() -> None:
    with pytest.raises(InputError, match=r"vectors: row 1 has length 2; must be 1"):
        average_linkage(np.array([[1.0, 0], [2, 0]]), 0.5)
    with pytest.raises(InputError, match=r"apart: 1 entries for 2 vectors"):
        average_linkage(np.eye(2), 0.5, apart=[[1]])
    with pytest.raises(InputError, match=r"vectors: shape \[2\]; must be \[N,D\]"):
        average_linkage(np.ones(2), 0.5)


def test_memory_does_not_grow_with_all_pairs() -> None:
    rows = people(1500, 4, 0.3, seed=1, dim=32)
    tracemalloc.start()
    found = average_linkage(rows, 0.5, apart=[[row // 3] for row in range(len(rows))])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.max() >= 1499
    assert peak < 0.6 * 8 * len(rows) ** 2  # a matrix of all pairs in float64: 288 MB
