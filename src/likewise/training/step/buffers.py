"""A forward pass that leaves no trace: running averages and the like stay as they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from likewise.losses.row_backup import RowBackup

__all__ = ["StateCopy", "buffers_aside"]


@contextmanager
def buffers_aside(module: nn.Module) -> Iterator[None]:
    """Let the block move copies of the module's buffers; afterwards the originals are back.

    The originals are not written at all, so a graph that has saved them stays valid. It is how a
    second forward pass over the same photos moves no running average twice.

    Example:
        >>> import torch
        >>> from likewise.training.step.buffers import buffers_aside
        >>> norm = torch.nn.BatchNorm1d(2)
        >>> with buffers_aside(norm):
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
    """What a forward pass moves in some modules, as it was before, to put back if need be.

    That is every buffer in their ``state_dict`` (the others are constants), and of the losses the
    parameters that no gradient moves. Weights that an optimiser moves are not copied. Nor is state
    that is written by rows: it keeps what is overwritten itself, in a ``RowBackup``.

    Args:
        network: its buffers alone; weights that are held still do not move by themselves.
        loss: its buffers and the parameters that no gradient moves.
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
    def take(self) -> None:
        """Remember everything as it is now."""
        now = [None if (t := owner[name]) is None else t.detach() for owner, name in self.places]
        if _alike(now, self.copies):  # into the same memory, at one go
            pairs = [(c, t) for c, t in zip(self.copies, now, strict=True) if t is not None]
            if pairs:
                torch._foreach_copy_([c for c, _ in pairs if c is not None], [t for _, t in pairs])
        else:
            self.copies = [None if t is None else t.clone() for t in now]
        for backup in self.backups:
            backup.begin()

    @torch.no_grad()
    def put_back(self) -> None:
        """Let everything be as it was when it was taken."""
        for (owner, name), copy in zip(self.places, self.copies, strict=True):
            tensor = owner[name]
            if copy is None or tensor is None or tensor.shape != copy.shape:
                owner[name] = None if copy is None else copy.clone()
            else:
                tensor.detach().copy_(copy)
        for backup in self.backups:
            backup.restore()


def _alike(some: Sequence[Tensor | None], others: Sequence[Tensor | None]) -> bool:
    """Whether they can be copied into each other."""
    kinds = [
        [None if t is None else (t.shape, t.dtype, t.device) for t in side]
        for side in (some, others)
    ]
    return kinds[0] == kinds[1]
