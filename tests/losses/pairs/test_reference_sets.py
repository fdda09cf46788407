"""Queries against a reference set: every loss on pairs against its plain loop, and wrong use."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from likewise.errors import InputError
from likewise.losses import (
    ArcFace,
    Center,
    Contrastive,
    CrossBatchMemory,
    EmbeddingLoss,
    Gathered,
    NTXent,
    PrototypeMemory,
    ProxyNCA,
    SiameseClassifier,
    Softmax,
    SoftTriple,
    Sum,
    SupCon,
    Triplet,
    create_loss,
    list_losses,
)
from likewise.losses.pairs.batch_all import active_hinges
from tests.losses.cases import CASES, Case
from tests.losses.pairs import reference
from tests.losses.pairs.chosen_pairs import OfAnchors, against_reference, comparing

SIZES = {"num_classes": 5, "embedding_dim": 4}
# The query is never a sample of the reference set, so it does not count as its own positive.
COMPARING = [
    case for case in CASES if case.make().compares_samples and case.name != "smooth_ap-query"
]
every_case = pytest.mark.parametrize("case", COMPARING, ids=str)
QUERIES = [0, 2, 1, 0, 3, 4]  # 4 has no positive in the reference set
REFERENCE = [1, 0, 0, 2, 3, 1, 0, 2, 1]


def sets(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Queries and references with their labels."""
    generator = torch.Generator().manual_seed(3)
    z, r = (
        torch.randn(len(labels), 4, generator=generator, dtype=torch.float64)
        for labels in (QUERIES, REFERENCE)
    )
    z, r = (x.to(dtype).requires_grad_() for x in (z, r))
    return z, torch.tensor(QUERIES), r, torch.tensor(REFERENCE)


def loop(case: Case, loss: nn.Module, z: Tensor, r: Tensor, over: OfAnchors) -> Tensor:
    y, of = QUERIES[: len(z)], REFERENCE[: len(r)]
    with comparing(*against_reference(y, of)):
        return case.reference(loss, torch.cat([z, r]), y + of, over=over)


def gradients(value: Tensor, loss: nn.Module, *inputs: Tensor) -> list[Tensor]:
    wanted = [*inputs, *loss.parameters()]
    found = torch.autograd.grad(value, wanted, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for x, g in zip(wanted, found, strict=True)]


@every_case
def test_it_equals_the_loop(case: Case) -> None:
    """Value, and gradients of queries, references and parameters."""
    torch.manual_seed(0)
    loss = case.make().double()
    z, y, r, of = sets()
    value = loss(z, y, reference=r, reference_labels=of)
    expected = loop(case, loss, z, r, OfAnchors(len(y)))
    torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-10)
    ours, loops = gradients(value, loss, z, r), gradients(expected, loss, z, r)
    torch.testing.assert_close(ours, loops, rtol=1e-10, atol=1e-10)
    assert value != 0
    assert (ours[0] != 0).any()
    assert (ours[1] != 0).any()
    assert bool(loss.paired)


@every_case
def test_weights_and_reductions_equal_the_loop(case: Case) -> None:
    torch.manual_seed(0)
    loss = case.make().double()
    z, y, r, of = sets()
    weights = torch.tensor([0.5, 2.0, 0.0, 1.0, 0.3, 1.5], dtype=torch.float64)
    mean = loop(case, loss, z, r, OfAnchors(len(y), weights))
    rows = weights * loop(case, loss, z, r, OfAnchors(len(y), rows=True))
    mix = torch.linspace(-1, 1, len(y), dtype=torch.float64)
    for reduction, true in {"mean": mean, "sum": mean * len(y), "none": rows}.items():
        loss.reduction = reduction
        value = loss(z, y, weights=weights, reference=r, reference_labels=of)
        torch.testing.assert_close(value, true, rtol=1e-10, atol=1e-10)
        ours, loops = ((v * mix).sum() if v.ndim else v for v in (value, true))
        kept = {"retain_graph": True}
        torch.testing.assert_close(
            torch.autograd.grad(ours, (z, r), **kept),
            torch.autograd.grad(loops, (z, r), **kept),
            rtol=1e-10,
            atol=1e-10,
        )


