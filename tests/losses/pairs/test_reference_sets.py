"""Queries against a reference set, against plain loops: value and both gradients."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import Tensor

from likewise.errors import InputError
from likewise.losses import (
    ArcFace,
    Center,
    Contrastive,
    CrossBatchMemory,
    EmbeddingLoss,
    Gathered,
    NTXent,
    ProxyNCA,
    Sum,
    SupCon,
    Triplet,
)
from likewise.losses.registry import registered_losses
from tests.losses.pairs.selected import WHOLE, Selected, assert_equal, rows_of, scene

every_loss = pytest.mark.parametrize("case", WHOLE, ids=str)


@every_loss
@pytest.mark.parametrize("seed", [0, 1])
def test_it_equals_the_loop(case: Selected, seed: int) -> None:
    loss = case.make("all").double()
    (q, yq), (r, yr) = scene(seed, 5), scene(seed + 10, 9)
    yq[-1] = 7  # of a class that the reference set does not have
    same = yq[:, None] == yr[None]
    ours = loss(q, yq, reference=r, reference_labels=yr)
    assert_equal(ours, case.loop(q, r, rows_of(same), rows_of(~same), loss), [q, r])
    assert ours > 0
    assert bool(loss.paired)


@every_loss
def test_a_detached_reference_stands_still(case: Selected) -> None:
    loss = case.make("all").double()
    (q, yq), (r, yr) = scene(0, 5), scene(1)
    both = torch.autograd.grad(loss(q, yq, reference=r, reference_labels=yr), [q, r])
    alone = torch.autograd.grad(loss(q, yq, reference=r.detach(), reference_labels=yr), q)
    torch.testing.assert_close(alone[0], both[0])
    assert both[1].abs().max() > 0


@every_loss
def test_nothing_to_compare_with_is_zero(case: Selected) -> None:
    loss = case.make("all").double()
    (q, yq), (r, yr) = scene(0, 5), scene(1)
    for rows in (r[:0], yr[:0]), (r[:1], yr[:1]):
        value = loss(q, yq, reference=rows[0], reference_labels=rows[1])
        assert torch.isfinite(torch.autograd.grad(value, q)[0]).all()
    assert loss(q[:0], yq[:0], reference=r, reference_labels=yr) == 0
    assert loss(q, yq, reference=r[:0], reference_labels=yr[:0]) == 0


def test_every_registered_loss_that_compares_samples_takes_one() -> None:
    kinds = {n: f.kind for n, f in registered_losses().items() if issubclass(f.kind, EmbeddingLoss)}
    taking = {
        name
        for name, kind in kinds.items()
        if "anchor_labels" in inspect.signature(kind.compute).parameters
    }
    comparing = {name for name, kind in kinds.items() if kind.compares_samples is True}
    assert taking == comparing
    assert {case.name.partition("-")[0] for case in WHOLE} <= {*taking, "siamese"}


def test_weights_and_reduction_are_those_of_the_queries() -> None:
    (q, yq), (r, yr) = scene(0, 5), scene(1)
    against = {"reference": r, "reference_labels": yr}
    each = NTXent(reduction="none")(q, yq, **against)
    weights = torch.tensor([0.0, 1.0, 2.0, 0.5, 3.0], dtype=torch.float64)
    assert each.shape == (5,)
    torch.testing.assert_close(NTXent()(q, yq, **against), each.mean())
    weighted = NTXent()(q, yq, weights=weights, **against)
    torch.testing.assert_close(weighted, (weights * each).mean())


def test_half_precision_beside_full_precision() -> None:
    (q, yq), (r, yr) = scene(0, 5), scene(1)
    q, r = q.detach().bfloat16(), r.detach().float()
    value = SupCon()(q, yq, reference=r, reference_labels=yr)
    expected = SupCon()(q.float(), yq, reference=r, reference_labels=yr)
    torch.testing.assert_close(value, expected)


def test_a_miner_sees_the_reference_set() -> None:
    (q, yq), (r, yr) = scene(0, 5), scene(1)
    seen = []

    def miner(d: Tensor, same: Tensor, different: Tensor) -> tuple[Tensor, Tensor]:
        seen.append((d.shape, same.shape))
        return same, different

    ours = NTXent(miner=miner)(q, yq, reference=r, reference_labels=yr)
    assert seen == [((5, 9), (5, 9))]
    torch.testing.assert_close(ours, NTXent()(q, yq, reference=r, reference_labels=yr))


def test_wrappers_hand_it_on() -> None:
    (q, yq), (r, yr) = scene(0, 5), scene(1)
    against = {"reference": r, "reference_labels": yr}
    proxies = ProxyNCA(num_classes=3, embedding_dim=4).double()
    total = Sum(NTXent(), 0.5 * Triplet(), proxies)
    expected = NTXent()(q, yq, **against) + 0.5 * Triplet()(q, yq, **against) + proxies(q, yq)
    torch.testing.assert_close(total(q, yq, **against), expected)
    torch.testing.assert_close(Gathered(total)(q, yq, **against), expected)


def test_wrong_use() -> None:
    (q, yq), (r, yr) = scene(0, 5), scene(1)
    calls = [
        (SupCon(), {"reference": r}, "SupCon: reference_labels: none given"),
        (SupCon(), {"reference_labels": yr}, "SupCon: reference: none given"),
        (
            SupCon(),
            {"anchors": 3, "reference": r, "reference_labels": yr},
            "anchors, reference: both given",
        ),
        (SupCon(), {"reference": r[:, :3], "reference_labels": yr}, r"must be \[B, 4\]"),
        (SupCon(), {"reference": r, "reference_labels": yr[:3]}, r"labels: shape \(3,\)"),
        (
            SupCon(),
            {"reference": torch.full((2, 4), torch.nan), "reference_labels": yr[:2]},
            "SupCon: reference: embeddings: row 0 holds NaN",
        ),
        (
            Center(num_classes=3, embedding_dim=4),
            {"reference": r, "reference_labels": yr},
            "Center: reference: it does not compare samples",
        ),
        (
            Sum(ArcFace(3, 4), Center(num_classes=3, embedding_dim=4)),
            {"reference": r, "reference_labels": yr},
            "Sum: reference: no loss inside compares samples",
        ),
        (
            CrossBatchMemory(SupCon(), embedding_dim=4),
            {"reference": r, "reference_labels": yr},
            "CrossBatchMemory: reference: the memory takes its place",
        ),
    ]
    for loss, arguments, message in calls:
        with pytest.raises(InputError, match=message):
            loss(q, yq, **arguments)


def test_a_loss_of_ones_own_without_reference_sets_says_so() -> None:
    class Own(EmbeddingLoss):
        def compute(self, anchors: Tensor, samples: Tensor, labels: Tensor) -> Tensor:
            return Contrastive().compute(anchors, samples, labels)

    (q, yq), (r, yr) = scene(0, 5), scene(1)
    assert torch.equal(Own()(q, yq), Contrastive()(q, yq))
    with pytest.raises(InputError, match=r"Own: reference: its compute\(\) takes no anchor_labels"):
        Own()(q, yq, reference=r, reference_labels=yr)
