"""The scene: its truth by a plain sort, the line around it, and what candidates become."""

from __future__ import annotations

import numpy as np
import pytest
from docs.figures.search.scene import Scene, draw_scene


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "dot"])
def test_the_truth_is_that_of_a_plain_sort(metric: str) -> None:
    scene = draw_scene(metric=metric)
    vectors, query = scene.vectors.astype(float), scene.query[0].astype(float)
    scores = -np.hypot(*(vectors - query).T) if metric == "euclidean" else vectors @ query
    assert set(scene.truth) == set(np.argsort(-scores)[:10])
    assert scene.threshold == pytest.approx(np.sort(scores)[-10], abs=1e-6)
    if metric == "cosine":
        np.testing.assert_allclose(np.hypot(*vectors.T), 1, atol=1e-6)


def test_a_scene_comes_from_its_seed(scene: Scene) -> None:
    assert (draw_scene().vectors == scene.vectors).all()
    assert not (draw_scene(1).vectors == scene.vectors).all()
    assert not (scene.vectors == scene.query).all(axis=1).any()


def test_the_best_of_candidates_are_sorted_by_exact_scores(scene: Scene) -> None:
    shuffled = np.random.default_rng(0).permutation(len(scene.vectors))
    assert scene.best_of(shuffled).tolist() == scene.truth.tolist()
    assert len(scene.best_of(shuffled[:4])) == 4
