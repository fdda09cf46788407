"""What every family has to do alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from likewise.search import nearest as nearest_module
from likewise.search.families import FAMILIES
from likewise.search.index import Index
from likewise.search.knobs import settled
from tests.search.cases import (
    COUNT,
    DIMENSION,
    EACH,
    FIRST_ID,
    IDS,
    LIGHT,
    QUERIES,
    VECTORS,
    best,
    floor,
    index_of,
    people,
    recall,
    truth,
)  # fmt: skip

each_family = pytest.mark.parametrize("name", EACH)


@pytest.fixture
def engines_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Filters reach the engine although the index is small."""
    monkeypatch.setattr(nearest_module, "FEW_ROWS", 0)


@each_family
def test_recall_ids_and_exact_scores(name: str) -> None:
    for metric in FAMILIES[name].metrics:
        index = index_of(name, metric)
        assert index.engine.name == name
        scores, ids = index.search(QUERIES, 10)
        assert scores.shape == ids.shape == (len(QUERIES), 10)
        assert scores.dtype == np.float32
        assert ids.dtype == np.int64
        assert recall(ids, [best(VECTORS, IDS, q, metric, 10) for q in QUERIES]) >= floor(name)
        row = {number: place for place, number in enumerate(IDS.tolist())}
        for query, found, given in zip(QUERIES[:5], ids[:5], scores[:5], strict=True):
            assert len(set(found.tolist())) == 10
            exact = truth(VECTORS[[row[n] for n in found.tolist()]], query, metric)
            np.testing.assert_allclose(given, exact, atol=2e-5)
            assert (np.diff(given) <= 0).all()


@each_family
def test_a_score_is_the_same_to_the_bit_in_every_family(name: str) -> None:
    scores, ids = index_of(name).search(QUERIES, 10)
    whole, all_ids = index_of("exact").search(QUERIES, COUNT)
    for row in range(len(QUERIES)):
        known = dict(zip(all_ids[row].tolist(), whole[row].tolist(), strict=True))
        assert scores[row].tolist() == [known[number] for number in ids[row].tolist()]
    alone, alone_ids = index_of(name).search(QUERIES[3], 10)
    both = set(alone_ids[0].tolist()) & set(ids[3].tolist())
    assert [s for s, n in zip(alone[0], alone_ids[0], strict=True) if n in both] == [
        s for s, n in zip(scores[3], ids[3], strict=True) if n in both
    ]


@each_family
def test_more_effort_finds_more(name: str) -> None:
    index = index_of(name)
    expected = [best(VECTORS, IDS, q, index.metric, 10) for q in QUERIES]
    least, most = (
        recall(index.with_effort(effort).search(QUERIES, 10)[1], expected) for effort in (0, 1)
    )
    assert most >= max(least, 0.85 if name == "annoy" else 0.93)


@each_family
def test_the_grids_hold_settings_that_the_family_takes(name: str) -> None:
    family = FAMILIES[name]
    for metric in family.metrics:
        for settings in family.build_grid(200_000, 128, metric):
            assert settled(name, family.build_knobs, settings).items() >= settings.items()
            grid = family.search_grid(settings, 200_000, 10)
            assert 1 <= len(grid) <= 50
            for search in grid:
                settled(name, family.search_knobs, search)
    assert family.build_grid(3, 1, family.metrics[0])
    assert family.search_grid({}, 3, 10)


@each_family
def test_k_beyond_the_index(name: str) -> None:
    index = index_of(name)
    _, ids = index.search(QUERIES[:2], 10 * COUNT)
    assert ids.shape == (2, COUNT)
    assert sorted(ids[0].tolist()) == sorted(IDS.tolist())


@each_family
@pytest.mark.usefixtures("engines_filter")
def test_filters_by_ids(name: str) -> None:
    index = index_of(name)
    for part in (0.02, 0.3, 0.9):
        allowed = np.random.default_rng(5).permutation(IDS)[: int(part * COUNT)]
        kept = np.isin(IDS, allowed)
        _, ids = index.search(QUERIES, 10, filter=np.append(allowed, [5, 6]))
        assert np.isin(ids, allowed).all()
        assert ids.shape == (len(QUERIES), 10)
        expected = [best(VECTORS[kept], IDS[kept], q, index.metric, 10) for q in QUERIES]
        assert recall(ids, expected) >= floor(name) - 0.1
    assert index.search(QUERIES, 10, filter=[])[1].shape == (len(QUERIES), 0)
    assert index.search(QUERIES[0], 10, filter=IDS[:3])[1].shape == (1, 3)


