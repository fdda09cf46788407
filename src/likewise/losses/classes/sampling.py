"""Sampling of the classes of a step: those of the batch, and negatives drawn at random."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from likewise.losses.classes.placement import Placement
from likewise.losses.classes.step_classes import Columns, all_columns, chosen_columns

__all__ = ["ClassSampler"]

Classes = NDArray[np.int64]

# Contiguous classes that are drawn together if weights are memory-mapped: a few pages on disk.
_BLOCK = 256


class ClassSampler(nn.Module):
    """Draws the classes of a step by seed, step and rank, so that a resumed run draws the same.

    Each rank takes its own classes of the gathered batch, and adds random negatives up to the
    fraction ``sample`` of its classes. Negatives are drawn individually, or in contiguous blocks
    if the weights are memory-mapped.

    Source: Partial FC, arXiv 2010.05222 and 2203.15565.

    Args:
        placement: the fraction, the storage, the classes of this rank, and the seed.
        num_classes: C, of all ranks.

    Attributes:
        state: int64 [2], a buffer: the seed, and the number of steps drawn; the same on all
            ranks.
    """

    state: Tensor

    def __init__(self, placement: Placement, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.shard = placement.shard
        self.sample = 1.0 if placement.sample is None else placement.sample
        self.block = _BLOCK if placement.storage == "mmap" else 1
        span = self.shard.span(num_classes)
        self.own = span.stop - span.start
        self.register_buffer("state", torch.tensor([placement.seed, 0]))

    def quota(self, own: int) -> int:
        """How many of ``own`` classes take part, unless the batch has more."""
        return max(1, int(self.sample * own))

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # numpy draws; torch leaves it untyped
    def columns(self, labels: Tensor) -> Columns:
        """Draw the classes of the next step, for the labels [B] of all ranks."""
        quota = self.quota(self.own)
        seed, step = self.state.tolist()
        self.state[1] += 1
        if quota == self.own:
            return all_columns(labels, self.num_classes, self.shard, sparse=True)
        own = labels - self.shard.span(self.num_classes).start
        present = own[(own >= 0) & (own < self.own)].unique()
        chosen = present
        if len(present) < quota:
            draw = np.random.default_rng([seed, step, self.shard.rank])
            taken = self._negatives(present.cpu().numpy(), quota - len(present), draw)
            negatives = torch.from_numpy(taken).to(labels.device)
            chosen = torch.cat([present, negatives]).sort().values
        most = -(-self.num_classes // self.shard.processes)
        bound = max(self.quota(most), min(len(labels), most))
        return chosen_columns(labels, self.num_classes, self.shard, chosen, bound)

    def _negatives(self, present: Classes, count: int, draw: np.random.Generator) -> Classes:
        """Draw ``count`` different classes of this rank that are not ``present`` (sorted)."""
        if self.block > 1:
            # Enough blocks even if every present class is inside them, and one more, because the
            # last block may be short.
            available = -(-self.own // self.block)
            number = min(-(-(count + len(present)) // self.block) + 1, available)
            blocks = draw.choice(available, number, replace=False)
            classes: Classes = (blocks[:, None] * self.block + np.arange(self.block)).ravel()
            classes = classes[classes < self.own]
            negatives: Classes = classes[~np.isin(classes, present)]
            return negatives[:count]
        drawn = draw.choice(self.own - len(present), count, replace=False, shuffle=False)
        # Drawn as positions among the absent classes: each present class below shifts them by one.
        before = present - np.arange(len(present))
        shifted: Classes = drawn + np.searchsorted(before, drawn, side="right")
        return shifted

    def extra_repr(self) -> str:
        """Show the fraction."""
        return f"sample={self.sample:g}"
