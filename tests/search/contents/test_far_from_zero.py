"""Vectors far from zero and near one another: where products of float32 have no digits left."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest
import torch

from likewise.search.contents.rescaling import Rescaling
from likewise.search.engines.exact_scan import (
    nearest_by_products,
    nearest_rows,
    none_missed,
    padded_k,
)
from likewise.search.engines.torch_scan import TorchScan
from likewise.search.families import FAMILIES
from likewise.search.index import METRICS, Index
from tests.search.cases import EACH, LIGHT, QUERIES, VECTORS, floor, recall

RANDOM = np.random.default_rng(0)
PLAIN = RANDOM.normal(size=(3000, 24))
ASKED = RANDOM.normal(size=(60, 24))
OFFSETS = (0.0, 100.0, 10_000.0)


def twins() -> tuple[np.ndarray, np.ndarray]:
    """Groups of twenty a hundredth apart, ten from zero, and more of the same groups."""
    middles = RANDOM.normal(size=(150, 100))
    vectors = np.repeat(middles, 20, 0) + 1e-3 * RANDOM.normal(size=(3000, 100))
    asked = middles[:60] + 1e-3 * RANDOM.normal(size=(60, 100))
    return vectors.astype(np.float32), asked.astype(np.float32)


def shifted(offset: float) -> tuple[np.ndarray, np.ndarray]:
    return (PLAIN + offset).astype(np.float32), (ASKED + offset).astype(np.float32)


def distances(vectors: np.ndarray, queries: np.ndarray) -> np.ndarray:
    x, q = vectors.astype(np.float64), queries.astype(np.float64)
    return np.stack([np.sqrt(((x - one) ** 2).sum(1)) for one in q])


def require_nearest(ids: np.ndarray, far: np.ndarray, k: int) -> None:
    """As near as the k nearest are, up to the rounding of a distance in float32."""
    assert all(len(set(row)) == k for row in ids.tolist())
    np.testing.assert_allclose(
        np.take_along_axis(far, ids, 1), np.sort(far, axis=1)[:, :k], rtol=1e-5
    )


CASES = [pytest.param(shifted(offset), id=f"{offset:g}") for offset in OFFSETS]
CASES.append(pytest.param(twins(), id="twins"))


@pytest.mark.parametrize("case", CASES)
def test_exact_search_is_exact_in_batches(case: tuple[np.ndarray, np.ndarray]) -> None:
    vectors, queries = case
    far = distances(vectors, queries)
    index = Index.build(vectors, metric="euclidean")
    for k in (1, 5, 100):
        require_nearest(index.search(queries, k)[1], far, k)
    allowed = np.arange(0, 3000, 3)
    ids = index.search(queries, 5, filter=allowed)[1]
    require_nearest(ids // 3, far[:, ::3], 5)
    radius = float(np.sort(far, axis=1)[:, 90].mean())
    limits, scores, _ = index.range_search(queries, -radius)
    np.testing.assert_allclose(np.diff(limits), (far <= radius).sum(1), atol=1)
    assert (scores >= -radius).all()


@pytest.mark.parametrize("case", CASES)
def test_exact_search_by_torch_is_exact(
    case: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, queries = case
    monkeypatch.setattr("likewise.search.engines.torch_scan.BLOCK_SCORES", 60 * 700)
    rows = TorchScan(vectors, "euclidean", torch.device("cpu")).nearest(queries, 5)
    far = distances(vectors, queries)
    ids = np.take_along_axis(rows, np.argsort(np.take_along_axis(far, rows, 1))[:, :5], 1)
    require_nearest(ids, far, 5)


def test_removed_and_fresh_vectors_far_from_zero(tmp_path: Path) -> None:
    vectors, queries = shifted(10_000.0)
    index = Index.build(vectors[:2500], metric="euclidean")
    index.add(vectors[2500:], np.arange(2500, 3000))
    index.remove(np.arange(0, 3000, 3))
    kept = np.delete(np.arange(3000), np.arange(0, 3000, 3))
    far = distances(vectors[kept], queries)
    for one in (index, Index.load(index.save(tmp_path))):
        require_nearest(np.searchsorted(kept, one.search(queries, 5)[1]), far, 5)


def test_a_proof_holds_and_usual_vectors_have_one() -> None:
    """What is proven is true; and without an offset nothing has to be compared twice."""
    for offset in (0.0, 10.0, 30.0, 100.0):
        vectors, queries = shifted(offset)
        order = np.argsort(distances(vectors, queries), axis=1)
        far, rows = nearest_by_products(vectors, queries, padded_k(10, 3000), "euclidean")
        sure = none_missed(far[:, 9], far[:, -1], (queries**2).sum(1), vectors.shape[1])
        assert offset > 10 or sure.all()
        for found, true in zip(rows[sure], order[sure], strict=True):
            assert set(true[:10]) <= set(found)
    assert not sure.any()


def test_few_queries_are_exact_whatever_other_threads_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """faiss has one limit for its matrix products; a search of other vectors moves it."""
    vectors, queries = shifted(10_000.0)
    plain = faiss.knn

    def moved(*args: object, **options: object) -> object:
        faiss.cvar.distance_compute_blas_threshold = 1
        return plain(*args, **options)

    monkeypatch.setattr(faiss, "knn", moved)
    require_nearest(
        nearest_rows(vectors, queries[:3], 5, "euclidean"), distances(vectors, queries[:3]), 5
    )


LIGHT_FAR = {name: {**LIGHT.get(name, {})} for name in FAMILIES}
LIGHT_FAR["pq_fastscan"] = {"refine": "float16"}
LIGHT_FAR["scalar"] = {"codes": "float16"}
LIGHT_FAR["hnsw"] |= {"storage": "float16"}


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize(("offset", "scale"), [(10_000.0, 1.0), (0.0, 1e5), (0.0, 1e-7)])
def test_families_find_as_much_far_from_zero_as_around_it(
    name: str, offset: float, scale: float, tmp_path: Path
) -> None:
    """Float16 ends at 65,504, and what is left of a product after an offset are few digits."""
    metric = "euclidean"
    if metric not in FAMILIES[name].metrics:
        pytest.skip(f"{name} has no {metric}")
    vectors, queries = VECTORS * scale + offset, QUERIES * scale + offset
    rounded = vectors.astype(np.float32), queries.astype(np.float32)
    truth = np.argsort(distances(*rounded), axis=1)[:, :10].tolist()
    index = Index.build(vectors, family=name, settings=LIGHT_FAR[name], metric=metric)
    found = index.search(queries, 10)
    assert recall(found[1], truth) >= floor(name)
    back = Index.load(index.save(tmp_path)).search(queries, 10)
    np.testing.assert_array_equal(back[1], found[1])
    np.testing.assert_array_equal(back[0], found[0])


@pytest.mark.parametrize("name", ["usearch", "hnswlib", "scalar"])
def test_a_query_far_from_all_vectors_is_answered(name: str) -> None:
    pytest.importorskip(str(FAMILIES[name].library or "faiss"))
    away = np.concatenate([QUERIES[:3] * 1e5, QUERIES[:3]])
    for metric in ("euclidean", "dot"):
        index = Index.build(VECTORS, family=name, settings=LIGHT_FAR[name], metric=metric)
        expected = Index.build(VECTORS, metric=metric).search(away, 10)[1]
        assert recall(index.search(away, 10)[1], expected.tolist()) >= 0.9


def test_usual_vectors_are_left_as_they_are() -> None:
    for metric in METRICS:
        assert Rescaling.for_vectors(VECTORS, metric) is None
    for metric in ("cosine", "dot"):
        assert Rescaling.for_vectors(VECTORS + np.float32(100), metric) is None or metric == "dot"
    rescaling = Rescaling.for_vectors(VECTORS + np.float32(100), "euclidean")
    assert rescaling is not None
    np.testing.assert_allclose(rescaling.numbers[:-1], VECTORS.mean(axis=0) + 100, rtol=1e-5)
    assert Rescaling.for_vectors(VECTORS * np.float32(1024), "dot") is not None
