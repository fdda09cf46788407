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
Margin loss
    Theirs adds ν·β once if there is one β for all; ours (the paper's) adds it for each triplet, in
    the same mean as the terms. With one β for each class both do so.
SoftTriple
    Theirs holds the centres as [D, C·K]. Its regulariser has a smaller number under the root
    (1e-12 in float64, where ours has the authors' 1e-5), and is one of its own options.
ProxyNCA++
    Theirs is its Proxy-NCA with ``softmax_scale=1/T``; the name ProxyNCA++ does not occur.
Smooth-AP
    Theirs counts the query as its own positive, as the authors' code does (our ``query_counts``),
    and takes the number of samples per class for the number of classes and the other way round:
    its values are right only if these are equal. Samples must be sorted by class; its values are
    float32.
Multi-similarity
    The authors' code leaves out positives of a similarity of 1 (copies of a photo) and has β = 40,
    where the paper has 50.
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
from pytorch_metric_learning import distances, losses, miners, reducers, regularizers
from torch import Tensor, nn

from likewise.losses import (
    Circle,
    Contrastive,
    CrossBatchMemory,
    MarginLoss,
    MultiSimilarity,
    NTXent,
    ProxyAnchor,
    ProxyNCA,
    ProxyNCAPlusPlus,
    SmoothAP,
    SoftTriple,
    SupCon,
    Triplet,
)
from likewise.mining import MultiSimilarityPairs
from tests.losses.pairs import younger_reference

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


def equal_in_value_and_gradient(a: Tensor, b: Tensor, *inputs: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-9)
    for ours, theirs in zip(
        torch.autograd.grad(a, inputs), torch.autograd.grad(b, inputs), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("learn", ["global", "class", "none"])
def test_margin_loss_agrees(learn: str) -> None:
    z, y = batch()
    nu = 0.3 if learn == "class" else 0.0
    ours = MarginLoss(learn=learn, num_classes=6, miner="batch_hard", beta=1.1, nu=nu).double()
    theirs = losses.MarginLoss(
        beta=1.1,
        nu=nu,
        learn_beta=learn != "none",
        num_classes=6 if learn == "class" else None,
        distance=EUCLIDEAN,
    ).double()
    theirs.beta = ours.beta  # shared, so that its gradient can be compared
    hard = Mined(theirs, miners.BatchHardMiner(distance=EUCLIDEAN))
    inputs = (z,) if learn == "none" else (z, ours.beta)
    equal_in_value_and_gradient(ours(z, y), hard(z, y), *inputs)


def test_margin_loss_differs_by_where_one_beta_is_added() -> None:
    z, y = batch()
    ours = MarginLoss(miner="batch_hard", nu=0.3).double()
    theirs = losses.MarginLoss(nu=0.3, beta=1.2, learn_beta=True, distance=EUCLIDEAN).double()
    theirs.beta = ours.beta
    mined = miners.BatchHardMiner(distance=EUCLIDEAN)(z, y)
    plain = MarginLoss(miner="batch_hard").double()(z, y)
    once = theirs(z, y, mined) - plain
    each = ours(z, y) - plain
    torch.testing.assert_close(once, 0.3 * ours.beta.sum())
    terms = [
        ours.margin + sign * (distance - 1.2) > 0
        for sign, column in ((1, 1), (-1, 2))
        for distance in EUCLIDEAN(z, z)[mined[0], mined[column]]
    ]
    torch.testing.assert_close(each, once * len(mined[0]) / sum(map(int, terms)))


@pytest.mark.parametrize("centers", [1, 4])
def test_soft_triple_agrees(centers: int) -> None:
    z, y = batch()
    ours = SoftTriple(
        num_classes=6, embedding_dim=6, centers=centers, gamma=0.2, margin=0.05, regularization=0.4
    ).double()
    regulariser = regularizers.SparseCentersRegularizer(6, centers) if centers > 1 else None
    theirs = losses.SoftTripleLoss(
        6,
        6,
        centers_per_class=centers,
        gamma=0.2,
        margin=0.05,
        weight_regularizer=regulariser,
        weight_reg_weight=0.4,
    ).double()
    theirs.fc = nn.Parameter(ours.proxies.detach().T.clone())
    a, b = ours(z, y), theirs(z, y)
    torch.testing.assert_close(a, b, rtol=0, atol=1e-5)  # by what is under the root
    (grad_a, by_ours), (grad_b, by_theirs) = (
        torch.autograd.grad(value, (z, weights))
        for value, weights in ((a, ours.proxies), (b, theirs.fc))
    )
    torch.testing.assert_close(grad_a, grad_b, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(by_ours, by_theirs.T, rtol=0, atol=1e-5)


def test_proxy_nca_pp_agrees_with_their_proxy_nca() -> None:
    z, y = batch()
    ours = ProxyNCAPlusPlus(num_classes=6, embedding_dim=6).double()
    theirs = losses.ProxyNCALoss(num_classes=6, embedding_size=6, softmax_scale=9).double()
    theirs.proxies = ours.proxies
    equal_in_value_and_gradient(ours(z, y), theirs(z, y), z, ours.proxies)


def test_smooth_ap_agrees_where_classes_and_samples_per_class_are_as_many() -> None:
    z, _ = batch()
    z, y = z[:16], torch.arange(16) // 4
    ours = SmoothAP(temperature=0.05, query_counts=True)
    theirs = losses.SmoothAPLoss(temperature=0.05)
    a, b = ours(z, y), theirs(z, y).double()  # theirs is float32 whatever it is given
    torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)
    (by_ours,), (by_theirs,) = torch.autograd.grad(a, z), torch.autograd.grad(b, z)
    torch.testing.assert_close(by_ours, by_theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_multi_similarity_is_as_its_authors_publish_it(seed: int) -> None:
    z, y = batch(seed)
    z = torch.cat([z, z[:1] + 0.5]).detach().requires_grad_()  # and one more of its class
    y = torch.cat([y, y[:1]])
    equal_in_value_and_gradient(
        MultiSimilarity(beta=40)(z, y),
        younger_reference.multi_similarity_published(z, y.tolist()),
        z,
    )
