"""What every loss on embeddings does first: check the batch, and leave half precision."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from likewise.distances import Distance, parse_distance
from likewise.distances.learned import learned_parts
from likewise.errors import InputError, LikewiseError
from likewise.losses.refusals import refuse_where
from likewise.losses.wrappers.sum import Anchors, Composable

__all__ = ["EmbeddingLoss", "zero"]


class EmbeddingLoss(Composable):
    """A loss on a batch of embeddings and their labels.

    It computes in float32 whatever autocast says (float64 stays float64), on the device of the
    embeddings. An empty batch has loss zero, with gradient zero.

    Attributes:
        paired: after a call of a loss that compares samples, [] bool: was there any sample beside
            an anchor of the same class? None before, and where samples are not compared.
    """

    compares_samples = True
    paired: Tensor | None = None

    def forward(self, embeddings: Tensor, labels: Tensor, anchors: Anchors = None) -> Tensor:
        """Compute the loss.

        Args:
            embeddings: floating [M, D].
            labels: int64 [M].
            anchors: B; if given, only the first B rows are anchors, compared with all M rows.
                This is how a memory of earlier batches takes part. Or the anchors themselves
                [B, D], in place of these rows: so they can have a gradient as anchors alone.

        Returns:
            A scalar, float32 or float64.

        Raises:
            InputError: a batch of wrong shape, type or device; embeddings that are not finite
                (the first such row is named); labels out of range.
            LikewiseError: the loss itself overflowed.
        """
        count = len(anchors) if isinstance(anchors, Tensor) else anchors
        self._check(embeddings, labels, count)
        if embeddings.dtype in (torch.float16, torch.bfloat16):
            embeddings = embeddings.float()
        if isinstance(anchors, Tensor):
            self._check(anchors, labels[:count], None)
            anchors = anchors.to(embeddings)
        else:
            anchors = embeddings[:count]
        if self.compares_samples:
            self.paired = _any_pair(labels, len(anchors))
        if len(anchors) == 0:
            return zero(anchors)
        with torch.autocast(embeddings.device.type, enabled=False):
            loss = self.compute(anchors, embeddings, labels)
        value, reach = loss.detach(), embeddings.detach()
        refuse_where(
            ~torch.isfinite(value),
            lambda: LikewiseError(
                f"{type(self).__name__}: the loss is {value.item()}; "
                f"embeddings reach {reach.abs().max().item():.3g}, which overflows"
            ),
        )
        return loss

    @abstractmethod
    def compute(self, anchors: Tensor, samples: Tensor, labels: Tensor) -> Tensor:
        """The loss of a checked batch, as a scalar.

        Args:
            anchors: [B, D], at least one.
            samples: [M, D]; the first B are the anchors, maybe without their gradient.
            labels: int64 [M], of the samples.
        """

    def adopt(self, distance: str | Distance) -> Distance:
        """The distance that a name stands for; what it has to learn becomes ours.

        A distance that is a module is ours as the attribute that it becomes.
        """
        if isinstance(distance, str):
            distance = parse_distance(distance)
        if not isinstance(distance, nn.Module):
            for name, part in learned_parts(distance).items():
                setattr(self, f"distance_{name}".replace(".", "_"), part)
        return distance

    def _check(self, embeddings: Tensor, labels: Tensor, anchors: int | None) -> None:
        name = type(self).__name__
        if embeddings.ndim != 2 or not embeddings.is_floating_point():
            raise InputError(
                f"{name}: embeddings: {embeddings.dtype} of shape {list(embeddings.shape)}; "
                "a floating [B, D] is expected"
            )
        if labels.shape != embeddings.shape[:1] or labels.dtype != torch.int64:
            raise InputError(
                f"{name}: labels: {labels.dtype} of shape {list(labels.shape)}; "
                f"int64 of shape [{len(embeddings)}] is expected"
            )
        if labels.device != embeddings.device:
            raise InputError(
                f"{name}: labels: on {labels.device}; "
                f"{embeddings.device}, where the embeddings are, is expected"
            )
        if anchors is not None and not 0 <= anchors <= len(labels):
            raise InputError(f"{name}: anchors: {anchors}; 0 to {len(labels)} is expected")
        wrong = ~torch.isfinite(embeddings.detach())

        def error() -> InputError:
            row = int(wrong.any(dim=1).nonzero()[0])
            return InputError(f"{name}: embeddings: row {row} is not finite")

        refuse_where(wrong, error)


def _any_pair(labels: Tensor, anchors: int) -> Tensor:
    """Whether one of the first ``anchors`` of the labels [M] is there twice, [] bool."""
    ordered = labels.sort().values
    first = torch.searchsorted(ordered, labels[:anchors])
    past = torch.searchsorted(ordered, labels[:anchors], right=True)
    return (past - first > 1).any()


def zero(embeddings: Tensor) -> Tensor:
    """A loss of zero that still has a gradient: zero for every embedding."""
    return (embeddings * 0).sum()
