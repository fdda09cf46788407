"""Prototype memory: class weights made from the batch and kept in a memory of bounded size."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor

from likewise.distances.similarity import unit_and_length
from likewise.errors import InputError, one_of
from likewise.losses.checks import (
    check_count,
    check_embeddings,
    check_labels,
    check_loss_finite,
    check_rows_finite,
)
from likewise.losses.classes.placement import Placement, place_classes
from likewise.losses.classes.step_classes import all_columns
from likewise.losses.head.fused import fused_loss
from likewise.losses.head.head import MEMORY_BUDGET, Gradient, Head, Scale
from likewise.losses.head.target_logits import safe_norm
from likewise.losses.margins.adaface import AdaFace
from likewise.losses.margins.airface import AirFace
from likewise.losses.margins.arcface import ArcFace
from likewise.losses.margins.combined import CombinedMargin
from likewise.losses.margins.cosface import CosFace
from likewise.losses.margins.curricularface import CurricularFace
from likewise.losses.margins.magface import MagFace
from likewise.losses.margins.normalized_softmax import NormalizedSoftmax
from likewise.losses.margins.prototype_slots import PrototypeSlots
from likewise.losses.pairs.embedding_loss import zero
from likewise.losses.wrappers.sum import Composable

__all__ = ["HEADS", "PrototypeMemory"]

HEADS: dict[str, type[Head]] = {
    "adaface": AdaFace,
    "airface": AirFace,
    "arcface": ArcFace,
    "combined": CombinedMargin,
    "cosface": CosFace,
    "curricularface": CurricularFace,
    "magface": MagFace,
    "normalized_softmax": NormalizedSoftmax,
}
"""The members of the softmax family that need nothing of a class but a direction."""


class PrototypeMemory(Composable):
    """A margin softmax whose class weights are made from the batch, and soon forgotten.

    The prototype of a class is the mean of its unit embeddings in the batch, brought to unit
    length. A batch's prototypes take their places in a memory of M classes: a class that is there
    already is refreshed, a new one takes the place of that refreshed longest ago. The loss is the
    head's, among the classes remembered at the moment. Gradients flow into the prototypes of the
    batch, and through them to its embeddings; those of earlier batches stand still. So nothing
    grows with the number of classes, nothing of a class has to be learned over many visits, and a
    class that has not been seen for long no longer pushes from where it used to be.

    A class needs two photos or more in a batch (``batch.sampler: balanced``): a prototype made of
    one photo is that photo. A batch in which no class has two is refused.

    Source: Smirnov et al., "Prototype Memory for Large-scale Face Representation Learning", arXiv
    2105.02103. Where the choice is ours: the memory begins empty and only classes in it compete
    (no random prototypes); a refreshed prototype is replaced, not blended with its past; the
    paper's ways to compose batches (refreshing old classes on purpose, hard classes together) are
    the sampler's affair. Averaged over the batch.

    Args:
        num_classes: C; only the range of the labels.
        embedding_dim: D.
        head: whose margin: one of ``HEADS``.
        memory_size: M, prototypes to remember; never more than C are.
        margin: the head's; None: its default.
        scale: the head's; ``"auto"`` by the size of the memory.
        gradient: as in :class:`~likewise.losses.Head`.
        memory_budget: likewise.

    Inputs: embeddings [B, D]; labels int64 [B], from 0 to C-1, with B/2 classes at most.

    Attributes:
        prototypes: [M, D], unit rows; the first ``filled`` are in use.
        classes: int64 [M], whose they are; -1 where none is.
        refreshed: int64 [M], the step at which each was made.
        hits: after a call, [B] bool: are the other photos of its class in the batch, by their mean,
            nearer than every other remembered class? (Its own prototype holds the photo itself,
            and would be near on noise too.) The only photo of a class is no hit.
        compared: how many classes the last call compared with: chance hits one in so many.

    Raises:
        InputError: an unknown head or an argument out of range; a batch with more classes than
            the memory holds, or without a class of two photos.

    Example:
        >>> import torch
        >>> from likewise.losses import PrototypeMemory
        >>> loss = PrototypeMemory(num_classes=10_000_000, embedding_dim=8, memory_size=64)
        >>> for step in range(3):
        ...     labels = torch.randint(10_000_000, (16,)).repeat_interleave(2)
        ...     value = loss(torch.randn(32, 8), labels)
        >>> loss.filled, loss.prototypes.shape
        (48, torch.Size([64, 8]))
    """

    hits: Tensor

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        *,
        head: str = "cosface",
        memory_size: int = 65_536,
        margin: float | None = None,
        scale: Scale = "auto",
        gradient: Gradient = "exact",
        memory_budget: int = MEMORY_BUDGET,
    ) -> None:
        super().__init__()
        self.num_classes = check_count("num_classes", num_classes)
        size = min(check_count("memory_size", memory_size, least=2), self.num_classes)
        kind = HEADS[one_of("head", head, HEADS)]
        known = inspect.signature(kind).parameters
        if margin is not None and "margin" not in known:
            raise InputError(f"margin: {head} has no single margin; leave it out")
        given: dict[str, Any] = {"scale": scale, "gradient": gradient, "margin": margin}
        given = {key: value for key, value in given.items() if key in known and value is not None}
        self.slots = PrototypeSlots(size, check_count("embedding_dim", embedding_dim))
        with place_classes(Placement()):  # every process holds the whole memory
            self.head = kind(size, embedding_dim, memory_budget=memory_budget, **given)
        # The memory stands where the head's own weights would.
        del self.head.weight
        self.head.register_buffer("weight", torch.zeros(0, embedding_dim), persistent=False)
        self.register_buffer("hits", torch.zeros(0, dtype=torch.bool), persistent=False)
        self.compared = size

    @property
    def prototypes(self) -> Tensor:
        """The memory [M, D]."""
        return self.slots.prototypes

    @property
    def classes(self) -> Tensor:
        """Whose each prototype is, int64 [M]."""
        return self.slots.classes

    @property
    def refreshed(self) -> Tensor:
        """The step at which each was made, int64 [M]."""
        return self.slots.refreshed

    @property
    def filled(self) -> int:
        """How many prototypes there are."""
        return self.slots.filled

    def set_margin_fraction(self, fraction: float) -> None:
        """Scale the margin, for a warm-up: 0 is none, 1 is the margin given."""
        self.head.set_margin_fraction(fraction)

    def extra_repr(self) -> str:
        """Show the sizes."""
        return f"num_classes={self.num_classes}, memory={list(self.prototypes.shape)}"

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of embeddings [B, D] with int64 labels [B]; in training, remember them."""
        memory, head = self.slots, self.head
        check_embeddings(embeddings, memory.prototypes.shape[1])
        if embeddings.device != memory.prototypes.device:
            raise InputError(
                f"embeddings: on {embeddings.device}; must be on {memory.prototypes.device}, "
                "beside the prototypes"
            )
        check_labels(labels, embeddings, self.num_classes)
        if not len(labels):
            self.hits = torch.zeros(0, dtype=torch.bool, device=labels.device)
            return zero(embeddings)
        with torch.autocast(embeddings.device.type, enabled=False):
            dtype = torch.promote_types(embeddings.dtype, memory.prototypes.dtype)
            embeddings = embeddings.to(torch.promote_types(dtype, torch.float32))
            check_rows_finite("PrototypeMemory", embeddings.detach())
            unit, norms = unit_and_length(embeddings)
            weight, places, gain = self._weights(unit, labels)
            loss, lead = fused_loss(
                unit,
                weight,
                head.scales(norms),
                head.margins(norms),
                head.offset().to(unit),
                all_columns(places, len(weight), head.shard, sparse=False),
                head._form(),
            )
            loss = loss + head.penalty(norms)
        self.hits, self.compared = lead > gain, len(weight)
        check_loss_finite("PrototypeMemory", loss)
        return loss

    def _weights(self, unit: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The remembered prototypes [F, D] with the batch's among them, and what the rows have.

        Returns:
            The prototypes; the place of each row's own one [B]; how much nearer that is than one
            made of the other photos alone would be [B].
        """
        memory = self.slots
        present, inverse = labels.unique(return_inverse=True)
        if len(present) > len(memory.classes):
            raise InputError(
                f"PrototypeMemory: memory_size: {len(memory.classes)}; the batch alone has "
                f"{len(present)} classes"
            )
        if len(present) == len(labels):
            raise InputError(
                "PrototypeMemory: labels: no class has two samples in the batch, so every sample "
                "is its own prototype; in a recipe, batch.sampler: balanced with batch.images of "
                "2 or more"
            )
        sums = unit.new_zeros(len(present), unit.shape[1]).index_add(0, inverse, unit)
        fresh = sums / safe_norm(sums)[:, None]  # the mean has the same direction
        places = memory.places(present)
        if self.training:
            memory.write(places, fresh.detach(), present)
            weight = _Remembered.apply(fresh, memory.prototypes[: memory.filled], places)
        else:
            used = max(memory.filled, int(places.max()) + 1)
            weight = memory.prototypes[:used].to(fresh).index_copy(0, places, fresh)
        return weight.to(unit), places[inverse], _by_itself(unit, sums, fresh, inverse)


@torch.no_grad()
def _by_itself(unit: Tensor, sums: Tensor, fresh: Tensor, inverse: Tensor) -> Tensor:
    """By how much each photo [B, D] is nearer to its prototype since that holds it, [B]."""
    others = sums[inverse] - unit
    lengths = torch.linalg.vector_norm(others, dim=1)
    without = (others * unit).sum(dim=1) / lengths
    gain = (fresh[inverse] * unit).sum(dim=1) - without
    return torch.where(lengths > 0, gain, torch.inf)  # no other photo: no hit


class _Remembered(torch.autograd.Function):
    """The memory after the batch's prototypes were written to it; only they have a gradient.

    It is handed on as it stands: the head reads it at once, and no copy of M rows is made.
    """

    @staticmethod
    def forward(ctx: Any, fresh: Tensor, memory: Tensor, places: Tensor) -> Tensor:
        ctx.save_for_backward(places)
        ctx.dtype = fresh.dtype
        return memory.detach()

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None]:
        (places,) = ctx.saved_tensors
        return upstream[places].to(ctx.dtype), None, None
