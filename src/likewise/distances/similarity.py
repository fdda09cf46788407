"""Similarities by inner product: the cosine and the plain dot product."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from likewise.distances.distance import Array, Distance

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Cosine", "Dot", "unit", "unit_and_length"]


@dataclass(frozen=True)
class Cosine(Distance):
    """The cosine of the angle between embeddings, ``<x, y>/(‖x‖‖y‖)``, within [-1, 1].

    A zero vector has cosine 0 with every vector, and gradient 0. A cosine beyond ±1 due to rounding
    is clamped, with gradient 0, which is the derivative at the angles 0 and π.

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
    """Rows of ``x`` [N, D] scaled to length 1; a zero row stays zero, with gradient zero."""
    direction, length = unit_and_length(x)
    return direction.masked_fill((length == 0).unsqueeze(1), 0)


def unit_and_length(x: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of ``x`` [N, D] scaled to length 1, and their lengths [N].

    Squares neither overflow nor underflow: directions are correct for all finite rows. A length
    above the largest float is infinite. A zero row stays zero, with the gradient of a row of
    length 1.
    """
    import torch

    limits = torch.finfo(x.dtype)
    largest = torch.linalg.vector_norm(x.detach(), ord=math.inf, dim=1, keepdim=True)
    # A power of two, so that scaling causes no rounding errors.
    exponent = largest.masked_fill(largest == 0, 1).log2().floor()
    least, most = (math.frexp(limit)[1] - 1 for limit in (limits.tiny, limits.max))
    scale = exponent.clamp(least, most).exp2()
    scaled = x / scale
    length: Tensor = torch.linalg.vector_norm(scaled, dim=1, keepdim=True)
    return scaled / length.masked_fill(length == 0, 1), (length * scale).squeeze(1)
