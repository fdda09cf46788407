"""Templates, against the numbers of their sources."""

from __future__ import annotations

import numpy as np
import pytest

from likewise.errors import InputError
from likewise.faces.alignment.templates import TEMPLATES, template_named

# The 96 × 112 template of SphereFace and CosFace.
SPHEREFACE = [
    (30.2946, 51.6963), (65.5318, 51.5014), (48.0252, 71.7366), (33.5493, 92.3655),
    (62.7299, 92.2041),
]  # fmt: skip
# dlib's mean face: its points 36 to 41 (left eye) and 42 to 47 (right eye).
LEFT_EYE = [
    (0.121737, 0.216423), (0.187122, 0.178758), (0.265825, 0.179852), (0.334606, 0.231733),
    (0.260918, 0.245099), (0.182743, 0.244077),
]  # fmt: skip
RIGHT_EYE = [
    (0.645647, 0.231733), (0.714428, 0.179852), (0.793132, 0.178758), (0.858516, 0.216423),
    (0.79751, 0.244077), (0.719335, 0.245099),
]  # fmt: skip


def test_the_middle_of_arcface_is_sphereface() -> None:
    points = template_named("arcface").at(112)
    np.testing.assert_allclose(points - (8, 0), SPHEREFACE, atol=1e-4)
    np.testing.assert_allclose(template_named("arcface").at(224), 2 * points)


def test_arcface128_is_insightfaces_for_multiples_of_128() -> None:
    for size in (128, 256, 512):
        ratio = size / 128
        expected = template_named("arcface").at(112) * ratio + (8 * ratio, 0)
        np.testing.assert_allclose(template_named("arcface128").at(size), expected, atol=1e-9)


def test_dlib_is_the_mean_face_with_a_padding_of_a_quarter() -> None:
    mean = [
        np.mean(LEFT_EYE, 0), np.mean(RIGHT_EYE, 0), (0.490127, 0.515625), (0.254149, 0.780233),
        (0.726104, 0.780233),
    ]  # fmt: skip
    expected = (np.array(mean) + 0.25) / 1.5 * 150
    np.testing.assert_allclose(template_named("dlib").at(150), expected, atol=1e-3)


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_points_are_in_the_documented_order(name: str) -> None:
    left, right, nose, mouth_left, mouth_right = template_named(name).at(TEMPLATES[name].side)
    assert left[0] < nose[0] < right[0]
    assert mouth_left[0] < nose[0] < mouth_right[0]
    assert max(left[1], right[1]) < nose[1] < min(mouth_left[1], mouth_right[1])


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="arcface"):
        template_named("arc-face")
