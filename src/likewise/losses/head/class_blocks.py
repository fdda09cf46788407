"""Chunks of rows that fit the memory budget, and blocks of classes that fit the cache."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from likewise.losses.classes.step_classes import Columns, rows_of
from likewise.losses.head.target_logits import safe_norm
from likewise.losses.head.variant import Variant

__all__ = ["ClassBlock", "class_blocks", "row_chunks"]

# Bytes of weights in one block: the block, its gradient and its cosines should stay in the cache.
_BLOCK_BYTES = 2**22
# The same on an accelerator, where rows of sampled classes are copied to be contiguous.
_COPIED_BYTES = 2**27


def row_chunks(weight: Tensor, columns: Columns, variant: Variant) -> list[slice]:
    """Cut the batch so that the cosines of one chunk fit the memory budget."""
    batch = len(columns.places)
    row_bytes = columns.most * variant.subcenters * weight.element_size()
    step = max(1, variant.memory_budget // row_bytes)
    return [slice(start, min(start + step, batch)) for start in range(0, batch, step)]


def class_blocks(weight: Tensor, columns: Columns, variant: Variant) -> list[ClassBlock]:
    """Cut the classes into blocks; on an accelerator one block, as launches are costly."""
    row_bytes = variant.subcenters * weight.shape[1] * weight.element_size()
    step = columns.count
    if weight.device.type == "cpu":
        step = max(1, _BLOCK_BYTES // row_bytes)
    elif columns.chosen is not None:  # their rows are copied
        step = max(1, _COPIED_BYTES // row_bytes)
    # One buffer for the copies of all blocks: separate allocations would fragment the heap.
    copies = None
    if columns.chosen is not None:
        size = min(step, columns.count) * variant.subcenters
        copies = weight.detach().new_empty(size, weight.shape[1])
    return [
        ClassBlock(
            weight.detach(),
            start,
            min(start + step, columns.count),
            variant,
            columns.chosen,
            copies,
        )
        for start in range(0, columns.count, step)
    ]


@dataclass
class ClassBlock:
    """Columns ``start`` to ``stop``, and their rows of the weight matrix [own·K, D]."""

    weight: Tensor
    start: int
    stop: int
    variant: Variant
    chosen: Tensor | None = None
    copies: Tensor | None = None

    def __post_init__(self) -> None:
        k = self.variant.subcenters
        self.span = slice(self.start * k, self.stop * k)
        self.inverse: Tensor | None = None  # 1/‖w_j‖, computed when the rows are first in the cache
        # Σ_b G_bj cos_bj, over the chunks so far
        self.radial = self.weight.new_zeros(self.span.stop - self.span.start)

    def rows(self) -> Tensor:
        """The weight rows [J·K, D]: a view, or a copy if classes are sampled.

        The copy is valid until another block writes its own to the same buffer.
        """
        if self.chosen is None or self.copies is None:
            return self.weight[self.span]
        rows = rows_of(self.chosen[self.start : self.stop], self.variant.subcenters)
        return torch.index_select(self.weight, 0, rows, out=self.copies[: len(rows)])

    def cosines(self, unit: Tensor) -> Tensor:
        """Cosines [b, J·K] of embeddings [b, D] (or dot products, if not ``unit_weights``)."""
        rows = self.rows()
        cosine = unit @ rows.T
        if self.variant.unit_weights:
            if self.inverse is None:
                self.inverse = safe_norm(rows).reciprocal_()
            cosine *= self.inverse
        return cosine

    def per_class(self, cosine: Tensor, places: Tensor) -> tuple[Tensor | None, Tensor]:
        """Nearest sub-centre and its cosine [b, J]; the row's own class gets the lowest value."""
        winner = None
        if self.variant.subcenters > 1:
            cosine, winner = cosine.view(len(cosine), -1, self.variant.subcenters).max(-1)
        farthest = -1.0 if self.variant.unit_weights else torch.finfo(cosine.dtype).min
        return winner, self.put(cosine, places, farthest)

    def per_row(self, slope: Tensor, winner: Tensor | None) -> Tensor:
        """Assign the slope of each class [b, J] to its nearest weight row, [b, J·K]."""
        if winner is None:
            return slope
        spread = slope.new_zeros(*slope.shape, self.variant.subcenters)
        return spread.scatter_(-1, winner[..., None], slope[..., None]).flatten(1)

    def put(self, block: Tensor, places: Tensor, value: float) -> Tensor:
        """Write ``value`` at each row's own class, if it is in this block."""
        column = (places - self.start)[:, None]
        inside = (column >= 0) & (column < block.shape[1])
        column = column.clamp(0, block.shape[1] - 1)
        kept = block.gather(1, column)
        return block.scatter_(1, column, kept.masked_fill_(inside, value))

    def add_gradients(
        self,
        slope: Tensor,
        cosine: Tensor,
        unit: Tensor,
        d_unit: Tensor | None,
        d_weight: Tensor | None,
        *,
        first: bool,
        last: bool,
    ) -> None:
        """Backpropagate ``slope`` = dL/dcos [b, J·K], which is overwritten, into the gradients.

        All rows of the embeddings' gradient [b, D] are updated, and this block's rows of the
        weights' gradient: the first chunk writes them, the last one removes their radial part.
        """
        if self.inverse is not None:
            if d_weight is not None:
                self.radial += (slope * cosine).sum(0)
            slope *= self.inverse
        radial = last and d_weight is not None and self.inverse is not None
        rows = self.rows() if d_unit is not None or radial else None
        if d_unit is not None and rows is not None:
            d_unit.addmm_(slope, rows)
        if d_weight is None:
            return
        d_rows = d_weight[self.span]
        if first:
            torch.mm(slope.T, unit, out=d_rows)
        else:
            d_rows.addmm_(slope.T, unit)
        if radial and rows is not None and self.inverse is not None:
            # A cosine does not depend on the length of a weight row, so no gradient is radial.
            d_rows.addcmul_(rows, (self.radial * self.inverse.square())[:, None], value=-1)
