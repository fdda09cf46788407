"""A loss over the batch of all ranks, with the gradient that a single process would compute."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

from likewise.losses.all_gather import all_gather, whole_batch
from likewise.losses.anchors import Anchors, apply, reference_set
from likewise.losses.loss import Wrapper

__all__ = ["Gathered"]


class Gathered(Wrapper):
    """Any loss, computed on the embeddings of all ranks together.

    Each rank gives its part of the batch, of any size, and each gets the loss of the whole batch.
    *Averaging* the gradients of the parameters over the ranks, as DistributedDataParallel does,
    gives the gradient of the whole batch in a single process; this holds for the model and for
    the loss's own weights. Without a process group, or with one rank, it equals the loss inside.
    Miners that draw at random draw independently on each rank.

    Args:
        loss: any loss module; also a ``CrossBatchMemory``, which then remembers the rows of all
            ranks.
        group: the process group; None: the default one.

    Inputs: embeddings [b, D], labels int64 [b], of this rank; D is the same on all ranks.

    Example:
        >>> import torch
        >>> from likewise.losses import Gathered, SupCon
        >>> loss = Gathered(SupCon())
        >>> value = loss(torch.randn(8, 4), torch.arange(8) // 2)
    """

    def __init__(self, loss: nn.Module, *, group: dist.ProcessGroup | None = None) -> None:
        super().__init__()
        self.loss = loss
        self.group = group

    def inner(self) -> Sequence[nn.Module]:
        """The loss."""
        return (self.loss,)

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        anchors: Anchors = None,
        *,
        weights: Tensor | None = None,
        reference: Tensor | None = None,
        reference_labels: Tensor | None = None,
    ) -> Tensor:
        """The loss of the whole batch, the same on every rank.

        With ``anchors``, the other rows are memory, and each rank has its own. ``weights`` [b] are
        those of this rank's anchors; either all ranks give them or none. With the reduction
        ``"none"`` every rank gets the losses of the whole batch [B], and all reduce them alike.
        ``reference`` [r, D] is this rank's part of the reference set: the embeddings of all ranks
        are compared with the parts of all ranks.
        """
        against = reference_set(self, reference, reference_labels)
        if against is not None:
            parts = (None if part is None else self._all(part) for part in against)
            against = (next(parts), next(parts))
        if anchors is None:
            samples, sample_labels = self._all(embeddings), self._all(labels)
        else:
            new = anchors if isinstance(anchors, int) else len(anchors)
            samples = torch.cat([self._all(embeddings[:new]), self._all(embeddings[new:])])
            new_labels = self._all(labels[:new])
            sample_labels = torch.cat([new_labels, self._all(labels[new:])])
            anchors = len(new_labels) if isinstance(anchors, int) else self._all(anchors)
        if weights is not None:
            weights = self._all(weights.detach())
        with whole_batch():
            return apply(self.loss, samples, sample_labels, anchors, weights, against)

    def _all(self, x: Tensor) -> Tensor:
        return all_gather(x, group=self.group)
