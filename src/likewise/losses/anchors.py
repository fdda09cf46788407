"""The anchors of a batch: which rows they are, and calls of a loss with them."""

from __future__ import annotations

from torch import Tensor, nn

from likewise.errors import InputError
from likewise.losses.sample_weights import require_weights

__all__ = [
    "Anchors",
    "ReferenceSet",
    "anchors_alone",
    "apply",
    "reference_set",
    "zero_loss",
    "zero_losses",
]

Anchors = int | Tensor | None
"""Which of the M rows of a batch are anchors: the first B rows, or all rows if None. Rows that are
not anchors are memory. Or the anchors themselves [B, D], in place of the first B rows, which then
have no gradient."""

ReferenceSet = tuple[Tensor | None, Tensor | None]
"""Samples [R, D] that the anchors are compared with, instead of each other, and their labels."""


def reference_set(
    wrapper: nn.Module, reference: Tensor | None, labels: Tensor | None
) -> ReferenceSet | None:
    """The arguments of the call of a wrapper as one; None if neither is given.

    Raises:
        InputError: no loss inside the wrapper compares samples.
    """
    if reference is None and labels is None:
        return None
    if not getattr(wrapper, "compares_samples", False):
        raise InputError(
            f"{type(wrapper).__name__}: reference: no loss inside compares samples with a "
            "reference set; leave it out"
        )
    return reference, labels


def anchors_alone(embeddings: Tensor, labels: Tensor, anchors: Anchors) -> tuple[Tensor, Tensor]:
    """The anchors [B, D] of a batch, and their labels [B], without the memory.

    Raises:
        InputError: more anchors than rows.
    """
    if anchors is None:
        return embeddings, labels
    count = anchors if isinstance(anchors, int) else len(anchors)
    if not 0 <= count <= len(labels):
        raise InputError(f"anchors: {count}; must be from 0 to {len(labels)}")
    alone = anchors if isinstance(anchors, Tensor) else embeddings[:anchors]
    return alone, labels[: len(alone)]


def apply(
    loss: nn.Module,
    embeddings: Tensor,
    labels: Tensor,
    anchors: Anchors,
    weights: Tensor | None = None,
    reference: ReferenceSet | None = None,
) -> Tensor:
    """Call ``loss`` on a batch of which only some rows are anchors, or against a reference set.

    A loss that compares samples is given all rows and the reference set; any other loss is given
    the anchors alone.

    Raises:
        InputError: weights for a loss that takes none.
    """
    more: dict[str, Tensor | None] = {}
    if weights is not None:
        require_weights(loss)
        more["weights"] = weights
    value: Tensor
    compares = getattr(loss, "compares_samples", False)
    if compares and reference is not None:
        more["reference"], more["reference_labels"] = reference
    if anchors is not None and compares:
        value = loss(embeddings, labels, anchors, **more)
    else:
        value = loss(*anchors_alone(embeddings, labels, anchors), **more)
    return value


def zero_loss(embeddings: Tensor) -> Tensor:
    """A loss of zero whose gradient is zero for every embedding."""
    return (embeddings * 0).sum()


def zero_losses(anchors: Tensor) -> Tensor:
    """A loss of zero for each anchor [B, D], with a gradient of zero: [B]."""
    return (anchors * 0).sum(dim=1)
