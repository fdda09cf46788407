"""The neighbours' graph against scikit-learn's own, and in its algorithms."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn import neighbors
from sklearn.base import clone
from sklearn.cluster import DBSCAN, HDBSCAN
from sklearn.manifold import TSNE, Isomap
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from likewise.errors import InputError
from likewise.search.neighbors_transformer import KNeighborsTransformer
from tests.search.faces import faces

POINTS, PEOPLE = faces(12, 15, dimension=16, spread=0.4)
POINTS = POINTS.astype(np.float64)


@parametrize_with_checks([KNeighborsTransformer(n_neighbors=1)])
def test_scikit_learn_accepts_it(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize("mode", ["distance", "connectivity"])
@pytest.mark.parametrize("metric", ["euclidean", "cosine", "manhattan"])
def test_the_graph_is_that_of_scikit_learn(mode: str, metric: str) -> None:
    ours = KNeighborsTransformer(n_neighbors=4, mode=mode, metric=metric)
    theirs = neighbors.KNeighborsTransformer(
        n_neighbors=4, mode=mode, metric=metric, algorithm="brute"
    )
    for mine, true in (
        (ours.fit_transform(POINTS), theirs.fit_transform(POINTS)),
        (ours.transform(POINTS[:20] + 0.01), theirs.transform(POINTS[:20] + 0.01)),
    ):
        assert mine.shape == true.shape
        assert mine.dtype == true.dtype
        np.testing.assert_array_equal(mine.indptr, true.indptr)
        np.testing.assert_array_equal(mine.indices, true.indices)
        np.testing.assert_allclose(mine.data, true.data, atol=2e-6)
    assert list(ours.get_feature_names_out())[:2] == [
        "kneighborstransformer0", "kneighborstransformer1",
    ]  # fmt: skip


@pytest.mark.parametrize("family", ["exact", "hnsw", "ivf_flat"])
def test_each_sample_is_its_own_first_even_beside_twins(family: str) -> None:
    twins = np.concatenate([POINTS, POINTS, POINTS])
    graph = KNeighborsTransformer(n_neighbors=2, family=family).fit_transform(twins)
    rows = graph.indices.reshape(len(twins), 3)
    np.testing.assert_array_equal(rows[:, 0], np.arange(len(twins)))
    assert (graph.data.reshape(len(twins), 3)[:, 0] == 0).all()
    assert all(len(set(row)) == 3 for row in rows.tolist())


def test_in_the_algorithms_that_take_a_graph() -> None:
    """The same result as with scikit-learn's graph, where the algorithm is deterministic."""
    mine, theirs = (
        kind(n_neighbors=30, mode="distance")
        for kind in (KNeighborsTransformer, neighbors.KNeighborsTransformer)
    )
    for last in (Isomap(n_neighbors=30, metric="precomputed"),):
        ours, true = (make_pipeline(first, last).fit_transform(POINTS) for first in (mine, theirs))
        np.testing.assert_allclose(np.abs(ours), np.abs(true), atol=1e-3)
    map_of = make_pipeline(
        mine, TSNE(metric="precomputed", init="random", perplexity=9, max_iter=250, random_state=0)
    ).fit_transform(POINTS)
    nearest = neighbors.NearestNeighbors(n_neighbors=2).fit(map_of).kneighbors()[1][:, 0]
    assert np.mean(PEOPLE[nearest] == PEOPLE) > 0.9
    groups = make_pipeline(mine, DBSCAN(eps=0.6, metric="precomputed")).fit_predict(POINTS)
    assert adjusted_rand_score(PEOPLE, groups) > 0.8


def test_hdbscan_takes_the_graph() -> None:
    """It wants a symmetric graph in one piece: as many neighbours as there are in some people."""
    found = []
    for kind in (KNeighborsTransformer, neighbors.KNeighborsTransformer):
        graph = kind(n_neighbors=60, mode="distance").fit_transform(POINTS)
        joined = graph.maximum(graph.T)
        found.append(
            HDBSCAN(metric="precomputed", min_cluster_size=8, copy=True).fit_predict(joined)
        )
    np.testing.assert_array_equal(*found)
    assert adjusted_rand_score(PEOPLE, found[0]) > 0.9


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")  # that a seed takes away the other threads
def test_umap_takes_the_graph() -> None:
    """Neighbours on the map are of one person. Slow: UMAP compiles itself first."""
    umap = pytest.importorskip("umap")
    graph = KNeighborsTransformer(n_neighbors=30).fit_transform(POINTS)
    drawn = umap.UMAP(metric="precomputed", n_neighbors=10, n_epochs=100, random_state=0)
    map_of = drawn.fit_transform(graph.maximum(graph.T))
    nearest = neighbors.NearestNeighbors(n_neighbors=2).fit(map_of).kneighbors()[1][:, 0]
    assert np.mean(PEOPLE[nearest] == PEOPLE) > 0.95


def test_a_tuned_graph() -> None:
    transformer = KNeighborsTransformer(n_neighbors=3, recall=0.9).fit(POINTS)
    assert transformer.index_.evidence["asked"] == {"recall": 0.9}
    assert transformer.index_.evidence["k"] == 4
    assert transformer.transform(POINTS[:2]).shape == (2, len(POINTS))


def test_it_is_cloned_and_pickled_without_the_engine() -> None:
    fitted = KNeighborsTransformer(n_neighbors=3, family="hnsw", settings={"links": 8}).fit(POINTS)
    back = pickle.loads(pickle.dumps(fitted))
    assert (back.transform(POINTS) != fitted.transform(POINTS)).nnz == 0
    assert clone(fitted).get_params() == fitted.get_params()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"mode": "distances"}, "did you mean 'distance'"),
        ({"metric": "cosin"}, "did you mean 'cosine'"),
        ({"n_neighbors": 0}, "at least 1"),
        ({"family": "hnsw", "recall": 0.9}, "give one"),
        ({"family": "hsnw"}, "did you mean 'hnsw'"),
    ],
)
def test_wrong_input(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        KNeighborsTransformer(**arguments).fit(POINTS)


def test_more_neighbours_than_samples() -> None:
    with pytest.raises(ValueError, match="Expected n_neighbors <= n_samples_fit"):
        KNeighborsTransformer(n_neighbors=5).fit_transform(POINTS[:5])


@pytest.mark.parametrize("metric", ["euclidean", "manhattan"])
@pytest.mark.parametrize(("middle", "spread"), [(2020.0, 0.5), (1.7e9, 1e-3)])
def test_a_column_of_years_or_of_times(metric: str, middle: float, spread: float) -> None:
    """Neighbours by a year were others than scikit-learn's in 98 of 100 rows."""
    random = np.random.default_rng(0)
    points = np.c_[random.normal(size=(500, 3)), middle + random.normal(size=500) * spread]
    settings = {"n_neighbors": 5, "metric": metric}
    ours = KNeighborsTransformer(**settings).fit(points)
    theirs = neighbors.KNeighborsTransformer(**settings, algorithm="kd_tree").fit(points)
    for asked in (points, points[:50] + 0.01):
        mine, true = ours.transform(asked), theirs.transform(asked)
        same = [set(mine[i].indices) == set(true[i].indices) for i in range(len(asked))]
        assert np.mean(same) >= 0.99
        np.testing.assert_allclose(np.sort(mine.data), np.sort(true.data), atol=1e-5)
    again = pickle.loads(pickle.dumps(ours)).transform(points)
    assert (again != ours.transform(points)).nnz == 0
