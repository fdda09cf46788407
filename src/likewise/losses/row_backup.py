"""A backup of the rows that a training step overwrites, so that the step can be undone."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["RowBackup"]


class RowBackup:
    """Saves rows of large tensors before they are overwritten, from ``begin`` on.

    When a step is undone, a memory of 65,536 prototypes must be as it was before, and a copy of all
    of it before each step would cost more than the step. A module that writes some rows of such a
    tensor has a ``RowBackup`` as its attribute ``row_backup``, and saves the rows with it first.

    Args:
        names: the buffers or parameters of the module that are written by rows.

    Example:
        >>> import torch
        >>> from likewise.losses.row_backup import RowBackup
        >>> memory, backup = torch.zeros(3), RowBackup("memory")
        >>> backup.begin()
        >>> backup.save(memory, torch.tensor([1]))
        >>> memory[1] = 7
        >>> backup.restore()
        >>> memory
        tensor([0., 0., 0.])
    """

    def __init__(self, *names: str) -> None:
        self.names = frozenset(names)
        self._saved: list[tuple[Tensor, Tensor, Tensor]] | None = None

    def begin(self) -> None:
        """Forget the rows saved so far, and save rows from now on."""
        self._saved = []

    @torch.no_grad()
    def save(self, tensor: Tensor, rows: Tensor) -> None:
        """Save these rows [R] of a tensor, which are about to be overwritten."""
        if self._saved is not None:
            self._saved.append((tensor, rows, tensor.index_select(0, rows)))

    @torch.no_grad()
    def restore(self) -> None:
        """Write every saved row back, and stop saving."""
        for tensor, rows, values in reversed(self._saved or []):
            tensor.index_copy_(0, rows, values)
        self._saved = None
