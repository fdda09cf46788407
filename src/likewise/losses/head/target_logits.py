"""Target logits, those of each row's own class: the only logits that most margins change."""

from __future__ import annotations

import torch
from torch import Tensor

from likewise.losses.classes.step_classes import Columns, rows_of
from likewise.losses.head.variant import Variant

__all__ = ["TargetLogits", "safe_norm"]


def safe_norm(rows: Tensor) -> Tensor:
    """Euclidean lengths over the last dimension; 1 for a zero row, NaN if the length overflows.

    A zero row divided by 1 stays zero, with a finite gradient. A row divided by an infinite length
    would silently become zero; NaN makes the error visible.
    """
    norms: Tensor = torch.linalg.vector_norm(rows, dim=-1)
    return norms.masked_fill(norms == 0, 1.0).masked_fill(norms == torch.inf, torch.nan)


class TargetLogits:
    """Target logits of a batch, with their gradients with respect to everything they depend on.

    Only the B class rows of the labels are gathered, so autograd computes the gradients of any
    margin, and a variant needs no derivative written by hand. If classes are sharded, each rank
    computes the products and lengths of its own rows; they are exchanged, and the rest is computed
    on every rank.

    Args:
        inputs: unit embeddings [B, D]; class weights [own·K, D]; scales [B]; margins [] or [B];
            bias [].
        columns: the classes to compare with, and the position of each label among them.
        variant: the variant.
        needed: which of the inputs need a gradient.

    Attributes:
        rows: the rows of the weights' gradient that belong to labels of this rank.
    """

    def __init__(
        self,
        inputs: tuple[Tensor, ...],
        columns: Columns,
        variant: Variant,
        needed: tuple[bool, ...],
    ) -> None:
        unit, weight, *rest = inputs
        self.columns, self.here = columns, columns.here()
        places = columns.places if self.here is None else columns.places[self.here]
        self.rows = rows_of(places, variant.subcenters)
        chosen = columns.weight_rows(variant.subcenters)
        own = weight[self.rows if chosen is None else chosen[self.rows]]
        self.inputs = [
            tensor.detach().requires_grad_(need)
            for tensor, need in zip(
                (unit if self.here is None else unit[self.here], own, *rest), needed, strict=True
            )
        ]
        with torch.enable_grad():
            self._multiply(variant.subcenters)
            self._exchange(len(unit))
            self._build(variant)

    def _multiply(self, k: int) -> None:
        unit, own = self.inputs[:2]
        norms = safe_norm(own).view(-1, k)  # [b, K]
        products = (own.view(-1, k, own.shape[1]) * unit[:, None, :]).sum(-1)  # [b, K]
        self.made = [products, norms]

    def _exchange(self, batch: int) -> None:
        """Exchange the products and lengths of all ranks; the results [B, K] are leaves."""
        if self.here is None:
            whole = [x.detach() for x in self.made]
        else:
            both = self.made[0].new_zeros(2, batch, self.made[0].shape[1])
            both[:, self.here] = torch.stack([x.detach() for x in self.made])
            whole = list(self.columns.shard.sum_(both))
        self.leaves = [
            x.requires_grad_(made.requires_grad) for x, made in zip(whole, self.made, strict=True)
        ] + self.inputs[2:]

    def _build(self, variant: Variant) -> None:
        products, norms, scale, margin, bias = self.leaves
        cosines, nearest = (products / norms).max(1)  # [B]
        self.value = variant.target(cosines, margin)
        length = scale if variant.unit_weights else scale * norms.gather(1, nearest[:, None])[:, 0]
        self.logit = length * self.value + bias
        # Compared with the nearest other class, to find the hits.
        self.nearness = (cosines if variant.unit_weights else products[:, 0]).detach()

    def gradients(self, slope: Tensor) -> list[Tensor | None]:
        """Gradient of ``Σ slope · logit`` with respect to each input.

        Of the weights, that of ``rows``. Of the embeddings, this rank's part: zero in the rows
        whose classes belong to other ranks.
        """
        products, norms, *rest = _gradients(self.logit, self.leaves, slope)
        made = [(x, g) for x, g in zip(self.made, (products, norms), strict=True) if g is not None]
        if self.here is not None:
            made = [(x, g[self.here]) for x, g in made]
        by_unit, by_rows = _gradients([x for x, _ in made], self.inputs[:2], [g for _, g in made])
        if by_unit is not None and self.here is not None:
            whole = by_unit.new_zeros(len(slope), by_unit.shape[1])
            whole[self.here] = by_unit
            by_unit = whole
        return [by_unit, by_rows, *rest]


def _gradients(
    outputs: Tensor | list[Tensor], leaves: list[Tensor], upstream: Tensor | list[Tensor]
) -> list[Tensor | None]:
    """One gradient per leaf; None if the leaf needs none or has no influence."""
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    if not wanted or (isinstance(outputs, list) and not outputs):
        return [None] * len(leaves)
    # The graph is small; it is freed with this object, or used again by another backward pass.
    found = torch.autograd.grad(outputs, wanted, upstream, retain_graph=True, allow_unused=True)
    rest = iter(found)
    return [next(rest) if leaf.requires_grad else None for leaf in leaves]
