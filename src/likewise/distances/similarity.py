"""Similarities by inner product: the cosine and the plain dot product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from likewise.distances.distance import Array, Distance

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Cosine", "Dot", "unit"]


@dataclass(frozen=True)
class Cosine(Distance):
    """The cosine of the angle between embeddings, ``<x, y>/(‖x‖‖y‖)``, within [-1, 1].

    A zero vector has cosine 0 with everything, and gradient 0. A cosine that rounding has pushed
    past ±1 is clamped, with gradient 0: at angle 0 and π that is the derivative.

    Example:
        >>> import numpy as np
        >>> from likewise.distances import Cosine
        >>> Cosine().paired(np.array([[1.0, 0.0]]), np.array([[3.0, 4.0]]))
        array([0.6])
    """

    is_similarity = True

    @property
    def name(self) -> str:
        """``cosine``."""
        return "cosine"

    def dissimilarity_pairwise(self, x: Array, y: Array) -> Array:
        """``1 - cos``, within [0, 2]: [N, M]."""
        return 1 - self.pairwise(x, y)

    def dissimilarity_paired(self, x: Array, y: Array) -> Array:
        """``1 - cos``, within [0, 2]: [N]."""
        return 1 - self.paired(x, y)

    def _pairwise(self, x: Tensor, y: Tensor) -> Tensor:
        return (unit(x) @ unit(y).T).clamp_(-1, 1)

    def _paired(self, x: Tensor, y: Tensor) -> Tensor:
        return (unit(x) * unit(y)).sum(dim=1).clamp_(-1, 1)


@dataclass(frozen=True)
class Dot(Distance):
    """The inner product ``<x, y>``; for unit vectors, the cosine.

    Example:
        >>> import numpy as np
        >>> from likewise.distances import Dot
        >>> Dot().paired(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]))
        array([11.])
    """

    is_similarity = True

    @property
    def name(self) -> str:
        """``dot``."""
        return "dot"

    def _pairwise(self, x: Tensor, y: Tensor) -> Tensor:
        return x @ y.T

    def _paired(self, x: Tensor, y: Tensor) -> Tensor:
        return (x * y).sum(dim=1)


def unit(x: Tensor) -> Tensor:
    """Rows of ``x`` [N, D] at length 1; a zero row stays zero, with gradient zero."""
    import torch

    length: Tensor = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    is_zero = length == 0
    return (x / length.masked_fill(is_zero, 1)).masked_fill(is_zero, 0)
