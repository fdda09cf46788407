"""Weights of samples, and the reduction of their losses to what a call returns."""

from __future__ import annotations

import inspect
from typing import Literal, get_args

from torch import Tensor, nn

from likewise.arguments import one_of
from likewise.errors import InputError
from likewise.losses.checks import refuse_where

__all__ = ["ReductionName", "check_reduction", "check_weights", "reduce_losses", "require_weights"]

ReductionName = Literal["mean", "none", "sum"]
"""What a call returns: the mean over the batch [], the loss of each sample [B], or their sum []."""


def check_reduction(reduction: str) -> ReductionName:
    """The reduction, if there is one of this name.

    Raises:
        InputError: an unknown name; the nearest is suggested.
    """
    names: tuple[ReductionName, ...] = get_args(ReductionName)
    return names[names.index(one_of("reduction", reduction, names))]


def check_weights(loss: str, weights: Tensor | None, rows: Tensor) -> Tensor | None:
    """The weights in the dtype of the embeddings, as constants.

    Args:
        loss: its name.
        weights: of the anchors, floating [B]; None: all are 1.
        rows: the anchors [B, D].

    Raises:
        InputError: another shape, dtype or device; a weight that is negative or not finite (the
            first such row is named).
    """
    if weights is None:
        return None
    subject = f"{loss}: weights:"
    if not isinstance(weights, Tensor):
        raise InputError(f"{subject} a {type(weights).__name__}; must be a tensor [B] of floats")
    if weights.shape != rows.shape[:1]:
        raise InputError(
            f"{subject} shape {tuple(weights.shape)}; must be [{len(rows)}], one for each anchor"
        )
    if not weights.is_floating_point():
        raise InputError(f"{subject} dtype {weights.dtype}; must be floating point")
    if weights.device != rows.device:
        raise InputError(
            f"{subject} on {weights.device}; must be on {rows.device}, beside the embeddings"
        )
    weights = weights.detach()
    wrong = ~(weights.isfinite() & (weights >= 0))

    def error() -> InputError:
        row = int(wrong.nonzero()[0, 0])
        return InputError(
            f"{subject} {float(weights[row]):g} in row {row}; must be a finite number of at least 0"
        )

    refuse_where(wrong, error)
    return weights.to(rows.dtype)


def require_weights(loss: nn.Module) -> None:
    """Check that a loss can be called with weights.

    Raises:
        InputError: its ``forward`` has no argument ``weights``.
    """
    if "weights" not in inspect.signature(loss.forward).parameters:
        raise InputError(
            f"{type(loss).__name__}: weights: it takes none; call it without weights, or give its "
            "forward() the keyword argument weights"
        )


def reduce_losses(
    losses: Tensor, reduction: ReductionName, weights: Tensor | None = None
) -> Tensor:
    """The losses of the samples, times their weights, reduced.

    Args:
        losses: [B]; their mean is the loss of the batch.
        reduction: ``"mean"``: over all B, whatever the weights sum to; 0 of none.
        weights: [B]; None: all are 1.

    Returns:
        [], or [B] if the reduction is ``"none"``.

    Example:
        >>> import torch
        >>> from likewise.losses.sample_weights import reduce_losses
        >>> reduce_losses(torch.tensor([1.0, 3.0]), "mean", torch.tensor([1.0, 0.0]))
        tensor(0.5000)
    """
    if weights is not None:
        losses = losses * weights
    if reduction == "none":
        return losses
    total = losses.sum()
    return total if reduction == "sum" else total / max(len(losses), 1)
