"""LMNN against plain loops and finite differences; its optimizer; its memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from sklearn.datasets import load_iris, load_wine
from sklearn.neighbors import KNeighborsClassifier

from likewise.metriclearn import LMNN
from likewise.metriclearn.lmnn_objective import lmnn_objective
from likewise.metriclearn.target_neighbors import target_neighbors
from tests.metriclearn.cases import gaussian_classes, numeric_gradient


def uneven(seed: int = 0):
    """Classes of 1, 2, 3, … samples."""
    X, y = gaussian_classes(6, 6, 4, seed)
    keep = np.concatenate([np.flatnonzero(y == c)[: c + 1] for c in range(6)])
    return X[keep], y[keep]


def targets_loop(X, y, count):
    targets = np.full((len(X), count), -1)
    for i in range(len(X)):
        others = [j for j in range(len(X)) if j != i and y[j] == y[i]]
        others.sort(key=lambda j: np.sum((X[i] - X[j]) ** 2))
        targets[i, : len(others[:count])] = others[:count]
    return targets


def objective_loop(factor, X, y, targets, push) -> float:
    """Equation 13 of the paper, triple by triple."""
    total = 0.0
    for i in range(len(X)):
        for j in targets[i][targets[i] >= 0]:
            to_target = np.sum((factor @ (X[i] - X[j])) ** 2)
            total += (1 - push) * to_target
            for other in range(len(X)):
                if y[other] != y[i]:
                    hinge = 1 + to_target - np.sum((factor @ (X[i] - X[other])) ** 2)
                    total += push * max(0.0, hinge)
    return total


def objective_of_matrix(matrix, X, y, targets, regularization) -> float:
    """metric-learn's form: reg·tr(M Σ C_ij) + (1-reg)·Σ active [1 + tr(M(C_ij - C_il))]."""
    pull, push = np.zeros_like(matrix), 0.0
    for i, j in zip(np.repeat(np.arange(len(X)), targets.shape[1]), targets.ravel(), strict=True):
        near = np.outer(X[i] - X[j], X[i] - X[j])
        pull += near
        for other in np.flatnonzero(y != y[i]):
            far = np.outer(X[i] - X[other], X[i] - X[other])
            push += max(0.0, 1 + np.trace(matrix @ (near - far)))
    return regularization * np.trace(matrix @ pull) + (1 - regularization) * push


@pytest.mark.parametrize("count", [1, 3, 7])
def test_target_neighbors_are_the_loops(count) -> None:
    X, y = uneven()
    np.testing.assert_array_equal(target_neighbors(X, y, count), targets_loop(X, y, count))


@pytest.mark.parametrize("push", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("rank", [2, 4])
def test_objective_and_gradient(push, rank) -> None:
    X, y = uneven()
    targets = targets_loop(X, y, 3)
    factor = 0.2 * np.random.default_rng(1).normal(size=(rank, 4))
    value, gradient = lmnn_objective(factor, X, y, targets, push)
    assert value == pytest.approx(objective_loop(factor, X, y, targets, push), rel=1e-12)
    numeric = numeric_gradient(lambda a: objective_loop(a, X, y, targets, push), factor)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-5)


def test_objective_on_iris_is_metric_learns() -> None:
    X, y = load_iris(return_X_y=True)
    X, y = X[::3], y[::3]
    targets = targets_loop(X, y, 3)
    factor = np.diag([0.5, 1.0, 1.5, 2.0])
    value, _ = lmnn_objective(factor, X, y, targets, 0.5)
    expected = objective_of_matrix(factor.T @ factor, X, y, targets, 0.5)
    assert value == pytest.approx(expected, rel=1e-12)


def test_blocks_change_nothing(monkeypatch) -> None:
    X, y = uneven()
    targets = targets_loop(X, y, 2)
    whole = lmnn_objective(np.eye(4), X, y, targets, 0.5)
    monkeypatch.setattr("likewise.metriclearn.linear_metric.BLOCK_BYTES", 8 * len(X) * 2)
    parts = lmnn_objective(np.eye(4), X, y, targets, 0.5)
    assert parts[0] == pytest.approx(whole[0], rel=1e-12)
    np.testing.assert_allclose(parts[1], whole[1], rtol=1e-10)


def test_memory_is_bounded_by_a_block_not_by_the_square(monkeypatch) -> None:
    """Four times the pairs, all of them impostors or of one class, in as much memory."""
    monkeypatch.setattr("likewise.metriclearn.linear_metric.BLOCK_BYTES", 2**19)
    peaks = []
    for each in (20, 40):
        X, y = gaussian_classes(25, each, 8)
        targets = target_neighbors(X, y, 3)
        tracemalloc.start()
        lmnn_objective(1e-3 * np.eye(8), X, y, targets, 0.5)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


@pytest.mark.parametrize("load", [load_iris, load_wine])
def test_the_objective_falls_and_neighbors_are_right(load) -> None:
    X, y = load(return_X_y=True)
    X = (X - X.mean(0)) / X.std(0)
    train = np.arange(len(X)) % 2 == 0
    metric = LMNN().fit(X[train], y[train])
    assert (np.diff(metric.objective_) <= 0).all()
    assert len(metric.objective_) == metric.n_iter_ + 1
    targets = targets_loop(X[train], y[train], 3)
    last = objective_loop(metric.components_, X[train], y[train], targets, 0.5)
    assert metric.objective_[-1] == pytest.approx(last, rel=1e-9)
    assert metric.objective_[-1] < 0.5 * metric.objective_[0]
    neighbors = KNeighborsClassifier(3).fit(metric.transform(X[train]), y[train])
    assert neighbors.score(metric.transform(X[~train]), y[~train]) > 0.94


def test_a_given_initial_factor_is_used() -> None:
    X, y = uneven()
    start = 0.1 * np.random.default_rng(3).normal(size=(2, 4))
    metric = LMNN(init=start, max_iter=300).fit(X, y)
    expected = objective_loop(start, X, y, targets_loop(X, y, 3), 0.5)
    assert metric.objective_[0] == pytest.approx(expected)
    assert metric.components_.shape == (2, 4)
