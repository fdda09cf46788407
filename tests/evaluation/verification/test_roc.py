"""d′, DET and DCF against plain loops and scikit-learn, ties included."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import det_curve

from likewise.distances import parse_distance
from likewise.errors import InputError
from likewise.evaluation.verification.metrics import pair_scores, verification
from likewise.evaluation.verification.roc import det, min_dcf, roc

SCORED = st.lists(
    st.tuples(st.integers(0, 6).map(lambda n: n / 4), st.booleans()), min_size=4, max_size=40
).filter(lambda pairs: 0 < sum(same for _, same in pairs) < len(pairs))


@settings(deadline=None)
@given(SCORED, st.sampled_from([0.001, 0.01, 0.3, 0.9]), st.sampled_from([0.5, 1.0, 10.0]))
def test_the_detection_cost_against_trying_every_threshold(
    pairs: list[tuple[float, bool]], p_target: float, c_miss: float
) -> None:
    scores, same = zip(*pairs, strict=True)
    genuine = [s for s, y in pairs if y]
    impostor = [s for s, y in pairs if not y]
    costs = {}
    for threshold in [*set(scores), math.inf]:
        miss = sum(s < threshold for s in genuine) / len(genuine)
        alarm = sum(s >= threshold for s in impostor) / len(impostor)
        costs[threshold] = c_miss * p_target * miss + (1 - p_target) * alarm
    norm_ = min(c_miss * p_target, 1 - p_target)
    found = min_dcf(roc(scores, same), p_target, c_miss=c_miss)
    assert found.cost == pytest.approx(min(costs.values()) / norm_)
    assert costs[found.threshold] / norm_ == pytest.approx(found.cost)
    assert found.cost <= 1 + 1e-12


@settings(deadline=None)
@given(SCORED)
def test_the_det_equals_that_of_scikit_learn(pairs: list[tuple[float, bool]]) -> None:
    scores, same = zip(*pairs, strict=True)
    found = det(roc(scores, same))
    fmr = found.false_positive
    fpr, fnr, threshold = det_curve(same, scores)
    for a, b, t in zip(fpr, fnr, threshold, strict=True):
        rows = np.flatnonzero(found.threshold == t)
        if len(rows):
            assert (fmr[rows[0]], found.false_negative[rows[0]]) == pytest.approx((a, b))
    inside = (fmr > 0) & (fmr < 1)
    fmr_deviate, fnmr_deviate = found.deviates()
    np.testing.assert_allclose(norm.cdf(fmr_deviate[inside]), fmr[inside])
    assert fnmr_deviate[0] == math.inf


@settings(deadline=None)
@given(SCORED)
def test_d_prime_against_its_formula(pairs: list[tuple[float, bool]]) -> None:
    scores, same = zip(*pairs, strict=True)
    genuine = np.array([s for s, y in pairs if y])
    impostor = np.array([s for s, y in pairs if not y])
    found = verification(scores, same).d_prime
    if genuine.var() + impostor.var() == 0:
        assert found is None
        return
    spread = math.sqrt((genuine.var() + impostor.var()) / 2)
    assert found == pytest.approx((genuine.mean() - impostor.mean()) / spread)


def test_a_thinned_curve_keeps_points_of_the_curve_and_its_ends() -> None:
    random = np.random.default_rng(0)
    scores = np.concatenate([random.normal(2, 1, 20_000), random.normal(0, 1, 30_000)])
    curve = roc(scores, np.arange(50_000) < 20_000)
    thin = curve.thinned(500)
    assert len(thin.far) <= 500
    points = set(zip(curve.threshold, curve.far, curve.tar, strict=True))
    assert set(zip(thin.threshold, thin.far, thin.tar, strict=True)) <= points
    assert (thin.far[-1], thin.tar[-1]) == (1.0, 1.0)
    np.testing.assert_allclose(np.interp(curve.far, thin.far, thin.tar), curve.tar, atol=0.04)


@pytest.mark.parametrize("name", ["dot", "euclidean", "manhattan", "chebyshev", "minkowski:3"])
def test_pairs_are_scored_by_any_distance(name: str) -> None:
    distance = parse_distance(name)
    vectors = np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32)
    left, right = np.array([0, 3, 8, 2]), np.array([1, 3, 7, 4])
    every = distance.score_pairwise(vectors.astype(np.float64), vectors.astype(np.float64))
    np.testing.assert_allclose(
        pair_scores(vectors, left, right, distance), every[left, right], atol=1e-9
    )
    vectors[3] = 0  # a place like any other, but for the cosine
    assert np.isfinite(pair_scores(vectors, left, right, distance)).all()
    vectors[8, 0] = np.nan
    with pytest.raises(InputError, match="row 8 is not finite"):
        pair_scores(vectors, left, right, distance)


def test_wrong_use() -> None:
    curve = roc([0.9, 0.1], [True, False])
    with pytest.raises(InputError, match="p_target"):
        min_dcf(curve, 1.0)
    with pytest.raises(InputError, match="c_fa"):
        min_dcf(curve, 0.5, c_fa=0.0)
