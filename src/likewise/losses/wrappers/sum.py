"""Losses composed: weighted, added up, and what wrappers hand on to the losses inside."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from numbers import Real

from torch import Tensor, nn

from likewise.errors import InputError

__all__ = ["Anchors", "Composable", "Sum", "Weighted", "Wrapper", "apply"]

Anchors = int | Tensor | None
"""Which of M rows are new, the others being memory: the first B, all of them if None; or the new
rows themselves [B, D], where those that they are compared with have no gradient."""


class Composable(nn.Module):
    """A loss that can be written in sums: ``Triplet() + 0.003 * Center(...)``."""

    @property
    def compares_samples(self) -> bool:
        """Whether samples are compared with each other, or only with the weights of classes.

        In the first case it takes the argument ``anchors``, and a memory means something.
        """
        return False

    def __mul__(self, weight: float) -> Weighted:
        if not isinstance(weight, Real):
            return NotImplemented
        return Weighted(self, float(weight))

    __rmul__ = __mul__

    def __add__(self, other: nn.Module) -> Sum:
        if not isinstance(other, nn.Module):
            return NotImplemented
        return Sum(*_flat(self), *_flat(other))

    def __radd__(self, other: nn.Module) -> Sum:
        if not isinstance(other, nn.Module):
            return NotImplemented
        return Sum(*_flat(other), *_flat(self))


class Wrapper(Composable):
    """A loss around others: what is asked of the whole is asked of them."""

    @abstractmethod
    def inner(self) -> Sequence[nn.Module]:
        """The losses inside."""

    @property
    def compares_samples(self) -> bool:
        """Whether one of them compares samples."""
        return any(getattr(loss, "compares_samples", False) for loss in self.inner())

    @property
    def hits(self) -> Tensor | None:
        """Those of the first loss that has classes to hit; None if none has."""
        found = (getattr(loss, "hits", None) for loss in self.inner())
        return next((hits for hits in found if hits is not None), None)

    @property
    def compared(self) -> int | None:
        """With how many classes that loss compared; None if none has classes to hit."""
        found = (loss for loss in self.inner() if getattr(loss, "hits", None) is not None)
        return getattr(next(found, None), "compared", None)

    def set_margin_fraction(self, fraction: float) -> None:
        """Scale the margin of every loss that has one, for a warm-up."""
        for loss in self.inner():
            scale: Callable[[float], None] | None = getattr(loss, "set_margin_fraction", None)
            if scale is not None:
                scale(fraction)


class Weighted(Wrapper):
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

    def inner(self) -> Sequence[nn.Module]:
        """The loss."""
        return (self.loss,)

    def extra_repr(self) -> str:
        """Show the weight."""
        return f"weight={self.weight:g}"

    def forward(self, embeddings: Tensor, labels: Tensor, anchors: Anchors = None) -> Tensor:
        """Weigh the loss; ``anchors`` as in ``EmbeddingLoss``."""
        value: Tensor = apply(self.loss, embeddings, labels, anchors)
        return self.weight * value


class Sum(Wrapper):
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

    def inner(self) -> Sequence[nn.Module]:
        """The terms."""
        return tuple(self.terms)

    def forward(self, embeddings: Tensor, labels: Tensor, anchors: Anchors = None) -> Tensor:
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


def _flat(loss: nn.Module) -> Sequence[nn.Module]:
    """The terms of a sum; any other loss by itself."""
    return tuple(loss.terms) if isinstance(loss, Sum) else (loss,)


def apply(loss: nn.Module, embeddings: Tensor, labels: Tensor, anchors: Anchors) -> Tensor:
    """Call ``loss`` on a batch of which some rows are new, and the others memory.

    A loss that compares samples sees them all; any other sees the new ones alone.
    """
    value: Tensor
    if anchors is None:
        value = loss(embeddings, labels)
    elif getattr(loss, "compares_samples", False):
        value = loss(embeddings, labels, anchors)
    else:
        new = embeddings[:anchors] if isinstance(anchors, int) else anchors
        value = loss(new, labels[: len(new)])
    return value
