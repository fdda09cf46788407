"""Losses weighted, summed, and compared with a memory."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from likewise.distances import Distance, Mahalanobis, Minkowski
from likewise.errors import InputError
from likewise.losses import (
    ArcFace,
    Center,
    Contrastive,
    CrossBatchMemory,
    Gathered,
    MultiSimilarity,
    NTXent,
    ProxyAnchor,
    SiameseClassifier,
    Sum,
    SupCon,
    Triplet,
    Weighted,
    create_loss,
)
from likewise.losses import Softmax as LikewiseSoftmax
from likewise.mining import balanced_pairs
from tests.losses.cases import CASES, Case, batch
from tests.losses.pairs import reference

SIZES = {"num_classes": 5, "embedding_dim": 4}
every_case = pytest.mark.parametrize("case", CASES, ids=str)


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


def test_plus_and_times_make_sums() -> None:
    z, y = batch(dtype=torch.float32)
    triplet, center = Triplet(), Center(update="gradient", **SIZES)
    softmax, foreign = LikewiseSoftmax(**SIZES), Softmax()
    expected = triplet(z, y) + 0.003 * center(z, y) + 0.5 * softmax(z, y) + foreign(z, y)
    total = triplet + 0.003 * center + 0.5 * softmax + foreign
    torch.testing.assert_close(total(z, y), expected)
    assert [type(term).__name__ for term in total.terms] == [
        "Triplet", "Weighted", "Weighted", "Softmax",
    ]  # fmt: skip
    torch.testing.assert_close((foreign + triplet)(z, y), foreign(z, y) + triplet(z, y))
    torch.testing.assert_close((2 * (triplet + center))(z, y), 2 * (triplet(z, y) + center(z, y)))
    assert total.hits.shape == y.shape


@pytest.mark.parametrize("wrong", ["0.5", None, torch.ones(2)])
def test_what_is_no_loss_cannot_be_added(wrong: object) -> None:
    with pytest.raises(TypeError):
        Triplet() + wrong  # type: ignore[operator]  # what is refused
    with pytest.raises(TypeError):
        Triplet() * wrong  # type: ignore[operator]  # what is refused


WRAPPERS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "weighted": lambda loss: 0.5 * loss,
    "sum": lambda loss: Sum(Triplet(), loss),
    "gathered": Gathered,
    "memory": lambda loss: CrossBatchMemory(loss, embedding_dim=4),
    "gathered in a sum": lambda loss: Sum(Gathered(loss), 0.1 * Triplet()),
    "all": lambda loss: Sum(CrossBatchMemory(Gathered(0.5 * Sum(loss)), embedding_dim=4)),
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_wrappers_hand_on_the_margin_and_the_hits(wrapper: str) -> None:
    z, y = batch(dtype=torch.float32)
    head = ArcFace(**SIZES)
    loss = WRAPPERS[wrapper](head)
    with_margin = loss(z, y)
    assert torch.equal(loss.hits, head.hits)
    assert len(loss.hits) == len(y)
    loss.set_margin_fraction(0.0)
    assert head.margin_fraction == 0
    assert loss(z, y) < with_margin
    assert loss.compares_samples == (wrapper in ("sum", "gathered in a sum"))


def test_a_memory_around_a_gathered_loss_remembers() -> None:
    plain = CrossBatchMemory(NTXent(), embedding_dim=4, memory_size=30)
    gathered = CrossBatchMemory(Gathered(NTXent()), embedding_dim=4, memory_size=30)
    for seed in range(3):
        z, y = batch(seed, dtype=torch.float32)
        torch.testing.assert_close(gathered(z, y), plain(z, y), rtol=0, atol=0)


@pytest.mark.parametrize("warmup", [0, 1])
def test_a_memory_as_in_the_paper_gives_the_anchor_the_gradient_alone(warmup: int) -> None:
    """Pair by pair: anchors from the batch against the memory, which holds the batch too."""
    memory = CrossBatchMemory(
        Contrastive(margin=1.2), embedding_dim=4, warmup=warmup, in_batch="anchor"
    ).double()
    old: list[tuple[Tensor, int]] = []
    for seed in range(3):
        z, y = batch(seed)
        value = memory(z, y)
        units = [reference.unit(row) for row in z]
        whole = seed < warmup
        others = [(u if whole else u.detach(), int(c)) for u, c in zip(units, y, strict=True)]
        terms = []
        for i, (row, label) in enumerate(zip(units, y, strict=True)):
            for other, its in [*others[:i], *others[i + 1 :], *old]:
                d = reference.euclidean(row, other)
                push = reference.plus(1.2 - d)
                terms.append((d**2 if int(label) == its else push**2) / 2)
        expected = reference.mean(terms, z)
        torch.testing.assert_close(value, expected)
        torch.testing.assert_close(*(torch.autograd.grad(v, z)[0] for v in (value, expected)))
        old = [*others, *old] if not whole else old
        old = [(u.detach(), c) for u, c in old]


@every_case
def test_anchors_alone_have_the_gradient(case: Case) -> None:
    """With the anchors given apart, the samples that they are compared with stand still."""
    torch.manual_seed(0)
    loss = case.make().double()
    z, y = batch()
    apart = z.detach().clone().requires_grad_()
    value = loss(apart, y, z)
    torch.testing.assert_close(value, loss(z, y))
    anchors, samples = torch.autograd.grad(value, (z, apart), allow_unused=True)
    assert anchors.abs().max() > 0
    if not loss.compares_samples:
        assert samples is None
        return
    (whole,) = torch.autograd.grad(loss(z, y), z)
    torch.testing.assert_close(anchors + samples, whole)


class Scaled(Distance):
    """A distance of one's own, that keeps what it learns in several ways."""

    name = "scaled"

    def __init__(self) -> None:
        self.lengths = nn.Parameter(torch.ones(4))
        self.layers = [nn.Linear(4, 4, bias=False)]
        self.inside = {"map": Mahalanobis(factor=nn.Parameter(torch.eye(4)))}

    def _mapped(self, x: Tensor) -> Tensor:
        return self.layers[0](x * self.lengths)

    def _pairwise(self, x: Tensor, y: Tensor) -> Tensor:
        return self.inside["map"].pairwise(self._mapped(x), self._mapped(y))

    def _paired(self, x: Tensor, y: Tensor) -> Tensor:
        return self.inside["map"].paired(self._mapped(x), self._mapped(y))


