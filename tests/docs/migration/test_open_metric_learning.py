"""The page on OML: its names exist here, and its claims hold where OML is installed."""

from __future__ import annotations

import inspect
from collections import Counter

import numpy as np
import pytest
import torch

import likewise
import likewise.losses as ours
from likewise.data.batch_sampler import PKSampler
from likewise.errors import InputError
from tests.docs.migration.pages import blocks, named, page, rows

PAGE = page("open-metric-learning")
ELSEWHERE = {"DataLoader", "TAR", "MAP@R", "B", "C"}


def batch(classes: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(20, 6, generator=generator, dtype=torch.float64)
    return z, torch.arange(20) % classes


def test_the_example_runs() -> None:
    for block in blocks(PAGE):
        exec(compile(block, "page", "exec"), {})


def test_every_name_of_likewise_exists() -> None:
    sampler = {"PKSampler"}
    for row in rows(PAGE):
        for name in set(named(row[1])) - ELSEWHERE - sampler:
            assert hasattr(ours, name) or hasattr(likewise, name), name


def test_the_defaults_of_arcface() -> None:
    here = inspect.signature(ours.ArcFace).parameters
    assert (here["margin"].default, here["scale"].default) == (0.5, 64.0)
    peers = pytest.importorskip("oml.losses.arcface")
    there = inspect.signature(peers.ArcFaceLoss.__init__).parameters
    assert (there["m"].default, there["s"].default) == (0.5, 64)


def test_arcface_agrees_before_pi() -> None:
    peers = pytest.importorskip("oml.losses.arcface")
    z, y = batch()
    head = ours.ArcFace(num_classes=5, embedding_dim=6, margin=0.3, scale=16.0).double()
    theirs = peers.ArcFaceLoss(6, 5, m=0.3, s=16).double()
    theirs.weight.data = head.weight.data.clone()
    z = z + 3 * head.weight.data[y]  # near their classes: no angle passes π - m
    torch.testing.assert_close(head(z, y), theirs(z, y))


@pytest.mark.parametrize("margin", [0.3, None])
def test_batch_hard_agrees_without_normalisation(margin: float | None) -> None:
    peers = pytest.importorskip("oml.losses.triplet")
    miner = pytest.importorskip("oml.miners.inbatch_hard_tri").HardTripletsMiner()
    several = pytest.importorskip("oml.miners.inbatch_nhard_tri").NHardTripletsMiner()
    z, y = batch()
    value = ours.Triplet(margin=margin or "soft", mining="batch_hard", normalize=False)(z, y)
    for one in (miner, several):
        theirs = peers.TripletLossWithMiner(margin=margin, miner=one)
        torch.testing.assert_close(value, theirs(z, y))
    assert ours.Triplet(margin=margin or "soft", mining="batch_hard")(z, y) != value


def test_an_anchor_alone_in_its_class() -> None:
    miner = pytest.importorskip("oml.miners.inbatch_hard_tri").HardTripletsMiner()
    z, y = batch()
    y[0] = 99
    anchors, positives, _ = miner._sample(z, y.tolist())
    assert (anchors[0], positives[0]) == (0, 0)


def test_all_triplets_are_averaged_otherwise() -> None:
    peers = pytest.importorskip("oml.losses.triplet")
    z, y = batch()
    each = peers.TripletLossWithMiner(margin=0.2, reduction="none")(z, y)
    theirs = peers.TripletLossWithMiner(margin=0.2)(z, y)
    torch.testing.assert_close(theirs, each.mean())
    value = ours.Triplet(margin=0.2, normalize=False)(z, y)
    torch.testing.assert_close(value, each[each > 0].mean())


def test_batches_of_both_samplers() -> None:
    peers = pytest.importorskip("oml.samplers.balance")
    labels = np.arange(45) // 5  # nine classes of five
    there = list(peers.BalanceSampler(labels, n_labels=4, n_instances=3))
    here = list(PKSampler(labels, identities=4, images=3))
    assert (len(there), len(here)) == (9 // 4, 45 // 12)
    for sampled in [*there, *here]:
        assert sorted(Counter(labels[sampled]).values()) == [3] * 4
    with pytest.raises(AssertionError, match="at least 2"):
        peers.BalanceSampler([0, 0, 1], n_labels=2, n_instances=2)
    assert len(list(PKSampler([0, 0, 1], identities=2, images=2))) == 1
    with pytest.raises(InputError):
        PKSampler([0, 0, 0], identities=2, images=2)


def test_metrics_at_k() -> None:
    peers = pytest.importorskip("oml.functional.metrics")
    # One query: three relevant photos, at the places 1, 3 and 5 of the gallery.
    relevant = [True, False, True, False, True, False]
    gallery = np.array([[np.cos(a), np.sin(a)] for a in np.linspace(0.1, 1.5, 6)])
    names = np.where(relevant, "own", "other")
    found = likewise.retrieval([[1.0, 0.0]], ["own"], gallery, names, ks=[1, 2, 4, 6])
    tops, counts = [torch.tensor(relevant)], [3]
    ks = (1, 2, 4, 6)
    for k, cmc, precision, average in zip(
        ks, peers.calc_cmc(tops, counts, ks), peers.calc_precision(tops, counts, ks),
        peers.calc_map(tops, counts, ks), strict=True,
    ):  # fmt: skip
        assert float(cmc[0]) == found.recall[k]
        assert float(precision[0]) == pytest.approx(found.precision[k] * k / min(3, k))
        places = [n + 1 for n in range(k) if relevant[n]]
        by_hand = sum((n + 1) / place for n, place in enumerate(places)) / len(places)
        assert float(average[0]) == pytest.approx(by_hand)
    assert found.map_at_r == pytest.approx((1 + 2 / 3) / 3)
    assert float(peers.calc_cmc([torch.tensor([False, False])], [0], (1,))[0][0]) == 0