@each_family
@pytest.mark.usefixtures("engines_filter")
def test_filters_by_metadata_that_follow_every_change(name: str) -> None:
    index = index_of(name)
    by_camera = (pc.field("camera") == 3) | (pc.field("camera") == 5)
    _, ids = index.search(QUERIES, 10, filter=by_camera)
    assert all(row["camera"] in (3, 5) for row in index.describe(ids.reshape(-1)))
    index.remove(ids[:, 0])
    index.add(QUERIES[:1], [7], pa.table({"path": ["new.jpg"], "camera": [5]}))
    _, after = index.search(QUERIES, 10, filter=by_camera)
    assert not np.isin(after, ids[:, 0]).any()
    assert after[0, 0] == 7
    assert all(row["camera"] in (3, 5) for row in index.describe(after.reshape(-1)))


@each_family
def test_what_is_removed_is_not_found_and_what_is_added_is(name: str) -> None:
    index = index_of(name)
    gone = np.unique(index.search(QUERIES, 10)[1])
    assert index.remove(gone) == len(gone)
    assert index.remove(gone) == 0
    _, ids = index.search(QUERIES, 10)
    assert not np.isin(ids, gone).any()
    kept = ~np.isin(IDS, gone)
    expected = [best(VECTORS[kept], IDS[kept], q, index.metric, 10) for q in QUERIES]
    assert recall(ids, expected) >= floor(name) - 0.15
    items = pa.table({"path": ["a"] * len(QUERIES), "camera": [0] * len(QUERIES)})
    index.add(QUERIES, np.arange(len(QUERIES)), items)
    assert index.search(QUERIES, 1)[1][:, 0].tolist() == list(range(len(QUERIES)))
    index.update(QUERIES[::-1], np.arange(len(QUERIES)), items)
    assert index.search(QUERIES[::-1], 1)[1][:, 0].tolist() == list(range(len(QUERIES)))
    assert len(index) == COUNT - len(gone) + len(QUERIES)


@each_family
def test_saved_loaded_and_mapped_alike(name: str, tmp_path: Path) -> None:
    index = index_of(name)
    index.remove(IDS[:20])
    index.add(QUERIES[:3], [1, 2, 3], pa.table({"path": list("abc"), "camera": [0, 1, 2]}))
    index.evidence["recall"] = 0.9
    index.save(tmp_path / "index")
    for mmap in (True, False):
        back = Index.load(tmp_path / "index", mmap=mmap, fingerprint="abc")
        assert (back.family, back.metric, len(back)) == (name, index.metric, len(index))
        assert back.settings == index.settings
        assert back.evidence == {"recall": 0.9}
        for one, other in zip(index.search(QUERIES, 10), back.search(QUERIES, 10), strict=True):
            np.testing.assert_array_equal(one, other)
        assert back.describe([2]) == [{"path": "b", "camera": 1}]
        assert back.memory_bytes > 0
        back.save(tmp_path / "again")  # a mapped index can be saved, also over another
        assert len(Index.load(tmp_path / "again")) == len(index)


@each_family
def test_rebuilding_changes_no_content(name: str) -> None:
    index = index_of(name)
    index.remove(IDS[:100])
    index.add(QUERIES[:3], [1, 2, 3], pa.table({"path": list("abc"), "camera": [0, 1, 2]}))
    before = (index.ids.tolist(), index.items)
    index.rebuild()
    assert (index.ids.tolist(), index.items) == before
    assert index._contents.snapshot.fresh.count == index._contents.snapshot.gone_count == 0
    assert index.engine.name == name
    assert index.search(QUERIES[:3], 1)[1][:, 0].tolist() == [1, 2, 3]


