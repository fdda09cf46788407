"""SoftTriple: several centres for each class, of which the nearer count more."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from likewise.arguments import check_count, check_number
from likewise.distances.similarity import unit
from likewise.losses.checks import check_batch
from likewise.losses.head.scores import in_full_precision
from likewise.losses.pairs.embedding_loss import EmbeddingLoss
from likewise.losses.registration import FigureSettings, register_loss
from likewise.losses.sample_weights import ReductionName
from likewise.losses.search_space import Hyperparameter, SearchSpace

__all__ = ["SoftTriple"]

# Under the root of the distance of two centres, as in the authors' code: without it the root has
# no derivative where centres meet, and meet they should.
_SMOOTH = 1e-5


@register_loss(
    "soft_triple",
    search_space=SearchSpace(
        (
            Hyperparameter("scale", 5.0, 40.0, log=True),
            Hyperparameter("gamma", 0.03, 0.3, log=True),
        ),
        {"centers": 3},
    ),
    figure=FigureSettings(
        "SoftTriple",
        "Several centres for each class, of which the nearer count more.",
        {"centers": 2, "margin": 0.1},
        "K = 2, λ = 20, δ = 0.1",
    ),
)
class SoftTriple(EmbeddingLoss):
    """Cross-entropy over ``λ·(S_j - δ·[j = y])``, where S_j is a class's similarity to a sample.

    A class j has K centres, whose cosines with the sample are ``s_jk``; its similarity is
    ``S_j = Σ_k q_jk·s_jk`` with the shares ``q_jk = softmax_k(s_jk/γ)``. A regulariser lets centres
    that a class does not need meet: ``τ/(C·K·(K-1)) · Σ_j Σ_{k<l} √(2 + 1e-5 - 2<w_jk, w_jl>)``
    is added, the mean distance of the centres of a class, halved. Averaged over the batch. Memory
    is a few matrices B×(C·K).

    Source: Qian et al., arXiv 1909.05235.

    Args:
        num_classes: C.
        embedding_dim: D.
        centers: K, how many centres a class has; 10 in the paper, 2 for classes of few photos.
        scale: λ, above 0.
        gamma: γ, above 0; the smaller, the more the nearest centre alone counts.
        margin: δ, in cosine, at least 0.
        regularization: τ, at least 0; 0 switches it off, and so does one centre.
        reduction: ``"mean"``, ``"none"`` or ``"sum"``. The row of a sample is its cross-entropy and
            the regulariser, which is the same for all.

    Attributes:
        proxies: the centres [C·K, D]; the K of a class are contiguous.

    Inputs: embeddings [B, D], labels int64 [B], from 0 to C-1.

    Example:
        >>> import torch
        >>> from likewise.losses import SoftTriple
        >>> loss = SoftTriple(num_classes=4, embedding_dim=8, centers=3)
        >>> loss(torch.randn(16, 8), torch.arange(16) % 4).backward()
        >>> loss.proxies.grad.shape
        torch.Size([12, 8])
    """

    needs_pairs = False
    compares_samples = False

    def __init__(
        self,
        *,
        num_classes: int,
        embedding_dim: int,
        centers: int = 10,
        scale: float = 20.0,
        gamma: float = 0.1,
        margin: float = 0.01,
        regularization: float = 0.2,
        reduction: ReductionName = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        self.num_classes = check_count("num_classes", num_classes)
        check_count("embedding_dim", embedding_dim)
        self.centers = check_count("centers", centers)
        self.scale = check_number("scale", scale, above=0)
        self.gamma = check_number("gamma", gamma, above=0)
        self.margin = check_number("margin", margin, least=0)
        self.regularization = check_number("regularization", regularization, least=0)
        self.margin_fraction = 1.0
        self.proxies = nn.Parameter(unit(torch.randn(num_classes * centers, embedding_dim)))

    def set_margin_fraction(self, fraction: float) -> None:
        """Scale the margin, for a warm-up: 0 is no margin, 1 the full one."""
        super().set_margin_fraction(fraction)
        self.margin_fraction = float(fraction)

    def cosines(self, embeddings: Tensor) -> Tensor:
        """Cosines of embeddings [B, D] with the nearest centre of each class [B, C].

        Raises:
            InputError: a wrong shape, dtype or device, or embeddings that are not finite.
        """
        return self._with_centers(embeddings).amax(dim=2)

    def logits(self, embeddings: Tensor) -> Tensor:
        """``λ·S_j`` of embeddings [B, D] for each class, without the margin: [B, C]."""
        return self.scale * self._similarities(self._with_centers(embeddings))

    def _with_centers(self, embeddings: Tensor) -> Tensor:
        """Cosines with all centres, [B, C, K]."""
        embeddings = in_full_precision("SoftTriple", embeddings, self.proxies)
        with torch.autocast(embeddings.device.type, enabled=False):
            return self._cosines(embeddings, unit(self.proxies.to(embeddings)))

    def _cosines(self, embeddings: Tensor, centers: Tensor) -> Tensor:
        return (unit(embeddings) @ centers.T).view(len(embeddings), self.num_classes, self.centers)

    def _similarities(self, cosines: Tensor) -> Tensor:
        """S_j from the cosines [B, C, K]: [B, C]."""
        return ((cosines / self.gamma).softmax(dim=2) * cosines).sum(dim=2)

    def compute(self, anchors: Tensor, _samples: Tensor, labels: Tensor) -> Tensor:
        """Compare each sample with every centre."""
        labels = labels[: len(anchors)]
        check_batch("SoftTriple", anchors, labels, self.proxies, self.num_classes)
        centers = unit(self.proxies.to(anchors))
        of_class = self._similarities(self._cosines(anchors, centers))
        classes = torch.arange(self.num_classes, device=labels.device)
        own = (labels.unsqueeze(1) == classes).to(of_class)
        logits = self.scale * (of_class - self.margin * self.margin_fraction * own)
        losses = F.cross_entropy(logits, labels, reduction="none")
        if self.regularization and self.centers > 1:
            losses = losses + self.regularization * self._distances(centers)
        return losses

    def _distances(self, centers: Tensor) -> Tensor:
        """The mean distance of two centres of a class, halved, from all centres [C·K, D]."""
        k = self.centers
        each = centers.view(self.num_classes, k, -1)
        cosines = each @ each.mT
        first, second = torch.triu_indices(k, k, 1, device=centers.device)
        distances = (2 + _SMOOTH - 2 * cosines[:, first, second]).sqrt()
        return distances.sum() / (self.num_classes * k * (k - 1))
