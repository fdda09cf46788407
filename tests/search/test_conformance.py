"""What every index has to do alike, wherever its vectors are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from likewise.errors import InputError
from likewise.search.index import Index
from likewise.search.interface import SearchIndex, open_index
from tests.search.backends import Backend, items, same
from tests.search.cases import (
    COUNT,
    DIMENSION,
    FIRST_ID,
    IDS,
    ITEMS,
    QUERIES,
    VECTORS,
    best,
    index_of,
    people,
    recall,
    truth,
)  # fmt: skip


def test_recall_ids_and_exact_scores(backend: Backend) -> None:
    for metric in backend.metrics:
        index = backend.same_people(metric)
        assert isinstance(index, SearchIndex)
        scores, ids = index.search(QUERIES, 10)
        assert scores.shape == ids.shape == (len(QUERIES), 10)
        assert scores.dtype == np.float32
        assert ids.dtype == np.int64
        assert recall(ids, [best(VECTORS, IDS, q, metric, 10) for q in QUERIES]) >= backend.floor
        row = {number: place for place, number in enumerate(IDS.tolist())}
        for query, found, given in zip(QUERIES[:5], ids[:5], scores[:5], strict=True):
            assert len(set(found.tolist())) == 10
            exact = truth(VECTORS[[row[n] for n in found.tolist()]], query, metric)
            np.testing.assert_allclose(given, exact, atol=2e-5)
            assert (np.diff(given) <= 0).all()


def test_it_tells_what_it_is_and_holds(backend: Backend) -> None:
    index = backend.same_people("cosine")
    assert (index.family, index.metric, index.fingerprint) == (backend.name, "cosine", "abc")
    assert (len(index), index.dimension) == (COUNT, DIMENSION)
    held, given = np.argsort(index.ids), np.argsort(IDS)
    np.testing.assert_array_equal(index.ids[held], IDS[given])
    assert index.ids.min() == FIRST_ID  # the user's own
    np.testing.assert_array_equal(index.vectors[held], index_of("exact").vectors[given])
    assert index.items is not None
    assert index.items.take(held).equals(ITEMS.take(given))
    assert index.describe(IDS[:3]) == ITEMS.slice(0, 3).to_pylist()


def test_a_score_is_the_same_to_the_bit_in_every_index(backend: Backend) -> None:
    index = backend.same_people()
    scores, ids = index.search(QUERIES, 10)
    whole, all_ids = index_of("exact").search(QUERIES, COUNT)
    for row in range(len(QUERIES)):
        known = dict(zip(all_ids[row].tolist(), whole[row].tolist(), strict=True))
        assert scores[row].tolist() == [known[number] for number in ids[row].tolist()]
    alone, alone_ids = index.search(QUERIES[3], 10)
    both = set(alone_ids[0].tolist()) & set(ids[3].tolist())
    assert [s for s, n in zip(alone[0], alone_ids[0], strict=True) if n in both] == [
        s for s, n in zip(scores[3], ids[3], strict=True) if n in both
    ]


def test_k_beyond_the_index(backend: Backend) -> None:
    index = backend.same_people()
    same(index.search(QUERIES[:2], 10 * COUNT), index_of("exact").search(QUERIES[:2], COUNT))


def test_what_is_removed_is_not_found_and_what_is_added_is(backend: Backend) -> None:
    index = backend.people()
    gone = np.unique(index.search(QUERIES, 10)[1])
    assert index.remove(gone) == len(gone)
    assert index.remove(gone) == index.remove(np.array([], np.int64)) == 0
    _, ids = index.search(QUERIES, 10)
    assert not np.isin(ids, gone).any()
    kept = ~np.isin(IDS, gone)
    expected = [best(VECTORS[kept], IDS[kept], q, index.metric, 10) for q in QUERIES]
    assert recall(ids, expected) >= backend.floor - 0.15
    table = items(*["a"] * len(QUERIES))
    index.add(QUERIES, np.arange(len(QUERIES)), table)
    assert index.search(QUERIES, 1)[1][:, 0].tolist() == list(range(len(QUERIES)))
    index.update(QUERIES[::-1], np.arange(len(QUERIES)), table)
    assert index.search(QUERIES[::-1], 1)[1][:, 0].tolist() == list(range(len(QUERIES)))
    assert len(index) == COUNT - len(gone) + len(QUERIES)


def test_ids_do_not_shift_after_a_removal(backend: Backend) -> None:
    index = backend.people()
    _, before = index.search(QUERIES, 3)
    index.remove([n for n in IDS[:200].tolist() if n not in set(before.reshape(-1).tolist())])
    _, after = index.search(QUERIES, 3)
    assert recall(after, before.tolist()) >= 0.9
    row = {number: place for place, number in enumerate(IDS.tolist())}
    paths = [item["path"] for item in index.describe(after[0])]
    assert paths == [f"{row[n]}.jpg" for n in after[0].tolist()]
    index.remove(IDS[5:])  # k above the living
    left = sorted(set(IDS[:5].tolist()) & set(index.ids.tolist()))
    assert sorted(index.search(QUERIES[0], 50)[1][0].tolist()) == left


def test_saved_and_opened_alike(backend: Backend, tmp_path: Path) -> None:
    index = backend.people()
    index.remove(IDS[:20])
    index.add(QUERIES[:3], [1, 2, 3], items("a", "b", "c", camera=1))
    back = open_index(index.save(tmp_path / "index"), fingerprint="abc")
    assert (back.family, back.metric, len(back)) == (backend.name, index.metric, len(index))
    assert back.settings == index.settings
    assert back.search_settings == index.search_settings
    same(back.search(QUERIES, 10), index.search(QUERIES, 10))
    assert back.describe([2]) == [{"path": "b", "camera": 1}]
    with pytest.raises(InputError, match="another embedder"):
        open_index(tmp_path / "index", fingerprint="def")


def test_an_empty_index(backend: Backend, tmp_path: Path) -> None:
    index = backend.build(np.empty((0, 4)))
    assert len(index) == len(index.ids) == len(index.vectors) == 0
    assert index.search(np.ones((2, 4)), 3)[1].shape == (2, 0)
    assert [part.tolist() for part in index.range_search(np.ones((2, 4)), -9)] == [[0] * 3, [], []]
    back = open_index(index.save(tmp_path))
    back.add(np.eye(4), [4, 3, 2, 1])
    assert back.search(np.eye(4)[1], 1)[1].tolist() == [[3]]
    assert back.describe([1]) == [{}]
    assert back.remove([1, 2, 3, 4]) == 4
    assert back.search(np.eye(4)[1], 1)[1].shape == (1, 0)
    assert back.search(np.empty((0, 4)), 3)[1].shape == (0, 0)


def test_an_emptied_index_stays_empty(backend: Backend, tmp_path: Path) -> None:
    index = backend.build(VECTORS[:60], IDS[:60])
    assert index.remove(IDS[:60]) == 60
    back = open_index(index.save(tmp_path))
    ones = [index, back]
    if isinstance(index, Index):
        ones += [Index.load(tmp_path, rebuild=True), index.in_mapped_space()]
    for one in ones:
        assert len(one) == len(one.ids) == len(one.vectors) == 0
        assert one.search(QUERIES[:2], 3)[1].shape == (2, 0)
    back.add(VECTORS[:2], IDS[:2])
    assert sorted(back.search(VECTORS[0], 9)[1][0].tolist()) == sorted(IDS[:2].tolist())


def test_duplicates_are_all_there(backend: Backend) -> None:
    vectors = np.tile(VECTORS[:500], (3, 1))  # three photos of each are the same photo
    index = backend.build(vectors)
    scores, ids = index.search(VECTORS[:30], 6)
    hits = 0
    for row in range(30):
        assert len(set(ids[row].tolist())) == 6
        hits += len({row, row + 500, row + 1000} & set(ids[row].tolist()))
    assert hits / 90 >= 0.95
    assert (scores[:, :1] == scores[:, :2]).mean() > 0.9


def test_equals_are_in_the_order_of_their_ids(backend: Backend) -> None:
    index = backend.build(np.tile(VECTORS[:3], (20, 1)))
    _, ids = index.search(VECTORS[:3], 60)
    for row in range(3):
        assert ids[row, :20].tolist() == list(range(row, 60, 3))
    if backend.exact:
        np.testing.assert_array_equal(index.search(VECTORS[:3], 12)[1], ids[:, :12])


def test_hundreds_of_the_same_are_answered_in_time(backend: Backend) -> None:
    three = people(3, 8, seed=4)
    index = backend.build(np.tile(three, (400, 1)))
    _, ids = index.search(three, 25)
    for row in range(3):
        assert len(set(ids[row].tolist())) == 25
        if backend.name not in ("hnsw", "hnswlib", "usearch"):  # cliques cut their graph
            assert (ids[row] % 3 == row).all()


@pytest.mark.parametrize("dimension", [1, 2, 7, pytest.param(4096, marks=pytest.mark.slow)])
def test_every_dimension(backend: Backend, dimension: int) -> None:
    metric = "euclidean" if "euclidean" in backend.metrics else "cosine"
    vectors = people(1100, dimension, seed=2)
    index = backend.build(vectors, metric=metric)
    _, ids = backend.thorough(index).search(vectors[:30], 5)
    assert ids.shape == (30, 5)
    own = [truth(vectors[ids[row]], vectors[row], metric).max() for row in range(30)]
    perfect = 1.0 if metric == "cosine" else 0.0
    least = 0.6 if backend.name == "scann" and dimension == 1 else 0.9  # sixteen codes for a line
    assert np.mean(np.isclose(own, perfect, atol=1e-5)) >= least  # a vector finds itself


def test_any_array_will_do(backend: Backend) -> None:
    wide = people(1100, 2 * DIMENSION, seed=3)
    for array in (np.asfortranarray(wide[::-1, ::2]), wide[:, ::2].astype(np.float16)):
        index = backend.build(array)
        ready = np.ascontiguousarray(array, np.float32)
        queries = array[:20]
        expected = [best(ready, np.arange(1100), q, index.metric, 5) for q in ready[:20]]
        assert recall(index.search(queries, 5)[1], expected) >= backend.floor - 0.1


def test_range_search(backend: Backend) -> None:
    index = backend.thorough(backend.same_people())
    threshold = float(np.quantile(index_of("exact").search(QUERIES, 100)[0], 0.7))
    limits, scores, ids = index.range_search(QUERIES, threshold)
    assert limits[0] == 0
    assert limits[-1] == len(scores) == len(ids)
    assert (scores >= threshold).all()
    hits = total = 0
    for row, query in enumerate(QUERIES):
        found = ids[limits[row] : limits[row + 1]].tolist()
        right = set(IDS[truth(VECTORS, query, index.metric) >= threshold].tolist())
        hits, total = hits + len(right & set(found)), total + len(right)
        assert len(set(found)) == len(found)
        assert len(set(found) - right) <= 1  # one within rounding of the threshold
    assert hits / total >= (0.7 if backend.name in ("annoy", "scann") else 0.9)
    kept = IDS[::3]
    assert np.isin(index.range_search(QUERIES, threshold, filter=kept)[2], kept).all()


def test_a_cosine_is_never_above_one_and_the_same_everywhere(backend: Backend) -> None:
    scores, _ = backend.same_people().search(1e3 * VECTORS[:200], 1)
    assert scores.max() <= 1.0
    assert np.mean(scores > 1 - 1e-5) > 0.9
