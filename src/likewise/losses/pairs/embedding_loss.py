"""The base class of losses on a batch of embeddings: checks, and full precision under autocast."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature

import torch
from torch import Tensor, nn

from likewise.distances import Distance, parse_distance
from likewise.distances.learned import learned_parts
from likewise.errors import InputError
from likewise.losses.anchors import Anchors, zero_loss, zero_losses
from likewise.losses.checks import check_batch, check_loss_finite, check_rows_finite
from likewise.losses.loss import Loss
from likewise.losses.pairs.reference import check_reference
from likewise.losses.sample_weights import (
    ReductionName,
    check_reduction,
    check_weights,
    reduce_losses,
)

__all__ = ["EmbeddingLoss"]


class EmbeddingLoss(Loss):
    """A loss on a batch of embeddings and their labels: a subclass writes ``compute``.

    It computes in float32 under any autocast (in float64 if the embeddings are float64), on the
    device of the embeddings. An empty batch has loss zero, with gradient zero.

    Args:
        reduction: ``"mean"``, ``"none"`` or ``"sum"`` (see :class:`~likewise.losses.Loss`).
    """

    needs_pairs = True
    compares_samples = True

    def __init__(self, *, reduction: ReductionName = "mean") -> None:
        super().__init__()
        self.reduction = check_reduction(reduction)

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
        """Compute the loss.

        Args:
            embeddings: floating [M, D].
            labels: int64 [M].
            anchors: B: only the first B rows are anchors, and they are compared with all M rows;
                this is how a memory of earlier batches takes part. Or the anchors themselves
                [B, D], in place of these rows, which then have no gradient. None: all rows.
            weights: of the anchors, floating [B], constants of at least 0; the loss of each is
                multiplied by its weight. None: all are 1.
            reference: floating [R, D]: the samples that the anchors, which are then all
                embeddings, are compared with, instead of each other. Both have a gradient.
            reference_labels: int64 [R].

        Returns:
            The loss [], or that of each anchor [B] if the reduction is ``"none"``; float32 or
            float64.

        Raises:
            InputError: a batch of wrong shape, dtype or device; embeddings or weights that are not
                finite (the first such row is named); labels out of range.
            LikewiseError: the loss itself overflowed.
        """
        name = type(self).__name__
        if reference is not None or reference_labels is not None:
            return self._with_reference(
                embeddings, labels, anchors, weights, reference, reference_labels
            )
        count = len(anchors) if isinstance(anchors, Tensor) else anchors
        self._check(name, embeddings, labels)
        if count is not None and not 0 <= count <= len(labels):
            raise InputError(f"{name}: anchors: {count}; must be from 0 to {len(labels)}")
        if embeddings.dtype in (torch.float16, torch.bfloat16):
            embeddings = embeddings.float()
        if isinstance(anchors, Tensor):
            self._check(name, anchors, labels[:count])
            anchors = anchors.to(embeddings)
        else:
            anchors = embeddings[:count]
        if self.compares_samples:
            self._paired = _any_pair(labels, len(anchors))
        return self._computed(name, anchors, embeddings, labels, weights)

    def _with_reference(
        self,
        embeddings: Tensor,
        labels: Tensor,
        anchors: Anchors,
        weights: Tensor | None,
        reference: Tensor | None,
        reference_labels: Tensor | None,
    ) -> Tensor:
        """The loss of embeddings [B, D] against the samples of a reference set [R, D]."""
        name = type(self).__name__
        self._check(name, embeddings, labels)
        reference, reference_labels = check_reference(
            self, embeddings, anchors, reference, reference_labels
        )
        dtype = torch.promote_types(embeddings.dtype, reference.dtype)
        dtype = torch.promote_types(dtype, torch.float32)
        embeddings, reference = embeddings.to(dtype), reference.to(dtype)
        self._paired = torch.isin(labels, reference_labels).any()
        value = self._computed(name, embeddings, reference, reference_labels, weights, labels)
        return value + zero_loss(reference)  # without any pair both have a gradient, of zero

    def _computed(
        self,
        name: str,
        anchors: Tensor,
        samples: Tensor,
        labels: Tensor,
        weights: Tensor | None,
        anchor_labels: Tensor | None = None,
    ) -> Tensor:
        """The loss of a checked batch, reduced."""
        weights = check_weights(name, weights, anchors)
        if len(anchors) == 0 or len(samples) == 0:
            return reduce_losses(zero_losses(anchors), self.reduction)
        apart = () if anchor_labels is None else (anchor_labels,)
        compute: Callable[..., Tensor] = self.compute
        with torch.autocast(samples.device.type, enabled=False):
            loss = self._reduce(name, compute(anchors, samples, labels, *apart), weights)
        reach = samples.detach()
        check_loss_finite(
            name,
            loss,
            lambda: f"because of overflow: embeddings reach {reach.abs().max().item():.3g}",
        )
        return loss

    def compute(self, anchors: Tensor, samples: Tensor, labels: Tensor) -> Tensor:
        """The loss of each anchor of a checked batch, [B]; their mean is the loss of the batch.

        A loss that averages over something else, such as pairs, gives each anchor its share, times
        B. A loss without such shares may return their mean, []; it is then refused with weights,
        and with another reduction than the mean.

        A loss that can be given a reference set has a further argument ``anchor_labels: Tensor |
        None = None``. If it is given, int64 [B], the samples are the reference set, the anchors
        are not among them, and ``pair_masks(labels, of=anchor_labels)`` compares both.

        Args:
            anchors: [B, D], at least one.
            samples: [M, D]; the first B are the anchors, possibly without their gradient.
            labels: int64 [M], of the samples.
        """
        raise NotImplementedError(f"{type(self).__name__}: an EmbeddingLoss must define compute()")

    def extra_repr(self) -> str:
        """The arguments that ``print`` shows: numbers and names, as given to the constructor."""
        values = {name: getattr(self, name, None) for name in signature(type(self)).parameters}
        shown = {n: v.name if isinstance(v, Distance) else v for n, v in values.items()}
        if self.reduction == "mean":
            shown.pop("reduction", None)
        return ", ".join(f"{n}={v}" for n, v in shown.items() if isinstance(v, float | int | str))

    def adopt(self, distance: str | Distance) -> Distance:
        """The distance of this name; its learned parameters become parameters of the loss.

        A distance that is a module needs no more than to be set as an attribute.
        """
        if isinstance(distance, str):
            distance = parse_distance(distance)
        if not isinstance(distance, nn.Module):
            for name, part in learned_parts(distance).items():
                setattr(self, f"distance_{name}".replace(".", "_"), part)
        return distance

    def _reduce(self, name: str, losses: Tensor, weights: Tensor | None) -> Tensor:
        if losses.ndim:
            return reduce_losses(losses, self.reduction, weights)
        if weights is not None or self.reduction != "mean":
            wanted = "weights" if weights is not None else f"reduction: {self.reduction!r}"
            raise InputError(
                f"{name}: {wanted}: its compute() returns one number for the batch; it must return "
                "the loss of each anchor, [B]"
            )
        return losses

    def _check(self, name: str, embeddings: Tensor, labels: Tensor) -> None:
        check_batch(name, embeddings, labels)
        check_rows_finite(name, embeddings.detach())


def _any_pair(labels: Tensor, anchors: int) -> Tensor:
    """Whether some label of the first ``anchors`` occurs twice among the labels [M], [] bool."""
    ordered = labels.sort().values
    first = torch.searchsorted(ordered, labels[:anchors])
    past = torch.searchsorted(ordered, labels[:anchors], right=True)
    return (past - first > 1).any()
