"""A triplet miner whose negatives get harder during training."""

from __future__ import annotations

import logging

import torch
from torch import Tensor, nn

from likewise.arguments import check_count, check_number
from likewise.errors import InputError
from likewise.mining.collapse import CollapseDetector
from likewise.mining.triplets import Triplets

__all__ = ["Curriculum"]

log = logging.getLogger(__name__)


class Curriculum(nn.Module):
    """A triplet miner that chooses the negative at a quantile, which falls during training.

    With hardness h, an anchor gets the negative at the quantile ``start·(1 - h)`` of its distances
    to negatives: at h = 0 a moderate one, at h = 1 the nearest. This negative is combined with
    every positive of the anchor. In training mode each batch adds ``step`` to h, while the mean
    distance of negatives is at least ``hold`` of its maximum so far. A collapse
    (``CollapseDetector``) halves h, at its onset and after every further ``patience`` batches; this
    is logged. Using the hardest negatives from the start makes triplets collapse (Schroff et al.,
    arXiv 1503.03832, section 3.2). The state is in buffers, so checkpoints keep it.

    Args:
        start: the quantile at hardness 0, from 0 to 1; 0.5 is the median.
        step: added to the hardness by each batch; 0.002 reaches the hardest in 500 batches.
        hold: the fraction of its largest spread below which the hardness does not rise.
        patience: number of batches of a collapse after which the hardness is halved again.
        detector: detects collapse; None: one with its defaults.

    Raises:
        InputError: an argument out of range.

    Example:
        >>> import torch
        >>> from likewise.losses import Triplet
        >>> from likewise.mining import Curriculum
        >>> loss = Triplet(miner=Curriculum(step=0.01))
        >>> value = loss(torch.randn(16, 8), torch.arange(16) // 4)
        >>> round(float(loss.miner.hardness), 4)
        0.01
    """

    hardness: Tensor
    collapsed_for: Tensor

    def __init__(
        self,
        *,
        start: float = 0.5,
        step: float = 0.002,
        hold: float = 0.7,
        patience: int = 50,
        detector: CollapseDetector | None = None,
    ) -> None:
        super().__init__()
        self.start = check_number("start", start, least=0, most=1)
        self.step = check_number("step", step, least=0, most=1)
        self.hold = check_number("hold", hold, least=0, most=1)
        self.patience = check_count("patience", patience)
        if not isinstance(detector, CollapseDetector | None):
            raise InputError(f"detector: {detector!r}; must be a CollapseDetector, or left out")
        self.detector = detector or CollapseDetector()
        self.register_buffer("hardness", torch.zeros(()))
        self.register_buffer("collapsed_for", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def forward(self, distances: Tensor, same: Tensor, different: Tensor, /) -> Triplets:
        """Choose from distances and masks [B, M] one triplet per pair of anchor and positive."""
        distances = distances.detach()
        if self.training:
            self._advance(self.detector.update(distances, same, different))
        ranked = distances.masked_fill(~different, torch.inf).argsort(dim=1, stable=True)
        last = different.sum(dim=1, keepdim=True) - 1
        rank = (self.start * (1 - float(self.hardness)) * last).round().long()
        negatives = ranked.gather(1, rank.clamp_(min=0)).squeeze(1)
        anchor, positive = (same & (last >= 0)).nonzero(as_tuple=True)
        return Triplets(anchor, positive, negatives[anchor])

    def _advance(self, collapsed: bool) -> None:
        if not collapsed:
            self.collapsed_for.zero_()
            if self.detector.spread() >= self.hold:
                self.hardness.add_(self.step).clamp_(max=1)
            return
        if int(self.collapsed_for) % self.patience == 0:
            before = float(self.hardness)
            self.hardness.mul_(0.5)
            log.warning(
                "stepping back to easier negatives: hardness %.3f, was %.3f",
                float(self.hardness),
                before,
            )
        self.collapsed_for.add_(1)
