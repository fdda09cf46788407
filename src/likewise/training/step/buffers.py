"""Undo what a forward pass changes besides its output: running statistics and the like."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from likewise.losses.row_backup import RowBackup

__all__ = ["StateCopy", "preserved_buffers"]


@contextmanager
def preserved_buffers(module: nn.Module) -> Iterator[None]:
    """Within the block the module updates copies of its buffers; then the originals are back.

    The originals are never written, so an autograd graph that has saved them stays valid. With it a
    second forward pass over the same photos does not update running statistics twice.

    Example:
        >>> import torch
        >>> from likewise.training.step.buffers import preserved_buffers
        >>> norm = torch.nn.BatchNorm1d(2)
        >>> with preserved_buffers(norm):
        ...     _ = norm(torch.randn(8, 2))
        >>> norm.running_mean
        tensor([0., 0.])
    """
    owners = [(part, dict(part._buffers)) for part in module.modules() if part._buffers]
    for part, originals in owners:
        part._buffers.update({k: None if b is None else b.clone() for k, b in originals.items()})
    try:
        yield
    finally:
        for part, originals in owners:
            part._buffers.update(originals)


class StateCopy:
    """A copy of the state that a forward pass changes, to restore it if the step is skipped.

    The copy holds every buffer in a ``state_dict`` (other buffers are constants), and those
    parameters of the loss that have no gradient: a forward pass may write them. Weights that the
    optimiser updates are not copied. State that is written row by row is not copied either: its
    ``RowBackup`` keeps the rows that are overwritten.

    Args:
        network: only its buffers are copied.
        loss: its buffers and its parameters without gradient are copied.
    """

    def __init__(self, network: nn.Module, loss: nn.Module) -> None:
        self.places: list[tuple[dict[str, Any], str]] = []
        self.backups: list[RowBackup] = []
        for root in (network, loss):
            for part in root.modules():
                backup = getattr(part, "row_backup", None)
                by_rows: frozenset[str] = frozenset()
                if isinstance(backup, RowBackup):
                    self.backups.append(backup)
                    by_rows = backup.names
                constants = part._non_persistent_buffers_set | by_rows
                self.places += [
                    (part._buffers, name) for name in part._buffers if name not in constants
                ]
                if root is loss:
                    self.places += [
                        (part._parameters, name)
                        for name, weight in part._parameters.items()
                        if weight is not None and not weight.requires_grad and name not in by_rows
                    ]
        self.copies: list[Tensor | None] = []

    @torch.no_grad()
    def save(self) -> None:
        """Copy the state as it is now."""
        now = [None if (t := owner[name]) is None else t.detach() for owner, name in self.places]
        if _same_kinds(now, self.copies):  # into the same memory, in one kernel
            pairs = [(c, t) for c, t in zip(self.copies, now, strict=True) if t is not None]
            if pairs:
                torch._foreach_copy_([c for c, _ in pairs if c is not None], [t for _, t in pairs])
        else:
            self.copies = [None if t is None else t.clone() for t in now]
        for backup in self.backups:
            backup.begin()

    @torch.no_grad()
    def restore(self) -> None:
        """Write the copied state back."""
        for (owner, name), copy in zip(self.places, self.copies, strict=True):
            tensor = owner[name]
            if copy is None or tensor is None or tensor.shape != copy.shape:
                owner[name] = None if copy is None else copy.clone()
            else:
                tensor.detach().copy_(copy)
        for backup in self.backups:
            backup.restore()


def _same_kinds(some: Sequence[Tensor | None], others: Sequence[Tensor | None]) -> bool:
    """Whether shapes, dtypes and devices are equal, pair by pair."""
    kinds = [
        [None if t is None else (t.shape, t.dtype, t.device) for t in side]
        for side in (some, others)
    ]
    return kinds[0] == kinds[1]
