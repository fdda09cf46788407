"""The softmax family straight from its formulas: one row, one class, one number at a time.

Numbers are zero-dimensional tensors only so that autograd can give the gradient of a formula.
``z`` is one embedding [D], ``W`` the class weights, ``y`` its label.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor

Row = Callable[[Tensor, Tensor, int], Tensor]


def length(v: Tensor) -> Tensor:
    return sum(x * x for x in v).sqrt()


def dot(a: Tensor, b: Tensor) -> Tensor:
    return sum(x * y for x, y in zip(a, b, strict=True))


def cosine(z: Tensor, w: Tensor) -> Tensor:
    return dot(z, w) / (length(z) * length(w))


def cross_entropy(target: Tensor, others: list[Tensor]) -> Tensor:
    return (target.exp() + sum(other.exp() for other in others)).log() - target


def mean(row: Row) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The loss of a batch: the mean of the losses of its rows."""

    def loss(embeddings: Tensor, W: Tensor, labels: Tensor) -> Tensor:
        rows = zip(embeddings, labels, strict=True)
        return sum(row(z, W, int(y)) for z, y in rows) / len(labels)

    return loss


def margin_softmax(target: Callable[[Tensor], Tensor], scale: float) -> Row:
    """Cross-entropy over s·target(cos θ_y) and s·cos θ_j."""

    def row(z: Tensor, W: Tensor, y: int) -> Tensor:
        others = [scale * cosine(z, w) for j, w in enumerate(W) if j != y]
        return cross_entropy(scale * target(cosine(z, W[y])), others)

    return row


def softmax(bias: Tensor) -> Row:
    def row(z: Tensor, W: Tensor, y: int) -> Tensor:
        logits = [dot(z, w) + b for w, b in zip(W, bias, strict=True)]
        return cross_entropy(logits[y], logits[:y] + logits[y + 1 :])

    return row


def shifted(c: Tensor, m: float) -> Tensor:
    """cos(θ + m), and -2 - cos(θ + m) past π."""
    phase = c.acos() + m
    return phase.cos() if phase <= math.pi else -2 - phase.cos()


def normalized_softmax(scale: float = 64.0) -> Row:
    return margin_softmax(lambda c: c, scale)


def cosface(margin: float = 0.35, scale: float = 64.0) -> Row:
    return margin_softmax(lambda c: c - margin, scale)


def arcface(margin: float = 0.5, scale: float = 64.0) -> Row:
    return margin_softmax(lambda c: shifted(c, margin), scale)
