"""The index against a plain loop, and its life on disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from likewise.distances.mahalanobis import Mahalanobis
from likewise.errors import InputError
from likewise.search.index import METRICS, Index


def loop(
    vectors: np.ndarray, ids: np.ndarray, query: np.ndarray, k: int, metric: str
) -> list[tuple[float, int]]:
    scored = []
    for vector, number in zip(vectors.astype(float), ids.tolist(), strict=True):
        if metric == "manhattan":
            score = -float(np.abs(vector - query).sum())
        elif metric == "euclidean":
            score = -float(np.sqrt(((vector - query) ** 2).sum()))
        else:
            score = float(vector @ query)
            if metric == "cosine":
                score /= float(np.sqrt((vector @ vector) * (query @ query)))
        scored.append((score, number))
    return sorted(scored, key=lambda pair: (-pair[0], pair[1]))[:k]


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 40), st.integers(3, 9), st.integers(1, 50), st.sampled_from(METRICS),
    st.integers(0, 10_000), st.booleans(),
)  # fmt: skip
def test_search_against_a_plain_loop(
    count: int, dimension: int, k: int, metric: str, seed: int, filtered: bool
) -> None:
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(count, dimension))
    ids = random.permutation(1000)[:count] + 2**40
    index = Index.build(vectors, ids, metric=metric)
    query = random.normal(size=dimension)
    allowed = np.append(ids[::2], 77) if filtered else None
    kept = np.isin(ids, allowed) if filtered else np.ones(count, bool)
    scores, found = index.search(query, k, filter=allowed)
    expected = loop(vectors[kept], ids[kept], query, k, metric)
    assert scores.shape == found.shape == (1, len(expected))
    np.testing.assert_allclose(scores[0], [score for score, _ in expected], atol=1e-5)
    assert found[0].tolist() == [number for _, number in expected]
    assert found.dtype == np.int64


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("filtered", [False, True])
def test_of_those_that_tie_with_the_last_the_smallest_ids_come(metric: str, filtered: bool) -> None:
    random = np.random.default_rng(0)
    few = random.integers(1, 4, (12, 20)).astype(np.float32)
    vectors = few[random.integers(0, 12, 400)]
    ids = random.permutation(10_000)[:400] - 5_000
    index = Index.build(vectors[:300], ids[:300], metric=metric)
    index.add(vectors[300:], ids[300:])
    index.remove(ids[:50])
    allowed = ids[::2] if filtered else None
    kept = np.arange(400) >= 50
    if allowed is not None:
        kept &= np.isin(ids, allowed)
    one_at_a_time = [index.search(query, 5, filter=allowed)[1][0] for query in few]
    for found in (one_at_a_time, index.search(few, 5, filter=allowed)[1]):
        for query, own in zip(few, found, strict=True):
            expected = loop(vectors[kept], ids[kept], query, 5, metric)
            assert own.tolist() == [number for _, number in expected]


def test_many_queries_at_once_agree_with_one_at_a_time() -> None:
    random = np.random.default_rng(0)
    index = Index.build(random.normal(size=(500, 32)))
    queries = random.normal(size=(64, 32))
    scores, ids = index.search(queries, 7)
    for row in range(64):
        one_scores, one_ids = index.search(queries[row], 7)
        np.testing.assert_array_equal(one_ids[0], ids[row])
        np.testing.assert_allclose(one_scores[0], scores[row], atol=1e-6)


@pytest.mark.parametrize("metric", METRICS)
def test_torch_finds_what_faiss_finds(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from likewise.search.engines import torch_scan

    monkeypatch.setattr(torch_scan, "BLOCK_SCORES", 900)  # many blocks
    random = np.random.default_rng(1)
    vectors = random.normal(size=(500, 16)).astype(np.float32)
    queries = random.normal(size=(9, 16)).astype(np.float32)
    scan = torch_scan.TorchScan(vectors, metric, torch.device("cpu"))
    units = metric if metric != "cosine" else "dot"
    expected = Index.build(vectors, metric=units).search(queries, 12)[1]
    found = scan.nearest(queries, 12)
    assert all(set(few) <= set(some) for few, some in zip(expected, found, strict=True))
    index = Index.build(vectors, metric=metric, search_settings={"device": "auto"})
    np.testing.assert_array_equal(
        index.search(queries, 12)[1], Index.build(vectors, metric=metric).search(queries, 12)[1]
    )


def test_a_cosine_is_never_above_one() -> None:
    vectors = np.random.default_rng(0).normal(size=(200, 128)) * 1e3
    scores, ids = Index.build(vectors).search(vectors, 1)
    assert scores.max() <= 1.0
    assert ids[:, 0].tolist() == list(range(200))


def test_add_and_remove_against_a_dictionary() -> None:
    random = np.random.default_rng(3)
    index = Index.build(np.eye(6)[:3], [5, 6, 7], metric="dot")
    truth = dict(zip([5, 6, 7], np.eye(6)[:3], strict=True))
    for number in range(20, 60):
        vector = random.normal(size=6)
        index.add(vector[None], [number])
        truth[number] = vector
        if number % 3 == 0:
            gone = int(random.choice(list(truth)))
            assert index.remove([gone, 999]) == 1
            del truth[gone]
    query = random.normal(size=6)
    _, ids = index.search(query, 100)
    expected = sorted(truth, key=lambda n: -float(np.float32(truth[n]) @ np.float32(query)))
    assert ids[0].tolist() == expected
    assert len(index) == len(truth)


def test_an_emptied_index_is_empty_in_its_own_space_too() -> None:
    index = Index.build(np.eye(3), metric=Mahalanobis(factor=np.eye(3)))
    index.remove([0, 1, 2])
    assert len(index.in_mapped_space()) == len(index.in_mapped_space().vectors) == 0


def test_save_load_and_replace(tmp_path: Path) -> None:
    items = pa.table({"path": ["a.jpg", "b.jpg", "c.jpg"]})
    index = Index.build(np.eye(3), [3, 1, 2], fingerprint="abc", items=items)
    index.save(tmp_path / "i")
    for mmap in (True, False):
        back = Index.load(tmp_path / "i", mmap=mmap, fingerprint="abc")
        assert back.family == "exact"
        np.testing.assert_array_equal(back.search(np.eye(3), 2)[1], index.search(np.eye(3), 2)[1])
        assert back.describe([1]) == [{"path": "b.jpg"}]
    back.remove([1])
    back.save(tmp_path / "i")
    assert len(Index.load(tmp_path / "i")) == 2
    assert len(list((tmp_path / "i").iterdir())) == 5  # with the list of what is gone; no old files
    with pytest.raises(InputError, match="1 is not in the index"):
        Index.load(tmp_path / "i").describe([1])


def test_an_interrupted_save_leaves_the_old_index(tmp_path: Path) -> None:
    Index.build(np.eye(2), [1, 2]).save(tmp_path)
    header = (tmp_path / "index.json").read_text()
    Index.build(np.eye(3), [7, 8, 9]).save(tmp_path / "new")
    for file in (tmp_path / "new").glob("*.npy"):  # all but the header have arrived
        file.rename(tmp_path / file.name)
    (tmp_path / "index.json").write_text(header)
    assert Index.load(tmp_path).ids.tolist() == [1, 2]


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    Index.build(np.eye(4), items=pa.table({"path": list("abcd")})).save(tmp_path)
    for file in [p for p in tmp_path.iterdir() if p.name != "index.json"]:
        good = file.read_bytes()
        for place in (0, len(good) // 2, len(good) - 1):
            bad = bytearray(good)
            bad[place] ^= 4
            file.write_bytes(bytes(bad))
            with pytest.raises(InputError, match="checksum"):
                Index.load(tmp_path)
        file.write_bytes(good[:-1])
        with pytest.raises(InputError, match="truncated"):
            Index.load(tmp_path)
        file.write_bytes(good)


def test_wrong_headers(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such index"):
        Index.load(tmp_path / "none")
    with pytest.raises(InputError, match="holds no index"):
        Index.load(tmp_path)
    Index.build(np.eye(4)).save(tmp_path)
    header = json.loads((tmp_path / "index.json").read_text())
    for change in ({"format": 2}, {"family": "magic"}, {"files": {}}, {"count": 5}, {"files": 3}):
        (tmp_path / "index.json").write_text(json.dumps(header | change))
        with pytest.raises(InputError, match=str(tmp_path)):
            Index.load(tmp_path)


def test_a_mapped_index_searches_beside_the_torch_bindings_of_faiss(tmp_path: Path) -> None:
    """They replace ``faiss.knn`` for everybody in the process; other libraries load them."""
    import subprocess
    import sys

    Index.build(np.eye(4), [5, 6, 7, 8]).save(tmp_path / "index")
    code = (
        "import faiss.contrib.torch_utils\n"
        "from likewise.search.index import Index\n"
        f"print(Index.load({str(tmp_path / 'index')!r}).search([0, 0, 1, 0], 1)[1])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[[7]]\n"
