"""scikit-learn's estimator checks, its tools, and the saved file."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from likewise.distances import parse_distance
from likewise.metriclearn import (
    LDA,
    LMNN,
    NCA,
    InverseCovariance,
    JointBayesian,
    WithinClassWhitening,
)
from tests.metriclearn.cases import METRICS, gaussian_classes

QUICK = [
    InverseCovariance(),
    WithinClassWhitening(),
    LDA(),
    NCA(max_iter=5),
    LMNN(max_iter=5),
    JointBayesian(max_iter=20),
]
pytestmark = pytest.mark.filterwarnings("ignore")  # few steps: not converged, as we know


@pytest.mark.parametrize("metric", QUICK, ids=lambda m: type(m).__name__)
def test_scikit_learn_estimator_checks(metric) -> None:
    refused = {"check_dtype_object": "wants a TypeError for dicts in X; ours is an InputError"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_estimator(metric, expected_failed_checks=refused)


@pytest.mark.parametrize("name", METRICS)
def test_parameters_are_kept_as_given(name) -> None:
    metric = METRICS[name]
    assert clone(metric).get_params() == metric.get_params()
    changed = clone(metric).set_params(**metric.get_params())
    assert repr(changed) == repr(metric)


@pytest.mark.parametrize("name", METRICS)
def test_in_a_pipeline_and_a_grid_search(name) -> None:
    X, y = gaussian_classes(4, 15, 6)
    steps = make_pipeline(PCA(5), clone(METRICS[name]), KNeighborsClassifier(3))
    search = GridSearchCV(steps, {"pca__n_components": [4, 5]}, cv=3, error_score="raise")
    assert search.fit(X, y).best_score_ > 0.5


@pytest.mark.parametrize("name", METRICS)
def test_float32_stays_float32_with_the_same_values(name) -> None:
    X, y = gaussian_classes(5, 8, 4)
    metric = clone(METRICS[name]).fit(X, y)
    single = metric.transform(X.astype(np.float32))
    assert single.dtype == np.float32
    assert metric.components_.dtype == np.float64
    scale = np.abs(metric.transform(X)).max()
    np.testing.assert_allclose(single, metric.transform(X), atol=1e-5 * scale)
    assert next(iter(metric.get_feature_names_out())).endswith("0")


@pytest.mark.parametrize("name", METRICS)
def test_labels_may_be_names_in_any_order(name) -> None:
    X, y = gaussian_classes(5, 8, 4)
    metric = clone(METRICS[name]).fit(X, y)
    named = clone(METRICS[name]).fit(X, np.array(["eve", "dan", "cy", "bob", "al"])[y])
    a, b = metric.get_mahalanobis_matrix(), named.get_mahalanobis_matrix()
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(a).max())


@pytest.mark.parametrize("name", METRICS)
def test_the_saved_file_is_the_distance(name, tmp_path) -> None:
    X, y = gaussian_classes(5, 8, 4)
    metric = clone(METRICS[name]).fit(X, y)
    metric.save(tmp_path / "learned.npy")
    distance = parse_distance(f"mahalanobis:{tmp_path / 'learned.npy'}")
    expected = metric.pair_distance(X, X[::-1])
    np.testing.assert_allclose(distance.paired(X, X[::-1].copy()), expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(distance.score_paired(X, X[::-1].copy()), -expected, atol=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["learned.npy"]


def test_blocks_change_nothing(monkeypatch) -> None:
    X, y = gaussian_classes(5, 8, 4)
    metric = JointBayesian().fit(X, y)
    whole = metric.transform(X), metric.pair_distance(X, X[::-1]), metric.score_pairs(X, X[::-1])
    monkeypatch.setattr("likewise.metriclearn.linear_metric.BLOCK_BYTES", 100)
    parts = metric.transform(X), metric.pair_distance(X, X[::-1]), metric.score_pairs(X, X[::-1])
    for a, b in zip(parts, whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_likewise_imports_no_scikit_learn_and_metriclearn_no_torch() -> None:
    script = (
        "import sys, likewise; print('sklearn' in sys.modules);"
        "import likewise.metriclearn; print('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "False"]
