"""Gradient caching: the exact gradient of a batch of any size, a few photos at a time.

A loss on pairs needs the embeddings of the whole batch, but the network needs only some photos at
a time. So: embed all without a graph, take the loss and its gradient by the embeddings, then
embed each piece once more, now with a graph, and send its part of that gradient back through it.
Gao et al., arXiv 2101.06983. The price is one more forward pass.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from likewise.training.step.buffers import buffers_aside
from likewise.training.step.random_state import random_state, restore_random_state

__all__ = ["GradientCache", "pieces"]


class GradientCache:
    """Embeds a batch in pieces, and sends the gradient of its embeddings back in pieces.

    Each piece draws the same random numbers both times, so dropout drops the same features. A
    batch normalisation sees the statistics of a piece, as under any accumulation of gradients,
    and its running averages move once a piece; for every other network the gradient is that of
    the whole batch.

    Args:
        module: the network, whose buffers stay as they are in the first pass.
        embed: a piece of the batch [b, …] → embeddings [b, D].
        count: how many pieces (see ``pieces``).
        hold: the context of every backward pass but the last: where processes average their
            gradients, that waits for the last one (``DistributedDataParallel.no_sync``).

    Example:
        >>> import torch
        >>> from likewise.losses import NTXent
        >>> from likewise.training.step.gradient_cache import GradientCache
        >>> net, loss = torch.nn.Linear(8, 4), NTXent()
        >>> cache = GradientCache(net, net, count=4)
        >>> embeddings = cache.embed_all(torch.randn(64, 8)).requires_grad_()
        >>> loss(embeddings, torch.arange(64) // 2).backward()
        >>> cache.backward(embeddings.grad)
        >>> net.weight.grad.shape
        torch.Size([4, 8])
    """

    def __init__(
        self,
        module: nn.Module,
        embed: Callable[[Tensor], Tensor],
        count: int,
        hold: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self.module = module
        self.embed = embed
        self.count = count
        self.hold = hold
        self._pieces: list[tuple[Tensor, dict[str, Tensor]]] = []

    def embed_all(self, batch: Tensor) -> Tensor:
        """The embeddings [B, D] of the batch [B, …], without a graph."""
        self._pieces = []
        parts = []
        with torch.no_grad(), buffers_aside(self.module):
            for piece in batch.tensor_split(self.count):
                self._pieces.append((piece, random_state()))
                parts.append(self.embed(piece))
        return torch.cat(parts)

    def backward(self, gradient: Tensor) -> None:
        """Add up the gradients of the network's weights, from that of the embeddings [B, D]."""
        after = random_state()
        start, last = 0, len(self._pieces) - 1
        for number, (piece, state) in enumerate(self._pieces):
            restore_random_state(state)
            with nullcontext() if number == last else self.hold():
                embeddings = self.embed(piece)
                embeddings.backward(gradient[start : start + len(piece)])
            start += len(piece)
        restore_random_state(after)
        self._pieces = []


def pieces(count: int, micro: int, least: int | None = None) -> int:
    """Into how many even pieces ``count`` photos go, none of one alone: a norm needs two.

    Args:
        count: photos of this process, or of that one of several which has most.
        micro: photos a piece, at most.
        least: photos of that one which has the fewest.
    """
    return max(1, min(-(-count // micro), (count if least is None else least) // 2))
