"""Pairs drawn in balance, and pairs kept by miners."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from likewise.errors import InputError
from likewise.mining import (
    AdjacentPairs,
    BalancedPairs,
    MultiSimilarityPairs,
    balanced_pairs,
    pair_masks,
    pair_miner,
)


@pytest.mark.parametrize("count", [1, 7, 1000])
def test_pairs_are_half_same_and_half_different(count: int) -> None:
    labels = torch.tensor([5, 2**50, 5, 9, 2**50, 5])
    first, second = balanced_pairs(labels, count)
    same = labels[first] == labels[second]
    half = count - count // 2
    assert same.tolist() == [True] * half + [False] * (count - half)
    assert (first != second).all()


def test_pairs_are_uniform_over_all_pairs_of_a_kind() -> None:
    labels = torch.tensor([0, 1, 0, 2, 1, 0])
    generator = torch.Generator().manual_seed(0)
    first, second = balanced_pairs(labels, 60_000, generator=generator)
    seen = Counter(zip(first.tolist(), second.tolist(), strict=True))
    for kind, mask in zip(("same", "different"), pair_masks(labels), strict=True):
        pairs = [tuple(p) for p in mask.nonzero().tolist()]
        for pair in pairs:
            assert seen[pair] == pytest.approx(30_000 / len(pairs), rel=0.12), kind


def test_a_generator_repeats_the_draw() -> None:
    labels = torch.arange(100) // 3
    draws = [balanced_pairs(labels, 50, generator=torch.Generator().manual_seed(1)) for _ in "ab"]
    assert torch.equal(torch.stack(draws[0]), torch.stack(draws[1]))


def test_a_million_samples_are_no_burden() -> None:
    labels = torch.arange(1_000_000) // 2
    first, second = balanced_pairs(labels, 1000)
    assert (labels[first] == labels[second]).sum() == 500


@pytest.mark.parametrize(
    ("labels", "count", "message"),
    [
        ([0, 0, 0], 4, "3 samples of 1 classes"),
        ([0, 1, 2], 4, "a class with two samples"),
        ([], 4, "0 samples"),
        ([0, 0, 1], 0, "count: 0"),
    ],
)
def test_pairs_that_cannot_be_drawn(labels: list[int], count: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        balanced_pairs(torch.tensor(labels, dtype=torch.int64), count)


def test_adjacent_pairs() -> None:
    same, different = pair_masks(torch.tensor([0, 0, 0, 1, 2]))
    kept_same, kept_different = AdjacentPairs()(torch.zeros(5, 5), same, different)
    assert kept_same.nonzero().tolist() == [[0, 1], [1, 0]]
    assert kept_different.nonzero().tolist() == [[2, 3], [3, 2]]


def test_balanced_miner_thins_the_more_frequent_kind() -> None:
    same, different = pair_masks(torch.arange(12) // 3)
    kept_same, kept_different = BalancedPairs()(torch.zeros(12, 12), same, different)
    assert torch.equal(kept_same, same)
    assert int(kept_different.sum()) == int(same.sum())
    assert (kept_different <= different).all()


def test_multi_similarity_miner_equals_the_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    d = torch.rand(10, 10, generator=generator)
    y = torch.randint(0, 4, (10,), generator=generator)
    same, different = pair_masks(y)
    kept_same, kept_different = MultiSimilarityPairs(epsilon=0.1)(d, same, different)
    for i in range(10):
        to_positive = [float(d[i, j]) for j in range(10) if same[i, j]]
        to_negative = [float(d[i, j]) for j in range(10) if different[i, j]]
        for j in range(10):
            hard = bool(to_negative) and float(d[i, j]) > min(to_negative) - 0.1
            close = bool(to_positive) and float(d[i, j]) < max(to_positive) + 0.1
            assert bool(kept_same[i, j]) == (bool(same[i, j]) and hard)
            assert bool(kept_different[i, j]) == (bool(different[i, j]) and close)


def test_miners_by_name() -> None:
    assert pair_miner("all") is None
    assert pair_miner(None) is None
    assert pair_miner("balanced") == BalancedPairs()
    with pytest.raises(InputError, match="did you mean 'adjacent'"):
        pair_miner("adjacend")
    with pytest.raises(InputError, match="epsilon: -1"):
        MultiSimilarityPairs(epsilon=-1)
