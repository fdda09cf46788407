"""The head that the whole softmax family shares: class weights, checks and one fused loss."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn

from likewise.distances.similarity import unit_and_length
from likewise.errors import InputError, one_of
from likewise.losses.checks import (
    check_count,
    check_embeddings,
    check_labels,
    check_loss_finite,
    check_number,
    check_rows_finite,
)
from likewise.losses.classes.class_weights import allocate_rows, draw_rows, mark_coalesced
from likewise.losses.classes.placement import current_placement
from likewise.losses.classes.sampling import ClassSampler
from likewise.losses.classes.shard import Shard
from likewise.losses.classes.step_classes import Columns, all_columns
from likewise.losses.head.fused import fused_loss
from likewise.losses.head.reduction import CrossEntropy, Reduction
from likewise.losses.head.scale import automatic_scale
from likewise.losses.head.variant import Form
from likewise.losses.wrappers.sum import Composable

__all__ = ["MEMORY_BUDGET", "Gradient", "Head", "Scale"]

Gradient = Literal["exact", "detached"]
Scale = float | Literal["auto"]

MEMORY_BUDGET = 2**29
"""Bytes that the logits held at one time may take, unless said otherwise: 512 MiB."""


class Head(Composable):
    """Class weights, and the loss of embeddings against them.

    A member of the family subclasses this and says what its margin does to the cosine of a row's
    own class (``target``); the rest is optional. A new margin is this much::

        class Squared(Head):
            def target(self, cosine, margin):
                return cosine - margin * cosine.square()

    Called with embeddings [B, D] and int64 labels [B], a head returns the mean loss over the batch.
    It computes in float32 under any autocast (in float64 where the embeddings or the weights are;
    where classes are sampled, where the weights are).
    An empty batch gives zero, with zero gradients.

    Args:
        num_classes: C, the number of classes.
        embedding_dim: D, the length of an embedding.
        scale: multiplies the logits, or ``"auto"`` (see :func:`automatic_scale`).
        margin: what it means is the subclass's affair; 0 is none.
        gradient: ``"exact"``, or ``"detached"``: what is done to the cosines changes the loss, but
            the slope of each logit stays that of a plain cosine, as in libraries that apply
            margins without gradient.
        memory_budget: bytes that the logits held at one time may take; a batch that needs more
            goes in chunks of rows.
        subcenters: K, weight rows per class.

    Attributes:
        weight: class weights [C·K, D]; the K rows of a class lie together. Under
            :func:`~likewise.losses.place_classes` the rows of this process's own classes.
        hits: after a call, [B] bool: is the label's class nearer, by margin-free cosine, than every
            other? In training with sampled classes, than every other of those.
        compared: how many classes the last call compared with: chance hits one in so many.
        sampler: draws the classes that take part, where they are sampled; else None.
    """

    weight: nn.Parameter
    hits: Tensor
    unit_weights = True
    """Whether class weights count by their direction only."""
    most_margin = math.inf
    """The largest margin that makes sense."""

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        *,
        scale: Scale = 64.0,
        margin: float = 0.0,
        gradient: Gradient = "exact",
        memory_budget: int = MEMORY_BUDGET,
        subcenters: int = 1,
    ) -> None:
        super().__init__()
        self.num_classes = check_count("num_classes", num_classes)
        self.embedding_dim = check_count("embedding_dim", embedding_dim)
        self.subcenters = check_count("subcenters", subcenters)
        self.margin = check_number("margin", margin, least=0, most=self.most_margin)
        self.gradient = one_of("gradient", gradient, ("exact", "detached"))
        self.memory_budget = check_count("memory_budget", memory_budget)
        self.scale = (
            automatic_scale(self.num_classes)
            if scale == "auto"
            else check_number("scale (a number or 'auto')", scale, above=0)
        )
        self.margin_fraction = 1.0
        self.placement = current_placement()
        self.weight = allocate_rows(
            self.placement, self.num_classes, self.subcenters, self.embedding_dim
        )
        self.sampler = (
            ClassSampler(self.placement, self.num_classes) if self.placement.sampled else None
        )
        self._watch_weight()
        self.register_buffer("hits", torch.zeros(0, dtype=torch.bool), persistent=False)
        self.compared = self.num_classes
        self.reset_parameters()

    def _watch_weight(self) -> None:
        if self.sampler is not None:
            self.weight.register_post_accumulate_grad_hook(mark_coalesced)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Be what was copied or pickled: a copy of the weight comes without its hook."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._watch_weight()

    def reset_parameters(self) -> None:
        """Draw the class weights anew, as the field does: normal with deviation 0.01.

        Only directions count, but shorter rows turn faster under the same learning rate.
        """
        self.draw(0.01)

    def draw(self, deviation: float) -> None:
        """Draw the class weights anew, normal with this deviation around 0."""
        draw_rows(self.weight, *self.own_class_rows()["weight"], deviation)

    @property
    def shard(self) -> Shard:
        """Which share of the classes this process owns."""
        return self.placement.shard

    def own_class_rows(self) -> dict[str, tuple[int, int]]:
        """The first row of ``weight`` among those of all classes, and how many all are."""
        first = self.shard.span(self.num_classes).start
        return {"weight": (first * self.subcenters, self.num_classes * self.subcenters)}

    def set_margin_fraction(self, fraction: float) -> None:
        """Scale the margin, for a warm-up: 0 is none, 1 is the margin given.

        Raises:
            InputError: a fraction outside [0, 1].
        """
        self.margin_fraction = check_number("fraction", fraction, least=0, most=1)

    def target(self, cosine: Tensor, margin: Tensor) -> Tensor:
        """Map cosines to the row's own class [B], with the margins of :meth:`margins`."""
        raise NotImplementedError(f"{type(self).__name__}: a head says its margin in target()")

    def others(self, cosine: Tensor, target: Tensor) -> Tensor:  # noqa: ARG002 (for those who need it)
        """Map cosines to the other classes [b, J]; ``target`` holds what the first map gave [b]."""
        return cosine

    def margins(self, norms: Tensor) -> Tensor:
        """Margin of each row, [] or [B], from the lengths of the embeddings [B]."""
        return norms.new_full((), self.margin * self.margin_fraction)

    def scales(self, norms: Tensor) -> Tensor:
        """Scale of each row's logits, [B], from the lengths of the embeddings [B]."""
        return torch.full_like(norms, self.scale)

    def offset(self) -> Tensor:
        """What is added to every logit, []; cross-entropy does not see it, a logistic loss does."""
        return self.weight.new_zeros(())

    def reduce(self, target: Tensor) -> Reduction:
        """Start the reduction of a chunk of rows from its target logits [b]."""
        return CrossEntropy(target)

    def penalty(self, norms: Tensor) -> Tensor:
        """What is added to the mean loss, [], from the lengths of the embeddings [B]."""
        return norms.new_zeros(())

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of embeddings [B, D] with int64 labels [B].

        Raises:
            InputError: a wrong shape, dtype or device, a label out of range, embeddings that are
                not finite.
            LikewiseError: the loss is not finite although the embeddings are.
        """
        check_embeddings(embeddings, self.embedding_dim)
        self._check_placement()
        if embeddings.device != self.weight.device:
            raise InputError(
                f"embeddings: on {embeddings.device}; must be on {self.weight.device}, "
                "beside the class weights"
            )
        check_labels(labels, embeddings, self.num_classes)
        with torch.autocast(embeddings.device.type, enabled=False):
            dtype = self._dtype(embeddings)
            embeddings = embeddings.to(dtype)
            check_rows_finite(type(self).__name__, embeddings.detach())
            unit, norms = unit_and_length(embeddings)
            columns = self._columns(labels)
            loss, lead = fused_loss(
                unit,
                self.weight.to(dtype),
                self.scales(norms),
                self.margins(norms),
                self.offset().to(dtype),
                columns,
                self._form(),
            )
            loss = loss + self.penalty(norms)
        self.hits = lead > 0
        self.compared = columns.everywhere(self.num_classes)
        check_loss_finite(type(self).__name__, loss)
        return loss

    def _check_placement(self) -> None:
        dtype, device = self.weight.dtype, self.weight.device
        if self.placement.storage == "mmap" and device.type != "cpu":
            raise InputError(
                f"class weights: moved to {device}; where they are memory-mapped, train on the CPU"
            )
        if self.placement.sampled and dtype not in (torch.float32, torch.float64):
            raise InputError(
                f"class weights: {str(dtype)[6:]}; sampled ones must be float32 or float64"
            )

    def _dtype(self, embeddings: Tensor) -> torch.dtype:
        if self.sampler is not None:  # the weights are not copied to be converted
            return self.weight.dtype
        dtype = torch.promote_types(embeddings.dtype, self.weight.dtype)
        return torch.promote_types(dtype, torch.float32)

    def _columns(self, labels: Tensor) -> Columns:
        """The classes to compare with; in evaluation all of them, sampled or not."""
        if self.sampler is None or not self.training:
            return all_columns(labels, self.num_classes, self.shard, sparse=False)
        columns: Columns = self.sampler.columns(labels)
        return columns

    def _form(self) -> Form:
        return Form(
            target=self.target if self.gradient == "exact" else self._detached_target,
            others=self.others if self.gradient == "exact" else self._detached_others,
            reduction=self.reduce,
            subcenters=self.subcenters,
            unit_weights=self.unit_weights,
            memory_budget=self.memory_budget,
        )

    def _detached_target(self, cosine: Tensor, margin: Tensor) -> Tensor:
        with torch.no_grad():
            shift = self.target(cosine, margin) - cosine
        return cosine + shift

    def _detached_others(self, cosine: Tensor, target: Tensor) -> Tensor:
        with torch.no_grad():
            value = self.others(cosine, target)
        return cosine if value is cosine else cosine + (value - cosine).detach()

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        return (
            f"num_classes={self.num_classes}, embedding_dim={self.embedding_dim}, "
            f"scale={self.scale:g}, margin={self.margin:g}"
        )
