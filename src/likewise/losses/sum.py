"""Losses composed: weighted, and added up."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor, nn

from likewise.errors import InputError

__all__ = ["Composable", "Sum", "Weighted"]


class Composable(nn.Module):
    """A loss that can be written in sums: ``0.003 * Center(...)``.

    Attributes:
        compares_samples: whether samples are compared with each other (so that a memory, with
            the argument ``anchors``, means something), or only with the weights of classes.
    """

    compares_samples: bool = False

    def __mul__(self, weight: float) -> Weighted:
        return Weighted(self, weight)

    __rmul__ = __mul__


class Weighted(Composable):
    """``weight`` times a loss.

    Args:
        loss: any loss module, called with embeddings [B, D] and labels [B].
        weight: a finite number from 0.

    Raises:
        InputError: a weight that is negative or not finite.

    Example:
        >>> from likewise.losses import Center
        >>> (0.003 * Center(num_classes=10, embedding_dim=8)).weight
        0.003
    """

    def __init__(self, loss: nn.Module, weight: float) -> None:
        super().__init__()
        if not (0 <= weight < math.inf):
            raise InputError(f"weight: {weight}; a finite number from 0 is expected")
        self.loss = loss
        self.weight = float(weight)
        self.compares_samples = bool(getattr(loss, "compares_samples", False))

    @property
    def hits(self) -> Tensor | None:
        """Those of the loss, if it has classes to hit."""
        return getattr(self.loss, "hits", None)

    @property
    def compared(self) -> int | None:
        """How many classes it compared with, if it has classes to hit."""
        return getattr(self.loss, "compared", None)

    def set_margin_fraction(self, fraction: float) -> None:
        """Scale the margin of the loss, if it has one."""
        _set_margin_fraction(self.loss, fraction)

    def extra_repr(self) -> str:
        """Show the weight."""
        return f"weight={self.weight:g}"

    def forward(self, embeddings: Tensor, labels: Tensor, anchors: int | None = None) -> Tensor:
        """Weigh the loss; ``anchors`` as in ``EmbeddingLoss``."""
        value: Tensor = apply(self.loss, embeddings, labels, anchors)
        return self.weight * value


class Sum(Composable):
    """The sum of losses, each weighted or plain.

    Args:
        terms: losses, or pairs of a weight and a loss.

    Raises:
        InputError: no terms, or a term that is neither.

    Example:
        >>> import torch
        >>> from likewise.losses import Center, Sum, Triplet
        >>> loss = Sum(Triplet(), 0.003 * Center(num_classes=4, embedding_dim=8))
        >>> value = loss(torch.randn(16, 8), torch.arange(16) % 4)
        >>> len(list(loss.parameters()))
        1
    """

    def __init__(self, *terms: nn.Module | tuple[float, nn.Module]) -> None:
        super().__init__()
        if not terms:
            raise InputError("terms: none given; a sum needs one loss or more")
        self.terms = nn.ModuleList(_term(position, term) for position, term in enumerate(terms))
        self.compares_samples = any(getattr(t, "compares_samples", False) for t in self.terms)

    @property
    def hits(self) -> Tensor | None:
        """Those of the first term that has classes to hit; None if none has."""
        found = (getattr(term, "hits", None) for term in self.terms)
        return next((hits for hits in found if hits is not None), None)

    @property
    def compared(self) -> int | None:
        """With how many classes that term compared; None if no term has classes to hit."""
        found = (t for t in self.terms if getattr(t, "hits", None) is not None)
        return getattr(next(found, None), "compared", None)

    def set_margin_fraction(self, fraction: float) -> None:
        """Scale the margin of every term that has one, for a warm-up."""
        for term in self.terms:
            _set_margin_fraction(term, fraction)

    def forward(self, embeddings: Tensor, labels: Tensor, anchors: int | None = None) -> Tensor:
        """Add the losses of one batch up; ``anchors`` as in ``EmbeddingLoss``."""
        values = [apply(term, embeddings, labels, anchors) for term in self.terms]
        total = values[0]
        for value in values[1:]:
            total = total + value
        return total


def _term(position: int, term: object) -> nn.Module:
    if isinstance(term, nn.Module):
        return term
    match term:
        case (int() | float() as weight, nn.Module() as loss):
            return Weighted(loss, weight)
    raise InputError(
        f"terms[{position}]: {type(term).__name__}; a loss, or a pair (weight, loss), is expected"
    )


def _set_margin_fraction(loss: nn.Module, fraction: float) -> None:
    scale: Callable[[float], None] | None = getattr(loss, "set_margin_fraction", None)
    if scale is not None:
        scale(fraction)


def apply(loss: nn.Module, embeddings: Tensor, labels: Tensor, anchors: int | None) -> Tensor:
    """Call ``loss`` on a batch whose first ``anchors`` rows are new; the others are memory.

    A loss that compares samples sees them all; any other sees the new ones alone.
    """
    value: Tensor
    if anchors is None:
        value = loss(embeddings, labels)
    elif getattr(loss, "compares_samples", False):
        value = loss(embeddings, labels, anchors)
    else:
        value = loss(embeddings[:anchors], labels[:anchors])
    return value
