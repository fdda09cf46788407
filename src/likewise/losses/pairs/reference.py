"""Checks of a reference set: samples that anchors are compared with, instead of each other."""

from __future__ import annotations

from inspect import signature

from torch import Tensor

from likewise.errors import InputError
from likewise.losses.anchors import Anchors
from likewise.losses.checks import check_batch, check_rows_finite
from likewise.losses.loss import Loss
from likewise.mining import AdjacentPairs

__all__ = ["check_reference"]


def check_reference(
    loss: Loss,
    embeddings: Tensor,
    anchors: Anchors,
    reference: Tensor | None,
    labels: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """The reference set [R, D] with its labels [R], if the loss can compare embeddings with it.

    Raises:
        InputError: a loss that does not compare samples, or compares adjacent rows, anchors beside
            it, one of the two missing, or a set of wrong shape, dtype or device, or that is not
            finite.
    """
    name = type(loss).__name__
    compute = getattr(loss, "compute", None)
    if not loss.compares_samples:
        raise InputError(
            f"{name}: reference: it does not compare samples with each other; leave it out"
        )
    if compute is None or "anchor_labels" not in signature(compute).parameters:
        raise InputError(
            f"{name}: reference: its compute() takes no anchor_labels, so it has no reference set"
        )
    if anchors is not None:
        raise InputError(
            f"{name}: anchors, reference: both given; all embeddings are anchors of a reference set"
        )
    if reference is None or labels is None:
        missing = "reference" if reference is None else "reference_labels"
        raise InputError(f"{name}: {missing}: none given; give reference and reference_labels")
    if isinstance(getattr(loss, "miner", None), AdjacentPairs):
        raise InputError(
            f"{name}: reference: the miner adjacent pairs rows of the batch with each other; use "
            "another miner, or leave the reference set out"
        )
    subject = f"{name}: reference"
    if isinstance(reference, Tensor) and reference.device != embeddings.device:
        raise InputError(
            f"{subject}: on {reference.device}; must be on {embeddings.device}, beside the "
            "embeddings"
        )
    check_batch(subject, reference, labels, embeddings)
    check_rows_finite(subject, reference.detach())
    return reference, labels
