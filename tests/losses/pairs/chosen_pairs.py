"""The plain loops on chosen pairs: only the first rows are anchors, or a miner keeps few pairs.

The loops ask ``positives`` and ``negatives`` what an anchor is compared with. Here these answer
otherwise, and so the loops stay as they are written for a whole batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import torch
from torch import Tensor

from tests.losses.pairs import reference, younger_reference
from tests.losses.pairs.reference import Over

Columns = list[list[int]]
"""Of each anchor, the columns of the samples that it is compared with."""


@contextmanager
def comparing(same: Columns, different: Columns) -> Iterator[None]:
    """Within, the loops compare row i with ``same[i]`` and ``different[i]`` alone."""

    def positives(_y: list[int], i: int) -> list[int]:
        return list(same[i])

    def negatives(_y: list[int], i: int) -> list[int]:
        return list(different[i])

    def pairs(_y: list[int]) -> Iterator[tuple[int, int]]:
        return ((i, j) for i in range(len(same)) for j in sorted(same[i] + different[i]))

    with ExitStack() as stack:
        for module in (reference, younger_reference):
            stack.enter_context(patch.object(module, "positives", positives))
            stack.enter_context(patch.object(module, "negatives", negatives))
        stack.enter_context(patch.object(reference, "pairs", pairs))
        yield


def against_reference(y: list[int], of: list[int]) -> tuple[Columns, Columns]:
    """Anchors of the labels ``y``, followed by a reference set of the labels ``of``."""
    start, nobody = len(y), [[] for _ in of]
    columns = range(start, start + len(of))
    same = [[j for j in columns if of[j - start] == label] for label in y]
    different = [[j for j in columns if of[j - start] != label] for label in y]
    return same + nobody, different + nobody


class OfAnchors(Over):
    """The mean over the terms of the first ``anchors`` rows; or each anchor's part, times B."""

    def __init__(self, anchors: int, weights: Tensor | None = None, *, rows: bool = False) -> None:
        super().__init__(weights)
        self.anchors, self.rows = anchors, rows

    def __call__(
        self, terms: list[tuple[int, Tensor]], z: Tensor, count: int | None = None
    ) -> Tensor:
        own = [(i, x) for i, x in terms if i < self.anchors]
        if not self.rows:
            return super().__call__(own, z, count)
        parts = [sum((x for j, x in own if j == i), start=0 * z.sum()) for i in range(self.anchors)]
        return torch.stack(parts) * self.anchors / max(len(own) if count is None else count, 1)


def kept_by_hand(
    name: str, d: list[list[float]], same: Columns, different: Columns
) -> tuple[Columns, Columns]:
    """The pairs that a miner keeps, from a table of distances, by loops."""
    kept_same: Columns = [[] for _ in d]
    kept_different: Columns = [[] for _ in d]
    for a, row in enumerate(d):
        P, N = same[a], different[a]
        if name == "adjacent":
            kept_same[a] = [p for p in P if p == a ^ 1]
            kept_different[a] = [n for n in N if n == a ^ 1]
        elif name == "multi_similarity":
            kept_same[a] = [p for p in P if N and row[p] > min(row[n] for n in N) - 0.1]
            kept_different[a] = [n for n in N if P and row[n] < max(row[p] for p in P) + 0.1]
        elif not P or not N:
            continue
        elif name in ("batch_hard", "easy_positive"):
            choose = max if name == "batch_hard" else min
            kept_same[a] = [choose(P, key=row.__getitem__)]
            kept_different[a] = [min(N, key=row.__getitem__)]
        elif name == "curriculum":  # the first batch: negatives at the median
            ranked = sorted(N, key=row.__getitem__)
            kept_same[a] = P
            kept_different[a] = [ranked[round(0.5 * (1 - 0.002) * (len(N) - 1))]]
        elif name == "semi_hard":
            both = [(p, n) for p in P for n in N if row[p] < row[n] < row[p] + 0.2]
            kept_same[a] = sorted({p for p, _ in both})
            kept_different[a] = sorted({n for _, n in both})
    return kept_same, kept_different
