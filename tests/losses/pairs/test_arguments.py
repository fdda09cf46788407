"""Wrong use is refused with one line that names the argument, its value, and what is allowed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from likewise.distances import Dot, Mahalanobis
from likewise.errors import InputError
from likewise.losses import (
    Center,
    Circle,
    Contrastive,
    CrossBatchMemory,
    MarginLoss,
    MultiSimilarity,
    NTXent,
    ProxyAnchor,
    ProxyNCA,
    ProxyNCAPlusPlus,
    SiameseClassifier,
    SmoothAP,
    SoftTriple,
    Sum,
    SupCon,
    Triplet,
    Weighted,
)
from tests.losses.cases import CASES, CLASSES, DIMENSION, Case

Z = torch.randn(4, DIMENSION)
Y = torch.tensor([0, 0, 1, 1])


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize(
    ("z", "y", "message"),
    [
        (Z[0], Y, r"embeddings: shape \(4,\); must be \[B, D\]"),
        (Z.long(), Y, "embeddings: dtype torch.int64"),
        (Z, Y[:3], r"labels: shape \(3,\); must be \[4\]"),
        (Z, Y.float(), "labels: dtype torch.float32"),
        (Z, Y.int(), "labels: dtype torch.int32"),
        (Z, Y.to("meta"), "labels: on meta; must be on cpu"),
        (torch.where(torch.arange(4)[:, None] == 2, torch.nan, Z), Y, "row 2 holds NaN"),
        (torch.where(torch.arange(4)[:, None] == 1, torch.inf, Z).half(), Y, "row 1"),
    ],
)
def test_a_wrong_batch(case: Case, z: Tensor, y: Tensor, message: str) -> None:
    loss = case.make()
    with pytest.raises(InputError, match=message) as refusal:
        loss(z, y)
    assert str(refusal.value).startswith(type(loss).__name__)


@pytest.mark.parametrize("make", [Center, ProxyAnchor, ProxyNCA, ProxyNCAPlusPlus, SoftTriple])
def test_a_batch_that_does_not_fit_the_classes(make: type[nn.Module]) -> None:
    loss = make(num_classes=CLASSES, embedding_dim=DIMENSION)
    with pytest.raises(
        InputError, match=rf"labels: {CLASSES} in row 3; must be from 0 to {CLASSES - 1}"
    ):
        loss(Z, torch.tensor([0, 1, 2, CLASSES]))
    with pytest.raises(InputError, match="labels: -1 in row 0"):
        loss(Z, torch.tensor([-1, 1, 2, 3]))
    with pytest.raises(InputError, match=r"embeddings: shape \(4, 3\); must be \[B, 4\]"):
        loss(Z[:, :3], Y)


def test_anchors_are_rows_of_the_batch() -> None:
    with pytest.raises(InputError, match="anchors: 5; must be from 0 to 4"):
        Triplet()(Z, Y, anchors=5)


SIZES = {"num_classes": 3, "embedding_dim": 2}


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (Triplet, {"margin": -0.1}, "margin .*: -0.1; must be a number of at least 0"),
        (Triplet, {"margin": "hard"}, "margin .or 'soft'.: 'hard'; must be a number"),
        (Triplet, {"margin": float("nan")}, "margin .*: nan"),
        (Triplet, {"margin": "soft"}, "margin: 'soft'.*batch_hard"),
        (Triplet, {"mining": "batch_hrd"}, "did you mean 'batch_hard'"),
        (Triplet, {"distance": "cosinus"}, "did you mean 'cosine'"),
        (Triplet, {"distance": Dot(), "squared": True}, "squared: dot"),
        (Triplet, {"mining": "distance_weighted", "squared": True}, "distance_weighted"),
        (Triplet, {"mining": "distance_weighted", "distance": "cosine"}, "distance='euclidean'"),
        (Contrastive, {"margin": 0}, "margin: 0; must be a number above 0"),
        (Contrastive, {"distance": "dot"}, "'dot' has no zero"),
        (Contrastive, {"miner": "balance"}, "did you mean 'balanced'"),
        (SiameseClassifier, {"embedding_dim": 0}, "embedding_dim: 0; must be a whole number"),
        (Center, {**SIZES, "alpha": 2}, "alpha: 2; must be a number from 0 to 1"),
        (Center, {**SIZES, "update": "papers"}, "did you mean 'paper'"),
        (Center, {**SIZES, "num_classes": 2.5}, "num_classes: 2.5; must be a whole"),
        (Circle, {"margin": 1.5}, "margin: 1.5; must be a number above -1 and below 1"),
        (Circle, {"gamma": -1}, "gamma: -1"),
        (MultiSimilarity, {"alpha": 0}, "alpha: 0"),
        (MultiSimilarity, {"beta": float("inf")}, "beta: inf"),
        (ProxyNCA, {**SIZES, "scale": 0}, "scale: 0"),
        (ProxyAnchor, {**SIZES, "delta": -1}, "delta: -1"),
        (ProxyNCAPlusPlus, {**SIZES, "temperature": 0}, "temperature: 0"),
        (SoftTriple, {**SIZES, "centers": 0}, "centers: 0; must be a whole number"),
        (SoftTriple, {**SIZES, "gamma": 0}, "gamma: 0"),
        (SmoothAP, {"temperature": 0}, "temperature: 0"),
        (MarginLoss, {"beta": 0}, "beta: 0"),
        (MarginLoss, {"nu": -1}, "nu: -1"),
        (MarginLoss, {"learn": "classes"}, "did you mean 'class'"),
        (MarginLoss, {"learn": "class"}, "num_classes: none given; learn='class' needs it"),
        (MarginLoss, {"miner": "semi_hrd"}, "miner: unknown value 'semi_hrd'"),
        (MarginLoss, {"distance": "manhattan"}, "miner: distance_weighted needs Euclidean"),
        (SupCon, {"temperature": 0}, "temperature: 0"),
        (NTXent, {"temperature": -1}, "temperature: -1"),
        (CrossBatchMemory, {"loss": Triplet(), "embedding_dim": 2, "memory_size": 0}, "memory_s"),
        (CrossBatchMemory, {"loss": Triplet(), "embedding_dim": 2, "warmup": -1}, "warmup: -1"),
        (Weighted, {"loss": Triplet(), "weight": -1}, "weight: -1"),
    ],
)
def test_a_wrong_argument(make: type[nn.Module], arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(**arguments)


def test_distance_weighted_needs_three_dimensions() -> None:
    with pytest.raises(InputError, match="dimension: 2"):
        Triplet(mining="distance_weighted")(Z[:, :2], Y)


def test_a_sum_says_which_term_is_wrong() -> None:
    with pytest.raises(InputError, match="none given"):
        Sum()
    with pytest.raises(InputError, match=r"terms\[1\]: str"):
        Sum(Triplet(), "center")


def test_a_siamese_batch_of_another_dimension() -> None:
    with pytest.raises(InputError, match=r"must be \[B, 3\]"):
        SiameseClassifier(embedding_dim=3)(Z, Y)


def test_a_learned_distance_belongs_to_its_loss() -> None:
    factor = nn.Parameter(torch.eye(DIMENSION))
    loss = Triplet(distance=Mahalanobis(factor=factor), margin=1.0, normalize=False)
    assert [id(p) for p in loss.parameters()] == [id(factor)]
    loss(Z, Y).backward()
    assert factor.grad is not None
    assert (factor.grad != 0).any()
    assert not list(Triplet(distance=Mahalanobis(factor=torch.eye(DIMENSION))).parameters())
