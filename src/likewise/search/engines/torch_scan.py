"""Exact nearest neighbors on a GPU: blocks of products by torch, the best of each kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from likewise.search.engines.engine import Rows, Vectors
from likewise.search.engines.exact_scan import ROUNDING, nearest_proven

if TYPE_CHECKING:
    import torch

__all__ = ["TorchScan"]

BLOCK_SCORES = 2**26  # scores at a time: 256 MiB of float32
BLOCK_QUERIES = 4096
# The rounding of a product by torch's matmul precision: TF32 and bfloat16 have fewer digits.
ROUNDINGS = {"highest": ROUNDING, "high": 2.0**-11, "medium": 2.0**-8}


class TorchScan:
    """All vectors on one device, compared with every query there.

    Args:
        vectors: float32 [N,D]; copied to the device.
        metric: ``cosine`` (of unit vectors), ``dot``, ``euclidean`` or ``manhattan``.
        device: where to compute.
    """

    def __init__(self, vectors: Vectors, metric: str, device: torch.device) -> None:
        import torch

        self._vectors = torch.tensor(vectors, device=device)
        self._halves = (self._vectors**2).sum(1) / 2 if metric == "euclidean" else None
        self._metric = metric

    def nearest(self, queries: Vectors, k: int) -> Rows:
        """Rows that contain the ``k`` nearest of each query, int64 [Q,C]; k is at most N."""
        import torch

        if self._halves is None:
            return self._best(queries, k, by_differences=False)[1]

        def by_products(some: Vectors, width: int) -> tuple[Vectors, Rows]:
            scores, rows = self._best(some, width, by_differences=False)
            return np.einsum("qd,qd->q", some, some)[:, None] - 2 * scores, rows

        return nearest_proven(
            by_products,
            lambda some, width: self._best(some, width, by_differences=True)[1],
            queries, k, len(self._vectors), ROUNDINGS[torch.get_float32_matmul_precision()],
        )  # fmt: skip

    def _best(self, queries: Vectors, k: int, *, by_differences: bool) -> tuple[Vectors, Rows]:
        """Scores, descending, and rows, both [Q,k]."""
        import torch

        wanted = torch.tensor(queries, device=self._vectors.device)
        count = len(self._vectors)
        step = max(k, min(count, BLOCK_SCORES // max(1, min(len(wanted), BLOCK_QUERIES))))
        found: list[tuple[Vectors, Rows]] = []
        with torch.inference_mode():
            for some in wanted.split(BLOCK_QUERIES):
                best: tuple[torch.Tensor, torch.Tensor] | None = None
                for start in range(0, count, step):
                    scores = self._scores(some, slice(start, start + step), by_differences)
                    top, rows = scores.topk(min(k, scores.shape[1]), dim=1)
                    rows += start
                    if best is not None:
                        both = torch.cat([best[0], top], 1)
                        top, places = both.topk(k, dim=1)
                        rows = torch.cat([best[1], rows], 1).gather(1, places)
                    best = top, rows
                if best is not None:
                    found.append((best[0].cpu().numpy(), best[1].cpu().numpy()))
        together = np.concatenate([part[0] for part in found])
        return together, np.concatenate([part[1] for part in found]).astype(np.int64)

    def _scores(self, queries: torch.Tensor, part: slice, by_differences: bool) -> torch.Tensor:
        """Higher for nearer; for the Euclidean distance, up to a constant of the query."""
        import torch

        vectors = self._vectors[part]
        if self._metric == "manhattan":
            return -torch.cdist(queries, vectors, p=1)
        if by_differences:
            mode = "donot_use_mm_for_euclid_dist"
            return -torch.cdist(queries, vectors, compute_mode=mode)
        scores = queries @ vectors.T
        return scores if self._halves is None else scores.sub_(self._halves[part])