@each_family
def test_an_empty_index(name: str, tmp_path: Path) -> None:
    metric = FAMILIES[name].metrics[0]
    index = Index.build(np.empty((0, 4)), family=name, metric=metric)
    assert index.search(np.ones((2, 4)), 3)[1].shape == (2, 0)
    assert [part.tolist() for part in index.range_search(np.ones((2, 4)), -9)] == [[0] * 3, [], []]
    back = Index.load(index.save(tmp_path))
    back.add(np.eye(4), [4, 3, 2, 1])
    assert back.search(np.eye(4)[1], 1)[1].tolist() == [[3]]
    assert back.remove([1, 2, 3, 4]) == 4
    assert back.search(np.eye(4)[1], 1)[1].shape == (1, 0)
    back.rebuild()
    assert len(back) == 0


@each_family
def test_duplicates_are_all_there(name: str) -> None:
    vectors = np.tile(VECTORS[:500], (3, 1))  # three photos of each are the same photo
    index = Index.build(vectors, family=name, settings=LIGHT.get(name))
    scores, ids = index.search(VECTORS[:30], 6)
    hits = 0
    for row in range(30):
        assert len(set(ids[row].tolist())) == 6
        hits += len({row, row + 500, row + 1000} & set(ids[row].tolist()))
    assert hits / 90 >= 0.95
    assert (scores[:, :1] == scores[:, :2]).mean() > 0.9


@each_family
def test_hundreds_of_the_same_are_answered_in_time(name: str) -> None:
    three = people(3, 8, seed=4)
    index = Index.build(np.tile(three, (400, 1)), family=name, settings=LIGHT.get(name))
    _, ids = index.search(three, 25)
    for row in range(3):
        assert len(set(ids[row].tolist())) == 25
        if name not in ("hnsw", "hnswlib", "usearch"):  # cliques of the same cut their graph
            assert (ids[row] % 3 == row).all()


@each_family
@pytest.mark.parametrize("dimension", [1, 2, 7, pytest.param(4096, marks=pytest.mark.slow)])
def test_every_dimension(name: str, dimension: int) -> None:
    metric = "euclidean" if "euclidean" in FAMILIES[name].metrics else "cosine"
    vectors = people(1100, dimension, seed=2)
    index = Index.build(vectors, family=name, settings=LIGHT.get(name), metric=metric)
    assert index.engine.name == name
    _, ids = index.with_effort(1).search(vectors[:30], 5)
    assert ids.shape == (30, 5)
    own = [truth(vectors[ids[row]], vectors[row], metric).max() for row in range(30)]
    perfect = 1.0 if metric == "cosine" else 0.0
    least = 0.6 if name == "scann" and dimension == 1 else 0.9  # sixteen codes for a line
    assert np.mean(np.isclose(own, perfect, atol=1e-5)) >= least  # a vector finds itself


@each_family
def test_any_array_will_do(name: str) -> None:
    metric = FAMILIES[name].metrics[0]
    wide = people(1100, 2 * DIMENSION, seed=3)
    for array in (np.asfortranarray(wide[::-1, ::2]), wide[:, ::2].astype(np.float16)):
        index = Index.build(array, family=name, settings=LIGHT.get(name), metric=metric)
        ready = np.ascontiguousarray(array, np.float32)
        queries = array[:20]
        expected = [best(ready, np.arange(1100), q, metric, 5) for q in ready[:20]]
        assert recall(index.search(queries, 5)[1], expected) >= floor(name) - 0.1


@each_family
def test_range_search(name: str) -> None:
    index = index_of(name).with_effort(1)
    threshold = float(np.quantile(index_of(name).search(QUERIES, 100)[0], 0.4))
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
    assert hits / total >= (0.7 if name in ("annoy", "scann") else 0.9)
    kept = IDS[::3]
    assert np.isin(index.range_search(QUERIES, threshold, filter=kept)[2], kept).all()


def test_ids_are_the_users_own() -> None:
    assert index_of("exact").ids.min() == FIRST_ID


@each_family
def test_every_setting_that_the_tuner_tries_can_be_built(name: str) -> None:
    """Build and search with each build setting of the family's grid, at its greatest effort."""
    kind = FAMILIES[name]
    vectors = np.random.default_rng(3).normal(size=(1200, 32)).astype(np.float32)
    for settings in kind.build_grid(len(vectors), vectors.shape[1], "cosine"):
        index = Index.build(vectors, family=name, settings=settings).with_effort(1.0)
        _, ids = index.search(vectors[:20], 1)
        assert (ids[:, 0] == np.arange(20)).mean() >= 0.9, settings