class ScaledModule(Scaled, nn.Module):
    """The same as a module."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.lengths = nn.Parameter(torch.ones(4))
        self.layers = nn.ModuleList([nn.Linear(4, 4, bias=False)])
        self.inside = {"map": Minkowski(2)}


@pytest.mark.parametrize(("kind", "count"), [(Scaled, 3), (ScaledModule, 2)])
@pytest.mark.parametrize("make", [Triplet, Contrastive, NTXent, SupCon, MultiSimilarity])
def test_a_learned_distance_of_ones_own_is_trained(
    kind: type[Scaled], count: int, make: Callable[..., nn.Module]
) -> None:
    loss = make(distance=kind())
    assert len(list(loss.parameters())) == count
    z, y = batch(dtype=torch.float32)
    optimizer = torch.optim.SGD(loss.parameters(), lr=0.1)
    before = [p.detach().clone() for p in loss.parameters()]
    first = loss(z, y)
    first.backward()
    optimizer.step()
    assert all(not torch.equal(p, b) for p, b in zip(loss.parameters(), before, strict=True))
    assert loss(z, y) != first
    copied = make(distance=kind())
    copied.load_state_dict(loss.state_dict())
    assert copied(z, y) == loss(z, y)
    again = copy.deepcopy(loss)
    for parameter in again.parameters():
        nn.init.zeros_(parameter)
    assert again(z, y) != loss(z, y)
    assert loss.double()(z.double(), y).dtype == torch.float64


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
    with pytest.raises(InputError, match=r"must be \[B, 3\]"):
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
