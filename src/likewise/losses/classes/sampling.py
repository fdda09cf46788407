"""Which classes a step compares with: those of the batch, and negatives drawn at random."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from likewise.losses.classes.placement import Placement
from likewise.losses.classes.step_classes import Columns, all_columns, chosen_columns

__all__ = ["ClassSampler"]

Classes = NDArray[np.int64]

# Classes that are drawn together where weights lie on disk: some pages of them, read at one go.
_STRETCH = 256


class ClassSampler(nn.Module):
    """Draws the classes of a step, by seed, step and rank: a run that is resumed draws the same.

    Each process takes every class of the gathered batch that is its own, and fills up with random
    ones to the share ``sample`` of its classes. Negatives are drawn one by one, or, where weights
    are memory-mapped, in contiguous stretches.

    Source: Partial FC, arXiv 2010.05222 and 2203.15565.

    Args:
        placement: the share, how weights are stored, which classes are this process's, the seed.
        num_classes: C, of all processes.

    Attributes:
        state: int64 [2], a buffer: the seed, and the number of steps drawn. The same on all
            processes.
    """

    state: Tensor

    def __init__(self, placement: Placement, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.shard = placement.shard
        self.sample = 1.0 if placement.sample is None else placement.sample
        self.stretch = _STRETCH if placement.storage == "mmap" else 1
        span = self.shard.span(num_classes)
        self.own = span.stop - span.start
        self.register_buffer("state", torch.tensor([placement.seed, 0]))

    def quota(self, own: int) -> int:
        """How many of ``own`` classes take part, unless the batch alone has more."""
        return max(1, int(self.sample * own))

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # numpy draws; torch leaves it untyped
    def columns(self, labels: Tensor) -> Columns:
        """The classes of this step, for the labels [B] of all processes; moves on by one step."""
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
        """``count`` different classes of ours that are not ``present`` (sorted)."""
        if self.stretch > 1:
            # As many stretches as hold them even if every class present lies inside.
            # One more, as the last of all may be short.
            there = -(-self.own // self.stretch)
            number = min(-(-(count + len(present)) // self.stretch) + 1, there)
            stretches = draw.choice(there, number, replace=False)
            classes: Classes = (stretches[:, None] * self.stretch + np.arange(self.stretch)).ravel()
            classes = classes[classes < self.own]
            negatives: Classes = classes[~np.isin(classes, present)]
            return negatives[:count]
        drawn = draw.choice(self.own - len(present), count, replace=False, shuffle=False)
        # Counted among the classes that are not present: each present one below shifts it by one.
        before = present - np.arange(len(present))
        shifted: Classes = drawn + np.searchsorted(before, drawn, side="right")
        return shifted

    def extra_repr(self) -> str:
        """Show the share."""
        return f"sample={self.sample:g}"
