"""The Minkowski distances: Manhattan, Euclidean, Chebyshev and all orders between."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from likewise.distances.distance import Distance
from likewise.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Minkowski"]

NAMES = {1.0: "manhattan", 2.0: "euclidean", math.inf: "chebyshev"}


@dataclass(frozen=True)
class Minkowski(Distance):
    """``(Σ_k |x_k - y_k|^p)^(1/p)``: Manhattan at 1, Euclidean at 2, Chebyshev at infinity.

    The subgradient at equal vectors is 0; for Chebyshev, coordinates with equal largest
    differences share the gradient equally. Sums are scaled by the largest difference, so they
    neither overflow nor underflow for any p.

    Args:
        p: order of the norm, from 1 (below 1 the triangle inequality fails) to ``math.inf``.

    Raises:
        InputError: ``p`` below 1 or not a number.

    Example:
        >>> import numpy as np
        >>> from likewise.distances import Minkowski
        >>> Minkowski(1).pairwise(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [1.0, 0.0]]))
        array([[7., 1.]])
    """

    p: float = 2.0

    def __post_init__(self) -> None:
        if not self.p >= 1:
            raise InputError(f"p: {self.p}; must be a number of at least 1, or infinity")

    @property
    def name(self) -> str:
        """``manhattan``, ``euclidean``, ``chebyshev`` or ``minkowski:p``."""
        return NAMES.get(self.p, f"minkowski:{self.p:g}")

    def _pairwise(self, x: Tensor, y: Tensor) -> Tensor:
        if self.p == 2:
            from likewise.distances.euclidean import pairwise_euclidean

            return pairwise_euclidean(x, y)
        from likewise.distances.blocks import pairwise_in_blocks
        from likewise.distances.differences import pairwise_norm

        return pairwise_in_blocks(partial(pairwise_norm, p=self.p), x, y)

    def _paired(self, x: Tensor, y: Tensor) -> Tensor:
        from likewise.distances.differences import norm

        return norm(x - y, self.p)
