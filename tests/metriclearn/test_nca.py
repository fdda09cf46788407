"""The objective and the gradient of NCA against a plain loop, at the start and at the optimum."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from likewise.metriclearn import NCA
from tests.metriclearn.cases import gaussian_classes, numeric_gradient

X, Y = gaussian_classes(3, 8, 3)
X = (X - X.mean(0)) / 4


def objective_loop(factor) -> float:
    """The expected number of samples whose random neighbor is of their class."""
    total = 0.0
    for i in range(len(X)):
        near = [0.0 if j == i else np.exp(-(np.sum((factor @ (X[i] - X[j])) ** 2))) for j in
                range(len(X))]  # fmt: skip
        total += sum(p for j, p in enumerate(near) if Y[j] == Y[i]) / sum(near)
    return total


def test_the_first_step_goes_along_the_gradient_of_the_loop() -> None:
    """The first direction of L-BFGS is the gradient itself."""
    step = NCA(init="identity", max_iter=1).fit(X, Y).components_ - np.eye(3)
    gradient = numeric_gradient(objective_loop, np.eye(3))
    np.testing.assert_allclose(
        step / np.linalg.norm(step), gradient / np.linalg.norm(gradient), atol=1e-6
    )


def test_the_optimum_is_that_of_the_loop() -> None:
    found = NCA(init="identity", max_iter=500, tol=1e-10).fit(X, Y).components_
    alone = minimize(lambda flat: -objective_loop(flat.reshape(3, 3)), np.eye(3).ravel())
    assert objective_loop(found) == pytest.approx(-alone.fun, rel=1e-5)
    assert objective_loop(found) > objective_loop(np.eye(3)) + 1
    assert np.abs(numeric_gradient(objective_loop, found)).max() < 1e-3
