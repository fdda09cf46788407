"""Pooled templates against a plain loop over templates and media."""

from __future__ import annotations

import math

import numpy as np
import pytest

from likewise.errors import InputError
from likewise.evaluation.identification.templates import pool_templates


def by_loop(
    features: np.ndarray, templates: np.ndarray, media: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, list[int]]:
    vectors, counts = [], []
    for template in sorted(set(templates)):
        total = np.zeros(features.shape[1])
        inside = {m for t, m in zip(templates, media, strict=True) if t == template}
        for medium in inside:
            frames = [
                weights[i] * features[i].astype(float)
                for i in range(len(features))
                if templates[i] == template and media[i] == medium
            ]
            total += sum(frames) / len(frames)
        vectors.append(total / math.sqrt(total @ total))
        counts.append(len(inside))
    return np.array(vectors), counts


@pytest.mark.parametrize("seed", range(4))
def test_against_a_plain_loop(seed: int) -> None:
    random = np.random.default_rng(seed)
    features, flipped = random.normal(size=(2, 300, 6)).astype(np.float32)
    templates, media = random.integers(0, 25, 300) * 7 - 20, random.integers(0, 4, 300)
    weights = random.random(300)
    names = np.char.add("t", templates.astype(str))
    found = pool_templates(features, names, media, flipped=flipped, weights=weights)
    vectors, counts = by_loop(features + flipped, names, media, weights)
    np.testing.assert_allclose(found.vectors, vectors, atol=2e-6)
    assert found.media.tolist() == counts
    assert found.names.tolist() == sorted(set(names))
    assert found.vectors.dtype == np.float32


def test_a_video_counts_as_one_photo() -> None:
    photo, frame = [0.0, 1.0], [1.0, 0.0]
    found = pool_templates([photo] + [frame] * 99, [1] * 100, [0] + [1] * 99)
    np.testing.assert_allclose(found.vectors, [[math.sqrt(0.5)] * 2], atol=1e-6)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"features": [[1.0, 0.0], [math.inf, 0.0]]}, "row 1 is not finite"),
        ({"templates": [1]}, "templates: .1. labels for 2 rows"),
        ({"media": [1, 2, 3]}, "media"),
        ({"weights": [1.0, -1.0]}, "entry 1 is -1"),
        ({"weights": [1.0]}, "weights: shape"),
        ({"flipped": [[1.0, 0.0]]}, "flipped: shape"),
        ({"weights": [0.0, 1.0]}, "sum of template 4 is zero"),
    ],
)
def test_wrong_use(change: dict[str, object], problem: str) -> None:
    settings = {"features": [[1.0, 0.0], [0.0, 1.0]], "templates": [4, 5], "media": [1, 1]}
    with pytest.raises(InputError, match=problem):
        pool_templates(**(settings | change))
