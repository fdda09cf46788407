"""Collapse: all distances shrinking together, the trivial answer that hard negatives invite."""

from __future__ import annotations

import logging

import torch
from torch import Tensor, nn

from likewise.arguments import check_number

__all__ = ["CollapseDetector"]

log = logging.getLogger(__name__)


class CollapseDetector(nn.Module):
    """Watches the mean distances of positives and negatives, and says when both have collapsed.

    Learning shrinks the distances of positives alone. When running means of the positives' and of
    the negatives' distances have *both* fallen below ``fraction`` of their widest, the embedding
    is shrinking to a point. The onset is logged as a warning, the recovery as information. An
    embedding that starts collapsed has no wider past, and is not noticed. The state is in
    buffers, so checkpoints keep it.

    Args:
        fraction: of the widest running mean; between 0 and 1.
        momentum: of the running means, per batch; from 0 to below 1.

    Raises:
        InputError: an argument out of range.

    Example:
        >>> import torch
        >>> from likewise.mining import CollapseDetector, pair_masks
        >>> detector = CollapseDetector(momentum=0.0)
        >>> masks = pair_masks(torch.tensor([0, 0, 1, 1]))
        >>> [bool(detector.update(torch.full((4, 4), d), *masks)) for d in (1.0, 0.8, 0.1)]
        [False, False, True]
    """

    means: Tensor
    widest: Tensor
    collapsed: Tensor

    def __init__(self, *, fraction: float = 0.3, momentum: float = 0.95) -> None:
        super().__init__()
        self.fraction = check_number("fraction", fraction, above=0, below=1)
        self.momentum = check_number("momentum", momentum, least=0, below=1)
        # Both hold two numbers: of the positives, of the negatives. NaN: nothing seen yet.
        self.register_buffer("means", torch.full((2,), torch.nan))
        self.register_buffer("widest", torch.zeros(2))
        self.register_buffer("collapsed", torch.tensor(False))

    @torch.no_grad()
    def update(self, distances: Tensor, same: Tensor, different: Tensor) -> bool:
        """Look at one batch: distances and masks [B, M]; returns whether it is collapsed now.

        A batch without positives or without negatives changes nothing.
        """
        if same.any() and different.any():
            seen = torch.stack([distances[mask].mean() for mask in (same, different)])
            seen = seen.to(self.means)
            moved = self.momentum * self.means + (1 - self.momentum) * seen
            self.means.copy_(torch.where(self.means.isnan(), seen, moved))
            self.widest.copy_(torch.maximum(self.widest, self.means))
            self._judge(bool((self.means < self.fraction * self.widest).all()))
        return bool(self.collapsed)

    def spread(self) -> float:
        """The negatives' running mean distance as a fraction of its widest; 1 before any batch."""
        widest = float(self.widest[1])
        return float(self.means[1]) / widest if widest > 0 else 1.0

    def _judge(self, collapsed: bool) -> None:
        if collapsed == bool(self.collapsed):
            return
        self.collapsed.fill_(collapsed)
        positive, negative = self.means.tolist()
        widest = self.widest.tolist()
        if collapsed:
            log.warning(
                "collapse: all distances are shrinking together: positives %.3g (were %.3g), "
                "negatives %.3g (were %.3g)",
                *(positive, widest[0], negative, widest[1]),
            )
        else:
            log.info(
                "the embedding has spread again: positives %.3g, negatives %.3g", positive, negative
            )
