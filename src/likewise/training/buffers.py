"""A forward pass that leaves no trace: buffers, such as running averages, stay as they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["BufferCopy", "buffers_aside"]


@contextmanager
def buffers_aside(module: nn.Module) -> Iterator[None]:
    """Let the block move copies of the module's buffers; afterwards the originals are back.

    The originals are not written at all, so a graph that has saved them stays valid. It is how a
    second forward pass over the same photos moves no running average twice.

    Example:
        >>> import torch
        >>> from likewise.training.buffers import buffers_aside
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


class BufferCopy:
    """The buffers of a module before a step, to put back if the step is not to be.

    Args:
        module: whose buffers; those in its ``state_dict`` alone, since the others are constants.
    """

    def __init__(self, module: nn.Module) -> None:
        weights = {id(parameter) for parameter in module.parameters()}
        state = module.state_dict(keep_vars=True).values()
        self.buffers: list[Tensor] = [t for t in state if id(t) not in weights]
        self.copies = [buffer.clone() for buffer in self.buffers]

    @torch.no_grad()
    def take(self) -> None:
        """Remember them as they are now."""
        if self.buffers:
            torch._foreach_copy_(self.copies, self.buffers)

    @torch.no_grad()
    def put_back(self) -> None:
        """Let them be as they were when they were taken."""
        for buffer, copy in zip(self.buffers, self.copies, strict=True):
            buffer.copy_(copy)
