"""Joint Bayesian against SciPy's normal densities, the paper's matrices, and known covariances."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.exceptions import ConvergenceWarning

from likewise.metriclearn import JointBayesian
from likewise.metriclearn.joint_bayesian_em import ClassStatistics, em_step, log_likelihood

BETWEEN = np.array([[4.0, 1.0, 0.0], [1.0, 2.0, 0.5], [0.0, 0.5, 1.0]])
WITHIN = np.array([[1.0, -0.3, 0.2], [-0.3, 0.8, 0.0], [0.2, 0.0, 0.5]])


def draw(counts, seed=0):
    """Samples x = μ + ε of identities N(0, S_μ) and variation N(0, S_ε)."""
    random = np.random.default_rng(seed)
    y = np.repeat(np.arange(len(counts)), counts)
    persons = random.multivariate_normal(np.zeros(3), BETWEEN, len(counts))
    return persons[y] + random.multivariate_normal(np.zeros(3), WITHIN, len(y)), y


def statistics(X, y) -> ClassStatistics:
    means = np.array([X[y == c].mean(0) for c in np.unique(y)])
    centred = X - means[y]
    return ClassStatistics(means, np.bincount(y), centred.T @ centred)


def together(samples: int, between=BETWEEN, within=WITHIN):
    """The covariance of all the samples of one person."""
    return np.kron(np.ones((samples, samples)), between) + np.kron(np.eye(samples), within)


def test_log_likelihood_is_scipys() -> None:
    X, y = draw([1, 2, 2, 4])
    expected = sum(
        multivariate_normal(cov=together(int((y == c).sum()))).logpdf(X[y == c].ravel())
        for c in range(4)
    )
    assert log_likelihood(statistics(X, y), BETWEEN, WITHIN) == pytest.approx(expected)


@pytest.mark.parametrize("exact", [True, False])
def test_a_step_is_the_papers_with_its_whole_matrices(exact) -> None:
    """E[h | x] = Σ_h Pᵀ Σ_x⁻¹ x, and its covariance Σ_h - Σ_h Pᵀ Σ_x⁻¹ P Σ_h, person by person."""
    X, y = draw([1, 2, 3, 5])
    persons, days, of_persons, of_days = [], [], np.zeros((3, 3)), np.zeros((3, 3))
    for c in range(4):
        x = X[y == c]
        m = len(x)
        hidden = np.zeros((3 * (m + 1), 3 * (m + 1)))  # h = (μ, ε_1, …, ε_m)
        hidden[:3, :3], hidden[3:, 3:] = BETWEEN, np.kron(np.eye(m), WITHIN)
        P = np.hstack([np.kron(np.ones((m, 1)), np.eye(3)), np.eye(3 * m)])
        gain = hidden @ P.T @ np.linalg.inv(P @ hidden @ P.T)
        h, left = (gain @ x.ravel()).reshape(-1, 3), hidden - gain @ P @ hidden
        persons.append(h[0])
        days.extend(h[1:])
        of_persons += left[:3, :3]
        of_days += sum(left[3 * i : 3 * i + 3, 3 * i : 3 * i + 3] for i in range(1, m + 1))
    between, within = np.transpose(persons) @ persons / 4, np.transpose(days) @ days / len(X)
    if exact:
        between, within = between + of_persons / 4, within + of_days / len(X)
    found = em_step(statistics(X, y), BETWEEN, WITHIN, exact=exact)
    np.testing.assert_allclose(found[0], between, atol=1e-12)
    np.testing.assert_allclose(found[1], within, atol=1e-12)


def test_em_ends_at_the_closed_form_of_equal_classes() -> None:
    """For classes of m samples: S_ε = scatter/(N-C), S_μ = cov(means) - S_ε/m."""
    X, y = draw([4] * 200)
    model = JointBayesian(max_iter=5000, tol=1e-12).fit(X, y)
    data = statistics(X - X.mean(0), y)
    within = data.scatter / (len(X) - 200)
    between = data.means.T @ data.means / 200 - within / 4
    np.testing.assert_allclose(model.within_covariance_, within, atol=1e-6)
    np.testing.assert_allclose(model.between_covariance_, between, atol=1e-6)


def test_em_finds_the_covariances_that_made_the_data() -> None:
    X, y = draw(np.random.default_rng(5).integers(1, 9, 6000))
    model = JointBayesian().fit(X, y)
    np.testing.assert_allclose(model.within_covariance_, WITHIN, atol=0.05)
    np.testing.assert_allclose(model.between_covariance_, BETWEEN, atol=0.2)
    assert (np.diff(model.log_likelihood_) >= -1e-9 * abs(model.log_likelihood_[0])).all()


def test_the_updates_of_the_paper_underestimate_the_variance_between_classes() -> None:
    X, y = draw([2] * 2000)
    exact, paper = JointBayesian().fit(X, y), JointBayesian(updates="paper").fit(X, y)
    assert np.trace(exact.between_covariance_) == pytest.approx(np.trace(BETWEEN), rel=0.05)
    assert np.trace(paper.between_covariance_) < 0.95 * np.trace(BETWEEN)
    assert exact.log_likelihood_[-1] > paper.log_likelihood_[-1]


def test_the_score_is_the_log_likelihood_ratio() -> None:
    X, y = draw([3] * 100)
    model = JointBayesian().fit(X, y)
    A, B = X[:40] - model.mean_, X[40:80] - model.mean_
    between, within = model.between_covariance_, model.within_covariance_
    one = multivariate_normal(cov=together(2, between, within))
    two = multivariate_normal(cov=between + within)
    expected = one.logpdf(np.hstack([A, B])) - two.logpdf(A) - two.logpdf(B)
    np.testing.assert_allclose(model.score_pairs(X[:40], X[40:80]), expected, atol=1e-9)
    pairs = np.stack([X[:40], X[40:80]], axis=1)
    np.testing.assert_allclose(model.score_pairs(pairs), expected, atol=1e-9)


def test_A_and_G_are_the_papers_and_the_score_is_more_than_a_distance() -> None:  # noqa: N802  # the paper's letters
    X, y = draw([3] * 100)
    model = JointBayesian().fit(X, y)
    between, within = model.between_covariance_, model.within_covariance_
    F = np.linalg.inv(within)
    G = -np.linalg.inv(2 * between + within) @ between @ F
    np.testing.assert_allclose(model.G_, G, atol=1e-10)
    np.testing.assert_allclose(model.A_, np.linalg.inv(between + within) - (F + G), atol=1e-10)
    np.testing.assert_allclose(model.get_mahalanobis_matrix(), -G, atol=1e-10)
    A, B = X[:40] - model.mean_, X[40:80] - model.mean_
    rarity = [np.einsum("ij,jk,ik->i", v, model.A_ - model.G_, v) for v in (A, B)]
    apart = (rarity[0] + rarity[1] - model.pair_distance(A, B) ** 2) / 2
    rest = model.score_pairs(X[:40], X[40:80]) - apart
    np.testing.assert_allclose(rest, rest[0], atol=1e-9)
    assert rarity[0].min() > 0


def test_fewer_classes_than_dimensions_leave_directions_without_variance() -> None:
    X, y = draw([20] * 3)
    model = JointBayesian().fit(X, y)
    assert np.linalg.eigvalsh(model.between_covariance_)[0] == pytest.approx(0, abs=1e-9)
    assert np.isfinite(model.score_pairs(X[:20], X[20:40])).all()


def test_no_convergence_gives_a_warning() -> None:
    X, y = draw([3] * 30)
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        JointBayesian(max_iter=2).fit(X, y)
