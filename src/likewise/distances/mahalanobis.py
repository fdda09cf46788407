"""The Mahalanobis distance: Euclidean after a linear map, given or learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from likewise.distances.distance import Distance
from likewise.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

__all__ = ["Mahalanobis"]

# Asymmetry and negative eigenvalues, relative to the largest, that count as rounding errors.
TOLERANCE = 1e-5


class Mahalanobis(Distance):
    """``sqrt((x - y)ᵀ M (x - y))`` with M positive semi-definite.

    M is given itself, or by a factor A [r, D] with ``M = AᵀA``; the distance is the Euclidean
    distance between ``A x`` and ``A y``. A factor that is an ``nn.Parameter`` can be learned: it
    gets gradients, and becomes a parameter of a loss with this distance. If M is singular this is
    a pseudometric: different vectors can have distance 0, with subgradient 0.

    Args:
        matrix: M [D, D], symmetric, positive semi-definite.
        factor: A [r, D], instead of ``matrix``.

    Raises:
        InputError: both or neither given; not a finite matrix; not symmetric; a negative
            eigenvalue.

    Source: Mahalanobis, On the generalised distance in statistics, 1936.

    Example:
        >>> import numpy as np
        >>> from likewise.distances import Mahalanobis
        >>> metric = Mahalanobis(matrix=np.diag([1.0, 4.0]))
        >>> metric.paired(np.array([[0.0, 0.0]]), np.array([[0.0, 3.0]]))
        array([6.])
    """

    def __init__(
        self,
        matrix: Tensor | NDArray[Any] | None = None,
        *,
        factor: Tensor | NDArray[Any] | None = None,
    ) -> None:
        if (matrix is None) == (factor is None):
            raise InputError("matrix, factor: give exactly one of the two")
        self.factor = _factorised(matrix) if matrix is not None else _checked("factor", factor)

    @property
    def name(self) -> str:
        """``mahalanobis``; the name does not include the matrix."""
        return "mahalanobis"

    @property
    def matrix(self) -> Tensor:
        """M = AᵀA [D, D]."""
        return self.factor.T @ self.factor

    def __repr__(self) -> str:
        rank, dimension = self.factor.shape
        return f"Mahalanobis(factor=[{rank}, {dimension}])"

    def _pairwise(self, x: Tensor, y: Tensor) -> Tensor:
        from likewise.distances.euclidean import pairwise_euclidean

        return pairwise_euclidean(self._mapped(x), self._mapped(y))

    def _paired(self, x: Tensor, y: Tensor) -> Tensor:
        import torch

        length: Tensor = torch.linalg.vector_norm(self._mapped(x - y), dim=1)
        return length

    def _mapped(self, x: Tensor) -> Tensor:
        if x.shape[1] != self.factor.shape[1]:
            raise InputError(
                f"x: dimension {x.shape[1]}; this Mahalanobis distance is for "
                f"{self.factor.shape[1]}"
            )
        return x @ self.factor.to(x).T


def _checked(argument: str, values: Tensor | NDArray[Any] | None) -> Tensor:
    import torch

    tensor = torch.as_tensor(values)
    if tensor.ndim != 2 or 0 in tensor.shape or not tensor.is_floating_point():
        raise InputError(
            f"{argument}: {tensor.dtype} of shape {list(tensor.shape)}; "
            "must be a floating-point matrix"
        )
    if not torch.isfinite(tensor).all():
        raise InputError(f"{argument}: entries that are not finite; all must be finite")
    return tensor


def _factorised(matrix: Tensor | NDArray[Any]) -> Tensor:
    """A with AᵀA = M, by eigenvalues, which also show whether M is positive semi-definite."""
    import torch

    tensor = _checked("matrix", matrix)
    largest = tensor.abs().max()
    if tensor.shape[0] != tensor.shape[1]:
        raise InputError(f"matrix: shape {list(tensor.shape)}; must be square")
    if ((tensor - tensor.T).abs() > TOLERANCE * largest).any():
        raise InputError("matrix: not symmetric; must be symmetric")
    fine = tensor.cpu().double()  # some devices lack float64 or this decomposition
    values, vectors = torch.linalg.eigh((fine + fine.T) / 2)
    if values[0] < -TOLERANCE * largest:
        raise InputError(
            f"matrix: eigenvalue {values[0]:.4g} is negative; must be positive semi-definite"
        )
    factor: Tensor = (vectors * values.clamp(min=0).sqrt()).T.to(tensor)
    return factor
