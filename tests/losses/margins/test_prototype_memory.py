"""Prototype memory: loss and gradient by plain loops, who is remembered, and its bounds."""

from __future__ import annotations

import io
import tracemalloc
from typing import Any

import pytest
import torch
from torch import Tensor

from likewise.errors import InputError
from likewise.losses import Gathered, PrototypeMemory, Sum, create_loss
from likewise.losses.margins.prototype_memory import prototype_heads
from tests.losses.margins import reference

DIMENSION = 4
FORMULAS = {
    "cosface": reference.cosface(0.2, 9.0),
    "arcface": reference.arcface(0.2, 9.0),
    "airface": reference.airface(0.2, 9.0),
    "normalized_softmax": reference.normalized_softmax(9.0),
}


def memory(classes: int = 12, **params: Any) -> PrototypeMemory:
    return PrototypeMemory(classes, DIMENSION, **params).double()


def batch(labels: list[int], seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(len(labels), DIMENSION, generator=generator, dtype=torch.float64)
    return z.requires_grad_(), torch.tensor(labels)


class Remembered:
    """The same by lists: prototypes in the order of their last refreshment, the oldest first."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.kept: dict[int, Tensor] = {}

    def step(self, z: Tensor, y: Tensor, row: reference.Row) -> Tensor:
        fresh = {}
        for label in sorted(set(y.tolist())):
            mean = sum(v / reference.length(v) for v in z[y == label]) / int((y == label).sum())
            fresh[label] = mean / reference.length(mean)
        for label in fresh:
            self.kept.pop(label, None)
        while len(self.kept) + len(fresh) > self.size:
            self.kept.pop(next(iter(self.kept)))
        self.kept |= fresh
        names = list(self.kept)
        weights = torch.stack(list(self.kept.values()))
        losses = [row(v, weights, names.index(int(label))) for v, label in zip(z, y, strict=True)]
        self.kept = {label: prototype.detach() for label, prototype in self.kept.items()}
        return sum(losses) / len(y)


@pytest.mark.parametrize("head", FORMULAS)
def test_value_and_gradient_by_plain_loops(head: str) -> None:
    margin = None if head == "normalized_softmax" else 0.2
    loss = memory(head=head, memory_size=7, margin=margin, scale=9.0)
    loops = Remembered(7)
    # New classes, refreshed ones, and some that have been forgotten and come back.
    visits = ([3, 3, 5, 5, 5, 1, 1], [8, 8, 3, 3], [9, 9, 10, 10, 0, 0], [5, 5, 1, 1, 3, 3, 1])
    for seed, labels in enumerate(visits):
        z, y = batch(labels, seed)
        value = loss(z, y)
        expected = loops.step(z, y, FORMULAS[head])
        torch.testing.assert_close(value, expected, rtol=1e-11, atol=1e-12)
        torch.testing.assert_close(
            torch.autograd.grad(value, z), torch.autograd.grad(expected, z), rtol=1e-9, atol=1e-11
        )
        held = {int(c): p for c, p in zip(loss.classes, loss.prototypes, strict=True) if c >= 0}
        assert held.keys() == loops.kept.keys()
        for label, prototype in held.items():
            torch.testing.assert_close(prototype, loops.kept[label], rtol=1e-12, atol=1e-12)


# The margin of adaface has no gradient.
@pytest.mark.parametrize("head", sorted(prototype_heads().keys() - {"adaface"}))
@pytest.mark.parametrize("training", [True, False])
def test_finite_differences(head: str, training: bool) -> None:
    loss = memory(head=head, memory_size=6, scale=5.0)
    for seed, labels in enumerate(([0, 0, 1, 1], [2, 2, 3, 3, 4, 4])):
        loss(*batch(labels, seed))
    loss.train(training)
    loss.head.eval()  # its running statistics stand still
    z, y = batch([1, 1, 3, 3, 7, 7, 7], 5)
    far = 20 if head == "magface" else 1  # into the range of lengths that it listens to
    assert torch.autograd.gradcheck(lambda x: loss(x, y), (far * z.detach()).requires_grad_())


def test_hits_are_by_the_other_photos_of_a_class() -> None:
    torch.manual_seed(3)
    loss = PrototypeMemory(num_classes=40, embedding_dim=3, memory_size=20)
    earlier = torch.randn(16, 3), torch.arange(24, 40) // 2
    loss(*earlier)
    labels = torch.tensor([0, 0, 1, 1, 1, 2, 12, 12, 13])
    batch = 0.5 * torch.randn(9, 3) + torch.nn.functional.one_hot(labels % 3, 3)
    loss(batch, labels)

    def unit(x: Tensor) -> Tensor:
        return x / x.norm()

    rows, prototypes = [unit(row) for row in batch], {}
    for vectors, numbers in (earlier, (batch, labels)):
        for k in numbers.unique().tolist():
            prototypes[k] = unit(sum(unit(z) for z in vectors[numbers == k]))
    expected = []
    for place, (z, y) in enumerate(zip(rows, labels.tolist(), strict=True)):
        others = [x for n, x in enumerate(rows) if labels[n] == y and n != place]
        nearest = max(float(z @ p) for k, p in prototypes.items() if k != y)
        expected.append(bool(others) and float(z @ unit(sum(others))) > nearest)
    assert loss.hits.tolist() == expected
    assert 0 < sum(expected) < 9
    assert loss.compared == len(prototypes)


def test_the_oldest_goes_and_the_refreshed_stays() -> None:
    loss = memory(memory_size=4)
    for seed, labels in enumerate(([0, 0, 1, 1], [2, 2, 3, 3], [0, 0, 5, 5])):
        loss(*batch(labels, seed))
    assert sorted(loss.classes.tolist()) == [0, 2, 3, 5]  # 1 was the oldest not refreshed
    assert loss.refreshed[loss.classes == 0] == 2
    torch.testing.assert_close(loss.prototypes.norm(dim=1), torch.ones(4).double())
    loss.eval()
    before = {name: tensor.clone() for name, tensor in loss.state_dict().items()}
    loss(*batch([6, 6, 7, 7]))
    assert all(torch.equal(tensor, before[name]) for name, tensor in loss.state_dict().items())


def test_ten_million_classes_cost_what_the_memory_costs() -> None:
    loss = PrototypeMemory(10_000_000, 32, memory_size=1000)
    generator = torch.Generator().manual_seed(0)
    tracemalloc.start()
    for _ in range(20):
        y = torch.randint(10_000_000, (64,), generator=generator).repeat_interleave(2)
        loss(torch.randn(128, 32, generator=generator, requires_grad=True), y).backward()
    grown = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert loss.filled == 1000
    assert sum(t.nbytes for t in loss.state_dict().values()) < 1000 * (32 * 4 + 16) + 100
    assert not list(loss.parameters())
    assert grown < 2**20


def test_a_saved_memory_goes_on_exactly() -> None:
    def make() -> PrototypeMemory:
        return memory(head="adaface", memory_size=5)

    loss, other = make(), make()
    for seed in range(3):
        loss(*batch([seed, seed, seed + 1, seed + 1], seed))
    file = io.BytesIO()
    torch.save(loss.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file))
    for seed in range(3, 7):
        z, y = batch([seed, seed, seed + 2, seed + 2], seed)
        assert torch.equal(loss(z, y), other(z, y))
    for left, right in zip(loss.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(left, right)


def test_it_composes() -> None:
    whole = Gathered(Sum(memory(), 0.1 * memory()))
    assert whole(*batch([0, 0, 1, 1])).isfinite()
    loss = create_loss(
        "prototype_memory", num_classes=9, embedding_dim=DIMENSION, head="arcface", margin=0.3
    )
    loss.set_margin_fraction(0.5)
    assert float(loss.head.margins(torch.ones(1))) == pytest.approx(0.15)
    z, y = batch([0, 0, 1, 1])
    loss(z.float(), y)
    assert loss.hits.shape == (4,)
    assert "memory=[9, 4]" in repr(loss)
    empty = memory()(z[:0], y[:0])
    assert empty == 0


def test_half_precision_is_left() -> None:
    loss = PrototypeMemory(9, DIMENSION)
    z, y = batch([0, 0, 1, 1])
    plain = loss.eval()(z.float(), y)
    half = z.detach().bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(half, y)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, plain, rtol=0.05, atol=0.05)
    value.backward()
    assert half.grad is not None


@pytest.mark.parametrize(
    ("params", "labels", "problem"),
    [
        ({"head": "arcfase"}, [0, 0], "head: unknown value 'arcfase'; did you mean 'arcface'"),
        ({"head": "softmax"}, [0, 0], "head: unknown value 'softmax'"),
        ({"head": "magface", "margin": 0.2}, [0, 0], "margin: magface has no single margin"),
        ({"memory_size": 1}, [0, 0], "memory_size: 1; must be a whole number of at least 2"),
        ({"memory_size": 2}, [0, 0, 1, 1, 2, 2], "memory_size: 2; the batch alone has 3 classes"),
        ({}, [0, 1, 2], "no class has two samples in the batch.*batch.sampler: balanced"),
        ({}, [0, 12], "labels: 12 in row 1; must be from 0 to 11"),
    ],
)
def test_wrong_use(params: dict[str, Any], labels: list[int], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        memory(**params)(*batch(labels))
    with pytest.raises(InputError, match=r"embeddings: shape \(2, 3\); must be \[B, 4\]"):
        memory()(torch.randn(2, 3), torch.tensor([0, 0]))
