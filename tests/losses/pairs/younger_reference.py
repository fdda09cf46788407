"""The younger losses on pairs and proxies as plain loops, as ``reference.py`` has the others."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from tests.losses.pairs.reference import (
    MEAN,
    Over,
    cosine,
    euclidean,
    log1p,
    negatives,
    plus,
    positives,
    unit,
)


def margin_loss(
    z: Tensor,
    y: list[int],
    *,
    beta: Tensor,
    margin: float = 0.2,
    nu: float = 0.0,
    per_class: bool = False,
    triplets: Iterable[tuple[int, int, int]] | str = "all",
    over: Over = MEAN,
) -> Tensor:
    """``triplets``: those mined, or ``batch_hard``, or ``all`` for all pairs, each once."""
    z = torch.stack([unit(row) for row in z])
    d = [[euclidean(a, b) for b in z] for a in z]
    pulled: list[tuple[int, int]] = []
    pushed: list[tuple[int, int]] = []
    regularised: list[int] = []
    if triplets == "batch_hard":
        triplets = [
            (a, max(P, key=lambda p: d[a][p]), min(N, key=lambda n: d[a][n]))
            for a in range(len(y))
            if (P := positives(y, a)) and (N := negatives(y, a))
        ]
    if triplets == "all":
        for a in range(len(y)):
            pulled += [(a, p) for p in positives(y, a)]
            pushed += [(a, n) for n in negatives(y, a)]
            regularised += [a] * len(positives(y, a) + negatives(y, a))
    else:
        for a, p, n in triplets:
            pulled.append((a, p))
            pushed.append((a, n))
            regularised.append(a)

    def edge(a: int) -> Tensor:
        return beta[y[a]] if per_class else beta[0]

    terms = [(a, plus(margin + d[a][p] - edge(a))) for a, p in pulled]
    terms += [(a, plus(margin + edge(a) - d[a][n])) for a, n in pushed]
    active = sum(int(term > 0) for _, term in terms)
    if active:
        terms += [(a, nu * edge(a)) for a in regularised]
    return over(terms, z, active)


def smooth_ap(
    z: Tensor,
    y: list[int],
    *,
    temperature: float,
    query_counts: bool = False,
    over: Over = MEAN,
) -> Tensor:
    terms = []
    for q in range(len(y)):
        own = [q] if query_counts else []
        P = own + positives(y, q)
        everyone = P + negatives(y, q)
        if len(P) == len(own) or len(P) == len(everyone):
            continue
        s = {j: cosine(z[q], z[j]) for j in everyone}

        def rank(i: int, members: list[int], s: dict[int, Tensor] = s) -> Tensor:
            return 1 + sum(
                (1 / (1 + torch.exp((s[i] - s[j]) / temperature)) for j in members if j != i),
                start=z.new_zeros(()),
            )

        precision = sum(rank(i, P) / rank(i, everyone) for i in P) / len(P)
        terms.append((q, 1 - precision))
    return over(terms, z)


def soft_triple(
    z: Tensor,
    y: list[int],
    *,
    proxies: Tensor,
    centers: int,
    scale: float,
    gamma: float,
    margin: float,
    tau: float,
    over: Over = MEAN,
) -> Tensor:
    groups = [proxies[j : j + centers] for j in range(0, len(proxies), centers)]
    apart = z.new_zeros(())
    if centers > 1:
        apart = sum(
            torch.sqrt(2 + 1e-5 - 2 * cosine(group[k], group[m]))
            for group in groups
            for k in range(centers)
            for m in range(k + 1, centers)
        ) / (len(groups) * centers * (centers - 1))
    terms = []
    for i in range(len(y)):
        logits = []
        for j, group in enumerate(groups):
            s = [cosine(z[i], w) for w in group]
            shares = [torch.exp(c / gamma) for c in s]
            similarity = sum(q * c for q, c in zip(shares, s, strict=True)) / sum(shares)
            logits.append(scale * (similarity - (margin if j == y[i] else 0)))
        total = sum(torch.exp(logit) for logit in logits)
        terms.append((i, tau * apart - torch.log(torch.exp(logits[y[i]]) / total)))
    return over(terms, z)


def proxy_nca_pp(
    z: Tensor, y: list[int], *, proxies: Tensor, temperature: float, over: Over = MEAN
) -> Tensor:
    terms = []
    for i in range(len(y)):
        near = [torch.exp(-(euclidean(unit(z[i]), unit(p)) ** 2) / temperature) for p in proxies]
        terms.append((i, -torch.log(near[y[i]] / sum(near))))
    return over(terms, z)


def multi_similarity_published(
    z: Tensor, y: list[int], *, alpha: float = 2.0, beta: float = 40.0, base: float = 0.5
) -> Tensor:
    """As the authors' code counts: no positives of similarity 1, and no anchor without pairs."""
    total = 0 * z.sum()
    for i in range(len(y)):
        s = [cosine(z[i], other) for other in z]
        same = [s[j] for j in range(len(y)) if y[j] == y[i] and s[j] < 1 - 1e-5]
        different = [s[j] for j in range(len(y)) if y[j] != y[i]]
        if not same or not different:
            continue
        P = [c for c in same if c - 0.1 < max(different)]
        N = [c for c in different if c + 0.1 > min(same)]
        if P and N:
            total = total + log1p(sum(torch.exp(-alpha * (c - base)) for c in P)) / alpha
            total = total + log1p(sum(torch.exp(beta * (c - base)) for c in N)) / beta
    return total / len(y)
