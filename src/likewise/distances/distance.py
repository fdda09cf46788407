"""The interface of every distance: pairwise and paired; the value, a score, a dissimilarity."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from likewise.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

__all__ = ["Distance"]

Array = TypeVar("Array", "Tensor", "NDArray[Any]")


class Distance(ABC):
    """A distance or a similarity between embeddings.

    There are three values, each pairwise (every row of ``x`` with every row of ``y``) and paired
    (row by row):

    * ``pairwise``, ``paired``: the distance or the similarity itself;
    * ``score_pairwise``, ``score_paired``: higher is more similar. Similarities are unchanged,
      distances are negated;
    * ``dissimilarity_pairwise``, ``dissimilarity_paired``: lower is more similar; losses use it.
      Distances are unchanged; ``1 - cos`` for the cosine, ``-<x, y>`` for the dot product.

    NumPy arrays give NumPy arrays; torch tensors give tensors, with gradients that are finite
    everywhere: if a distance has no derivative, its subgradient is 0. Half precision is computed
    and returned in float32, also under autocast; float64 stays float64.
    """

    is_similarity: bool = False
    """Whether higher values are more similar."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The name under which ``parse_distance`` finds it."""

    def pairwise(self, x: Array, y: Array) -> Array:
        """Compare every row of ``x`` [N, D] with every row of ``y`` [M, D].

        Besides the result [N, M], the memory is bounded, because it is computed in blocks.

        Raises:
            InputError: shapes, dtypes or devices that do not match.
        """
        return _on_tensors(self._pairwise, x, y, paired=False)

    def paired(self, x: Array, y: Array) -> Array:
        """Compare row i of ``x`` [N, D] with row i of ``y`` [N, D]; returns [N].

        Raises:
            InputError: shapes, dtypes or devices that do not match.
        """
        return _on_tensors(self._paired, x, y, paired=True)

    def score_pairwise(self, x: Array, y: Array) -> Array:
        """``pairwise``, with the sign such that higher is more similar."""
        value = self.pairwise(x, y)
        return value if self.is_similarity else -value

    def score_paired(self, x: Array, y: Array) -> Array:
        """``paired``, with the sign such that higher is more similar."""
        value = self.paired(x, y)
        return value if self.is_similarity else -value

    def dissimilarity_pairwise(self, x: Array, y: Array) -> Array:
        """``pairwise``, with the sign such that lower is more similar."""
        value = self.pairwise(x, y)
        return -value if self.is_similarity else value

    def dissimilarity_paired(self, x: Array, y: Array) -> Array:
        """``paired``, with the sign such that lower is more similar."""
        value = self.paired(x, y)
        return -value if self.is_similarity else value

    @abstractmethod
    def _pairwise(self, x: Tensor, y: Tensor) -> Tensor:
        """[N, D], [M, D] -> [N, M], in float32 or float64."""

    @abstractmethod
    def _paired(self, x: Tensor, y: Tensor) -> Tensor:
        """[N, D], [N, D] -> [N], in float32 or float64."""


def _on_tensors(
    compute: Callable[[Tensor, Tensor], Tensor], x: Array, y: Array, *, paired: bool
) -> Array:
    """Run ``compute`` on tensors in full precision; return the type of array that was given."""
    import torch

    if isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
        with torch.no_grad():
            result = _on_tensors(compute, _as_tensor("x", x), _as_tensor("y", y), paired=paired)
        return result.numpy()
    if not (isinstance(x, torch.Tensor) and isinstance(y, torch.Tensor)):
        raise InputError(
            f"x, y: {type(x).__name__} and {type(y).__name__}; "
            "both must be torch tensors, or both NumPy arrays"
        )
    _check(x, y, paired)
    if x.dtype in (torch.float16, torch.bfloat16):
        x, y = x.float(), y.float()
    with torch.autocast(x.device.type, enabled=False):
        return compute(x, y)


def _as_tensor(argument: str, array: NDArray[Any]) -> Tensor:
    import torch

    if array.dtype not in (np.float16, np.float32, np.float64):
        raise InputError(f"{argument}: dtype {array.dtype}; must be float16, float32 or float64")
    if not array.flags.writeable or any(stride < 0 for stride in array.strides):
        array = array.copy()  # torch shares memory only with plain, writable arrays
    return torch.from_numpy(array)


def _check(x: Tensor, y: Tensor, paired: bool) -> None:
    shapes = f"shapes {list(x.shape)} and {list(y.shape)}"
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or x.shape[1] == 0:
        raise InputError(f"x, y: {shapes}; must be [N, D] and [M, D] with the same D >= 1")
    if paired and len(x) != len(y):
        raise InputError(f"x, y: {shapes}; must have as many rows as each other to be paired")
    if x.dtype != y.dtype or not x.is_floating_point():
        raise InputError(f"x, y: dtypes {x.dtype} and {y.dtype}; must be one floating-point dtype")
    if x.device != y.device:
        raise InputError(f"x, y: devices {x.device} and {y.device}; must be the same")
