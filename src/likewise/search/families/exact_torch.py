"""Exact search on a GPU: blocks of products by torch, the best of each kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from likewise.search.engine import Rows, Vectors

if TYPE_CHECKING:
    import torch

__all__ = ["TorchScan"]

BLOCK_SCORES = 2**26  # scores at once: 256 MiB of float32


class TorchScan:
    """All vectors on a device, compared with every query there.

    Args:
        vectors: float32 [N,D]; copied to the device.
        metric: ``cosine`` (of unit vectors), ``dot``, ``euclidean`` or ``manhattan``.
        device: where to work.
    """

    def __init__(self, vectors: Vectors, metric: str, device: torch.device) -> None:
        import torch

        self._vectors = torch.tensor(vectors, device=device)
        self._halves = (self._vectors**2).sum(1) / 2 if metric == "euclidean" else None
        self._metric = metric

    def nearest(self, queries: Vectors, k: int) -> Rows:
        """The rows of the ``k`` nearest of each query, int64 [Q,k]; k at most N."""
        import torch

        wanted = torch.tensor(queries, device=self._vectors.device)
        count = len(self._vectors)
        step = max(k, min(count, BLOCK_SCORES // max(1, min(len(wanted), 4096))))
        found = []
        with torch.inference_mode():
            for some in wanted.split(4096):
                best: tuple[torch.Tensor, torch.Tensor] | None = None
                for start in range(0, count, step):
                    scores = self._scores(some, slice(start, start + step))
                    top, rows = scores.topk(min(k, scores.shape[1]), dim=1)
                    rows += start
                    if best is not None:
                        both = torch.cat([best[0], top], 1)
                        top, places = both.topk(k, dim=1)
                        rows = torch.cat([best[1], rows], 1).gather(1, places)
                    best = top, rows
                if best is not None:
                    found.append(best[1].cpu().numpy())
        return np.concatenate(found).astype(np.int64)

    def _scores(self, queries: torch.Tensor, part: slice) -> torch.Tensor:
        """Higher for nearer; for the Euclidean distance, up to a constant of the query."""
        import torch

        vectors = self._vectors[part]
        if self._metric == "manhattan":
            return -torch.cdist(queries, vectors, p=1)
        scores = queries @ vectors.T
        return scores if self._halves is None else scores.sub_(self._halves[part])
