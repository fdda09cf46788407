"""The data of every picture: vectors in the plane, one query, and its exact neighbors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from likewise.search.contents.space import space_of
from likewise.search.engines.engine import Engine, Rows, Vectors
from likewise.search.engines.exact_scan import nearest_rows
from likewise.search.engines.parameters import checked_settings
from likewise.search.families import family_named

__all__ = ["COUNT", "REACH", "Box", "Scene", "draw_scene", "scene_of"]

Box = tuple[float, float, float, float]
COUNT = 400
REACH = 1.0
"""The plane extends from -REACH to REACH in both directions."""
QUERY = (-0.14, -0.28)  # near cell borders, so that a search can miss neighbors
NEAREST = 10
CLUSTERS = 26
OUTLIERS = 0.3  # share of all vectors


@dataclass(frozen=True)
class Scene:
    """Vectors, a query, and its exact neighbors.

    Args:
        vectors: float32 [N,2]; for cosine of unit length.
        query: float32 [1,2], not one of the vectors.
        metric: ``euclidean``, ``cosine`` or ``dot``.
        truth: int64 [k], the rows of the nearest, nearest first.
    """

    vectors: Vectors
    query: Vectors
    metric: str
    truth: Rows

    def scores(self) -> Vectors:
        """The score of every vector with the query, float32 [N]; higher is more similar."""
        scored: Vectors = space_of(self.metric).scores(self.query, self.vectors[None])[0]
        return scored

    @property
    def threshold(self) -> float:
        """The score of the last of the nearest."""
        return float(self.scores()[self.truth[-1]])

    def around(self, half: float) -> Box:
        """A square around the query: its left, right, lower and upper edge."""
        x, y = map(float, self.query[0])
        return x - half, x + half, y - half, y + half

    def built(self, family: str, settings: Mapping[str, object] | None = None) -> Engine:
        """The engine of a family over the vectors, as an index builds it.

        Raises:
            MissingExtra: the family's library is not installed.
        """
        kind = family_named(family)
        kind.require()
        return kind.build(
            self.vectors, self.metric, checked_settings(family, kind.build_parameters, settings)
        )

    def candidates(self, engine: Engine, settings: Mapping[str, object] | None = None) -> Rows:
        """The rows of the engine's candidates for the query, each once, in any order."""
        chosen = checked_settings(engine.name, engine.search_parameters, settings)
        rows = engine.nearest(self.query, len(self.truth), chosen)[0]
        candidates: Rows = np.unique(rows[rows >= 0])
        return candidates

    def best_of(self, candidates: Rows) -> Rows:
        """The nearest of some rows by their exact scores: the result of an index."""
        order = np.argsort(-self.scores()[candidates], kind="stable")
        best: Rows = candidates[order][: len(self.truth)]
        return best


def draw_scene(seed: int = 0, *, metric: str = "euclidean", count: int = COUNT) -> Scene:
    """Clusters of different size and density, like embeddings of people, and some outliers.

    Args:
        seed: of the random vectors.
        metric: ``euclidean``, ``cosine`` or ``dot``.
        count: how many vectors.

    Example:
        >>> from docs.figures.search.scene import draw_scene
        >>> draw_scene().vectors.shape
        (400, 2)
    """
    numbers = np.random.default_rng(seed + 7)
    centers = numbers.uniform(-0.78, 0.78, (CLUSTERS, 2))
    sizes = numbers.uniform(0.03, 0.11, CLUSTERS)
    own = numbers.integers(0, CLUSTERS, count)
    clustered = centers[own] + numbers.normal(size=(count, 2)) * sizes[own, None]
    outlier = numbers.uniform(-0.95, 0.95, (count, 2))
    points = np.where(numbers.random((count, 1)) < OUTLIERS, outlier, clustered)
    return scene_of(np.clip(points, -0.96, 0.96), np.array([QUERY]), metric)


def scene_of(points: NDArray[np.floating], query: NDArray[np.floating], metric: str) -> Scene:
    """A scene of given vectors [N,2] and query [1,2], with its ground truth."""
    space = space_of(metric)
    vectors, asked = space.prepare(points), space.prepare(query, "query")
    nearest = nearest_rows(vectors, asked, NEAREST, metric)[0, :NEAREST]
    return Scene(vectors, asked, metric, nearest)
