"""Symmetry, identity, the triangle inequality: for every distance, on vectors of every size."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from likewise.distances import Cosine, Distance, Dot, Mahalanobis, Minkowski

Vectors = NDArray[np.float64]
SPREAD = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.3], [0.0, 0.3, 0.5]])

METRICS = [
    Minkowski(1),
    Minkowski(1.5),
    Minkowski(2),
    Minkowski(3),
    Minkowski(50),
    Minkowski(math.inf),
    Mahalanobis(matrix=SPREAD),
]
vectors = npst.arrays(
    np.float64,
    st.tuples(st.integers(3, 6), st.just(3)),
    elements=st.floats(-1e3, 1e3, allow_subnormal=False).map(lambda v: round(v, 6)),
)
few = settings(max_examples=40, deadline=None)


@pytest.mark.parametrize("metric", METRICS, ids=repr)
@few
@given(x=vectors)
def test_metric_axioms(metric: Distance, x: Vectors) -> None:
    d = metric.pairwise(x, x)
    rounding = 1e-9 * (1 + np.abs(x).max())
    assert (d >= 0).all()
    assert (np.diag(d) == 0).all()
    np.testing.assert_allclose(d, d.T, atol=rounding)
    through = d[:, :, None] + d[None, :, :]  # d(i, j) + d(j, k)
    assert (d[:, None, :] <= through + rounding).all()
    different = (x[:, None] != x[None]).any(-1)
    assert (d[different] > 0).all()


@pytest.mark.parametrize("measure", [*METRICS, Cosine(), Dot()], ids=repr)
@few
@given(x=vectors)
def test_paired_is_the_diagonal_of_pairwise(measure: Distance, x: Vectors) -> None:
    y = x[::-1] + 1.0
    np.testing.assert_allclose(
        measure.paired(x, y),
        np.diag(measure.pairwise(x, y)),
        rtol=1e-9,
        atol=1e-9 * (1 + np.abs(x).max() ** 2),
    )


@few
@given(x=vectors)
def test_cosine_is_bounded_symmetric_and_blind_to_length(x: Vectors) -> None:
    cosine = Cosine().pairwise(x, x)
    assert (np.abs(cosine) <= 1).all()
    np.testing.assert_allclose(cosine, cosine.T, atol=1e-12)
    np.testing.assert_allclose(Cosine().pairwise(3 * x, x), cosine, atol=1e-12)
    nonzero = (x != 0).any(1)
    np.testing.assert_allclose(np.diag(cosine)[nonzero], 1, atol=1e-12)
    assert (cosine[~nonzero] == 0).all()


@few
@given(x=vectors, a=st.floats(-10, 10))
def test_dot_is_bilinear(x: Vectors, a: float) -> None:
    size = (1 + np.abs(x).max()) ** 2
    combined = Dot().pairwise(a * x + x[::-1], x)
    parts = a * Dot().pairwise(x, x) + Dot().pairwise(x[::-1].copy(), x)
    np.testing.assert_allclose(combined, parts, atol=1e-11 * size)


@few
@given(x=vectors)
def test_minkowski_falls_as_p_grows(x: Vectors) -> None:
    by_order = [Minkowski(p).pairwise(x, x) for p in (1, 1.5, 2, 7, 300, math.inf)]
    for wider, tighter in pairwise(by_order):
        assert (tighter <= wider * (1 + 1e-9)).all()
