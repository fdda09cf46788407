"""The head that the whole softmax family shares: class weights, checks and one fused loss."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor

from likewise.distances.similarity import unit_and_length
from likewise.errors import InputError
from likewise.losses.anchors import Anchors, anchors_alone
from likewise.losses.checks import check_batch, check_loss_finite, check_rows_finite
from likewise.losses.classes.class_weights import allocate_rows, draw_rows, mark_coalesced
from likewise.losses.classes.placement import current_placement
from likewise.losses.classes.sampling import ClassSampler
from likewise.losses.classes.shard import Shard
from likewise.losses.classes.step_classes import Columns, all_columns
from likewise.losses.head.arguments import DeclaredLoss, choice, count, fixed, number
from likewise.losses.head.fused import fused_loss
from likewise.losses.head.reduction import CrossEntropy, Reduction, SmoothedCrossEntropy
from likewise.losses.head.scale import automatic_scale
from likewise.losses.head.scores import ClassScores
from likewise.losses.head.variant import (
    Logits,
    Variant,
    detached_others,
    detached_target,
    still,
)
from likewise.losses.sample_weights import ReductionName, check_weights, reduce_losses

__all__ = ["MEMORY_BUDGET", "WEIGHTS_NOT_FINITE", "Gradient", "Head", "Scale"]

Gradient = Literal["exact", "detached"]
Scale = float | Literal["auto"]

MEMORY_BUDGET = 2**29
"""Default memory budget: the most bytes of logits in memory at one time, 512 MiB."""

WEIGHTS_NOT_FINITE = (
    "although the embeddings are finite: the class weights, or what is computed from them and from "
    "the length of the embeddings, are not"
)


class Head(DeclaredLoss, ClassScores):
    """Class weights, and the loss of embeddings against them.

    A member of the family is a subclass whose ``target`` maps the cosine to a row's own class; all
    other methods have defaults. A new margin is this much::

        @register_loss("squared")
        class Squared(Head):
            margin: float = number(default=0.2, least=0)

            def target(self, cosine, margin):
                return cosine - margin * cosine.square()

    Called with embeddings [B, D] and int64 labels [B], a head returns the mean loss over the batch.
    It computes in float32 under any autocast (in float64 if the embeddings or the weights are
    float64; in the dtype of the weights if classes are sampled). An empty batch has loss zero, with
    zero gradients.

    Args:
        num_classes: C, the number of classes.
        embedding_dim: D, the length of an embedding.
        scale: multiplies the logits, or ``"auto"`` (see :func:`automatic_scale`).
        margin: 0 is no margin; the subclass defines its meaning.
        gradient: ``"exact"``, or ``"detached"``: the margin changes the loss, but the slope of each
            logit stays that of the plain cosine, as in libraries that apply margins without
            gradient.
        memory_budget: the most bytes of logits in memory at one time; a batch that needs more
            is processed in chunks of rows.
        label_smoothing: ε, from 0 to below 1, as in ``F.cross_entropy``, over the classes that the
            step compares with.
        reduction: ``"mean"``, ``"none"`` (the loss of each row; the backward pass then costs one
            more product with the class weights) or ``"sum"``.

    Attributes:
        weight: class weights [C·K, D]; the K rows of a class (its sub-centres) are contiguous.
            Under :func:`~likewise.losses.place_classes`, the rows of this rank's own classes.
        hits: after a call, [B] bool: whether the label's class is nearer, by cosine without margin,
            than every other class. In training with sampled classes, than every other sampled one.
        compared: how many classes the last call compared with, so that chance hits one in that
            many.
        sampler: draws the classes of a step, if classes are sampled; else None.
    """

    unit_weights: ClassVar[bool] = True
    """Whether only the direction of a class weight counts."""
    takes_prototypes: ClassVar[bool] = True
    """Whether directions that were not learned can stand in for the class weights."""

    num_classes: int = count(kw_only=False)
    embedding_dim: int = count(kw_only=False)
    scale: Scale = number(default=64.0, above=0, automatic=True)
    margin: float = number(default=0.0, least=0)
    gradient: Gradient = choice(default="exact", among=("exact", "detached"))
    memory_budget: int = count(default=MEMORY_BUDGET)
    label_smoothing: float = number(default=0.0, least=0, below=1)
    reduction: ReductionName = choice(default="mean", among=get_args(ReductionName))
    subcenters: int = fixed(1)

    def __post_init__(self) -> None:
        """Allocate and draw the class weights of this rank."""
        if self.scale == "auto":
            self.scale = automatic_scale(self.num_classes)
        self.margin_fraction = 1.0
        self.placement = current_placement()
        self.weight = allocate_rows(
            self.placement, self.num_classes, self.subcenters, self.embedding_dim
        )
        self.sampler = (
            ClassSampler(self.placement, self.num_classes) if self.placement.sampled else None
        )
        self._watch_weight()
        self._hits = torch.zeros(0, dtype=torch.bool)
        self._compared = self.num_classes
        self.reset_parameters()

    def _watch_weight(self) -> None:
        if self.sampler is not None:
            self.weight.register_post_accumulate_grad_hook(mark_coalesced)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a copied or pickled head: a copy of the weight comes without its hook."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._watch_weight()

    def reset_parameters(self) -> None:
        """Draw the class weights anew: normal with deviation 0.01, as is usual.

        Only directions count, but shorter rows turn faster under the same learning rate.
        """
        self.draw(0.01)

    def draw(self, deviation: float) -> None:
        """Draw the class weights anew, normal with mean 0 and this deviation."""
        draw_rows(self.weight, *self.own_class_rows()["weight"], deviation)

    @property
    def shard(self) -> Shard:
        """The classes that this rank owns."""
        return self.placement.shard

    def own_class_rows(self) -> dict[str, tuple[int, int]]:
        """The first row of ``weight`` among the rows of all classes, and how many those are."""
        first = self.shard.span(self.num_classes).start
        return {"weight": (first * self.subcenters, self.num_classes * self.subcenters)}

    def set_margin_fraction(self, fraction: float) -> None:
        """Scale the margin, for a warm-up: 0 is no margin, 1 the full one.

        Raises:
            InputError: a fraction outside [0, 1].
        """
        super().set_margin_fraction(fraction)
        self.margin_fraction = float(fraction)

    def target(self, cosine: Tensor, margin: Tensor) -> Tensor:
        """Map cosines to the row's own class [B], with the margins of :meth:`margins`."""
        raise NotImplementedError(f"{type(self).__name__}: a head must define target()")

    def others(self, cosine: Tensor, target: Tensor) -> Tensor:  # noqa: ARG002 (some use it)
        """Map cosines to the other classes [b, J]; ``target`` [b] are the mapped target cosines."""
        return cosine

    def unmargined(self, cosine: Tensor) -> Tensor:
        """Map cosines [B, C] as :meth:`others` does, without any margin; for :meth:`logits`."""
        return cosine

    def margins(self, norms: Tensor) -> Tensor:
        """Margin of each row, [] or [B], from the lengths of the embeddings [B]."""
        return norms.new_full((), self.margin * self.margin_fraction)

    def scales(self, norms: Tensor) -> Tensor:
        """Scale of each row's logits, [B], from the lengths of the embeddings [B]."""
        return torch.full_like(norms, float(self.scale))

    def offset(self) -> Tensor:
        """Added to every logit, []; changes a logistic loss, but not the cross-entropy."""
        return self.weight.new_zeros(())

    def reduce(self, target: Tensor) -> Reduction:
        """Start the reduction of a chunk of rows from its target logits [b]."""
        if self.label_smoothing:
            return SmoothedCrossEntropy(target, self.label_smoothing)
        return CrossEntropy(target)

    def penalty(self, norms: Tensor) -> Tensor:
        """Added to the loss of each row, [] or [B], from the lengths of the embeddings [B]."""
        return norms.new_zeros(())

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        anchors: Anchors = None,
        *,
        weights: Tensor | None = None,
    ) -> Tensor:
        """The loss of embeddings [B, D] with int64 labels [B], reduced.

        Args:
            embeddings: floating [B, D].
            labels: int64 [B].
            anchors: which rows take part, as in ``EmbeddingLoss``.
            weights: of these rows, floating [B], constants of at least 0; None: all are 1.

        Raises:
            InputError: a wrong shape, dtype or device, a label out of range, embeddings or weights
                that are not finite.
            LikewiseError: the loss is not finite although the embeddings are.
        """
        name = type(self).__name__
        self._check_placement()
        embeddings, labels = anchors_alone(embeddings, labels, anchors)
        check_batch(name, embeddings, labels, self.weight, self.num_classes)
        with torch.autocast(embeddings.device.type, enabled=False):
            embeddings = embeddings.to(self._dtype(embeddings))
            check_rows_finite(name, embeddings.detach())
            weights = check_weights(name, weights, embeddings)
            if self.reduction == "none":  # the backward pass reads both
                labels, weights = labels.clone(), None if weights is None else weights.clone()
            columns = self._columns(labels)
            loss, lead = self.compare(*unit_and_length(embeddings), self.weight, columns, weights)
        self._hits = lead > 0
        self._compared = columns.everywhere(self.num_classes)
        check_loss_finite(name, loss, lambda: WEIGHTS_NOT_FINITE)
        return loss

    def compare(
        self,
        unit: Tensor,
        norms: Tensor,
        weight: Tensor,
        columns: Columns,
        row_weights: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The loss of embeddings (directions [B, D], lengths [B]), and the lead; see ``fused``."""
        loss, lead = fused_loss(
            unit,
            weight.to(unit.dtype),
            self.scales(norms),
            self.margins(norms),
            self.offset().to(unit),
            columns,
            self._variant(),
            self.reduction,
            row_weights,
        )
        penalty = self.penalty(norms).expand(len(norms))
        return loss + reduce_losses(penalty, self.reduction, row_weights), lead

    def _check_placement(self) -> None:
        dtype, device = self.weight.dtype, self.weight.device
        if self.placement.storage == "mmap" and device.type != "cpu":
            raise InputError(
                f"class weights: moved to {device}; memory-mapped ones can be trained only on the "
                "CPU"
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

    def _variant(self) -> Variant:
        return Variant(
            target=self.target if self.gradient == "exact" else detached_target(self.target),
            others=self._others(),
            others_now=lambda: still(self)._others(),
            reduction=self.reduce,
            subcenters=self.subcenters,
            unit_weights=self.unit_weights,
            memory_budget=self.memory_budget,
        )

    def _others(self) -> Logits:
        return self.others if self.gradient == "exact" else detached_others(self.others)

    def extra_repr(self) -> str:
        """The arguments that ``print`` shows."""
        return (
            f"num_classes={self.num_classes}, embedding_dim={self.embedding_dim}, "
            f"scale={float(self.scale):g}, margin={self.margin:g}"
        )
