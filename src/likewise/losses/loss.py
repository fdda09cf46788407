"""The base class of losses, and sums of losses: ``Triplet() + 0.003 * Center(...)``."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from numbers import Real
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from likewise.arguments import check_number
from likewise.errors import InputError
from likewise.losses.anchors import Anchors, apply, reference_set, zero_loss
from likewise.losses.sample_weights import ReductionName

__all__ = ["Anchors", "Loss", "Sum", "Weighted", "Wrapper", "apply", "as_loss", "zero_loss"]


class Loss(nn.Module):
    """A loss: ``loss(embeddings, labels, anchors=None, *, weights=None)``.

    Embeddings are [B, D], labels int64 [B], weights [B]. With ``l_i`` the loss of sample i, and
    ``w_i`` its weight or 1, a call returns ``Σ w_i·l_i / B`` (``reduction="mean"``),
    ``Σ w_i·l_i`` (``"sum"``), or ``w_i·l_i`` for each i, [B] (``"none"``).

    A subclass writes ``forward``, and overrides below what differs from the defaults. Losses can be
    added, and multiplied by a weight.

    Attributes:
        reduction: ``"mean"``, ``"none"`` or ``"sum"``; an argument of every constructor.
        needs_pairs: whether a batch teaches little unless some class has two samples in it.
    """

    needs_pairs: ClassVar[bool] = False
    reduction: ReductionName = "mean"
    _hits: Tensor | None = None
    _compared: int | None = None
    _paired: Tensor | None = None

    @property
    def hits(self) -> Tensor | None:
        """After a call, [B] bool: whether the nearest class is that of the label.

        None if the loss compares with no classes.
        """
        return self._hits

    @property
    def compared(self) -> int | None:
        """How many classes the last call compared with, so that chance hits one in that many.

        None if the loss compares with no classes.
        """
        return self._compared

    @property
    def paired(self) -> Tensor | None:
        """After a call, [] bool: whether some anchor had another sample of its class.

        None before the first call, and if samples are not compared with each other.
        """
        return self._paired

    @property
    def compares_samples(self) -> bool:
        """Whether samples are compared with each other, not only with class weights.

        Such a loss takes the argument ``anchors``, and can be extended by a memory.
        """
        return False

    def set_margin_fraction(self, fraction: float) -> None:
        """Scale the margin, for a warm-up: 0 is no margin, 1 the full one.

        Raises:
            InputError: a fraction outside [0, 1].
        """
        check_number("fraction", fraction, least=0, most=1)

    def __mul__(self, weight: float) -> Weighted:
        if not isinstance(weight, Real):
            return NotImplemented
        return Weighted(self, float(weight))

    __rmul__ = __mul__

    def __add__(self, other: nn.Module) -> Sum:
        if not isinstance(other, nn.Module):
            return NotImplemented
        return Sum(*_terms(self), *_terms(other))

    def __radd__(self, other: nn.Module) -> Sum:
        if not isinstance(other, nn.Module):
            return NotImplemented
        return Sum(*_terms(other), *_terms(self))


class _ForeignLoss(Loss):
    """A view of a module that is not a :class:`Loss`: its attributes, or the defaults of one."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._module = (module,)  # in a tuple: a view does not own it

    def _get(self, name: str) -> object:
        return getattr(self._module[0], name, None)

    @property
    def reduction(self) -> ReductionName:  # type: ignore[override]  # read from the module
        found = self._get("reduction")
        return found if found in ("none", "sum") else "mean"

    @property
    def hits(self) -> Tensor | None:
        return cast("Tensor | None", self._get("hits"))

    @property
    def compared(self) -> int | None:
        return cast("int | None", self._get("compared"))

    @property
    def paired(self) -> Tensor | None:
        return cast("Tensor | None", self._get("paired"))

    @property
    def compares_samples(self) -> bool:
        return bool(self._get("compares_samples"))

    def set_margin_fraction(self, fraction: float) -> None:
        own = self._get("set_margin_fraction")
        if callable(own):
            own(fraction)


