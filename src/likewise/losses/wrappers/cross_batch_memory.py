"""Cross-batch memory: samples of earlier batches as further positives and negatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from likewise.arguments import check_count, one_of
from likewise.errors import InputError
from likewise.losses.anchors import Anchors, anchors_alone, apply
from likewise.losses.loss import Wrapper
from likewise.losses.row_backup import RowBackup

__all__ = ["CrossBatchMemory"]


class CrossBatchMemory(Wrapper):
    """Any loss, with the samples of the batch also compared with those of earlier batches.

    Embeddings drift slowly, so those of a few hundred batches ago still serve as positives and
    negatives. They have no gradient, and anchors come from the batch only. In a pair within the
    batch, both samples have a gradient (``in_batch="both"``), or, as in the paper, only the anchor
    (``"anchor"``): there the memory already holds the batch, without gradient. As each sample is an
    anchor in turn, pairs within the batch then count half as much, relative to pairs with the
    memory. During the warm-up both samples have a gradient. A loss that compares samples only with
    class weights is given the batch alone, and so is each such term of a ``Sum``. The memory is a
    ring buffer in module buffers, so checkpoints keep it; it is written in training mode only.

    Source: Wang et al., arXiv 1912.06798.

    Args:
        loss: the loss to extend; it averages over the anchors of the batch.
        embedding_dim: D.
        memory_size: number of samples to remember, at least 1.
        warmup: number of batches before the first one is remembered: early embeddings drift fast.
        in_batch: ``"both"`` or ``"anchor"``: which samples of a pair within the batch have a
            gradient.

    Inputs: embeddings [B, D], labels int64 [B].

    Raises:
        InputError: an argument out of range; embeddings of another dimension.

    Example:
        >>> import torch
        >>> from likewise.losses import CrossBatchMemory, NTXent
        >>> loss = CrossBatchMemory(NTXent(), embedding_dim=8, memory_size=64)
        >>> for _ in range(3):
        ...     value = loss(torch.randn(16, 8), torch.arange(16) % 4)
        >>> int(loss.filled)
        48
    """

    embeddings: Tensor
    labels: Tensor
    filled: Tensor
    position: Tensor
    waited: Tensor

    def __init__(
        self,
        loss: nn.Module,
        *,
        embedding_dim: int,
        memory_size: int = 4096,
        warmup: int = 0,
        in_batch: Literal["both", "anchor"] = "both",
    ) -> None:
        super().__init__()
        check_count("embedding_dim", embedding_dim)
        check_count("memory_size", memory_size)
        self.loss = loss
        self.warmup = check_count("warmup", warmup, least=0)
        self.in_batch = one_of("in_batch", in_batch, ("both", "anchor"))
        self.register_buffer("embeddings", torch.zeros(memory_size, embedding_dim))
        self.register_buffer("labels", torch.zeros(memory_size, dtype=torch.int64))
        for counter in ("filled", "position", "waited"):
            self.register_buffer(counter, torch.zeros((), dtype=torch.int64))
        self.row_backup = RowBackup("embeddings", "labels")

    def inner(self) -> Sequence[nn.Module]:
        """The loss."""
        return (self.loss,)

    @property
    def compares_samples(self) -> bool:
        """False: it cannot be given another memory."""
        return False

    def extra_repr(self) -> str:
        """Show the sizes."""
        size, warmup = list(self.embeddings.shape), self.warmup
        return f"memory={size}, warmup={warmup}, in_batch={self.in_batch}"

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
        """Compute the loss of the batch against itself and the memory; in training, remember it.

        Of a batch with ``anchors`` only these take part: there is one memory. ``weights`` are those
        of the anchors; what is remembered has none.

        Raises:
            InputError: embeddings of another dimension; a reference set.
        """
        if reference is not None or reference_labels is not None:
            raise InputError(
                "CrossBatchMemory: reference: the memory takes its place; leave it out, or call "
                "the loss inside"
            )
        embeddings, labels = anchors_alone(embeddings, labels, anchors)
        filled = int(self.filled)
        if embeddings.ndim != 2 or embeddings.shape[1] != self.embeddings.shape[1]:
            raise InputError(
                f"CrossBatchMemory: embeddings: shape {list(embeddings.shape)}; "
                f"must be [B, {self.embeddings.shape[1]}]"
            )
        alone = self.in_batch == "anchor" and int(self.waited) >= self.warmup
        if filled or alone:
            remembered = self.embeddings[:filled].to(embeddings)
            batch = embeddings.detach() if alone else embeddings
            samples = torch.cat(
                [batch, remembered]
            )  # a copy, because the ring buffer is overwritten
            all_labels = torch.cat([labels, self.labels[:filled]])
            new = embeddings if alone else len(embeddings)
            loss = apply(self.loss, samples, all_labels, new, weights)
        else:
            loss = apply(self.loss, embeddings, labels, None, weights)
        if self.training:
            self._remember(embeddings.detach(), labels)
        return loss

    @torch.no_grad()
    def _remember(self, embeddings: Tensor, labels: Tensor) -> None:
        if int(self.waited) < self.warmup:
            self.waited += 1
            return
        size = len(self.labels)
        embeddings, labels = embeddings[-size:], labels[-size:]
        places = (self.position + torch.arange(len(labels), device=self.labels.device)) % size
        for tensor in (self.embeddings, self.labels):
            self.row_backup.save(tensor, places)
        self.embeddings.index_copy_(0, places, embeddings.to(self.embeddings))
        self.labels.index_copy_(0, places, labels)
        self.position.copy_((self.position + len(labels)) % size)
        self.filled.copy_((self.filled + len(labels)).clamp(max=size))
