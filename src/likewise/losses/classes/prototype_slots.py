"""The memory of prototypes: which class is kept where, and which one is replaced."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from likewise.losses.row_backup import RowBackup

__all__ = ["PrototypeSlots"]

NEVER = -1


class PrototypeSlots(nn.Module):
    """M prototypes with their classes and ages, in buffers, so that checkpoints keep them.

    Places are decided by the labels alone, without chance: ranks that see the same batches hold
    the same memory.

    Args:
        size: M.
        embedding_dim: D.
    """

    prototypes: Tensor
    classes: Tensor
    refreshed: Tensor
    step: Tensor

    def __init__(self, size: int, embedding_dim: int) -> None:
        super().__init__()
        self.register_buffer("prototypes", torch.zeros(size, embedding_dim))
        self.register_buffer("classes", torch.full((size,), NEVER))
        self.register_buffer("refreshed", torch.full((size,), NEVER))
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        self.row_backup = RowBackup("prototypes", "classes", "refreshed")

    @property
    def filled(self) -> int:
        """The number of prototypes; they come before the free places."""
        return int((self.classes != NEVER).sum())

    def places(self, present: Tensor) -> Tensor:
        """The places [U] of these different classes [U]; new classes replace the oldest ones."""
        ordered, order = self.classes.sort(stable=True)
        found = torch.searchsorted(ordered, present).clamp(max=len(ordered) - 1)
        known = ordered[found] == present
        places = order[found]
        new = int((~known).sum())
        if new:
            age = self.refreshed.clone()
            age[places[known]] = torch.iinfo(torch.int64).max  # never replace a class of the batch
            places[~known] = age.argsort(stable=True)[:new]
        return places

    @torch.no_grad()
    def write(self, places: Tensor, prototypes: Tensor, present: Tensor) -> None:
        """Write the prototypes [U, D] of the classes ``present`` [U] to ``places`` [U]."""
        for tensor in (self.prototypes, self.classes, self.refreshed):
            self.row_backup.save(tensor, places)
        self.prototypes.index_copy_(0, places, prototypes.to(self.prototypes))
        self.classes.index_copy_(0, places, present)
        self.refreshed.index_copy_(0, places, self.step.expand(len(places)).contiguous())
        self.step += 1