def as_loss(module: nn.Module) -> Loss:
    """``module`` itself if it is a :class:`Loss`, else a view of it with the defaults of one.

    Any module that maps embeddings and labels to a scalar can be trained with, wrapped and summed.
    """
    return module if isinstance(module, Loss) else _ForeignLoss(module)


class Wrapper(Loss):
    """A loss around other losses; it hands their attributes on."""

    @abstractmethod
    def inner(self) -> Sequence[nn.Module]:
        """The losses inside."""

    def combine(self, values: Sequence[Tensor]) -> Tensor:
        """The loss from the values of the losses inside; only ``forward`` calls it."""
        raise NotImplementedError(f"{type(self).__name__}: must define combine() or forward()")

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
        """Call the losses inside; the arguments are those of ``EmbeddingLoss``.

        Raises:
            InputError: a reference set, but no loss inside compares samples.
        """
        against = reference_set(self, reference, reference_labels)
        return self.combine(
            [apply(loss, embeddings, labels, anchors, weights, against) for loss in self.inner()]
        )

    def _losses(self) -> list[Loss]:
        return [as_loss(loss) for loss in self.inner()]

    @property
    def compares_samples(self) -> bool:
        """Whether one of the losses compares samples."""
        return any(loss.compares_samples for loss in self._losses())

    @property
    def reduction(self) -> ReductionName:  # type: ignore[override]  # that of the losses
        """The reduction of the losses, which is the same for all."""
        return self._losses()[0].reduction

    @property
    def hits(self) -> Tensor | None:
        """The hits of the first loss that has them."""
        return next((loss.hits for loss in self._losses() if loss.hits is not None), None)

    @property
    def compared(self) -> int | None:
        """How many classes the loss of :attr:`hits` compared with."""
        return next((loss.compared for loss in self._losses() if loss.hits is not None), None)

    @property
    def paired(self) -> Tensor | None:
        """Whether all losses that compare samples had a pair."""
        found = [loss.paired for loss in self._losses()]
        pairs = [paired for paired in found if paired is not None]
        return torch.stack(pairs).all() if pairs else None

    def set_margin_fraction(self, fraction: float) -> None:
        """Scale the margin of every loss inside."""
        for loss in self._losses():
            loss.set_margin_fraction(fraction)


class Weighted(Wrapper):
    """``weight`` times a loss.

    Args:
        loss: any loss module, called with embeddings [B, D] and labels [B].
        weight: a finite number of at least 0.

    Raises:
        InputError: a weight that is negative or not finite.

    Example:
        >>> from likewise.losses import Center
        >>> (0.003 * Center(num_classes=10, embedding_dim=8)).weight
        0.003
    """

    def __init__(self, loss: nn.Module, weight: float) -> None:
        super().__init__()
        self.loss = loss
        self.weight = check_number("weight", weight, least=0)

    def inner(self) -> Sequence[nn.Module]:
        """The loss."""
        return (self.loss,)

    def extra_repr(self) -> str:
        """Show the weight."""
        return f"weight={self.weight:g}"

    def combine(self, values: Sequence[Tensor]) -> Tensor:
        """The loss, multiplied by the weight."""
        return self.weight * values[0]


class Sum(Wrapper):
    """The sum of losses, each weighted or plain.

    Args:
        terms: losses, or pairs of a weight and a loss.

    Raises:
        InputError: no terms, a term that is neither, or terms of different reductions.

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
            raise InputError("terms: none given; a sum needs at least one loss")
        self.terms = nn.ModuleList(_term(position, term) for position, term in enumerate(terms))
        found = {loss.reduction for loss in self._losses()}
        if len(found) > 1:
            raise InputError(
                f"reduction: {', '.join(sorted(found))}; all terms of a sum need the same one"
            )

    def inner(self) -> Sequence[nn.Module]:
        """The terms."""
        return tuple(self.terms)

    def combine(self, values: Sequence[Tensor]) -> Tensor:
        """The sum of the terms."""
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
        f"terms[{position}]: {type(term).__name__}; must be a loss, or a pair (weight, loss)"
    )


def _terms(loss: nn.Module) -> Sequence[nn.Module]:
    """The terms of a sum; of any other loss, the loss itself."""
    return tuple(loss.terms) if isinstance(loss, Sum) else (loss,)
