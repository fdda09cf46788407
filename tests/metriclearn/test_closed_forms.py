"""Whitenings and LDA against loops, SciPy and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import eigh
from scipy.spatial.distance import cdist
from sklearn.covariance import LedoitWolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from likewise.distances import Minkowski
from likewise.metriclearn import LDA, InverseCovariance, WithinClassWhitening
from tests.metriclearn.cases import gaussian_classes


@pytest.fixture
def data():
    """Classes of 2 to 9 samples, and one alone."""
    X, y = gaussian_classes(9, 9, 4)
    keep = np.concatenate([np.flatnonzero(y == c)[: c + 1] for c in range(9)])
    return X[keep], y[keep]


def within_loop(X, y, weighting):
    """W, summed as in the papers."""
    total, weight = np.zeros((X.shape[1],) * 2), 0.0
    for name in np.unique(y):
        rows = X[y == name]
        if len(rows) < 2:
            continue
        each = 1.0 if weighting == "samples" else 1 / len(rows)
        for x in rows:
            difference = x - rows.mean(axis=0)
            total += each * np.outer(difference, difference)
            weight += each
    return total / weight


def test_inverse_covariance_is_scipys_mahalanobis(data) -> None:
    X, _ = data
    metric = InverseCovariance().fit(X)
    np.testing.assert_allclose(metric.get_mahalanobis_matrix(), np.linalg.inv(np.cov(X.T)))
    expected = cdist(X, X, "mahalanobis", VI=np.linalg.inv(np.cov(X.T)))
    np.testing.assert_allclose(metric.to_distance().pairwise(X, X), expected, atol=1e-9)
    np.testing.assert_allclose(np.cov(metric.transform(X).T), np.eye(4), atol=1e-12)


@pytest.mark.parametrize("weighting", ["samples", "classes"])
def test_within_class_whitening_is_the_papers_sum(data, weighting) -> None:
    X, y = data
    metric = WithinClassWhitening(weighting=weighting).fit(X, y)
    within = within_loop(X, y, weighting)
    np.testing.assert_allclose(metric.get_mahalanobis_matrix(), np.linalg.inv(within))
    np.testing.assert_allclose(
        within_loop(metric.transform(X), y, weighting), np.eye(4), atol=1e-12
    )


def test_rca_equals_wccn_for_classes_of_equal_size() -> None:
    X, y = gaussian_classes(5, 6, 3)
    rca, wccn = (WithinClassWhitening(weighting=w).fit(X, y) for w in ("samples", "classes"))
    np.testing.assert_allclose(rca.components_, wccn.components_)


def test_wccns_cholesky_factor_gives_the_same_distances(data) -> None:
    X, y = data
    metric = WithinClassWhitening(weighting="classes").fit(X, y)
    factor = np.linalg.cholesky(np.linalg.inv(within_loop(X, y, "classes"))).T
    expected = np.linalg.norm((X - X[::-1]) @ factor.T, axis=1)
    np.testing.assert_allclose(metric.pair_distance(X, X[::-1]), expected)


def test_shrinkage_is_ledoit_and_wolfs(data) -> None:
    X, _ = data
    given = LedoitWolf().fit(X)
    unbiased = np.cov(X.T)
    share, size = given.shrinkage_, np.trace(unbiased) / 4
    expected = (1 - share) * unbiased + share * size * np.eye(4)
    metric = InverseCovariance(shrinkage="auto").fit(X)
    np.testing.assert_allclose(metric.get_mahalanobis_matrix(), np.linalg.inv(expected))
    by_number = InverseCovariance(shrinkage=share).fit(X)
    np.testing.assert_allclose(by_number.components_, metric.components_)


def test_full_shrinkage_gives_a_multiple_of_the_identity(data) -> None:
    X, y = data
    for metric in (InverseCovariance(shrinkage=1.0), WithinClassWhitening(shrinkage=1.0)):
        distances = metric.fit(X, y).to_distance().pairwise(X, X)
        ratio = distances / (Minkowski(2).pairwise(X, X) + np.eye(len(X)))
        np.testing.assert_allclose(ratio[~np.eye(len(X), dtype=bool)], ratio[0, 1])


@pytest.mark.parametrize("shrinkage", [0.5, "auto"])
def test_with_shrinkage_more_dimensions_than_samples_are_allowed(shrinkage) -> None:
    X, y = gaussian_classes(4, 3, 20)
    for kind in (InverseCovariance, WithinClassWhitening, LDA):
        metric = kind(shrinkage=shrinkage).fit(X, y)
        assert np.isfinite(metric.pair_distance(X, X[::-1])).all()


@pytest.mark.filterwarnings("ignore:Only one sample")
@pytest.mark.parametrize(("shrinkage", "solver"), [(0.0, "svd"), (0.3, "eigen"), ("auto", "eigen")])
def test_lda_is_scikit_learns(data, shrinkage, solver) -> None:
    X, y = data
    metric = LDA(shrinkage=shrinkage, n_components=3).fit(X, y)
    model = LinearDiscriminantAnalysis(
        solver=solver, shrinkage=shrinkage or None, n_components=3
    ).fit(X, y)
    ours, theirs = metric.transform(X), model.transform(X)
    np.testing.assert_allclose(ours - ours.mean(0), theirs - theirs.mean(0), atol=1e-9)


def test_lda_solves_fishers_eigenproblem(data) -> None:
    """Between against within, as SciPy solves it; one factor for all directions is free."""
    X, y = data
    metric = LDA(n_components=3).fit(X, y)
    within = sum(
        (X[y == c] - X[y == c].mean(0)).T @ (X[y == c] - X[y == c].mean(0)) for c in np.unique(y)
    ) / (len(X) - 9)
    middle = X - X.mean(0)
    between = middle.T @ middle - within * (len(X) - 9)
    directions = eigh(between, within)[1][:, ::-1][:, :3]
    along = np.diag(directions.T @ within @ metric.components_.T)
    np.testing.assert_allclose(np.abs(along), abs(along[0]))
    np.testing.assert_allclose(metric.components_, (directions * along).T, atol=1e-8)
