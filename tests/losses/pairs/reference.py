"""The pair, triplet and centre losses as plain loops, straight from their formulas.

Slow on purpose, and independent of the library: torch scalars are used only so that autograd can
give the gradients of the formulas too. Every function takes embeddings ``z`` [B, D] and a list of
labels ``y``; anchors are all samples. ``over`` makes the loss of the terms of the anchors: their
mean, or what weights of samples and reductions make of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

Distance = Callable[[Tensor, Tensor], Tensor]


def norm(x: Tensor) -> Tensor:
    square = sum((v * v for v in x), start=x.new_zeros(()))
    return square.sqrt() if square > 0 else square  # the subgradient at zero is 0


def unit(x: Tensor) -> Tensor:
    length = norm(x)
    return x / length if length > 0 else 0 * x


def dot(x: Tensor, y: Tensor) -> Tensor:
    return sum((a * b for a, b in zip(x, y, strict=True)), start=x.new_zeros(()))


def cosine(x: Tensor, y: Tensor) -> Tensor:
    return dot(unit(x), unit(y))


def euclidean(x: Tensor, y: Tensor) -> Tensor:
    return norm(x - y)


def manhattan(x: Tensor, y: Tensor) -> Tensor:
    return sum((abs(a - b) for a, b in zip(x, y, strict=True)), start=x.new_zeros(()))


def plus(x: Tensor) -> Tensor:
    return x if x > 0 else 0 * x


def log1p(x: Tensor) -> Tensor:
    return torch.log(1 + x)


def mean(terms: list[Tensor], z: Tensor) -> Tensor:
    """Of no terms at all: zero, with gradient zero."""
    return sum(terms, start=0 * z.sum()) / max(len(terms), 1)


class Over:
    """The mean over ``count`` terms (by default all), each of an anchor with this weight."""

    def __init__(self, weights: Tensor | None = None) -> None:
        self.weights = weights

    def __call__(
        self, terms: list[tuple[int, Tensor]], z: Tensor, count: int | None = None
    ) -> Tensor:
        weighed = [x if self.weights is None else self.weights[i] * x for i, x in terms]
        return sum(weighed, start=0 * z.sum()) / max(len(terms) if count is None else count, 1)


class Rows(Over):
    """The part of each anchor in the mean, times B: [B]."""

    def __call__(
        self, terms: list[tuple[int, Tensor]], z: Tensor, count: int | None = None
    ) -> Tensor:
        rows = [sum((x for j, x in terms if j == i), start=0 * z.sum()) for i in range(len(z))]
        return torch.stack(rows) * len(z) / max(len(terms) if count is None else count, 1)


MEAN = Over()


def positives(y: list[int], i: int) -> list[int]:
    return [j for j in range(len(y)) if j != i and y[j] == y[i]]


def negatives(y: list[int], i: int) -> list[int]:
    return [j for j in range(len(y)) if y[j] != y[i]]


def pairs(y: list[int]) -> Iterator[tuple[int, int]]:
    return ((i, j) for i in range(len(y)) for j in range(len(y)) if i != j)


def contrastive(
    z: Tensor, y: list[int], *, margin: float, d: Distance = euclidean, over: Over = MEAN
) -> Tensor:
    terms = []
    for i, j in pairs(y):
        distance = d(z[i], z[j])
        if y[i] == y[j]:
            terms.append((i, distance**2 / 2))
        else:
            terms.append((i, plus(margin - distance) ** 2 / 2))
    return over(terms, z)


def siamese_classifier(
    z: Tensor, y: list[int], *, alpha: Tensor, beta: Tensor, over: Over = MEAN
) -> Tensor:
    terms = []
    for i, j in pairs(y):
        score = sum((a * abs(p - q) for a, p, q in zip(alpha, z[i], z[j], strict=True)), start=beta)
        probability = 1 / (1 + torch.exp(-score))
        terms.append((i, -torch.log(probability if y[i] == y[j] else 1 - probability)))
    return over(terms, z)


def triplet(
    z: Tensor,
    y: list[int],
    *,
    margin: float | None,
    mining: str,
    d: Distance = euclidean,
    over: Over = MEAN,
) -> Tensor:
    """``margin`` None: the soft form. ``d`` may be a squared distance."""
    terms = []
    table = [[d(a, b) for b in z] for a in z]

    def term(a: int, p: int, n: int) -> Tensor:
        if margin is None:
            return log1p(torch.exp(table[a][p] - table[a][n]))
        return plus(margin + table[a][p] - table[a][n])

    for a in range(len(y)):
        P, N = positives(y, a), negatives(y, a)
        if not P or not N:
            continue
        far = max(P, key=lambda p: table[a][p])
        near = min(P, key=lambda p: table[a][p])
        hard = min(N, key=lambda n: table[a][n])
        if mining == "batch_hard":
            terms.append((a, term(a, far, hard)))
        elif mining == "easy_positive":
            terms.append((a, term(a, near, hard)))
        elif mining == "batch_all":
            terms += [(a, t) for p in P for n in N if (t := term(a, p, n)) > 0]
        elif mining == "semi_hard":
            assert margin is not None
            terms += [
                (a, term(a, p, n))
                for p in P
                for n in N
                if table[a][p] < table[a][n] < table[a][p] + margin
            ]
    return over(terms, z)


def center(z: Tensor, y: list[int], *, centers: Tensor, over: Over = MEAN) -> Tensor:
    return over([(i, norm(z[i] - centers[y[i]]) ** 2 / 2) for i in range(len(y))], z)


def centers_after(z: Tensor, y: list[int], *, centers: Tensor, alpha: float) -> Tensor:
    moved = centers.clone()
    for j in range(len(centers)):
        members = [i for i in range(len(y)) if y[i] == j]
        delta = sum((centers[j] - z[i] for i in members), start=0 * centers[j])
        moved[j] = centers[j] - alpha * delta / (1 + len(members))
    return moved


def circle(z: Tensor, y: list[int], *, margin: float, gamma: float, over: Over = MEAN) -> Tensor:
    terms = []
    for i in range(len(y)):
        P, N = positives(y, i), negatives(y, i)
        if not P or not N:
            continue
        push = pull = z.new_zeros(())
        for n in N:
            s = cosine(z[i], z[n])
            push = push + torch.exp(gamma * plus(s.detach() + margin) * (s - margin))
        for p in P:
            s = cosine(z[i], z[p])
            pull = pull + torch.exp(-gamma * plus(1 + margin - s.detach()) * (s - 1 + margin))
        terms.append((i, log1p(push * pull)))
    return over(terms, z)


def multi_similarity(
    z: Tensor,
    y: list[int],
    *,
    alpha: float,
    beta: float,
    base: float,
    epsilon: float | None,
    over: Over = MEAN,
) -> Tensor:
    terms = []
    for i in range(len(y)):
        P = [cosine(z[i], z[p]) for p in positives(y, i)]
        N = [cosine(z[i], z[n]) for n in negatives(y, i)]
        if epsilon is not None:
            least = min(P, default=float("inf"))
            most = max(N, default=-float("inf"))
            P = [s for s in P if s < most + epsilon]
            N = [s for s in N if s > least - epsilon]
        pull = sum((torch.exp(-alpha * (s - base)) for s in P), start=z.new_zeros(()))
        push = sum((torch.exp(beta * (s - base)) for s in N), start=z.new_zeros(()))
        terms.append((i, log1p(pull) / alpha + log1p(push) / beta))
    return over(terms, z)


def proxy_nca(
    z: Tensor, y: list[int], *, proxies: Tensor, scale: float = 1.0, over: Over = MEAN
) -> Tensor:
    terms = []
    for i in range(len(y)):
        near = [torch.exp(-scale * euclidean(unit(z[i]), unit(p)) ** 2) for p in proxies]
        others = [e for j, e in enumerate(near) if j != y[i]]
        if others:
            terms.append((i, -torch.log(near[y[i]] / sum(others))))
    return over(terms, z)


def proxy_anchor(
    z: Tensor,
    y: list[int],
    *,
    proxies: Tensor,
    alpha: float,
    delta: float,
    over: Over = MEAN,
) -> Tensor:
    """The term of a proxy belongs to the samples in it, in equal parts."""
    pull, push = [], []
    for j, proxy in enumerate(proxies):
        own = [i for i in range(len(y)) if y[i] == j]
        other = [i for i in range(len(y)) if y[i] != j]
        if own:
            near = log1p(sum(torch.exp(-alpha * (cosine(z[i], proxy) - delta)) for i in own))
            pull += [(i, near / len(own)) for i in own]
        if other:
            far = log1p(sum(torch.exp(alpha * (cosine(z[i], proxy) + delta)) for i in other))
            push += [(i, far / len(other)) for i in other]
    return over(pull, z, len(set(y))) + over(push, z, len(proxies))


def supcon(
    z: Tensor,
    y: list[int],
    *,
    temperature: float,
    smoothing: float = 0.0,
    over: Over = MEAN,
) -> Tensor:
    """With the targets of each anchor written out: positives, and a part for everyone."""
    terms = []
    for i in range(len(y)):
        P = positives(y, i)
        if not P or not negatives(y, i):
            continue
        everyone = P + negatives(y, i)
        total = sum(torch.exp(cosine(z[i], z[a]) / temperature) for a in everyone)
        inner = []
        for a in everyone:
            target = smoothing / len(everyone) + (1 - smoothing) / len(P) * (a in P)
            inner.append(target * torch.log(torch.exp(cosine(z[i], z[a]) / temperature) / total))
        terms.append((i, -sum(inner)))
    return over(terms, z)


def ntxent(
    z: Tensor,
    y: list[int],
    *,
    temperature: float,
    smoothing: float = 0.0,
    over: Over = MEAN,
) -> Tensor:
    """With the targets of each pair written out: the positive, and a part for it and negatives."""
    terms = []
    for i in range(len(y)):
        N = negatives(y, i)
        for p in positives(y, i):
            e = {a: torch.exp(cosine(z[i], z[a]) / temperature) for a in [p, *N]}
            total = sum(e.values())
            inner = []
            for a, own in e.items():
                target = smoothing / len(e) + (1 - smoothing) * (a == p)
                inner.append(target * torch.log(own / total))
            terms.append((i, -sum(inner)))
    return over(terms, z)
