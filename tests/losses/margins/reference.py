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


def airface(margin: float = 0.45, scale: float = 64.0) -> Row:
    def row(z: Tensor, W: Tensor, y: int) -> Tensor:
        theta = [cosine(z, w).acos() for w in W]
        others = [scale * (math.pi - 2 * t) / math.pi for j, t in enumerate(theta) if j != y]
        return cross_entropy(scale * (math.pi - 2 * (theta[y] + margin)) / math.pi, others)

    return row


def combined(m1: float = 1.0, m2: float = 0.3, m3: float = 0.2, scale: float = 64.0) -> Row:
    def target(c: Tensor) -> Tensor:
        phase = m1 * c.acos() + m2
        return (phase.cos() if phase <= math.pi else -2 - phase.cos()) - m3

    return margin_softmax(target, scale)


def subcenter_arcface(margin: float = 0.5, scale: float = 64.0, subcenters: int = 3) -> Row:
    def row(z: Tensor, W: Tensor, y: int) -> Tensor:
        c = [
            max((cosine(z, w) for w in W[j : j + subcenters]), key=Tensor.item)
            for j in range(0, len(W), subcenters)
        ]
        others = [scale * x for j, x in enumerate(c) if j != y]
        return cross_entropy(scale * shifted(c[y], margin), others)

    return row


def psi(c: Tensor, m: int) -> Tensor:
    theta = c.acos()
    k = next(k for k in range(m) if theta <= (k + 1) * math.pi / m)
    return (-1) ** k * (m * theta).cos() - 2 * k


def annealed(c: Tensor, m: int, lam: float) -> Tensor:
    return (lam * c + psi(c, m)) / (1 + lam)


def sphereface(margin: int = 4, lam: float = 1000.0) -> Row:
    def row(z: Tensor, W: Tensor, y: int) -> Tensor:
        others = [length(z) * cosine(z, w) for j, w in enumerate(W) if j != y]
        return cross_entropy(length(z) * annealed(cosine(z, W[y]), margin, lam), others)

    return row


def lsoftmax(margin: int = 4, lam: float = 1000.0) -> Row:
    def row(z: Tensor, W: Tensor, y: int) -> Tensor:
        others = [dot(z, w) for j, w in enumerate(W) if j != y]
        target = length(W[y]) * length(z) * annealed(cosine(z, W[y]), margin, lam)
        return cross_entropy(target, others)

    return row


def adaface(mean: float, deviation: float, margin: float = 0.4, scale: float = 64.0) -> Row:
    """``mean`` and ``deviation`` are those of the lengths, after the batch has moved them."""

    def row(z: Tensor, W: Tensor, y: int) -> Tensor:
        norm = min(max(length(z).item(), 0.001), 100.0)
        quality = min(max(0.333 * (norm - mean) / (deviation + 1e-3), -1.0), 1.0)
        theta = cosine(z, W[y]).acos() - margin * quality
        theta = theta.clamp(1e-3, math.pi - 1e-3)
        others = [scale * cosine(z, w) for j, w in enumerate(W) if j != y]
        return cross_entropy(scale * (theta.cos() - (margin + margin * quality)), others)

    return row


def magface(scale: float = 64.0) -> Row:
    def row(z: Tensor, W: Tensor, y: int) -> Tensor:
        a = length(z).clamp(10, 110)
        m = 0.45 + (0.8 - 0.45) * (a - 10) / (110 - 10)
        phase = cosine(z, W[y]).acos() + m
        target = phase.cos() if phase <= math.pi else -2 - phase.cos()
        others = [scale * cosine(z, w) for j, w in enumerate(W) if j != y]
        return cross_entropy(scale * target, others) + 35 * (1 / a + a / 110**2)

    return row


def curricularface(t: float, margin: float = 0.5, scale: float = 64.0) -> Row:
    """``t`` is the one after the batch has moved it."""

    def row(z: Tensor, W: Tensor, y: int) -> Tensor:
        target = shifted(cosine(z, W[y]), margin)
        c = [cosine(z, w) for j, w in enumerate(W) if j != y]
        others = [scale * x if x <= target else scale * x * (t + x) for x in c]
        return cross_entropy(scale * target, others)

    return row


def sphereface2(bias: Tensor, lam: float = 0.7, r: float = 40.0, m: float = 0.4) -> Row:
    def g(x: Tensor) -> Tensor:
        return 2 * ((x + 1) / 2) ** 3 - 1

    def row(z: Tensor, W: Tensor, y: int) -> Tensor:
        positive = (1 + (-r * (g(cosine(z, W[y])) - m) - bias).exp()).log()
        negatives = [
            (1 + (r * (g(cosine(z, w)) + m) + bias).exp()).log() for j, w in enumerate(W) if j != y
        ]
        return lam / r * positive + (1 - lam) / r * sum(negatives)

    return row


def uniface(bias: Tensor, margin: float = 0.4, s: float = 64.0) -> Row:
    def row(z: Tensor, W: Tensor, y: int) -> Tensor:
        positive = (1 + (-s * (cosine(z, W[y]) - margin) + bias).exp()).log()
        negatives = [(1 + (s * cosine(z, w) - bias).exp()).log() for j, w in enumerate(W) if j != y]
        return positive + sum(negatives)

    return row
