"""The space that an index measures in: its metric, and the map into it where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from likewise.distances.distance import Distance
from likewise.distances.mahalanobis import Mahalanobis
from likewise.errors import InputError, one_of
from likewise.search.contents.input_checks import checked_vectors
from likewise.search.families.engine import Engine, Vectors

__all__ = ["METRICS", "Space", "require_metric", "space_of"]

BLOCK = 8192  # vectors mapped at once
METRICS = ("cosine", "dot", "euclidean", "manhattan")


@dataclass(frozen=True, eq=False)
class Space:
    """How vectors are admitted and compared; scores are higher for more alike.

    Args:
        name: the metric as users name it: one of ``METRICS``, or ``mahalanobis``.
        factor: A float32 [r,D] of a Mahalanobis distance; the vectors are mapped by it once, and
            from there on the distance is Euclidean.
    """

    name: str
    factor: Vectors | None = None

    @property
    def metric(self) -> str:
        """What an engine is asked for: one of ``METRICS``."""
        return "euclidean" if self.factor is not None else self.name

    def admit(self, vectors: ArrayLike, what: str = "vectors") -> Vectors:
        """Vectors float32 [N,D'] ready to be compared; for cosine of unit length.

        Raises:
            InputError: names the first row that is not finite, or zero for cosine.
        """
        ready = checked_vectors(vectors, self.metric, what)
        if self.factor is None:
            return ready
        if ready.shape[1] != self.factor.shape[1]:
            raise InputError(
                f"{what}: have {ready.shape[1]} dimensions, the metric {self.factor.shape[1]}"
            )
        return checked_vectors(self._mapped(ready), self.metric, what)

    def _mapped(self, vectors: Vectors) -> Vectors:
        """Vectors [N,D] by the factor; in double precision, for offsets may cancel in the sum."""
        factor = self._exact_factor
        found = np.empty((len(vectors), len(factor)), np.float32)
        with np.errstate(over="ignore"):  # becomes infinite, and is refused
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

        A pair's score depends on the pair alone: not on the family that found it, nor on what
        else is scored with it. So a threshold carries over from one index to another.
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
    """Refuse a family that cannot compare in a space.

    Raises:
        InputError: names the metrics that it can do.
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
        InputError: an unknown name (the nearest is suggested) or a file that is no such matrix.
    """
    if isinstance(metric, str) and metric.startswith("mahalanobis:"):
        from likewise.distances.names import parse_distance

        metric = parse_distance(metric)
    if isinstance(metric, Mahalanobis):
        factor = metric.factor.detach().cpu().numpy().astype(np.float32)
        return Space("mahalanobis", np.ascontiguousarray(factor))
    return Space(one_of("metric", str(metric), [*METRICS, "mahalanobis:FILE.npy"]))
