"""Nearest neighbors against sorting the whole score matrix, ties included."""

from __future__ import annotations

import math

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from likewise.distances import Cosine, Distance, Dot, Mahalanobis, Minkowski
from likewise.errors import InputError
from likewise.evaluation.nearest import neighbors, score_blocks
from likewise.evaluation.nearest.neighbors import nearest, top_others
from tests.evaluation.grids import VECTORS

# Of whole numbers.
EXACT: list[Distance] = [Dot(), Minkowski(1), Minkowski(2), Minkowski(math.inf)]
ROUNDED: list[Distance] = [
    Cosine(),
    Mahalanobis(matrix=np.diag([1.0, 4.0]).astype(np.float32)),
]


def by_sorting(scores: np.ndarray, k: int, own: np.ndarray | None) -> np.ndarray:
    found = []
    for query, row in enumerate(scores):
        rows = [j for j in range(len(row)) if own is None or j != own[query]]
        found.append(sorted(rows, key=lambda j: (-row[j], j))[:k])
    return np.array(found)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_blocks, "GALLERY_ROWS", 5)
    monkeypatch.setattr(score_blocks, "QUERY_ROWS", 3)


@pytest.mark.parametrize("distance", EXACT, ids=lambda d: d.name)
@settings(deadline=None, max_examples=40)
@given(
    queries=st.lists(VECTORS, min_size=1, max_size=8),
    gallery=st.lists(VECTORS, min_size=2, max_size=17),
    k=st.integers(1, 20),
)
def test_against_sorting(
    distance: Distance, queries: list[tuple[int, int]], gallery: list[tuple[int, int]], k: int
) -> None:
    q, g = np.array(queries, np.float32), np.array(gallery, np.float32)
    scores = distance.score_pairwise(q.astype(np.float64), g.astype(np.float64)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(score_blocks, "GALLERY_ROWS", 5)
        patch.setattr(score_blocks, "QUERY_ROWS", 3)
        found = nearest(q, g, k, distance=distance)
    np.testing.assert_array_equal(found.rows, by_sorting(scores, k, None))
    np.testing.assert_array_equal(found.scores, np.take_along_axis(scores, found.rows, axis=1))


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("distance", ROUNDED, ids=lambda d: d.name)
def test_rounded_distances_against_sorting(distance: Distance) -> None:
    random = np.random.default_rng(0)
    q, g = (random.normal(size=(n, 2)).astype(np.float32) for n in (8, 60))
    scores = distance.score_pairwise(q, g)
    found = nearest(q, g, 5, distance=distance)
    np.testing.assert_array_equal(found.rows, by_sorting(scores, 5, None))
    at = np.take_along_axis(scores, found.rows, axis=1)
    np.testing.assert_allclose(found.scores, at, atol=1e-5)


@settings(deadline=None, max_examples=40)
@given(gallery=st.lists(VECTORS, min_size=2, max_size=17), k=st.integers(1, 20))
def test_the_own_row_is_left_out_and_its_duplicates_stay(
    gallery: list[tuple[int, int]], k: int
) -> None:
    g = np.array(gallery, np.float32)
    own = np.arange(len(g))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(score_blocks, "GALLERY_ROWS", 5)
        found = nearest(g, g, k, distance=Minkowski(1), own_rows=own)
    scores = Minkowski(1).score_pairwise(g, g)
    np.testing.assert_array_equal(found.rows, by_sorting(scores, min(k, len(g) - 1), own))


@pytest.mark.parametrize("k", [1, 3, 70, 5000])
def test_each_pair_scored_once_gives_the_same(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(k)
    g = random.integers(-2, 3, (1_100, 3)).astype(np.float32)
    monkeypatch.setattr(score_blocks, "SYMMETRIC_ROWS", 500)
    for distance in EXACT:
        found = top_others(g, min(k, len(g) - 1), distance).neighbors()
        expected = nearest(g, g, k, distance=distance, own_rows=np.arange(len(g)))
        np.testing.assert_array_equal(found.rows, expected.rows)
        np.testing.assert_array_equal(found.scores, expected.scores)


@pytest.mark.parametrize("distance", [Cosine(), Dot(), Minkowski(2)], ids=lambda d: d.name)
def test_equal_rows_get_equal_scores_at_any_position(
    distance: Distance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score_blocks, "GALLERY_ROWS", 700)
    monkeypatch.setattr(score_blocks, "SYMMETRIC_ROWS", 600)
    random = np.random.default_rng(0)
    place = random.integers(0, 400, 1_003)  # of each row among 400 vectors
    g = random.normal(size=(400, 64)).astype(np.float32)[place]
    whole = nearest(g[:512], g, len(g), distance=distance)
    among = top_others(g, len(g) - 1, distance).neighbors()
    for found in (whole, among):
        for rows, scores in zip(found.rows, found.scores, strict=True):
            each = place[rows]
            order = np.argsort(each, kind="stable")
            same = each[order][1:] == each[order][:-1]
            assert (np.diff(scores[order])[same] == 0).all()
            assert (np.diff(rows[order])[same] > 0).all()


@pytest.mark.parametrize("distance", [Minkowski(1), Minkowski(2)], ids=lambda d: d.name)
def test_equal_distances_of_whole_numbers_tie(distance: Distance) -> None:
    random = np.random.default_rng(0)
    g = random.integers(0, 4, (500, 64))
    apart = g[:40, None] - g
    far = np.abs(apart).sum(axis=2) if distance == Minkowski(1) else (apart**2).sum(axis=2)
    found = nearest(g[:40].astype(np.float32), g.astype(np.float32), 500, distance=distance)
    expected = np.argsort(far, axis=1, kind="stable")
    np.testing.assert_array_equal(found.rows, expected)


@pytest.mark.parametrize("k", [1, 3, 40, 400])
def test_chunks_and_ties_in_a_large_gallery(k: int) -> None:
    """Few distinct scores in many rows: the first row of every tie must win in every chunk."""
    random = np.random.default_rng(k)
    g = random.integers(-2, 3, (20_000, 3)).astype(np.float32)
    q = random.integers(-2, 3, (30, 3)).astype(np.float32)
    found = nearest(q, g, k, distance=Dot())
    expected = np.argsort(-(q @ g.T), axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(found.rows, expected)


def test_against_faiss_on_the_cosine() -> None:
    random = np.random.default_rng(0)
    g = random.normal(size=(5_000, 32)).astype(np.float32)
    q = random.normal(size=(200, 32)).astype(np.float32)
    found = nearest(q, g, 10)
    unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (q, g)]
    scores, rows = faiss.knn(*unit, 10, metric=faiss.METRIC_INNER_PRODUCT)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.scores, scores, atol=1e-6)


def test_cosines_never_pass_one() -> None:
    vectors = np.random.default_rng(1).normal(size=(500, 7)) * 100
    found = nearest(vectors, vectors, 1)
    assert found.rows[:, 0].tolist() == list(range(500))
    assert found.scores.max() <= 1.0


@pytest.mark.usefixtures("small_blocks")
def test_a_query_without_an_own_row_sees_all() -> None:
    g = np.arange(12, dtype=np.float32)[:, None]
    found = nearest(g[[4, 4]], g, 1, distance=Minkowski(2), own_rows=[4, -1])
    assert found.rows.tolist() == [[3], [4]]


def test_minus_zero_equals_zero() -> None:
    found = nearest([[1.0]], [[-0.0], [0.0], [-0.0]], 3, distance=Dot())
    assert found.rows.tolist() == [[0, 1, 2]]


def test_memory_mapped(tmp_path: object) -> None:
    path = f"{tmp_path}/gallery.npy"
    g = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    np.save(path, g)
    mapped = np.load(path, mmap_mode="r")
    np.testing.assert_array_equal(nearest(g[:5], mapped, 3).rows, nearest(g[:5], g, 3).rows)


def test_keys_keep_the_scores() -> None:
    import torch

    scores = torch.tensor([[-1.5, 0.0, -1e-30, 3e38, 1e-30, -3e38]])
    keys = neighbors._keys(scores, torch.arange(6))
    assert keys.argsort(descending=True).tolist() == scores.argsort(descending=True).tolist()


@pytest.mark.parametrize(
    ("queries", "gallery", "k", "own", "problem"),
    [
        ([[1.0]], [[1.0, 2.0]], 1, None, "dimensions 1 and 2"),
        ([[1.0]], [[1.0], [math.nan]], 1, None, "gallery: row 1 is not finite"),
        ([[1.0], [0.0]], [[1.0]], 1, None, "queries: row 1 is zero"),
        ([[1.0]], [[1.0]], 0, None, "at least 1"),
        ([[1.0]], [[1.0]], 1, [0], "only one row"),
        ([[1.0]], [[1.0], [2.0]], 1, [2], "own_rows: must be -1 or a row"),
        ([[1.0]], [[1.0], [2.0]], 1, [0.5], "own_rows: float64"),
        ([1.0], [[1.0]], 1, None, "must be numbers"),
        (["a"], [[1.0]], 1, None, "must be numbers"),
    ],
)
def test_wrong_use(queries: object, gallery: object, k: int, own: object, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        nearest(queries, gallery, k, own_rows=own)
