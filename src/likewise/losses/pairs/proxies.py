"""Proxy losses: samples are compared with one learned proxy per class, not with each other."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from likewise.arguments import check_count, check_number
from likewise.distances import Cosine
from likewise.distances.similarity import unit
from likewise.errors import InputError
from likewise.losses.checks import check_batch
from likewise.losses.head.scores import in_full_precision
from likewise.losses.pairs.embedding_loss import EmbeddingLoss
from likewise.losses.pairs.log_sum_exp import log_one_plus_sum_exp, log_sum_exp
from likewise.losses.pairs.mined import check_miner, keep_pairs
from likewise.losses.registration import FigureSettings, register_loss
from likewise.losses.sample_weights import ReductionName
from likewise.losses.search_space import Hyperparameter, SearchSpace
from likewise.mining import AdjacentPairs, MinerChoice, pair_masks

__all__ = ["ProxyAnchor", "ProxyNCA"]


class _ProxyLoss(EmbeddingLoss):
    """The proxies [C, D], a parameter, and the cosines with them."""

    needs_pairs = False
    compares_samples = False

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        reduction: ReductionName,
        miner: MinerChoice = None,
    ) -> None:
        super().__init__(reduction=reduction)
        name = type(self).__name__
        self.miner = check_miner(name, miner, "cosine")
        if isinstance(self.miner, AdjacentPairs):
            raise InputError(
                f"{name}: miner: adjacent pairs samples of the batch, but proxies are compared "
                "here; use multi_similarity or batch_hard"
            )
        check_count("num_classes", num_classes)
        check_count("embedding_dim", embedding_dim)
        self.proxies = nn.Parameter(unit(torch.randn(num_classes, embedding_dim)))

    def extra_repr(self) -> str:
        """The arguments that ``print`` shows."""
        return f"proxies={list(self.proxies.shape)}, {super().extra_repr()}"

    def cosines(self, embeddings: Tensor) -> Tensor:
        """Cosines of embeddings [B, D] with the proxy of each class [B, C]; differentiable.

        Raises:
            InputError: a wrong shape, dtype or device, or embeddings that are not finite.
        """
        embeddings = in_full_precision(type(self).__name__, embeddings, self.proxies)
        with torch.autocast(embeddings.device.type, enabled=False):
            return self._cosines(embeddings)

    def _cosines(self, embeddings: Tensor) -> Tensor:
        return unit(embeddings) @ unit(self.proxies.to(embeddings)).T

    def _with_all(self, embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Cosines [B, C], and the masks [B, C] of each sample's own proxy and of the others.

        A miner may leave out entries of both masks.
        """
        labels = labels[: len(embeddings)]
        name = type(self).__name__
        check_batch(name, embeddings, labels, self.proxies, len(self.proxies))
        cosines = self._cosines(embeddings)
        masks = pair_masks(torch.arange(len(self.proxies), device=labels.device), of=labels)
        if self.miner is not None:
            d, dimension = 1 - cosines.detach(), embeddings.shape[1]
            masks = keep_pairs(self.miner, Cosine(), d, masks, dimension)
        return cosines, *masks


@register_loss(
    "proxy_nca",
    search_space=SearchSpace((Hyperparameter("scale", 1.0, 16.0, log=True),)),
    figure=FigureSettings(
        "Proxy-NCA",
        "Samples against one learned proxy for each class.",
        {"scale": 8.0},
        "scale 8",
        loss_lr=1e-3,
        spread=True,
    ),
)
class ProxyNCA(_ProxyLoss):
    """``-log( e^{-d²(z,p_y)} / Σ_{j≠y} e^{-d²(z,p_j)} )`` for each sample.

    d is the Euclidean distance on the unit sphere, p_j the proxy of class j; the sample's own
    proxy is not in the denominator, so the loss can be negative. Averaged over the batch. With one
    class the loss is zero.

    Source: Movshovitz-Attias et al., arXiv 1703.07464.

    Args:
        num_classes: C.
        embedding_dim: D.
        scale: multiplies d²; 1 in the paper; larger values give sharper classes.
        miner: which proxies a sample is compared with (1 - cosine decides): one of
            ``likewise.mining.list_miners()``, a name with parameters, or a miner. A sample without
            its own proxy or without others has loss zero.
        reduction: ``"mean"``, ``"none"`` or ``"sum"``. The row of a sample is its loss.

    Inputs: embeddings [B, D], labels int64 [B], from 0 to C-1.

    Example:
        >>> import torch
        >>> from likewise.losses import ProxyNCA
        >>> loss = ProxyNCA(num_classes=4, embedding_dim=8)
        >>> loss(torch.randn(16, 8), torch.arange(16) % 4).backward()
        >>> loss.proxies.grad.shape
        torch.Size([4, 8])
    """

    def __init__(
        self,
        *,
        num_classes: int,
        embedding_dim: int,
        scale: float = 1.0,
        miner: MinerChoice = "all",
        reduction: ReductionName = "mean",
    ) -> None:
        super().__init__(num_classes, embedding_dim, reduction, miner)
        self.scale = check_number("scale", scale, above=0)

    def logits(self, embeddings: Tensor) -> Tensor:
        """``-scale·d²(z, p_j)`` of embeddings [B, D] for each class, [B, C]; differentiable."""
        return self.scale * (2 * self.cosines(embeddings) - 2)

    def compute(self, anchors: Tensor, _samples: Tensor, labels: Tensor) -> Tensor:
        """Compare each sample with every proxy."""
        cosines, own, others = self._with_all(anchors, labels)
        counted = own.any(dim=1) & others.any(dim=1)
        others = others | ~counted.unsqueeze(1)  # a sum over nothing has no gradient
        logits = self.scale * (2 * cosines - 2)  # -d² on the unit sphere
        target = logits.gather(1, labels[: len(anchors)].unsqueeze(1)).squeeze(1)
        return (log_sum_exp(logits, others) - target).masked_fill(~counted, 0)


