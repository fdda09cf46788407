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
