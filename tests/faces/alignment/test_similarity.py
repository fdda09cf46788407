"""The similarity transform, against a numerical fit and against Umeyama's by singular values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import least_squares

from likewise.errors import InputError
from likewise.faces.alignment.similarity import apply, invert, similarity_transform

Points = NDArray[np.float64]


def umeyama(source: Points, target: Points) -> Points:
    """Umeyama (1991), equations 34 to 43, by a singular value decomposition."""
    start, end = source - source.mean(0), target - target.mean(0)
    u, values, vt = np.linalg.svd(end.T @ start / len(source))
    signs = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u * signs @ vt
    scale = (values * signs).sum() / (start**2).sum(1).mean()
    linear = scale * rotation
    return np.column_stack([linear, target.mean(0) - linear @ source.mean(0)])


def numerical(source: Points, target: Points) -> Points:
    """The least squares over scale · cosine, scale · sine and the shift, by an optimiser."""

    def matrix(p: Points) -> Points:
        return np.array([[p[0], -p[1], p[2]], [p[1], p[0], p[3]]])

    found = least_squares(
        lambda p: (apply(matrix(p), source) - target).ravel(),
        [1.0, 0, 0, 0],
        xtol=1e-14,
        ftol=1e-14,
    )
    return matrix(found.x)


@pytest.mark.parametrize("seed", range(20))
def test_it_is_the_least_squares_solution(seed: int) -> None:
    random = np.random.default_rng(seed)
    source, target = random.normal(100, 40, (5, 2)), random.normal(50, 20, (5, 2))
    found = similarity_transform(source, target)
    np.testing.assert_allclose(found, umeyama(source, target), atol=1e-9)
    np.testing.assert_allclose(found, numerical(source, target), atol=1e-5)


@given(
    st.floats(-np.pi, np.pi), st.floats(0.05, 20), st.floats(-500, 500), st.floats(-500, 500),
    st.integers(0, 1000),
)  # fmt: skip
def test_a_rotation_scale_and_shift_is_found_again(
    angle: float, scale: float, x: float, y: float, seed: int
) -> None:
    source = np.random.default_rng(seed).uniform(0, 300, (5, 2))
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    true = np.array([[cosine, -sine, x], [sine, cosine, y]])
    found = similarity_transform(source, apply(true, source))
    np.testing.assert_allclose(found, true, atol=1e-6 * scale * 300)
    np.testing.assert_allclose(apply(invert(found), apply(found, source)), source, atol=1e-6)


def test_mirrored_points_never_mirror_the_face() -> None:
    template = np.array([[38.0, 51], [73, 51], [56, 71], [41, 92], [70, 92]])
    mirrored = template * (-1, 1)
    found = similarity_transform(mirrored, template)
    assert np.linalg.det(found[:, :2]) > 0
    np.testing.assert_allclose(found, umeyama(mirrored, template), atol=1e-9)
    swapped = template[[1, 0, 2, 4, 3]]  # left and right confused: the fit is bad, and shows it
    distances = np.linalg.norm(
        apply(similarity_transform(swapped, template), swapped) - template, axis=1
    )
    assert distances.mean() > 10


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        ([[1, 1], [1, 1]], [[0, 0], [1, 1]], "all are the same"),
        ([[1, 1]], [[0, 0], [1, 1]], r"\[1, 2\] and \[2, 2\]"),
        ([[np.nan, 1], [2, 2]], [[0, 0], [1, 1]], "not finite"),
    ],
)
def test_unusable_points_are_refused(source: object, target: object, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        similarity_transform(source, target)  # type: ignore[arg-type]  # lists are array-like
