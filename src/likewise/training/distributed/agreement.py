"""What several processes decide alike: each asks through here, and all hear the same answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

__all__ = ["ALONE", "Agreement"]


def _everyone(holds: bool) -> bool:
    return holds


def _total(values: Tensor) -> Tensor:
    return values


@dataclass(frozen=True)
class Agreement:
    """How a process learns what the others know; alone, it knows everything.

    Args:
        everyone: whether it holds on every process.
        sums: numbers, each added up over all processes.
        total: a tensor of counts, added up over all processes (it may be written over).
        first: whether this is the one that writes.
        processes: how many there are.

    Example:
        >>> from likewise.training.distributed.agreement import ALONE
        >>> ALONE.everyone(True)
        True
    """

    everyone: Callable[[bool], bool] = _everyone
    sums: Callable[[Sequence[float]], list[float]] = list
    total: Callable[[Tensor], Tensor] = _total
    first: bool = True
    processes: int = 1


ALONE = Agreement()
