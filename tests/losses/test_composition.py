"""Losses weighted, summed, and compared with a memory."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from likewise.errors import InputError
from likewise.losses import (
    Center,
    Contrastive,
    CrossBatchMemory,
    NTXent,
    ProxyAnchor,
    SiameseClassifier,
    Sum,
    Triplet,
    Weighted,
    create_loss,
)
from likewise.mining import balanced_pairs
from tests.losses.cases import batch


class Softmax(nn.Module):
    """A loss from elsewhere, with embeddings and labels alone."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 5)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return nn.functional.cross_entropy(self.linear(z), y)


def test_a_sum_is_the_sum() -> None:
    z, y = batch(dtype=torch.float32)
    ce, center = Softmax(), Center(num_classes=5, embedding_dim=4, update="gradient")
    expected = ce(z, y) + 0.003 * center(z, y)
    for total in (
        Sum(ce, 0.003 * center),
        Sum(ce, center * 0.003),
        Sum(ce, (0.003, center)),
        Sum(Weighted(ce, 1), Weighted(center, 0.003)),
    ):
        torch.testing.assert_close(total(z, y), expected)
        assert len(list(total.parameters())) == 3
    assert "weight=0.003" in repr(Sum(ce, 0.003 * center))


def test_the_centres_of_a_sum_are_in_its_checkpoint() -> None:
    total = Sum(Softmax(), 0.003 * Center(num_classes=5, embedding_dim=4))
    assert "terms.1.loss.centers" in total.state_dict()
    z, y = batch(dtype=torch.float32)
    before = total.terms[1].loss.centers.clone()
    total(z, y).backward()
    assert not torch.equal(total.terms[1].loss.centers, before)


def test_memory_is_the_loss_on_all_samples_with_anchors_from_the_batch() -> None:
    memory = CrossBatchMemory(NTXent(), embedding_dim=4, memory_size=100)
    (z0, y0), (z1, y1) = batch(0, dtype=torch.float32), batch(1, dtype=torch.float32)
    torch.testing.assert_close(memory(z0, y0), NTXent()(z0, y0))
    value = memory(z1, y1)
    everyone = torch.cat([z1, z0.detach()])
    expected = NTXent()(everyone, torch.cat([y1, y0]), anchors=len(y1))
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(*(torch.autograd.grad(v, z1)[0] for v in (value, expected)))


def test_memory_is_a_ring_written_in_training_alone() -> None:
    memory = CrossBatchMemory(Triplet(), embedding_dim=4, memory_size=25, warmup=1)
    seen = []
    for seed in range(5):
        z, y = batch(seed, dtype=torch.float32)
        memory.eval()(z, y)
        memory.train()(z, y)
        seen.append(z.detach())
        assert int(memory.filled) == min(11 * seed, 25)  # the first batch was warm-up
    kept = torch.cat(seen[1:])[-25:]
    assert {tuple(row) for row in memory.embeddings.tolist()} == {tuple(r) for r in kept.tolist()}

    resumed = CrossBatchMemory(Triplet(), embedding_dim=4, memory_size=25, warmup=1)
    resumed.load_state_dict(memory.state_dict())
    z, y = batch(9, dtype=torch.float32)
    torch.testing.assert_close(resumed(z, y), memory(z, y), rtol=0, atol=0)


def test_memory_smaller_than_a_batch_keeps_its_end() -> None:
    memory = CrossBatchMemory(Triplet(), embedding_dim=4, memory_size=3)
    z, y = batch(dtype=torch.float32)
    memory(z, y)
    torch.testing.assert_close(memory.embeddings, z.detach()[-3:])


def test_memory_refuses_another_dimension() -> None:
    memory = CrossBatchMemory(Triplet(), embedding_dim=3)
    with pytest.raises(InputError, match=r"\[B, 3\] is expected"):
        memory(*batch(dtype=torch.float32))


def test_class_weights_see_the_batch_alone() -> None:
    proxies = ProxyAnchor(num_classes=5, embedding_dim=4)
    memory = CrossBatchMemory(Sum(proxies, Softmax()), embedding_dim=4)
    plain = copy.deepcopy(memory.loss)
    for seed in range(2):
        z, y = batch(seed, dtype=torch.float32)
        torch.testing.assert_close(memory(z, y), plain(z, y))


@pytest.mark.parametrize(
    "loss", [Contrastive(miner="adjacent"), SiameseClassifier(embedding_dim=4, miner="adjacent")]
)
def test_a_batch_of_drawn_pairs(loss: nn.Module) -> None:
    """Balanced pairs as a sampler draws them: the loss of the rows is the loss of the pairs."""
    z, y = batch(size=30)
    first, second = balanced_pairs(y, 10, generator=torch.Generator().manual_seed(0))
    rows = torch.stack((first, second), dim=1).flatten()
    value = loss.double()(z[rows], y[rows])
    each = [
        loss(z[[i, j]], y[[i, j]]) for i, j in zip(first.tolist(), second.tolist(), strict=True)
    ]
    torch.testing.assert_close(value, torch.stack(each).mean())


@pytest.mark.parametrize(
    "loss", [Contrastive(miner="balanced"), SiameseClassifier(embedding_dim=4, miner="balanced")]
)
def test_balanced_miners_weigh_both_kinds_equally(loss: nn.Module) -> None:
    torch.manual_seed(0)
    z, y = batch(size=60, dtype=torch.float32)
    values = torch.stack([loss(z, y) for _ in range(300)])
    loss.miner = None
    same = y[:, None] == y[None]
    pairs = [loss(z[[i, j]], y[[i, j]]) for i in range(0, 60, 3) for j in range(0, i)]
    kinds = [bool(same[i, j]) for i in range(0, 60, 3) for j in range(0, i)]
    means = [
        torch.stack([v for v, k in zip(pairs, kinds, strict=True) if k is kind]).mean()
        for kind in (True, False)
    ]
    torch.testing.assert_close(values.mean(), sum(means) / 2, rtol=0.1, atol=0)


def test_a_sum_by_name_is_the_sum_of_its_terms() -> None:
    torch.manual_seed(0)
    loss = create_loss(
        "cosface + 0.003*center",
        num_classes=5,
        embedding_dim=4,
        margin=0.2,
        alpha=0.4,
        center={"update": "gradient"},
    )
    face, weighted = loss.terms
    assert (face.margin, weighted.weight) == (0.2, 0.003)
    assert (weighted.loss.alpha, weighted.loss.update) == (0.4, "gradient")
    z, y = batch(dtype=torch.float32)
    torch.testing.assert_close(loss(z, y), face(z, y) + 0.003 * weighted.loss(z, y))
    assert len(loss.hits) == len(y)
    loss.set_margin_fraction(0.5)
    assert face.margin_fraction == 0.5
    assert create_loss("triplet + contrastive", num_classes=5, embedding_dim=4).hits is None
    (twice,) = create_loss("2*am_softmax", num_classes=5, embedding_dim=4).terms
    assert twice.weight == 2


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("softmax + 0.1*centre", {}, "did you mean 'center'"),
        ("softmax + much*center", {}, "expected a weight before"),
        ("softmax +", {}, "unknown value ''"),
        ("softmax + -1*center", {}, "weight: -1.0"),
        ("softmax + center", {"alfa": 1}, "did you mean 'alpha'"),
        ("softmax + center", {"center": {"alfa": 1}}, "parameter of center"),
    ],
)
def test_sums_by_name_that_make_no_sense(
    name: str, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        create_loss(name, num_classes=5, embedding_dim=4, **arguments)
