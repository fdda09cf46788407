"""Weights of samples and reductions: every loss against plain loops, and by their definition."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from likewise.errors import InputError
from likewise.losses import (
    ArcFace,
    Center,
    CrossBatchMemory,
    EmbeddingLoss,
    Gathered,
    NTXent,
    ProxyNCA,
    Sum,
    Triplet,
    create_loss,
    list_losses,
)
from tests.losses.cases import CASES, Case, batch
from tests.losses.pairs.reference import Over, Rows

REDUCTIONS = ("mean", "sum", "none")
BY_ANCHOR = [case for case in CASES if "over" in inspect.signature(case.loop).parameters]
SIZES = {"num_classes": 5, "embedding_dim": 4}


def random_weights(count: int, seed: int = 0) -> Tensor:
    """From 0 to 2; one of them is 0."""
    generator = torch.Generator().manual_seed(seed)
    weights = 2 * torch.rand(count, generator=generator, dtype=torch.float64)
    weights[1] = 0
    return weights


def gradients(value: Tensor, loss: nn.Module, z: Tensor) -> list[Tensor]:
    wanted = [z, *loss.parameters()]
    found = torch.autograd.grad(value, wanted, allow_unused=True, retain_graph=True)
    return [torch.zeros_like(x) if g is None else g for x, g in zip(wanted, found, strict=True)]


@pytest.mark.parametrize("case", BY_ANCHOR, ids=str)
def test_pair_losses_equal_the_loop(case: Case) -> None:
    """Value and gradient of the weighted mean and sum, and of the losses of the anchors."""
    torch.manual_seed(0)
    loss = case.make().double()
    z, y = batch()
    weights, upstream = random_weights(len(y)), random_weights(len(y), 1) - 1
    mean = case.reference(loss, z, y.tolist(), over=Over(weights))
    rows = case.reference(loss, z, y.tolist(), over=Rows())
    expected = {"mean": mean, "sum": mean * len(y), "none": weights * rows}
    for reduction, true in expected.items():
        loss.reduction = reduction
        value = loss(z, y, weights=weights)
        torch.testing.assert_close(value, true, rtol=1e-10, atol=1e-10)
        ours, loops = ((v * upstream).sum() if v.ndim else v for v in (value, true))
        torch.testing.assert_close(
            gradients(ours, loss, z), gradients(loops, loss, z), rtol=1e-10, atol=1e-10
        )
    torch.testing.assert_close(loss(z, y), rows, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", list_losses())
def test_every_loss_by_definition(name: str) -> None:
    """Weights of one change nothing; the mean is that of the weighted losses of the samples."""
    z = torch.randn(12, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    z.requires_grad_()
    y, weights = torch.arange(12) % 4, random_weights(12)
    found = {}
    for reduction in REDUCTIONS:
        torch.manual_seed(0)
        loss = create_loss(name, num_classes=4, embedding_dim=6, reduction=reduction).double()
        loss.eval()  # running means stay where they are
        assert loss.reduction == reduction
        for kind, given in (("plain", None), ("ones", torch.ones(12)), ("weighted", weights)):
            torch.manual_seed(1)  # miners that draw
            found[reduction, kind] = loss(z, y, weights=given)
    for kind in ("plain", "ones", "weighted"):
        rows = found["none", kind]
        assert rows.shape == (12,)
        values, sums = (
            [v, *torch.autograd.grad(v, z, retain_graph=True)]
            for v in (found["mean", kind], rows.mean())
        )
        torch.testing.assert_close(values, sums, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(found["sum", kind], rows.sum(), rtol=1e-10, atol=1e-12)
    plain = found["none", "plain"]
    torch.testing.assert_close(found["none", "ones"], plain, rtol=0, atol=0)
    torch.testing.assert_close(found["none", "weighted"], plain * weights, rtol=1e-12, atol=0)
    assert plain.abs().max() > 0


@pytest.mark.parametrize("name", list_losses())
def test_an_empty_batch_and_anchors(name: str) -> None:
    torch.manual_seed(0)
    loss = create_loss(name, num_classes=4, embedding_dim=6, reduction="none").eval()
    z, y = torch.randn(12, 6).requires_grad_(), torch.arange(12) % 4
    assert loss(z[:0], y[:0], weights=torch.ones(0)).shape == (0,)
    if name == "prototype_memory":  # of the first five only one class has two photos
        y = torch.arange(12) % 2
    some = loss(z, y, 5, weights=torch.rand(5))
    assert some.shape == (5,)
    if not loss.compares_samples:
        torch.testing.assert_close(loss(z, y, 5), loss(z[:5], y[:5]))
    with pytest.raises(InputError, match="anchors: 13; must be from 0 to 12"):
        loss(z, y, 13)


WRONG: list[tuple[Any, str]] = [
    ([1.0] * 11, "weights: a list; must be a tensor"),
    (torch.ones(10), r"weights: shape \(10,\); must be \[11\], one for each anchor"),
    (torch.ones(11, 1), r"weights: shape \(11, 1\); must be \[11\]"),
    (torch.ones(11).long(), "weights: dtype torch.int64; must be floating point"),
    (torch.ones(11, device="meta"), "weights: on meta; must be on cpu"),
    (torch.arange(11) - 3.0, "weights: -3 in row 0; must be a finite number of at least 0"),
    (torch.tensor([1.0] * 10 + [torch.nan]), "weights: nan in row 10"),
    (torch.tensor([torch.inf] * 11), "weights: inf in row 0"),
]


@pytest.mark.parametrize("name", ["arcface", "softmax", "ntxent", "center", "prototype_memory"])
@pytest.mark.parametrize(("weights", "message"), WRONG)
def test_wrong_weights(name: str, weights: object, message: str) -> None:
    z, y = batch(dtype=torch.float32)
    with pytest.raises(InputError, match=message):
        create_loss(name, **SIZES)(z, y, weights=weights)


@pytest.mark.parametrize("name", list_losses())
def test_an_unknown_reduction(name: str) -> None:
    with pytest.raises(InputError, match="reduction: unknown value 'man'; did you mean 'mean'"):
        create_loss(name, reduction="man", **SIZES)


class Foreign(nn.Module):
    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return z.square().sum() + 0 * y.sum()


class OneNumber(EmbeddingLoss):
    def compute(self, anchors: Tensor, samples: Tensor, labels: Tensor) -> Tensor:
        return (anchors.sum() - samples.sum()) * labels.sum()


def test_what_has_no_loss_for_each_sample_takes_no_weights() -> None:
    z, y = batch(dtype=torch.float32)
    weights = torch.ones(len(y))
    with pytest.raises(InputError, match="Foreign: weights: it takes none"):
        (0.5 * Triplet() + Foreign())(z, y, weights=weights)
    assert (0.5 * Triplet() + Foreign())(z, y).shape == ()
    with pytest.raises(InputError, match="OneNumber: weights: its compute.. returns one number"):
        OneNumber()(z, y, weights=weights)
    with pytest.raises(InputError, match="OneNumber: reduction: 'none': its compute"):
        OneNumber(reduction="none")(z, y)
    assert OneNumber()(z, y) == 0


def test_terms_of_a_sum_have_one_reduction() -> None:
    with pytest.raises(InputError, match="reduction: mean, none; all terms of a sum need the same"):
        Triplet() + NTXent(reduction="none")
    with pytest.raises(InputError, match="reduction: mean, none"):
        Sum(Triplet(reduction="none"), Foreign())
    loss = create_loss("arcface + 0.5*ntxent + center", reduction="none", **SIZES)
    assert loss.reduction == "none"
    assert [term.reduction for term in loss.terms] == ["none"] * 3
    z, y = batch(dtype=torch.float32)
    assert loss(z, y).shape == (len(y),)


def test_wrappers_hand_weights_on() -> None:
    z, y = batch()
    weights = random_weights(len(y))
    pairs, proxies = NTXent(reduction="none"), ProxyNCA(reduction="none", **SIZES).double()
    expected = 0.5 * pairs(z, y, weights=weights) + proxies(z, y, weights=weights)
    total = Gathered(0.5 * pairs + proxies)
    torch.testing.assert_close(total(z, y, weights=weights), expected)
    assert total.reduction == "none"

    memory = CrossBatchMemory(0.5 * pairs + proxies, embedding_dim=4).double()
    torch.testing.assert_close(memory(z, y, weights=weights), expected)
    again = memory(z, y, weights=weights)
    both, labels = torch.cat([z, z.detach()]), torch.cat([y, y])
    with_memory = 0.5 * pairs(both, labels, len(y), weights=weights)
    torch.testing.assert_close(again, with_memory + proxies(z, y, weights=weights))


@pytest.mark.parametrize("loss", [ArcFace(**SIZES), NTXent(), Center(update="gradient", **SIZES)])
def test_weights_are_constants(loss: nn.Module) -> None:
    z, y = batch(dtype=torch.float32)
    weights = torch.ones(len(y), requires_grad=True)
    value = loss(z, y, weights=weights)
    value.backward()
    assert weights.grad is None
    assert value.dtype == torch.float32
