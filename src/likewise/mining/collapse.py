"""Detection of collapse: all distances shrink together, as hard negatives can cause."""

from __future__ import annotations

import logging

import torch
from torch import Tensor, nn

from likewise.arguments import check_number

__all__ = ["CollapseDetector"]

log = logging.getLogger(__name__)


class CollapseDetector(nn.Module):
    """Tracks the mean distances of positives and of negatives, and reports when both collapse.

    Learning should shrink only the distances of positives. If the running means of the distances
    of positives and of negatives *both* fall below ``fraction`` of their maximum so far, the
    embedding is collapsing to a point. The onset is logged as a warning, the recovery as info. An
    embedding that is collapsed from the start is not detected. The state is in buffers, so
    checkpoints keep it.

    Args:
        fraction: of the largest running mean; between 0 and 1.
        momentum: of the running means, per batch; at least 0 and below 1.

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
        # Two numbers each: of positives and of negatives. NaN: no batch yet.
        self.register_buffer("means", torch.full((2,), torch.nan))
        self.register_buffer("widest", torch.zeros(2))
        self.register_buffer("collapsed", torch.tensor(False))

    @torch.no_grad()
    def update(self, distances: Tensor, same: Tensor, different: Tensor) -> bool:
        """Add one batch, its distances and masks [B, M]; return whether the embedding is collapsed.

        A batch without positives or without negatives has no effect.
        """
        if same.any() and different.any():
            seen = torch.stack([distances[mask].mean() for mask in (same, different)])
            seen = seen.to(self.means)
            moved = self.momentum * self.means + (1 - self.momentum) * seen
            self.means.copy_(torch.where(self.means.isnan(), seen, moved))
            self.widest.copy_(torch.maximum(self.widest, self.means))
            self._report(bool((self.means < self.fraction * self.widest).all()))
        return bool(self.collapsed)

    def spread(self) -> float:
        """The running mean distance of negatives over its maximum so far; 1 before any batch."""
        widest = float(self.widest[1])
        return float(self.means[1]) / widest if widest > 0 else 1.0

    def _report(self, collapsed: bool) -> None:
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
