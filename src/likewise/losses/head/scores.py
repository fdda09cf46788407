"""Cosines of embeddings with all classes, as a matrix, for prediction and for losses of one's own.

The loss itself never holds this matrix: see ``fused.py``.
"""

from __future__ import annotations

from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from likewise.distances.similarity import unit_and_length
from likewise.losses.checks import check_embeddings, check_rows_finite
from likewise.losses.head.target_logits import safe_norm

__all__ = [
    "ClassScores",
    "ScoredHead",
    "class_cosines",
    "cosines_of",
    "in_full_precision",
    "logits_of",
]


class ScoredHead(Protocol):
    """What a head defines of its logits; see :class:`~likewise.losses.Head`."""

    memory_budget: int
    subcenters: int
    unit_weights: ClassVar[bool]
    weight: nn.Parameter

    def unmargined(self, cosine: Tensor) -> Tensor:
        """Map cosines without a margin."""

    def scales(self, norms: Tensor) -> Tensor:
        """Scale of each row."""

    def offset(self) -> Tensor:
        """Added to every logit."""


class _SampledHead(ScoredHead, Protocol):
    @property
    def sampler(self) -> object | None:
        """Draws the classes of a step; None if all take part."""


class ClassScores:
    """The part of a head that compares embeddings with all classes."""

    def cosines(self: _SampledHead, embeddings: Tensor) -> Tensor:
        """Cosines of embeddings [B, D] with each class [B, C], the nearest sub-centre counting.

        Computed in blocks of classes within ``memory_budget``; the result itself takes B·C
        numbers, so give as many rows at a time as fit. It is differentiable; sampled class
        weights have no gradient here. A rank that owns a part of the classes gives their columns.

        Raises:
            InputError: a wrong shape, dtype or device, or embeddings that are not finite.
        """
        return cosines_of(self, embeddings, _whole_weight(self), type(self).__name__)[0]

    def logits(self: _SampledHead, embeddings: Tensor) -> Tensor:
        """Logits of embeddings [B, D] for each class [B, C]: scaled, with the bias, no margin.

        As for :meth:`cosines`. At a margin fraction of 0 the loss is the loss of these logits.
        """
        return logits_of(self, embeddings, _whole_weight(self), type(self).__name__)


def _whole_weight(head: _SampledHead) -> Tensor:
    # A dense gradient of weights that are sampled would not fit beside them.
    return head.weight if head.sampler is None else head.weight.detach()


def logits_of(head: ScoredHead, embeddings: Tensor, weight: Tensor, name: str) -> Tensor:
    """Logits [B, C] of embeddings [B, D] with the weights [C·K, D]; see ``Head.logits``."""
    cosines, norms = cosines_of(head, embeddings, weight, name)
    logits = head.unmargined(cosines) * head.scales(norms)[:, None]
    if not head.unit_weights:
        logits = logits * safe_norm(weight.to(logits.dtype))
    return logits + head.offset().to(logits)


def cosines_of(
    head: ScoredHead, embeddings: Tensor, weight: Tensor, name: str
) -> tuple[Tensor, Tensor]:
    """Cosines [B, C] of embeddings [B, D] with the weights [C·K, D], and lengths [B].

    ``name`` is that of the loss, for the message of an error.
    """
    embeddings = in_full_precision(name, embeddings, weight)
    return class_cosines(
        embeddings, weight, subcenters=head.subcenters, memory_budget=head.memory_budget
    )


def in_full_precision(name: str, embeddings: Tensor, weight: Tensor) -> Tensor:
    """Embeddings [B, D] in float32, or in float64 if they or the weights are; checked.

    Raises:
        InputError: names the loss and the shape, the dtype, the device or the row.
    """
    check_embeddings(name, embeddings, weight)
    check_rows_finite(name, embeddings.detach())
    dtype = torch.promote_types(embeddings.dtype, weight.dtype)
    return embeddings.to(torch.promote_types(dtype, torch.float32))


def class_cosines(
    embeddings: Tensor, weight: Tensor, *, subcenters: int = 1, memory_budget: int = 2**29
) -> tuple[Tensor, Tensor]:
    """Cosines of embeddings [B, D] with each class [B, C], and the lengths of embeddings [B].

    Differentiable any number of times. The classes are compared in blocks, so that beside the
    result no more than about ``memory_budget`` bytes are in use; the weights are not copied.

    Args:
        embeddings: [B, D], of the dtype in which to compute.
        weight: class weights [C·K, D]; the K rows of a class are contiguous.
        subcenters: K; the cosine of a class is the largest one to its rows.
        memory_budget: the most bytes of one block of cosines.
    """
    with torch.autocast(embeddings.device.type, enabled=False):
        unit, norms = unit_and_length(embeddings)
        classes = len(weight) // subcenters
        row_bytes = max(1, len(unit)) * subcenters + subcenters * weight.shape[1]
        step = max(1, memory_budget // (row_bytes * unit.element_size()))
        if step >= classes:
            return _block(unit, weight, subcenters), norms
        cosines = unit.new_empty(len(unit), classes)
        for start in range(0, classes, step):
            stop = min(start + step, classes)
            rows = weight[start * subcenters : stop * subcenters]
            cosines[:, start:stop] = _block(unit, rows, subcenters)
        return cosines, norms


def _block(unit: Tensor, rows: Tensor, subcenters: int) -> Tensor:
    """Cosines [B, J] with the classes of some weight rows [J·K, D]."""
    rows = rows.to(unit.dtype)
    cosines = (unit @ rows.T) / safe_norm(rows)
    if subcenters == 1:
        return cosines
    return cosines.view(len(unit), -1, subcenters).amax(-1)
