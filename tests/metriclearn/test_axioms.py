"""Metric axioms, and consistency of the distance with one matrix, for every metric."""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from sklearn.base import clone

from likewise.distances import Mahalanobis
from likewise.metriclearn import LinearMetric
from tests.metriclearn.cases import METRICS, gaussian_classes

DIMENSION = 5
vectors = npst.arrays(
    np.float64,
    st.tuples(st.integers(3, 6), st.just(DIMENSION)),
    elements=st.floats(-1e3, 1e3, allow_subnormal=False).map(lambda v: round(v, 6)),
)
few = settings(max_examples=25, deadline=None)
every = pytest.mark.parametrize("name", METRICS)


@cache
def fitted(name: str) -> LinearMetric:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a few steps are enough here
        return clone(METRICS[name]).fit(*gaussian_classes(6, 10, DIMENSION))


def all_pairs(metric: LinearMetric, x):
    rows, columns = np.divmod(np.arange(len(x) ** 2), len(x))
    return metric.pair_distance(x[rows], x[columns]).reshape(len(x), len(x))


@every
@few
@given(x=vectors)
def test_metric_axioms(name, x) -> None:
    d = all_pairs(fitted(name), x)
    rounding = 1e-9 * (1 + d.max())
    assert (d >= 0).all()
    assert (np.diag(d) == 0).all()
    np.testing.assert_allclose(d, d.T, rtol=1e-12)
    through = d[:, :, None] + d[None, :, :]  # d(i, j) + d(j, k)
    assert (d[:, None, :] <= through + rounding).all()


@every
def test_distances_are_positive_except_in_the_null_space(name) -> None:
    metric = fitted(name)
    rank = np.linalg.matrix_rank(metric.components_)
    _, _, directions = np.linalg.svd(metric.components_)
    distances = metric.pair_distance(directions, np.zeros_like(directions))
    assert (distances[:rank] > 0).all()
    np.testing.assert_allclose(distances[rank:], 0, atol=1e-8)


@every
def test_the_matrix_is_symmetric_and_positive_semidefinite(name) -> None:
    matrix = fitted(name).get_mahalanobis_matrix()
    np.testing.assert_array_equal(matrix, matrix.T)
    values = np.linalg.eigvalsh(matrix)
    assert values[0] >= -1e-12 * values[-1]
    assert values[-1] > 0


@every
@few
@given(x=vectors)
def test_map_matrix_pairs_and_distance_agree(name, x) -> None:
    metric = fitted(name)
    y = x[::-1]
    mapped = metric.transform(x) - metric.transform(y)
    size = 1 + np.abs(x).max() * np.linalg.norm(metric.components_)
    paired = metric.pair_distance(x, y)
    np.testing.assert_allclose(np.linalg.norm(mapped, axis=1), paired, atol=1e-10 * size)
    np.testing.assert_array_equal(metric.pair_distance(np.stack([x, y], axis=1)), paired)
    square = np.einsum("ij,jk,ik->i", x - y, metric.get_mahalanobis_matrix(), x - y)
    np.testing.assert_allclose(np.sqrt(square.clip(min=0)), paired, atol=1e-6 * size)
    house = metric.to_distance()
    assert isinstance(house, Mahalanobis)
    np.testing.assert_allclose(house.paired(x, y.copy()), paired, atol=1e-10 * size)


@every
def test_scores_are_negated_distances_except_for_joint_bayesian(name) -> None:
    metric, (x, _) = fitted(name), gaussian_classes(4, 3, DIMENSION, seed=1)
    scores, negated = metric.score_pairs(x, x[::-1]), -metric.pair_distance(x, x[::-1])
    assert np.array_equal(scores, negated) == ("Bayesian" not in name)
    np.testing.assert_allclose(metric.score_pairs(x[::-1], x), scores)