@every_case
def test_a_detached_reference_set_stands_still(case: Case) -> None:
    torch.manual_seed(0)
    loss = case.make().double()
    z, y, r, of = sets()
    whole = torch.autograd.grad(loss(z, y, reference=r, reference_labels=of), z)
    alone = loss(z, y, reference=r.detach(), reference_labels=of)
    torch.testing.assert_close(torch.autograd.grad(alone, z), whole, rtol=0, atol=0)


@every_case
@pytest.mark.parametrize(("queries", "references"), [(6, 0), (0, 9), (0, 0), (1, 1)])
def test_without_pairs_the_loss_and_both_gradients_are_zero(
    case: Case, queries: int, references: int
) -> None:
    """Also where a query and a reference are of different classes, if the loss needs both kinds."""
    torch.manual_seed(0)
    loss = case.make().double()
    z, y, r, of = sets()
    value = loss(
        z[:queries], y[:queries], reference=r[:references], reference_labels=of[:references]
    )
    ours = torch.autograd.grad(value, (z, r))
    if queries and references:  # the loop knows which losses push a single negative away
        expected = loop(case, loss, z[:1], r[:1], OfAnchors(1))
        torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-10)
        return
    assert value == 0
    assert not any((g != 0).any() for g in ours)
    assert not loss.paired


def test_batch_all_of_classes_that_only_one_side_has() -> None:
    """The counts behind the fast path, with ties and with classes on one side alone."""
    generator = torch.Generator().manual_seed(0)
    for labels, of in (([0, 1, 5], [7, 8, 7, 8]), ([9, 0, 0, 4], [0, 4, 4, 1, 0, 2])):
        y, own = torch.tensor(of), torch.tensor(labels)
        d = torch.randint(0, 4, (len(own), len(y)), generator=generator).double().requires_grad_()
        for semi_hard in (False, True):
            terms = [
                1.5 + d[a, p] - d[a, n]
                for a in range(len(own))
                for p in range(len(y))
                for n in range(len(y))
                if own[a] == y[p] and own[a] != y[n] and 1.5 + d[a, p] > d[a, n]
                if not semi_hard or d[a, n] > d[a, p]
            ]
            expected = reference.mean(terms, d)
            value = active_hinges(d, y, 1.5, semi_hard=semi_hard, anchor_labels=own).mean()
            torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12)
            torch.testing.assert_close(
                torch.autograd.grad(value, d), torch.autograd.grad(expected, d)
            )


def test_references_of_another_precision() -> None:
    z, y, r, of = sets()
    expected = SupCon()(z.detach().half().double(), y, reference=r, reference_labels=of)
    value = SupCon()(z.detach().half(), y, reference=r, reference_labels=of)
    assert value.dtype == torch.float64
    torch.testing.assert_close(value, expected)
    with torch.autocast("cpu", torch.bfloat16):
        both = SupCon()(z.half(), y, reference=r.bfloat16(), reference_labels=of)
    assert both.dtype == torch.float32


def test_wrappers_hand_it_on() -> None:
    """To the losses inside that compare samples; the others get the queries alone."""
    z, y, r, of = sets()
    given: dict[str, Any] = {"reference": r, "reference_labels": of}
    pairs, proxies, center = NTXent(), ProxyNCA(**SIZES).double(), Center(**SIZES).double().eval()
    expected = 0.5 * pairs(z, y, **given) + proxies(z, y) + 0.1 * center(z, y)
    total = 0.5 * pairs + proxies + 0.1 * center
    for loss in (total, Gathered(total), Sum(Gathered(Sum(total)))):
        torch.testing.assert_close(loss(z, y, **given), expected)
        assert bool(loss.paired)
    weights = torch.linspace(0, 1, len(y), dtype=torch.float64)
    torch.testing.assert_close(
        Gathered(0.5 * pairs)(z, y, weights=weights, **given),
        0.5 * pairs(z, y, weights=weights, **given),
    )
    torch.testing.assert_close(total(z, y), 0.5 * pairs(z, y) + proxies(z, y) + 0.1 * center(z, y))


@pytest.mark.parametrize("wrap", [lambda loss: 0.5 * loss, Sum, Gathered])
def test_wrappers_without_a_loss_that_compares_samples_refuse_it(wrap: Any) -> None:
    z, y, r, of = sets(torch.float32)
    loss = wrap(ArcFace(**SIZES))
    for given in ({"reference": r, "reference_labels": of}, {"reference_labels": of}):
        with pytest.raises(
            InputError, match="reference: no loss inside compares samples"
        ) as refusal:
            loss(z, y, **given)
        assert str(refusal.value).startswith(type(loss).__name__)


