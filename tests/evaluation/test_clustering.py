"""Agreement of clusters and classes against a plain loop and scikit-learn; the clusters found."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_mutual_info_score, normalized_mutual_info_score
from sklearn.metrics.cluster import pair_confusion_matrix

from likewise.errors import InputError
from likewise.evaluation import clustering as module
from likewise.evaluation.clustering import cluster, clustering
from likewise.evaluation.verification.metrics import verification


def by_loop(classes: list[int], groups: list[int]) -> tuple[float, float, float, float]:
    n = len(classes)
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    claimed = [(i, j) for i, j in pairs if groups[i] == groups[j]]
    true = [(i, j) for i, j in pairs if classes[i] == classes[j]]
    right = len(set(claimed) & set(true))
    precisions, recalls = [], []
    for i in range(n):
        mine = {j for j in range(n) if groups[j] == groups[i]}
        own = {j for j in range(n) if classes[j] == classes[i]}
        precisions.append(len(mine & own) / len(mine))
        recalls.append(len(mine & own) / len(own))
    return (
        right / len(claimed) if claimed else 1.0,
        right / len(true) if true else 1.0,
        sum(precisions) / n,
        sum(recalls) / n,
    )


@settings(deadline=None, max_examples=80)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 3)), min_size=2, max_size=14))
def test_against_a_plain_loop_and_scikit_learn(rows: list[tuple[int, int]]) -> None:
    classes, found = (list(column) for column in zip(*rows, strict=True))
    if len(set(classes)) < 2:
        return
    groups = [100 + i if group == -1 else group for i, group in enumerate(found)]
    measured = clustering(classes, found)
    pairwise, bcubed = measured.pairwise, measured.bcubed
    assert by_loop(classes, groups) == pytest.approx(
        (pairwise.precision, pairwise.recall, bcubed.precision, bcubed.recall)
    )
    assert measured.nmi == pytest.approx(normalized_mutual_info_score(classes, groups))
    assert measured.ami == pytest.approx(adjusted_mutual_info_score(classes, groups))
    assert measured.noise == found.count(-1)
    assert measured.clusters == len(set(found) - {-1})
    (_, false), (missed, right) = pair_confusion_matrix(classes, groups)
    if right:
        assert pairwise.f == pytest.approx(2 * right / (2 * right + false + missed))


def test_a_known_case_of_bcubed() -> None:
    """Classes aaaaab·aaaaabbcc, clusters of 6, 5 and 6: worked by hand."""
    classes = [*"aaaaab", *"bbbba", *"cccaab"]
    found = clustering(classes, [0] * 6 + [1] * 5 + [2] * 6)
    expected = (25 / 6 + 1 / 6 + 16 / 5 + 1 / 5 + 9 / 6 + 4 / 6 + 1 / 6) / 17
    assert found.bcubed.precision == pytest.approx(expected)
    assert found.bcubed.recall == pytest.approx(
        (25 + 1 + 4) / 8 / 17 + (1 + 16 + 1) / 6 / 17 + 3 / 17
    )


def test_perfect_and_useless_clusters() -> None:
    labels = np.repeat(["a", "b", "c"], 4)
    perfect = clustering(labels, np.repeat([5, 9, 2], 4))
    assert (perfect.nmi, perfect.ami) == pytest.approx((1.0, 1.0))
    assert perfect.pairwise.f == perfect.bcubed.f == 1.0
    alone = clustering(labels, np.arange(12))
    assert (alone.pairwise.precision, alone.pairwise.recall, alone.pairwise.f) == (1.0, 0.0, 0.0)
    assert alone.nmi > 0.5 > 1e-9 > abs(alone.ami)  # what NMI is blind to
    one = clustering(labels, np.zeros(12, int))
    assert one.bcubed.recall == 1.0
    assert one.to_dict()["bcubed"] == {
        "precision": pytest.approx(1 / 3), "recall": 1.0, "f": pytest.approx(0.5)
    }  # fmt: skip


def blobs() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(5), 20)
    vectors = np.eye(5)[labels] + 0.05 * random.normal(size=(100, 5))
    return vectors * random.uniform(0.5, 5, (100, 1)), labels


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("kmeans", {"clusters": 5, "seed": 3}),
        ("agglomerative", {"threshold": 0.6}),
        ("agglomerative", {"clusters": 5}),
        ("hdbscan", {"smallest": 5}),
    ],
)
def test_clear_clusters_are_found(method: str, settings: dict[str, float]) -> None:
    vectors, labels = blobs()
    found = cluster(vectors, method, **settings)
    assert found.dtype == np.int64
    assert clustering(labels, found).bcubed.f > 0.98
    assert found[found >= 0][0] == 0  # numbered as they appear


def test_clusters_merge_at_the_threshold() -> None:
    vectors = [[1.0, 0.0], [3.0, 4.0], [-1.0, 0.0]]
    assert cluster(vectors, threshold=0.59).tolist() == [0, 0, 1]
    assert cluster(vectors, threshold=0.61).tolist() == [0, 1, 2]
    assert cluster([[1.0, 0.0], [0.0, 1.0]], threshold=0.0).tolist() == [0, 0]


def test_a_threshold_above_1_merges_nothing() -> None:
    """Where an impostor pair has cosine 1, TAR at a small FAR stands at the next number."""
    threshold = verification([1.0, 1.0, 1.0], [True, False, False]).at(0.5).threshold
    assert threshold == np.nextafter(1.0, 2.0)
    rows = [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    assert cluster(rows, threshold=threshold).tolist() == [0, 1, 2]


def test_one_row() -> None:
    assert cluster([[1.0]], threshold=0.5).tolist() == [0]
    assert cluster([[1.0]], "hdbscan").tolist() == [-1]


@pytest.mark.parametrize(
    ("method", "settings", "problem"),
    [
        ("kmean", {}, "did you mean 'kmeans'"),
        ("kmeans", {}, "needs the number of clusters"),
        ("kmeans", {"clusters": 3}, "from 1 to 2"),
        ("kmeans", {"clusters": 1, "threshold": 0.5}, "kmeans takes none"),
        ("agglomerative", {}, "exactly one"),
        ("agglomerative", {"threshold": 2.0}, "from -1 to 1"),
        ("hdbscan", {"clusters": 2}, "hdbscan takes none"),
        ("hdbscan", {"smallest": 1}, "at least 2"),
    ],
)
def test_wrong_settings(method: str, settings: dict[str, float], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        cluster(np.eye(2), method, **settings)


def test_too_many_rows_and_wrong_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_AGGLOMERATIVE", 3)
    with pytest.raises(InputError, match="use hdbscan or kmeans"):
        cluster(np.eye(4), threshold=0.5)
    with pytest.raises(InputError, match="row 1 is zero"):
        cluster([[1.0], [0.0]], threshold=0.5)
    with pytest.raises(InputError, match="row 0 is not finite"):
        cluster([[math.nan], [0.0]], threshold=0.5)
    with pytest.raises(InputError, match="fewer than two classes"):
        clustering([1, 1], [0, 1])
    with pytest.raises(InputError, match="for 2 labels"):
        clustering([1, 2], [0, 1, 2])
