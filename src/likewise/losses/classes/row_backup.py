"""Large state that a loss writes by rows: what is overwritten is kept, to be put back at need."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["RowBackup"]


class RowBackup:
    """The rows that were overwritten since ``begin``; before it nothing is kept.

    A step that is taken back has to leave a memory of 65,536 prototypes as it was, and a copy of
    it before each step would cost more than the step. A module that writes some rows of such a
    tensor has one of these as its attribute ``row_backup``, and shows it the rows before it does.

    Args:
        names: of the module's buffers or parameters that are written through it.

    Example:
        >>> import torch
        >>> from likewise.losses.classes.row_backup import RowBackup
        >>> memory, backup = torch.zeros(3), RowBackup("memory")
        >>> backup.begin()
        >>> backup.keep(memory, torch.tensor([1]))
        >>> memory[1] = 7
        >>> backup.put_back()
        >>> memory
        tensor([0., 0., 0.])
    """

    def __init__(self, *names: str) -> None:
        self.names = frozenset(names)
        self._kept: list[tuple[Tensor, Tensor, Tensor]] | None = None

    def begin(self) -> None:
        """From here on keep what is overwritten; forget what was kept before."""
        self._kept = []

    @torch.no_grad()
    def keep(self, tensor: Tensor, rows: Tensor) -> None:
        """Keep these rows [R] of a tensor, which are about to be overwritten."""
        if self._kept is not None:
            self._kept.append((tensor, rows, tensor.index_select(0, rows)))

    @torch.no_grad()
    def put_back(self) -> None:
        """Let every row be as it was at ``begin``."""
        for tensor, rows, values in reversed(self._kept or []):
            tensor.index_copy_(0, rows, values)
        self._kept = None
