"""The metric of an index, and for Mahalanobis the linear map into its Euclidean space."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.arguments import one_of
from likewise.arrays import as_array
from likewise.distances.distance import Distance
from likewise.distances.mahalanobis import Mahalanobis
from likewise.errors import InputError
from likewise.search.contents.input_checks import checked_vectors
from likewise.search.engines.engine import Engine, Vectors

__all__ = ["METRICS", "Space", "require_metric", "space_of"]

BLOCK = 8192  # vectors mapped at a time
METRICS = ("cosine", "dot", "euclidean", "manhattan")


@dataclass(frozen=True, eq=False)
class Space:
    """Prepares vectors and computes scores; a higher score is more similar.

    Args:
        name: the metric as users name it: one of ``METRICS``, or ``mahalanobis``.
        factor: the factor A, float32 [r,D], of a Mahalanobis distance; vectors are mapped by it
            once, and compared by Euclidean distance.
    """

    name: str
    factor: Vectors | None = None

    @property
    def metric(self) -> str:
        """The metric for the engine: one of ``METRICS``."""
        return "euclidean" if self.factor is not None else self.name

    def prepare(self, vectors: ArrayLike, what: str = "vectors") -> Vectors:
        """Vectors, checked and ready to compare: float32 [N,D'], of unit length for cosine.

        Raises:
            InputError: names the first row that is not finite, or zero for cosine.
        """
        ready = checked_vectors(vectors, self.metric, what)
        if self.factor is None:
            return ready
        if ready.shape[1] != self.factor.shape[1]:
            raise InputError(
                f"{what}: have {ready.shape[1]} dimensions, the metric has {self.factor.shape[1]}"
            )
        return checked_vectors(self._mapped(ready), self.metric, what)

    def prepare_queries(self, queries: ArrayLike, dimension: int) -> Vectors:
        """Queries [Q,D], or one query [D], prepared like vectors: float32 [Q,D'].

        Raises:
            InputError: see ``prepare``; or D is not ``dimension``, that of the index.
        """
        array = as_array(queries, "queries")
        if array.ndim == 1:
            array = array[None]
        if array.ndim == 2 and array.shape[1] != dimension:
            raise InputError(
                f"queries: have {array.shape[1]} dimensions, the index has {dimension}"
            )
        return self.prepare(array, "queries")

    def _mapped(self, vectors: Vectors) -> Vectors:
        """Vectors [N,D] mapped by the factor; in float64, since large offsets may cancel."""
        factor = self._exact_factor
        found = np.empty((len(vectors), len(factor)), np.float32)
        with np.errstate(over="ignore"):  # infinite values are refused later
            for start in range(0, len(vectors), BLOCK):
                part = vectors[start : start + BLOCK].astype(np.float64)
                found[start : start + BLOCK] = part @ factor.T
        return found

    @cached_property
    def _exact_factor(self) -> NDArray[np.float64]:
        assert self.factor is not None
        return self.factor.astype(np.float64)

    def scores(self, queries: Vectors, near: Vectors) -> Vectors:
        """The exact score of each query [Q,D] with its own candidates [Q,C,D]: float32 [Q,C].

        The score of a pair depends on the pair alone, not on the family or on the batch. So a
        threshold can be used with any index.
        """
        if self.metric in ("cosine", "dot"):
            found: Vectors = np.einsum("qcd,qd->qc", near, queries)
            if self.metric == "cosine":
                np.clip(found, -1.0, 1.0, out=found)
            return found
        apart = near - queries[:, None, :]
        if self.metric == "manhattan":
            far: Vectors = np.abs(apart, out=apart).sum(axis=2)
        else:
            far = np.sqrt(np.einsum("qcd,qcd->qc", apart, apart))
        return np.negative(far, out=far)


def require_metric(family: type[Engine], space: Space) -> None:
    """Refuse a family that does not support the metric.

    Raises:
        InputError: names the metrics that it supports.
    """
    if space.metric not in family.metrics:
        raise InputError(
            f"family {family.name}: has no metric {space.name}; it has: {', '.join(family.metrics)}"
        )


def space_of(metric: str | Distance) -> Space:
    """The space of a metric.

    Args:
        metric: ``cosine``, ``dot``, ``euclidean``, ``manhattan``, ``mahalanobis:FILE.npy`` with
            the matrix [D,D], or a ``Mahalanobis`` distance.

    Raises:
        InputError: an unknown name (the nearest is suggested) or a file without such a matrix.
    """
    if isinstance(metric, str) and metric.startswith("mahalanobis:"):
        from likewise.distances.names import parse_distance

        metric = parse_distance(metric)
    if isinstance(metric, Mahalanobis):
        factor = metric.factor.detach().cpu().numpy().astype(np.float32)
        return Space("mahalanobis", np.ascontiguousarray(factor))
    return Space(one_of("distance of an index", str(metric), [*METRICS, "mahalanobis:FILE.npy"]))
