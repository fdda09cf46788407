"""Logits and cosines of every class, against plain products and against the loss itself."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from likewise.errors import InputError
from likewise.losses import (
    ArcFace,
    CosFace,
    Placement,
    PrototypeMemory,
    ProxyAnchor,
    ProxyNCA,
    ProxyNCAPlusPlus,
    Shard,
    SubCenterArcFace,
    place_classes,
)
from tests.losses.batches import HEADS, SOFTMAX_FAMILY, batch, double_loss

every_member = pytest.mark.parametrize("name", SOFTMAX_FAMILY)
LOGISTIC = ("sphereface2", "uniface")


def plain_cosine(z: Tensor, w: Tensor) -> Tensor:
    return sum((a * b for a, b in zip(z, w, strict=True)), start=z.new_zeros(())) / (
        z.square().sum().sqrt() * w.square().sum().sqrt()
    )


def plain_cosines(loss: nn.Module, z: Tensor) -> Tensor:
    k = getattr(loss, "subcenters", 1)
    rows = []
    for row in z:
        each = [plain_cosine(row, w) for w in loss.weight]
        rows.append(
            torch.stack([torch.stack(each[j : j + k]).max() for j in range(0, len(each), k)])
        )
    return torch.stack(rows)


def plain_logits(name: str, loss: nn.Module, z: Tensor) -> Tensor:
    c = plain_cosines(loss, z)
    lengths = z.square().sum(1).sqrt()[:, None]
    match name:
        case "softmax":
            return torch.stack([(row * loss.weight).sum(1) + loss.bias for row in z])
        case "sphereface":
            return lengths * c
        case "lsoftmax":
            return torch.stack([(row * loss.weight).sum(1) for row in z])
        case "airface":
            return loss.scale * (math.pi - 2 * torch.acos(c)) / math.pi
        case "sphereface2":
            return loss.scale * (2 * ((c + 1) / 2) ** loss.exponent - 1) + loss.bias
        case "uniface":
            return loss.scale * c - loss.bias
    return loss.scale * c


def assert_same(ours: Tensor, plain: Tensor, leaves: list[Tensor]) -> None:
    """The matrices, and the gradient of a random combination of their entries."""
    torch.testing.assert_close(ours, plain, rtol=1e-10, atol=1e-10)
    mix = torch.randn(ours.shape, dtype=ours.dtype, generator=torch.Generator().manual_seed(1))
    for a, b in zip(
        *(torch.autograd.grad((m * mix).sum(), leaves) for m in (ours, plain)), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@every_member
def test_they_equal_plain_products(name: str) -> None:
    loss = double_loss(name)
    z, _ = batch(length=3.0)
    leaves = [z, loss.weight]
    assert_same(loss.cosines(z), plain_cosines(loss, z), leaves)
    assert_same(loss.logits(z), plain_logits(name, loss, z), leaves)
    assert loss.logits(z).shape == (6, 5)


@every_member
def test_without_a_margin_the_loss_is_that_of_the_logits(name: str) -> None:
    loss = double_loss(name).eval()
    z, y = batch(rows=20, length=3.0)
    loss.set_margin_fraction(0)
    logits = loss.logits(z)
    if name in LOGISTIC:
        own = F.one_hot(y, 5).bool()
        positive, negative = 1.0, 1.0
        if name == "sphereface2":
            positive = loss.positive_weight / loss.scale
            negative = (1 - loss.positive_weight) / loss.scale
        each = -positive * F.logsigmoid(logits) * own - negative * F.logsigmoid(-logits) * ~own
        expected = each.sum(1).mean()
    else:
        expected = F.cross_entropy(logits, y)
    if name == "magface":
        expected = expected + loss.penalty(z.norm(dim=1)).mean()
    if name == "curricularface":  # hard classes count differently whatever the margin
        easy = loss.cosines(z).argmax(1) == y
        z, y = z[easy], y[easy]
        expected = F.cross_entropy(loss.logits(z), y)
    torch.testing.assert_close(loss(z, y), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", HEADS)
def test_the_nearest_class_agrees_with_the_hits(name: str) -> None:
    loss = double_loss(name)
    z, y = batch(rows=40, length=3.0)
    loss(z, y)
    scores = loss.logits(z) if name == "lsoftmax" else loss.cosines(z)
    assert torch.equal(scores.argmax(1) == y, loss.hits)


@pytest.mark.parametrize("budget", [1, 200, 2**20])
def test_blocks_of_classes_change_nothing(budget: int) -> None:
    loss = double_loss("subcenter_arcface", classes=7)
    z, _ = batch()
    whole = loss.cosines(z)
    loss.memory_budget = budget
    assert_same(loss.cosines(z), whole, [z, loss.weight])


def test_the_state_of_a_head_is_left_alone() -> None:
    for name in SOFTMAX_FAMILY:
        loss = double_loss(name)
        before = {key: value.clone() for key, value in loss.state_dict().items()}
        loss.logits(batch()[0])
        assert all(torch.equal(before[key], value) for key, value in loss.state_dict().items())


def test_sampled_weights_are_compared_whole_and_without_gradient() -> None:
    with place_classes(Placement(sample=0.2)):
        head = CosFace(num_classes=30, embedding_dim=4)
    z = torch.randn(3, 4, requires_grad=True)
    cosines = head.cosines(z)
    torch.testing.assert_close(cosines, F.normalize(z) @ F.normalize(head.weight).T)
    cosines.sum().backward()
    assert head.weight.grad is None
    assert z.grad is not None


def test_a_rank_gives_the_columns_of_its_own_classes() -> None:
    whole = CosFace(num_classes=10, embedding_dim=4)
    z = torch.randn(3, 4)
    columns = []
    for rank in range(3):
        with place_classes(Placement(shard=Shard(rank, 3))):
            part = CosFace(num_classes=10, embedding_dim=4)
        first, _ = part.own_class_rows()["weight"]
        part.weight.data = whole.weight.data[first : first + len(part.weight)]
        columns.append(part.logits(z))
    torch.testing.assert_close(torch.cat(columns, dim=1), whole.logits(z))


def test_half_precision_and_autocast_are_computed_in_float32() -> None:
    head = ArcFace(num_classes=5, embedding_dim=4)
    z = torch.randn(3, 4).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(head.logits(z), head.logits(z.float()))
    assert head.logits(z).dtype == torch.float32


def test_proxies() -> None:
    z, _ = batch()
    for kind in (ProxyNCA, ProxyAnchor):
        loss = kind(num_classes=5, embedding_dim=4).double()
        plain = torch.stack([torch.stack([plain_cosine(r, p) for p in loss.proxies]) for r in z])
        assert_same(loss.cosines(z), plain, [z, loss.proxies])
    loss = ProxyNCA(num_classes=5, embedding_dim=4, scale=3).double()
    gaps = (F.normalize(z)[:, None] - F.normalize(loss.proxies)[None]).square().sum(-1)
    assert_same(loss.logits(z), -3 * gaps, [z, loss.proxies])


def test_prototypes_in_use() -> None:
    loss = PrototypeMemory(num_classes=1000, embedding_dim=4, memory_size=20, scale=8.0)
    assert loss.cosines(torch.randn(3, 4)).shape == (3, 0)
    loss(torch.randn(12, 4), torch.arange(600, 606).repeat_interleave(2))
    z = torch.randn(3, 4, requires_grad=True)
    plain = F.normalize(z) @ loss.prototypes[:6].T
    torch.testing.assert_close(loss.cosines(z), plain)
    torch.testing.assert_close(loss.logits(z), 8 * plain)
    assert loss.logits(z).requires_grad


@pytest.mark.parametrize("budget", [1, 2**29])
def test_without_a_margin_the_loss_of_prototypes_is_that_of_their_logits(budget: int) -> None:
    """The prototypes of the batch are in the memory when the loss is computed."""
    loss = PrototypeMemory(
        num_classes=9, embedding_dim=4, memory_size=20, scale=8.0, memory_budget=budget
    ).double()
    loss.set_margin_fraction(0)
    z, y = batch(rows=12)[0], torch.arange(12) % 6 + 3
    loss(torch.randn(4, 4, dtype=torch.float64), torch.tensor([0, 0, 1, 1]))  # an earlier batch
    value = loss(z, y)
    places = (y[:, None] == loss.classes[:8]).nonzero()[:, 1]
    torch.testing.assert_close(value, F.cross_entropy(loss.logits(z), places))
    plain = torch.stack([torch.stack([plain_cosine(r, p) for p in loss.prototypes[:8]]) for r in z])
    assert_same(loss.cosines(z), plain, [z])


def test_the_loss_of_proxies_is_that_of_their_logits() -> None:
    z, y = batch(rows=12)
    loss = ProxyNCAPlusPlus(num_classes=5, embedding_dim=4, temperature=0.3).double()
    torch.testing.assert_close(loss(z, y), F.cross_entropy(loss.logits(z), y))
    loss = ProxyNCA(num_classes=5, embedding_dim=4, scale=3).double()  # the own proxy is apart
    logits = loss.logits(z)
    own = F.one_hot(y, 5).bool()
    others = logits.masked_fill(own, -torch.inf).logsumexp(1)
    torch.testing.assert_close(loss(z, y), (others - logits[own]).mean())


@pytest.mark.parametrize(
    ("z", "message"),
    [
        (torch.randn(3, 5), r"embeddings: shape \(3, 5\); must be \[B, 4\]"),
        (torch.ones(3, 4).long(), "embeddings: dtype torch.int64"),
        (torch.full((3, 4), torch.nan), "row 0 holds NaN"),
    ],
)
def test_wrong_embeddings(z: Tensor, message: str) -> None:
    losses = [
        SubCenterArcFace(num_classes=5, embedding_dim=4),
        PrototypeMemory(num_classes=5, embedding_dim=4),
        ProxyNCA(num_classes=5, embedding_dim=4),
    ]
    for loss in losses:
        for method in (loss.cosines, loss.logits):
            with pytest.raises(InputError, match=message) as refusal:
                method(z)
            assert str(refusal.value).startswith(type(loss).__name__)
