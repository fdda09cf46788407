"""Prototype memory: class weights computed from the batch, kept in a memory of bounded size."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor

from likewise.arguments import check_count, one_of
from likewise.distances.similarity import unit_and_length
from likewise.errors import InputError
from likewise.losses.anchors import Anchors, anchors_alone, zero_losses
from likewise.losses.checks import check_batch, check_loss_finite, check_rows_finite
from likewise.losses.classes.placement import Placement, place_classes
from likewise.losses.classes.prototype_slots import PrototypeSlots
from likewise.losses.classes.step_classes import all_columns
from likewise.losses.head.head import MEMORY_BUDGET, WEIGHTS_NOT_FINITE, Gradient, Head, Scale
from likewise.losses.head.scores import cosines_of, logits_of
from likewise.losses.head.target_logits import safe_norm
from likewise.losses.loss import Loss
from likewise.losses.registration import REGISTERED, FigureSettings, register_loss
from likewise.losses.sample_weights import (
    ReductionName,
    check_reduction,
    check_weights,
    reduce_losses,
)
from likewise.losses.search_space import SCALE, Hyperparameter, SearchSpace

__all__ = ["PrototypeMemory", "prototype_heads"]


def prototype_heads() -> dict[str, type[Head]]:
    """The members of the softmax family, by name, that need only a direction for each class."""
    return {
        name: found.kind
        for name, found in sorted(REGISTERED.items())
        if issubclass(found.kind, Head) and found.kind.takes_prototypes
    }


@register_loss(
    "prototype_memory",
    search_space=SearchSpace((Hyperparameter("margin", 0.05, 0.5), SCALE)),
    figure=FigureSettings(
        "Prototype memory",
        "CosFace against the mean of each class in the batch.",
        {"scale": 16.0, "margin": 0.2},
        "CosFace, s = 16, m = 0.2",
    ),
)
class PrototypeMemory(Loss):
    """A margin softmax whose class weights are computed from recent batches.

    The prototype of a class is the mean of its unit embeddings in the batch, brought to unit
    length. The prototypes of a batch are written to a memory of M classes: a class already in the
    memory is refreshed, a new one replaces the class refreshed longest ago. The loss is that of a
    margin head, among the classes in the memory. Gradients flow into the prototypes of the batch,
    and through them to its embeddings; prototypes of earlier batches are constants. So memory does
    not grow with the number of classes, a class does not have to be learned over many visits, and
    a class not seen for long no longer repels others from a position that is out of date.

    A class needs at least two photos in a batch (``batch.sampler: balanced``): a prototype of a
    single photo is that photo. A batch in which no class has two photos is refused.

    Source: Smirnov et al., "Prototype Memory for Large-scale Face Representation Learning", arXiv
    2105.02103. It differs in three points: the memory begins empty and only classes in it compete
    (no random prototypes); a refreshed prototype is replaced, not averaged with its past; the
    paper's ways to compose batches (refreshing old classes, grouping hard classes) are left to the
    sampler. Averaged over the batch.

    Args:
        num_classes: C; only the range of the labels.
        embedding_dim: D.
        head: the member of the softmax family whose margin is used, of ``prototype_heads()``.
        memory_size: M, the number of prototypes; at most C are kept.
        margin: of the head; None: its default.
        scale: of the head; ``"auto"``: for the size of the memory.
        gradient: as in :class:`~likewise.losses.Head`.
        memory_budget: as in :class:`~likewise.losses.Head`.
        label_smoothing: as in :class:`~likewise.losses.Head`, over the classes in the memory.
        reduction: as in :class:`~likewise.losses.Head`.

    Inputs: embeddings [B, D]; labels int64 [B], from 0 to C-1, of B/2 classes at most.

    Attributes:
        prototypes: [M, D], unit rows; the first ``filled`` are in use.
        classes: int64 [M], the class of each prototype; -1 where the place is free.
        refreshed: int64 [M], the step at which each prototype was written.
        hits: after a call, [B] bool: whether the mean of the other photos of its class in the batch
            is nearer than every other prototype. (The prototype of its own class contains the photo
            itself, and would be near even for noise.) A photo that
            is alone in its class is not a hit.
        compared: how many classes the last call compared with, so that chance hits one in that
            many.

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

    needs_pairs = True

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
        label_smoothing: float = 0.0,
        reduction: ReductionName = "mean",
    ) -> None:
        super().__init__()
        self.num_classes = check_count("num_classes", num_classes)
        size = min(check_count("memory_size", memory_size, least=2), self.num_classes)
        heads = prototype_heads()
        kind = heads[one_of("head", head, heads)]
        known = inspect.signature(kind).parameters
        if margin is not None and "margin" not in known:
            raise InputError(f"margin: {head} has no single margin; leave it out")
        given: dict[str, Any] = {"scale": scale, "gradient": gradient, "margin": margin}
        given = {key: value for key, value in given.items() if key in known and value is not None}
        given["label_smoothing"] = label_smoothing
        self.reduction = check_reduction(reduction)
        self.slots = PrototypeSlots(size, check_count("embedding_dim", embedding_dim))
        with place_classes(Placement()):  # every rank holds the whole memory
            self.head = kind(size, embedding_dim, memory_budget=memory_budget, **given)
        # The memory takes the place of the head's own weights.
        del self.head.weight
        self.head.register_buffer("weight", torch.zeros(0, embedding_dim), persistent=False)
        self._hits = torch.zeros(0, dtype=torch.bool)
        self._compared = size

    @property
    def prototypes(self) -> Tensor:
        """The memory [M, D]."""
        return self.slots.prototypes

    @property
    def classes(self) -> Tensor:
        """The class of each prototype, int64 [M]; -1 where the place is free."""
        return self.slots.classes

    @property
    def refreshed(self) -> Tensor:
        """The step at which each prototype was written, int64 [M]."""
        return self.slots.refreshed

    @property
    def filled(self) -> int:
        """The number of prototypes."""
        return self.slots.filled

    def set_margin_fraction(self, fraction: float) -> None:
        """Scale the margin, for a warm-up: 0 is no margin, 1 the full one."""
        self.head.set_margin_fraction(fraction)

    def extra_repr(self) -> str:
        """Show the sizes."""
        return f"num_classes={self.num_classes}, memory={list(self.prototypes.shape)}"

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        anchors: Anchors = None,
        *,
        weights: Tensor | None = None,
    ) -> Tensor:
        """The loss of embeddings [B, D] with int64 labels [B]; in training, update the memory.

        Weights multiply the losses; they do not change the prototypes.
        """
        memory, name = self.slots, "PrototypeMemory"
        embeddings, labels = anchors_alone(embeddings, labels, anchors)
        check_batch(name, embeddings, labels, memory.prototypes, self.num_classes)
        if not len(labels):
            self._hits = torch.zeros(0, dtype=torch.bool, device=labels.device)
            return reduce_losses(zero_losses(embeddings), self.reduction)
        with torch.autocast(embeddings.device.type, enabled=False):
            dtype = torch.promote_types(embeddings.dtype, memory.prototypes.dtype)
            embeddings = embeddings.to(torch.promote_types(dtype, torch.float32))
            check_rows_finite(name, embeddings.detach())
            weights = check_weights(name, weights, embeddings)
            unit, norms = unit_and_length(embeddings)
            weight, places, gain = self._weights(unit, labels)
            columns = all_columns(places, len(weight), self.head.shard, sparse=False)
            self.head.reduction = self.reduction
            loss, lead = self.head.compare(unit, norms, weight, columns, weights)
        self._hits, self._compared = lead > gain, len(weight)
        check_loss_finite(name, loss, lambda: WEIGHTS_NOT_FINITE)
        return loss

    def cosines(self, embeddings: Tensor) -> Tensor:
        """Cosines of embeddings [B, D] with the prototypes in use [B, F].

        Column f is the class ``classes[f]``; F is ``filled``. Prototypes have no gradient here.

        Raises:
            InputError: a wrong shape, dtype or device, or embeddings that are not finite.
        """
        return cosines_of(self.head, embeddings, self._in_use(), "PrototypeMemory")[0]

    def logits(self, embeddings: Tensor) -> Tensor:
        """Logits of embeddings [B, D] for the classes of :meth:`cosines`: scaled, no margin."""
        return logits_of(self.head, embeddings, self._in_use(), "PrototypeMemory")

    def _in_use(self) -> Tensor:
        return self.prototypes[: self.filled]

    def _weights(self, unit: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Update the memory with the prototypes of the batch.

        Returns:
            The prototypes in use [F, D]; the place of each row's own prototype [B]; how much nearer
            that prototype is than one of the other photos of the class would be [B].
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
                "is its own prototype; in a recipe, set batch.sampler: balanced and batch.images: "
                "2 or more"
            )
        sums = unit.new_zeros(len(present), unit.shape[1]).index_add(0, inverse, unit)
        fresh = sums / safe_norm(sums)[:, None]  # the mean has the same direction
        places = memory.places(present)
        if self.training:
            memory.write(places, fresh.detach(), present)
            kept = memory.prototypes[: memory.filled]
            # The losses of rows read it again in their backward pass; by then it may have moved.
            kept = kept.clone() if self.reduction == "none" else kept
            weight = _Remembered.apply(fresh, kept, places)
        else:
            used = max(memory.filled, int(places.max()) + 1)
            weight = memory.prototypes[:used].to(fresh).index_copy(0, places, fresh)
        return weight.to(unit), places[inverse], _own_gain(unit, sums, fresh, inverse)


@torch.no_grad()
def _own_gain(unit: Tensor, sums: Tensor, fresh: Tensor, inverse: Tensor) -> Tensor:
    """How much nearer each photo [B, D] is to its prototype because it is part of it, [B]."""
    others = sums[inverse] - unit
    lengths = torch.linalg.vector_norm(others, dim=1)
    without = (others * unit).sum(dim=1) / lengths
    gain = (fresh[inverse] * unit).sum(dim=1) - without
    return torch.where(lengths > 0, gain, torch.inf)  # no other photo: no hit


class _Remembered(torch.autograd.Function):
    """The memory after the batch's prototypes were written; only those have a gradient.

    The memory itself is returned, not a copy of its M rows, because the head reads it at once.
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
