"""The logits of each row's own class: B numbers, and all that a margin ever touches."""

from __future__ import annotations

import torch
from torch import Tensor

from likewise.losses.form import Form

__all__ = ["TargetLogits", "safe_norm"]


def safe_norm(rows: Tensor) -> Tensor:
    """Euclidean lengths over the last dimension, with 1 in place of 0.

    A zero row divided by it stays zero, and its gradient stays finite.
    """
    norms: Tensor = torch.linalg.vector_norm(rows, dim=-1)
    return norms.masked_fill(norms == 0, 1.0)


class TargetLogits:
    """Target logits of a batch, with their gradient by everything that they depend on.

    Only the B class rows that the labels name are gathered, so plain autograd does the work,
    whatever the margin is: this is why a variant needs no derivative written by hand.

    Args:
        inputs: unit embeddings [B, D]; class weights [C·K, D]; scales [B]; margins [] or [B];
            bias [].
        labels: classes [B].
        form: the variant.
        needed: which of the inputs want a gradient.
    """

    def __init__(
        self, inputs: tuple[Tensor, ...], labels: Tensor, form: Form, needed: tuple[bool, ...]
    ) -> None:
        unit, weight, scale, margin, bias = inputs
        k = form.subcenters
        self.rows = (labels[:, None] * k + torch.arange(k, device=labels.device)).flatten()
        self.leaves = [
            tensor.detach().requires_grad_(need)
            for tensor, need in zip(
                (unit, weight[self.rows], scale, margin, bias), needed, strict=True
            )
        ]
        with torch.enable_grad():
            self._build(form, k)

    def _build(self, form: Form, k: int) -> None:
        unit, own, scale, margin, bias = self.leaves
        norms = safe_norm(own).view(-1, k)  # [B, K]
        products = (own.view(-1, k, own.shape[1]) * unit[:, None, :]).sum(-1)  # [B, K]
        cosines, nearest = (products / norms).max(1)  # [B]
        self.value = form.target(cosines, margin)
        length = scale if form.unit_weights else scale * norms.gather(1, nearest[:, None])[:, 0]
        self.logit = length * self.value + bias
        # What the head compares to say whether the nearest class is the right one.
        self.nearness = (cosines if form.unit_weights else products[:, 0]).detach()

    def gradients(self, slope: Tensor) -> list[Tensor | None]:
        """Gradient of ``Σ slope · logit`` by each input; for the weights, by the rows ``rows``."""
        wanted = [leaf for leaf in self.leaves if leaf.requires_grad]
        found = iter(
            torch.autograd.grad(self.logit, wanted, slope, allow_unused=True) if wanted else ()
        )
        return [next(found) if leaf.requires_grad else None for leaf in self.leaves]