@register_loss(
    "proxy_anchor",
    search_space=SearchSpace(
        (Hyperparameter("alpha", 4.0, 32.0, log=True), Hyperparameter("delta", 0.0, 0.3))
    ),
    figure=FigureSettings(
        "Proxy-Anchor",
        "Each proxy pulls its farthest samples and pushes its nearest ones.",
        {"alpha": 4.0},
        "α = 4, δ = 0.1",
        loss_lr=3e-4,
        spread=True,
    ),
)
class ProxyAnchor(_ProxyLoss):
    """``1/|P+| Σ_{P+} log(1+Σ_{z∈Z+} e^{-α(s-δ)}) + 1/|P| Σ_P log(1+Σ_{z∈Z-} e^{α(s+δ)})``.

    s is the cosine of a sample z with a proxy; Z+ and Z- are the samples of the proxy's class and
    all others; P are all proxies, P+ those with a sample in the batch. The two terms are averaged
    over P+ and over P.

    Source: Kim et al., arXiv 2003.13911.

    Args:
        num_classes: C.
        embedding_dim: D.
        alpha: α, the scale, above 0; 16 to 64.
        delta: δ, the margin, from 0; about 0.1.
        miner: which pairs of a sample and a proxy are in the sums, as for ``ProxyNCA``.
        reduction: ``"mean"``, ``"none"`` or ``"sum"``. The term of each proxy is divided equally
            among the samples in its sum, Z+ or Z-; the row of a sample is its part of all terms,
            times B. So the weights of samples weigh the terms of the proxies.

    Inputs: embeddings [B, D], labels int64 [B], from 0 to C-1.

    Example:
        >>> import torch
        >>> from likewise.losses import ProxyAnchor
        >>> loss = ProxyAnchor(num_classes=4, embedding_dim=8)
        >>> loss(torch.randn(16, 8), torch.arange(16) % 4).backward()
    """

    def __init__(
        self,
        *,
        num_classes: int,
        embedding_dim: int,
        alpha: float = 32.0,
        delta: float = 0.1,
        miner: MinerChoice = "all",
        reduction: ReductionName = "mean",
    ) -> None:
        super().__init__(num_classes, embedding_dim, reduction, miner)
        self.alpha = check_number("alpha", alpha, above=0)
        self.delta = check_number("delta", delta, least=0)

    def compute(self, anchors: Tensor, _samples: Tensor, labels: Tensor) -> Tensor:
        """Compare each proxy with every sample."""
        cosines, own, others = (x.T for x in self._with_all(anchors, labels))  # rows are proxies
        pull = log_one_plus_sum_exp(-self.alpha * (cosines - self.delta), own)
        push = log_one_plus_sum_exp(self.alpha * (cosines + self.delta), others)
        # A proxy's term is divided among its samples; without samples it is zero.
        mine, rest = own.sum(dim=1), others.sum(dim=1)
        present = (mine > 0).sum().clamp(min=1)
        parts = torch.where(own, (pull / mine.clamp(min=1) / present).unsqueeze(1), 0)
        parts += torch.where(others, (push / rest.clamp(min=1) / len(own)).unsqueeze(1), 0)
        return parts.sum(dim=0) * len(anchors)
