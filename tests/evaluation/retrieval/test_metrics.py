"""Retrieval against a plain loop, and against two peers where their definitions agree."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import CustomKNN
from sklearn.metrics import ndcg_score

from likewise.distances import Dot, Minkowski
from likewise.errors import InputError
from likewise.evaluation.retrieval import metrics as module
from likewise.evaluation.retrieval.metrics import retrieval
from tests.evaluation.grids import apart, labeled

KS = (1, 2, 5, 30)


def by_loop(scores: np.ndarray, q: np.ndarray, g: np.ndarray, own: np.ndarray) -> dict[str, float]:
    sums: dict[str, float] = {}
    counted = 0
    for i, row in enumerate(scores):
        rows = [j for j in range(len(g)) if j != own[i]]
        ranked = sorted(rows, key=lambda j: (-row[j], j))
        rel = [bool(g[j] == q[i]) for j in ranked]
        r = sum(rel)
        if r == 0:
            continue
        counted += 1
        values = {
            "r_precision": sum(rel[:r]) / r,
            "map_at_r": sum(sum(rel[: n + 1]) / (n + 1) for n in range(r) if rel[n]) / r,
        }
        for k in KS:
            gain = sum(1 / math.log2(n + 2) for n in range(min(k, len(rel))) if rel[n])
            best = sum(1 / math.log2(n + 2) for n in range(min(k, r)))
            values |= {f"r{k}": any(rel[:k]), f"p{k}": sum(rel[:k]) / k, f"n{k}": gain / best}
        for name, value in values.items():
            sums[name] = sums.get(name, 0.0) + value
    return {name: total / counted for name, total in sums.items()} | {"counted": counted}


def as_dict(found: module.Retrieval) -> dict[str, float]:
    flat = {"r_precision": found.r_precision, "map_at_r": found.map_at_r, "counted": found.queries}
    for k in KS:
        flat |= {f"r{k}": found.recall[k], f"p{k}": found.precision[k], f"n{k}": found.ndcg[k]}
    return flat


@settings(deadline=None, max_examples=60)
@given(labeled(3, 14))
def test_against_a_plain_loop(rows: list) -> None:
    x, labels = apart(rows)
    counts = np.bincount(labels)
    if counts.max() < 2 or (counts > 0).sum() < 2:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "NEIGHBORS_HELD", 20)
        found = retrieval(x, labels, ks=KS, distance=Minkowski(1))
    scores = Minkowski(1).score_pairwise(x, x)
    assert as_dict(found) == pytest.approx(by_loop(scores, labels, labels, np.arange(len(x))))
    assert found.queries + found.left_out == len(x)


@settings(deadline=None, max_examples=40)
@given(labeled(1, 6), labeled(2, 12), st.data())
def test_a_separate_gallery(queries: list, gallery: list, data: st.DataObject) -> None:
    (x, labels), (g, among) = apart(queries), apart(gallery)
    own = np.array([data.draw(st.integers(-1, len(g) - 1)) for _ in x])
    expected = by_loop(x @ g.T, labels, among, own)
    if not expected["counted"] or len(set(among.tolist())) < 2:
        return
    found = retrieval(x, labels, g, among, own_rows=own, ks=KS, distance=Dot())
    assert as_dict(found) == pytest.approx(expected)


def test_against_pytorch_metric_learning() -> None:
    """R-precision, MAP@R and precision@1 agree where no two scores tie.

    Known differences: it leaves the query out by dropping whatever comes first, so that a
    duplicate of the query changes its numbers; labels pass through float32; it has no Recall@k
    beyond 1 and no nDCG.
    """
    random = np.random.default_rng(0)
    labels = random.integers(0, 60, 400)
    x = (random.normal(size=(60, 8))[labels] + random.normal(size=(400, 8))).astype(np.float32)
    names = ("precision_at_1", "r_precision", "mean_average_precision_at_r")
    peer = AccuracyCalculator(
        include=names, k="max_bin_count", knn_func=CustomKNN(CosineSimilarity())
    ).get_accuracy(x, labels)
    found = retrieval(x, labels)
    assert found.precision[1] == found.recall[1] == pytest.approx(peer["precision_at_1"])
    assert found.r_precision == pytest.approx(peer["r_precision"])
    assert found.map_at_r == pytest.approx(peer["mean_average_precision_at_r"])


def test_ndcg_against_scikit_learn() -> None:
    random = np.random.default_rng(1)
    labels = random.integers(0, 5, 80)
    x = random.normal(size=(80, 6)).astype(np.float32)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    off = ~np.eye(80, dtype=bool)
    same = (labels[:, None] == labels)[off].reshape(80, 79)
    scores = (unit @ unit.T)[off].reshape(80, 79)
    found = retrieval(x, labels, ks=[7])
    assert found.ndcg[7] == pytest.approx(ndcg_score(same, scores, k=7))


def test_a_duplicate_of_the_query_is_found_and_the_query_is_not() -> None:
    found = retrieval([[1.0, 0.0]] * 2 + [[0.0, 1.0]] * 2, [0, 1, 0, 1], ks=[1])
    assert found.recall[1] == 0.0  # each duplicate is of the other class
    found = retrieval([[1.0, 0.0]] * 2 + [[0.0, 1.0]] * 2, [0, 0, 1, 1], ks=[1])
    assert found.recall[1] == 1.0


def test_ties_go_to_the_lower_row() -> None:
    """All at one point: whoever stands first is found first."""
    found = retrieval(np.ones((4, 2)), [0, 1, 0, 1], ks=[1])
    assert found.recall[1] == 0.25  # of rows 0 … 3 the first found are 1, 0, 0, 0


def test_singletons_are_left_out_and_counted() -> None:
    found = retrieval([[1.0, 0], [1, 0.1], [0, 1], [-1, 0]], ["a", "a", "b", "c"], ks=[1, 50])
    assert (found.queries, found.left_out, found.gallery) == (2, 2, 4)
    assert found.recall == {1: 1.0, 50: 1.0}
    assert found.precision[50] == 1 / 50
    assert found.to_dict()["recall"] == {"1": 1.0, "50": 1.0}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"labels": [0, 0, 0]}, "only one class"),
        ({"labels": [0, 1, 2]}, "no query has another"),
        ({"labels": [0, 1]}, "labels: .2. labels for 3 rows"),
        ({"ks": [0]}, "ks"),
        ({"ks": []}, "ks"),
        ({"queries": [[1.0], [math.nan], [1.0]]}, "queries: row 1 is not finite"),
        ({"gallery": [[1.0]]}, "gallery_labels: missing"),
        ({"gallery_labels": [1]}, "need a gallery"),
        ({"gallery": [[1.0], [1.0]], "gallery_labels": [0, 1], "own_rows": [0, 0, 9]}, "own_rows"),
        ({"gallery": [[1.0], [1.0]], "gallery_labels": [0, 1], "own_rows": [0]}, "own_rows"),
        ({"gallery": [[1.0], [1.0]], "gallery_labels": [7, 8]}, "no query has another"),
    ],
)
def test_wrong_use(change: dict[str, object], problem: str) -> None:
    settings = {"queries": [[1.0], [2.0], [-1.0]], "labels": [0, 0, 1]}
    with pytest.raises(InputError, match=problem):
        retrieval(**(settings | change))