def test_a_memory_refuses_it() -> None:
    z, y, r, of = sets(torch.float32)
    loss = CrossBatchMemory(NTXent(), embedding_dim=4)
    for given in ({"reference": r, "reference_labels": of}, {"reference": r}):
        with pytest.raises(InputError, match="reference: the memory takes its place"):
            loss(z, y, **given)
    with pytest.raises(InputError, match="Gathered: reference: no loss inside"):
        Gathered(loss)(z, y, reference=r, reference_labels=of)
    assert int(loss.filled) == 0


@pytest.mark.parametrize("name", list_losses())
def test_a_loss_that_does_not_compare_samples_refuses_it(name: str) -> None:
    z, y, r, of = sets(torch.float32)
    loss = create_loss(name, **SIZES)
    if loss.compares_samples:
        assert loss(z, y, reference=r, reference_labels=of).shape == ()
        return
    refused = InputError if isinstance(loss, EmbeddingLoss) else TypeError  # no such argument
    with pytest.raises(refused, match="reference"):
        loss(z, y, reference=r, reference_labels=of)


def test_kinds_without_the_argument() -> None:
    """The table of the losses that refuse it, so that a new one is decided upon."""
    for kind in (Softmax, ArcFace, PrototypeMemory, ProxyNCA, SoftTriple, Center):
        assert not kind(**SIZES).compares_samples


class Own(EmbeddingLoss):
    """A loss of one's own, on a batch only."""

    def compute(self, anchors: Tensor, samples: Tensor, labels: Tensor) -> Tensor:
        return (anchors @ samples.T).sum(1) + 0 * labels.sum()


Z, Y, R, OF = sets(torch.float32)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"reference": R}, "reference_labels: none given; give reference and reference_labels"),
        ({"reference_labels": OF}, "reference: none given"),
        ({"reference": R, "reference_labels": OF, "anchors": 3}, "anchors, reference: both given"),
        ({"reference": R[0], "reference_labels": OF}, r"reference: embeddings: shape \(4,\)"),
        ({"reference": R[:, :3], "reference_labels": OF}, r"shape \(9, 3\); must be \[B, 4\]"),
        ({"reference": R, "reference_labels": OF[:3]}, r"reference: labels: shape \(3,\)"),
        ({"reference": R, "reference_labels": OF.int()}, "reference: labels: dtype torch.int32"),
        ({"reference": R.long(), "reference_labels": OF}, "reference: embeddings: dtype"),
        ({"reference": R.tolist(), "reference_labels": OF}, "reference: embeddings: a list"),
        ({"reference": R / 0, "reference_labels": OF}, "reference: embeddings: row 0 holds NaN"),
        (
            {"reference": R.to("meta"), "reference_labels": OF.to("meta")},
            "reference: on meta; must be on cpu, beside the embeddings",
        ),
        ({"reference": R, "reference_labels": OF, "weights": torch.ones(9)}, r"must be \[6\]"),
    ],
)
def test_wrong_sets(given: dict[str, Any], message: str) -> None:
    for loss in (SupCon(), Triplet(), SiameseClassifier(embedding_dim=4)):
        with pytest.raises(InputError, match=message) as refusal:
            loss(Z, Y, **given)
        assert str(refusal.value).startswith(type(loss).__name__)


def test_wrong_queries_are_named_first() -> None:
    for z, message in ((Z[0], r"embeddings: shape \(4,\)"), (Z.tolist(), "embeddings: a list")):
        with pytest.raises(InputError, match=f"SupCon: {message}"):
            SupCon()(z, Y, reference=R, reference_labels=OF)


def test_what_cannot_be_compared_with_a_set() -> None:
    with pytest.raises(InputError, match="Own: reference: its compute.. takes no anchor_labels"):
        Own()(Z, Y, reference=R, reference_labels=OF)
    with pytest.raises(InputError, match="Contrastive: reference: the miner adjacent pairs rows"):
        Contrastive(miner="adjacent")(Z, Y, reference=R, reference_labels=OF)
