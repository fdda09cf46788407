"""Gradient caching: the exact gradient of a large batch in the memory of a small one.

A loss on pairs needs the embeddings of the whole batch, but the network needs only some photos at
a time. First, embed the batch without a graph, micro-batch by micro-batch. Second, compute the loss
and its gradient with respect to the embeddings. Third, run each micro-batch once more, with a
graph, and backpropagate its part of that gradient. The cost is one more forward pass.
Gao et al., arXiv 2101.06983.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from likewise.training.step.buffers import preserved_buffers
from likewise.training.step.random_state import random_state, restore_random_state

__all__ = ["GradientCache", "micro_batches"]


class GradientCache:
    """Embeds a batch in micro-batches, and backpropagates through them one at a time.

    Each micro-batch draws the same random numbers in both passes, so dropout draws the same masks.
    Batch normalisation uses the statistics of a micro-batch, as under gradient accumulation, and
    updates its running statistics once for each; every other network gets the gradient of the whole
    batch.

    Args:
        module: the network; the first pass does not change its buffers.
        embed: a micro-batch [b, …] → embeddings [b, D].
        count: the number of micro-batches (see ``micro_batches``).
        no_sync: the context of every backward pass but the last, so that ranks average their
            gradients once (``DistributedDataParallel.no_sync``).

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
        no_sync: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self.module = module
        self.embed = embed
        self.count = count
        self.no_sync = no_sync
        self._micro: list[tuple[Tensor, dict[str, Tensor]]] = []

    def embed_all(self, batch: Tensor) -> Tensor:
        """Embed the batch [B, …] without a graph: [B, D]."""
        self._micro = []
        embeddings = []
        with torch.no_grad(), preserved_buffers(self.module):
            for part in batch.tensor_split(self.count):
                self._micro.append((part, random_state()))
                embeddings.append(self.embed(part))
        return torch.cat(embeddings)

    def backward(self, gradient: Tensor) -> None:
        """Accumulate the gradients of the weights, given the gradient of the embeddings [B, D]."""
        after = random_state()
        start, last = 0, len(self._micro) - 1
        for number, (part, state) in enumerate(self._micro):
            restore_random_state(state)
            with nullcontext() if number == last else self.no_sync():
                embeddings = self.embed(part)
                embeddings.backward(gradient[start : start + len(part)])
            start += len(part)
        restore_random_state(after)
        self._micro = []


def micro_batches(count: int, micro: int, least: int | None = None) -> int:
    """The number of even micro-batches, each of at least two photos, as batch norm needs.

    Args:
        count: the photos of this rank, or of the rank with most of them.
        micro: the most photos in a micro-batch.
        least: the photos of the rank with fewest; None: ``count``.
    """
    return max(1, min(-(-count // micro), (count if least is None else least) // 2))
