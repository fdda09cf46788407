"""The page on pytorch-metric-learning: its names exist, its defaults are true, its claims hold.

Losses are compared in ``tests/losses/*/test_peers.py`` and metrics in
``tests/evaluation/retrieval/test_metrics.py``; here is what these leave out.
"""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest
import torch

import likewise
import likewise.losses as ours
import likewise.mining
from likewise.data.batch_sampler import PKSampler
from likewise.distances import Minkowski
from tests.docs.migration.pages import blocks, named, page, rows

pytest.importorskip("pytorch_metric_learning")
from pytorch_metric_learning import distances, losses, miners, reducers, samplers
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

PAGE = page("pytorch-metric-learning")
ELSEWHERE = {"AMI", "NMI", "DataLoader"}  # metrics, and a class of torch
# Of each row with defaults: the arguments there and here, in the order of the page.
DEFAULTS = {
    "ArcFaceLoss": [("margin", "margin"), ("scale", "scale")],
    "SubCenterArcFaceLoss": [
        ("margin", "margin"), ("scale", "scale"), ("sub_centers", "subcenters"),
    ],
    "CosFaceLoss": [("margin", "margin"), ("scale", "scale")],
    "NormalizedSoftmaxLoss": [("temperature", "scale")],
    "SphereFaceLoss": [("margin", "margin")],
    "LargeMarginSoftmaxLoss": [("margin", "margin")],
    "ProxyAnchorLoss": [("margin", "delta"), ("alpha", "alpha")],
    "ContrastiveLoss": [("neg_margin", "margin")],
    "TripletMarginLoss": [("margin", "margin")],
    "MultiSimilarityLoss": [("alpha", "alpha"), ("beta", "beta"), ("base", "base")],
    "NTXentLoss": [("temperature", "temperature")],
    "SupConLoss": [("temperature", "temperature")],
    "CircleLoss": [("m", "margin"), ("gamma", "gamma")],
    "CrossBatchMemory": [("memory_size", "memory_size")],
}  # fmt: skip


def batch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(24, 6, generator=generator, dtype=torch.float64),
        torch.randint(0, 6, (24,), generator=generator),
    )


def test_the_example_runs() -> None:
    torch.manual_seed(0)
    for block in blocks(PAGE):
        exec(compile(block, "page", "exec"), {})


def test_every_name_exists() -> None:
    here = [ours, likewise.mining, likewise]
    found = 0
    for row in rows(PAGE):
        for name in set(named(row[0])) - ELSEWHERE:
            assert any(hasattr(module, name) for module in (losses, miners)), name
        for name in set(named(row[1])) - ELSEWHERE:
            found += 1
            assert any(hasattr(module, name) for module in here), name
    assert found > 25


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_defaults_are_true(name: str) -> None:
    row = next(row for row in rows(PAGE) if row[0].startswith(f"`{name}`"))
    there = inspect.signature(getattr(losses, name).__init__).parameters
    here = inspect.signature(getattr(ours, named(row[1])[0])).parameters
    expected = [
        (float(there[one].default), float(here[other].default)) for one, other in DEFAULTS[name]
    ]
    pairs = re.findall(r"([\d.]+) → (?:[a-z]+ )?([\d.]+)", row[2])
    assert [(float(one), float(other)) for one, other in pairs] == expected


def test_embeddings_are_normalised_on_both_sides() -> None:
    assert distances.LpDistance().normalize_embeddings
    assert inspect.signature(ours.Triplet).parameters["normalize"].default


def test_the_cosine_is_the_same_dissimilarity() -> None:
    z, y = batch()
    theirs = losses.TripletMarginLoss(margin=0.2, distance=distances.CosineSimilarity())
    torch.testing.assert_close(ours.Triplet(margin=0.2, distance="cosine")(z, y), theirs(z, y))


def test_the_mean_over_mined_triplets() -> None:
    """Theirs leaves out the triplets without a loss, unless it is told to take the plain mean."""
    z, y = batch()
    miner = miners.BatchHardMiner(distance=distances.LpDistance())
    value = ours.Triplet(margin=0.2, mining="batch_hard")(z, y)
    triplets = miner(z, y)
    active = losses.TripletMarginLoss(margin=0.2)(z, y, triplets)
    plain = losses.TripletMarginLoss(margin=0.2, reducer=reducers.MeanReducer())(z, y, triplets)
    torch.testing.assert_close(value, plain)
    assert active > value


def test_views_of_one_photo() -> None:
    z, _ = batch()
    one, other = z[:12], z[12:]
    theirs = losses.SelfSupervisedLoss(losses.NTXentLoss(temperature=0.07))(one, other)
    torch.testing.assert_close(ours.NTXent()(z, torch.arange(12).repeat(2)), theirs)


def test_batches_of_both_samplers() -> None:
    labels = np.repeat(np.arange(8), [2, 5, 5, 5, 5, 5, 5, 5])
    theirs = samplers.MPerClassSampler(labels, m=4, batch_size=16, length_before_new_iter=160)
    there = np.array(list(theirs)).reshape(-1, 16)
    here = list(PKSampler(labels, identities=4, images=4))
    for rows_of_batch in [*there, *here]:
        _, counts = np.unique(labels[rows_of_batch], return_counts=True)
        assert counts.tolist() == [4] * 4
    assert len(here) == len(labels) // 16
    for one, other in zip(here[::2], here[1::2], strict=False):  # a round of 8 identities
        assert len({*labels[one], *labels[other]}) == 8


def test_metrics_of_raw_and_of_normalised_embeddings() -> None:
    """Theirs takes Euclidean distances of embeddings as they are, and sees k neighbours."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 6, 90)
    x = (random.normal(size=(6, 8))[labels] + random.normal(size=(90, 8))).astype(np.float32)
    include = ("precision_at_1", "mean_average_precision_at_r", "r_precision")
    normalised = x / np.linalg.norm(x, axis=1, keepdims=True)
    raw, whole, cut = (
        AccuracyCalculator(include=include, k=k).get_accuracy(vectors, labels)
        for vectors, k in ((x, "max_bin_count"), (normalised, "max_bin_count"), (normalised, 3))
    )
    found = likewise.retrieval(x, labels)
    assert found.map_at_r == pytest.approx(whole["mean_average_precision_at_r"])
    assert found.r_precision == pytest.approx(whole["r_precision"])
    for other in (raw, cut):
        assert other["mean_average_precision_at_r"] != pytest.approx(found.map_at_r, abs=0.005)
    euclidean = likewise.retrieval(x, labels, distance=Minkowski(2))
    assert euclidean.map_at_r == pytest.approx(raw["mean_average_precision_at_r"])
