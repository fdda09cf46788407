"""Agreement with pytorch-metric-learning 2.9, and every known difference.

Contrastive
    Theirs is linear in d, ours (the paper's) is ½d². Theirs adds two means, over the positive and
    over the negative pairs with a loss above zero; ours is one mean over all pairs.
Triplet, mined
    Theirs averages over the triplets with a loss above zero, ours over all mined ones. For
    batch_all and semi_hard these are the same.
Triplet, soft
    Theirs keeps the margin inside the soft form; ours (the paper's) has none.
Circle, SupCon
    Theirs leaves anchors with a loss of exactly zero out of the mean.
Proxy-NCA
    Theirs has the positive in the denominator too: log(1 + e^L) for each sample, of our L.
Cross-batch memory
    Theirs compares anchors with a detached copy of the batch, ours with the batch itself: the
    values agree, the gradients do not.
Distance-weighted
    Both draw at random, each from its own stream: nothing to compare but the weights.
Siamese, Center, Curriculum
    It has none.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from pytorch_metric_learning import distances, losses, miners, reducers
from torch import Tensor, nn

from likewise.losses import (
    Circle,
    Contrastive,
    CrossBatchMemory,
    MultiSimilarity,
    NTXent,
    ProxyAnchor,
    ProxyNCA,
    SupCon,
    Triplet,
)
from likewise.mining import MultiSimilarityPairs

EUCLIDEAN = distances.LpDistance(normalize_embeddings=True, p=2)
SQUARED = distances.LpDistance(normalize_embeddings=True, p=2, power=2)
mean = reducers.MeanReducer


def batch(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(24, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    return z, torch.randint(0, 6, (24,), generator=generator)


class Mined(nn.Module):
    def __init__(self, loss: nn.Module, miner: nn.Module) -> None:
        super().__init__()
        self.loss, self.miner = loss, miner

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return self.loss(z, y, self.miner(z, y))


SAME = {
    "batch_all": (Triplet(margin=0.2), losses.TripletMarginLoss(margin=0.2, distance=EUCLIDEAN)),
    "batch_all-squared": (
        Triplet(margin=0.2, squared=True),
        losses.TripletMarginLoss(margin=0.2, distance=SQUARED),
    ),
    "semi_hard": (
        Triplet(margin=0.3, mining="semi_hard"),
        Mined(
            losses.TripletMarginLoss(margin=0.3, distance=EUCLIDEAN),
            miners.TripletMarginMiner(0.3, type_of_triplets="semihard", distance=EUCLIDEAN),
        ),
    ),
    "batch_hard": (
        Triplet(margin=0.3, mining="batch_hard"),
        Mined(
            losses.TripletMarginLoss(margin=0.3, distance=EUCLIDEAN, reducer=mean()),
            miners.BatchHardMiner(distance=EUCLIDEAN),
        ),
    ),
    "batch_hard-soft": (
        Triplet(margin="soft", mining="batch_hard"),
        Mined(
            losses.TripletMarginLoss(margin=0.0, smooth_loss=True, distance=EUCLIDEAN),
            miners.BatchHardMiner(distance=EUCLIDEAN),
        ),
    ),
    "easy_positive": (
        Triplet(margin=0.3, mining="easy_positive"),
        Mined(
            losses.TripletMarginLoss(margin=0.3, distance=EUCLIDEAN, reducer=mean()),
            miners.BatchEasyHardMiner(pos_strategy="easy", neg_strategy="hard", distance=EUCLIDEAN),
        ),
    ),
    "circle": (Circle(margin=0.4, gamma=80), losses.CircleLoss(m=0.4, gamma=80)),
    "multi_similarity-all": (
        MultiSimilarity(miner="all"),
        losses.MultiSimilarityLoss(alpha=2, beta=50, base=0.5),
    ),
    "multi_similarity": (
        MultiSimilarity(miner=MultiSimilarityPairs(epsilon=0.1)),
        Mined(losses.MultiSimilarityLoss(alpha=2, beta=50), miners.MultiSimilarityMiner(0.1)),
    ),
    "supcon": (SupCon(temperature=0.1), losses.SupConLoss(temperature=0.1)),
    "ntxent": (NTXent(temperature=0.07), losses.NTXentLoss(temperature=0.07)),
}


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_agreement(name: str, seed: int) -> None:
    ours, theirs = SAME[name]
    z, y = batch(seed)
    a, b = ours(z, y), theirs(z, y)
    torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-9)
    (grad_a,), (grad_b,) = torch.autograd.grad(a, z), torch.autograd.grad(b, z)
    torch.testing.assert_close(grad_a, grad_b, rtol=1e-6, atol=1e-8)


def test_proxy_anchor_agrees() -> None:
    z, y = batch()
    ours = ProxyAnchor(num_classes=6, embedding_dim=6).double()
    theirs = losses.ProxyAnchorLoss(num_classes=6, embedding_size=6, margin=0.1, alpha=32).double()
    theirs.proxies.data = ours.proxies.data.clone()
    torch.testing.assert_close(ours(z, y), theirs(z, y))


def test_proxy_nca_differs_by_the_positive_in_the_denominator() -> None:
    z, y = batch()
    ours = ProxyNCA(num_classes=6, embedding_dim=6).double()
    theirs = losses.ProxyNCALoss(num_classes=6, embedding_size=6, softmax_scale=1).double()
    theirs.proxies.data = ours.proxies.data.clone()
    each = torch.stack([F.softplus(ours(z[i : i + 1], y[i : i + 1])) for i in range(len(z))])
    torch.testing.assert_close(each.mean(), theirs(z, y))


def test_contrastive_differs_by_its_square_and_its_averaging() -> None:
    z, y = batch()
    theirs = losses.ContrastiveLoss(
        pos_margin=0, neg_margin=1.2, distance=EUCLIDEAN, reducer=reducers.DoNothingReducer()
    )(z, y)
    each = [theirs[key]["losses"].square() / 2 for key in ("pos_loss", "neg_loss")]
    torch.testing.assert_close(Contrastive(margin=1.2)(z, y), torch.cat(each).mean())


def test_cross_batch_memory_agrees_in_value() -> None:
    ours = CrossBatchMemory(NTXent(), embedding_dim=6, memory_size=60)
    theirs = losses.CrossBatchMemory(
        losses.NTXentLoss(temperature=0.07), embedding_size=6, memory_size=84
    )  # its memory holds the batch too: 24 more
    for seed in range(5):
        z, y = batch(seed)
        z = z.detach().float()
        torch.testing.assert_close(ours(z, y), theirs(z, y))
