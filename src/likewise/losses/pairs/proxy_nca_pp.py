"""ProxyNCA++: the probability of a sample's own proxy among all proxies."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from likewise.arguments import check_number
from likewise.losses.pairs.log_sum_exp import log_sum_exp
from likewise.losses.pairs.proxies import ProxyNCA
from likewise.losses.registration import FigureSettings, register_loss
from likewise.losses.sample_weights import ReductionName
from likewise.losses.search_space import Hyperparameter, SearchSpace
from likewise.mining import MinerChoice

__all__ = ["ProxyNCAPlusPlus"]


@register_loss(
    "proxy_nca_pp",
    search_space=SearchSpace((Hyperparameter("temperature", 0.05, 0.5, log=True),)),
    figure=FigureSettings(
        "ProxyNCA++",
        "The probability of the own proxy among all proxies.",
        params_text="T = 1/9",
        spread=True,
    ),
)
class ProxyNCAPlusPlus(ProxyNCA):
    """``-log( e^{-d²(z,p_y)/T} / Σ_j e^{-d²(z,p_j)/T} )`` for each sample.

    d is the Euclidean distance on the unit sphere, p_j the proxy of class j. Unlike
    :class:`~likewise.losses.ProxyNCA`, the sum runs over all proxies, the sample's own too: the
    loss is the negative logarithm of a probability, and never below zero. Averaged over the batch.

    The paper changes the training too. Its proxies move fast: give them a learning rate of their
    own, about 100 times that of the network (``optimizer.loss_lr``, or a parameter group). Its
    network pools by the maximum and ends in a layer norm.

    Source: Teh et al., arXiv 2004.01113.

    Args:
        num_classes: C.
        embedding_dim: D.
        temperature: T, above 0; 1/9 in the paper; smaller values give sharper classes.
        miner: which proxies are in the sum, as for ``ProxyNCA``.
        reduction: ``"mean"``, ``"none"`` or ``"sum"``. The row of a sample is its loss.

    Inputs: embeddings [B, D], labels int64 [B], from 0 to C-1.

    Example:
        >>> import torch
        >>> from likewise.losses import ProxyNCAPlusPlus
        >>> loss = ProxyNCAPlusPlus(num_classes=4, embedding_dim=8)
        >>> loss(torch.randn(16, 8), torch.arange(16) % 4).backward()
        >>> loss.proxies.grad.shape
        torch.Size([4, 8])
    """

    def __init__(
        self,
        *,
        num_classes: int,
        embedding_dim: int,
        temperature: float = 1 / 9,
        miner: MinerChoice = "all",
        reduction: ReductionName = "mean",
    ) -> None:
        checked = check_number("temperature", temperature, above=0)
        super().__init__(
            num_classes=num_classes,
            embedding_dim=embedding_dim,
            scale=1 / checked,
            miner=miner,
            reduction=reduction,
        )
        self.temperature = checked

    def compute(self, anchors: Tensor, _samples: Tensor, labels: Tensor) -> Tensor:
        """Compare each sample with every proxy."""
        cosines, own, others = self._with_all(anchors, labels)
        labels = labels[: len(anchors)]
        logits = (2 * cosines - 2) / self.temperature  # -d²/T on the unit sphere
        if self.miner is None:
            return F.cross_entropy(logits, labels, reduction="none")
        target = logits.gather(1, labels.unsqueeze(1)).squeeze(1)
        counted = own.any(dim=1) & others.any(dim=1)
        return (log_sum_exp(logits, own | others) - target).masked_fill(~counted, 0)
