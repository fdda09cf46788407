"""Losses as plain loops over chosen pairs: of each anchor the rows P(i) and N(i) of a second set.

Slow on purpose, as in ``reference.py``; here the pairs are given, so that miners and reference sets
can be tested.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from likewise.losses import (
    Circle,
    Contrastive,
    MultiSimilarity,
    NTXent,
    SiameseClassifier,
    SupCon,
    Triplet,
)
from likewise.mining import MinerChoice
from tests.losses.pairs.reference import cosine, euclidean, log1p, mean, plus, unit

Rows = list[list[int]]
DIMENSION = 4


def total(terms: list[Tensor], z: Tensor) -> Tensor:
    return sum(terms, start=z.new_zeros(()))


def contrastive(q: Tensor, r: Tensor, P: Rows, N: Rows, _: nn.Module) -> Tensor:
    terms = []
    for i in range(len(q)):
        terms += [euclidean(unit(q[i]), unit(r[p])) ** 2 / 2 for p in P[i]]
        terms += [plus(1.0 - euclidean(unit(q[i]), unit(r[n]))) ** 2 / 2 for n in N[i]]
    return mean(terms, q)


def siamese(q: Tensor, r: Tensor, P: Rows, N: Rows, loss: nn.Module) -> Tensor:
    terms = []
    for i in range(len(q)):
        for j in P[i] + N[i]:
            score = (loss.alpha * (q[i] - r[j]).abs()).sum() + loss.beta
            terms.append(log1p(torch.exp(-score if j in P[i] else score)))
    return mean(terms, q)


def ntxent(q: Tensor, r: Tensor, P: Rows, N: Rows, _: nn.Module) -> Tensor:
    terms = []
    for i in range(len(q)):
        rest = total([torch.exp(cosine(q[i], r[n]) / 0.2) for n in N[i]], q)
        for p in P[i]:
            own = torch.exp(cosine(q[i], r[p]) / 0.2)
            terms.append(-torch.log(own / (own + rest)))
    return mean(terms, q)


def supcon(q: Tensor, r: Tensor, P: Rows, N: Rows, _: nn.Module) -> Tensor:
    terms = []
    for i in range(len(q)):
        if P[i] and N[i]:
            everyone = total([torch.exp(cosine(q[i], r[a]) / 0.2) for a in P[i] + N[i]], q)
            each = [torch.log(torch.exp(cosine(q[i], r[p]) / 0.2) / everyone) for p in P[i]]
            terms.append(-total(each, q) / len(P[i]))
    return mean(terms, q)


def circle(q: Tensor, r: Tensor, P: Rows, N: Rows, _: nn.Module) -> Tensor:
    terms = []
    for i in range(len(q)):
        if P[i] and N[i]:
            s = {j: cosine(q[i], r[j]) for j in P[i] + N[i]}
            fixed = {j: value.detach() for j, value in s.items()}
            push = [torch.exp(20 * plus(fixed[n] + 0.25) * (s[n] - 0.25)) for n in N[i]]
            pull = [torch.exp(-20 * plus(1.25 - fixed[p]) * (s[p] - 0.75)) for p in P[i]]
            terms.append(log1p(total(push, q) * total(pull, q)))
    return mean(terms, q)


def multi_similarity(q: Tensor, r: Tensor, P: Rows, N: Rows, _: nn.Module) -> Tensor:
    terms = []
    for i in range(len(q)):
        pull = total([torch.exp(-2 * (cosine(q[i], r[p]) - 0.5)) for p in P[i]], q)
        push = total([torch.exp(50 * (cosine(q[i], r[n]) - 0.5)) for n in N[i]], q)
        terms.append(log1p(pull) / 2 + log1p(push) / 50)
    return mean(terms, q)


def hinges(q: Tensor, r: Tensor, P: Rows, N: Rows) -> list[tuple[Tensor, Tensor]]:
    """Hinge and ``d(a,n) - d(a,p)`` of all triplets."""
    found = []
    for i in range(len(q)):
        d = [euclidean(unit(q[i]), unit(row)) for row in r]
        found += [(plus(0.3 + d[p] - d[n]), d[n] - d[p]) for p in P[i] for n in N[i]]
    return found


def triplets(q: Tensor, r: Tensor, P: Rows, N: Rows, _: nn.Module) -> Tensor:
    """The mean over all triplets of the pairs, also those with a hinge of zero."""
    return mean([hinge for hinge, _ in hinges(q, r, P, N)], q)


def batch_all(q: Tensor, r: Tensor, P: Rows, N: Rows, _: nn.Module) -> Tensor:
    return mean([hinge for hinge, _ in hinges(q, r, P, N) if hinge > 0], q)


def semi_hard(q: Tensor, r: Tensor, P: Rows, N: Rows, _: nn.Module) -> Tensor:
    return mean([h for h, gap in hinges(q, r, P, N) if h > 0 and gap > 0], q)


def batch_hard(q: Tensor, r: Tensor, P: Rows, N: Rows, _: nn.Module) -> Tensor:
    terms = []
    for i in range(len(q)):
        if P[i] and N[i]:
            d = [euclidean(unit(q[i]), unit(row)) for row in r]
            terms.append(plus(0.3 + max(d[p] for p in P[i]) - min(d[n] for n in N[i])))
    return mean(terms, q)


@dataclass
class Selected:
    """``make(miner)`` gives the loss, ``loop`` its value on chosen pairs."""

    name: str
    make: Callable[[MinerChoice], nn.Module]
    loop: Callable[[Tensor, Tensor, Rows, Rows, nn.Module], Tensor]

    def __str__(self) -> str:
        return self.name


MINED = [
    Selected("contrastive", lambda m: Contrastive(miner=m), contrastive),
    Selected("siamese", lambda m: SiameseClassifier(embedding_dim=DIMENSION, miner=m), siamese),
    Selected("ntxent", lambda m: NTXent(temperature=0.2, miner=m), ntxent),
    Selected("supcon", lambda m: SupCon(temperature=0.2, miner=m), supcon),
    Selected("circle", lambda m: Circle(gamma=20, miner=m), circle),
    Selected("multi_similarity", lambda m: MultiSimilarity(miner=m), multi_similarity),
    Selected("triplet", lambda m: Triplet(margin=0.3, miner=m), triplets),
]
WHOLE = [
    *MINED[:-1],
    Selected("triplet-batch_all", lambda _: Triplet(margin=0.3), batch_all),
    Selected("triplet-semi_hard", lambda _: Triplet(margin=0.3, miner="semi_hard"), semi_hard),
    Selected("triplet-batch_hard", lambda _: Triplet(margin=0.3, miner="batch_hard"), batch_hard),
]


def scene(seed: int, size: int = 9, classes: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(size, DIMENSION, generator=generator, dtype=torch.float64)
    return z.requires_grad_(), torch.randint(0, classes, (size,), generator=generator)


def rows_of(mask: Tensor) -> Rows:
    return [row.nonzero()[:, 0].tolist() for row in mask]


def assert_equal(ours: Tensor, loop: Tensor, leaves: list[Tensor]) -> None:
    torch.testing.assert_close(ours, loop, rtol=1e-10, atol=1e-10)
    both = (torch.autograd.grad(v, leaves, allow_unused=True) for v in (ours, loop))
    for a, b in zip(*both, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)
