"""Mined triplets against plain loops, and the drawn ones against their distribution."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from likewise.errors import InputError
from likewise.mining import BatchHard, DistanceWeighted, EasyPositive, pair_masks


def scene(seed: int, size: int = 14, dimension: int = 5) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    z = torch.nn.functional.normalize(torch.randn(size, dimension, generator=generator))
    y = torch.randint(0, 5, (size,), generator=generator)
    return torch.cdist(z, z), y, *pair_masks(y)


def test_masks_leave_the_sample_itself_out() -> None:
    y = torch.tensor([4, 4, 2**40, 2**40 + 1])
    same, different = pair_masks(y)
    assert same.nonzero().tolist() == [[0, 1], [1, 0]]
    assert not (same | different).diag().any()
    assert int(different.sum()) == 4 * 3 - 2
    some_same, some_different = pair_masks(y, anchors=2)
    assert torch.equal(some_same, same[:2])
    assert torch.equal(some_different, different[:2])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("miner", "choose"), [(BatchHard(), max), (EasyPositive(), min)])
def test_one_triplet_an_anchor(miner, choose, seed: int) -> None:
    d, y, same, different = scene(seed)
    expected = []
    for a in range(len(y)):
        positives = [j for j in range(len(y)) if j != a and y[j] == y[a]]
        negatives = [j for j in range(len(y)) if y[j] != y[a]]
        if positives and negatives:
            p = choose(positives, key=lambda j: d[a, j])
            expected.append((a, p, min(negatives, key=lambda j: d[a, j])))
    assert list(zip(*(t.tolist() for t in miner(d, same, different)), strict=True)) == expected


@pytest.mark.parametrize("miner", [BatchHard(), EasyPositive(), DistanceWeighted(5)])
def test_no_triplets_without_both_kinds(miner) -> None:
    d = torch.ones(3, 3)
    for y in ([0, 0, 0], [0, 1, 2]):
        assert [len(t) for t in miner(d, *pair_masks(torch.tensor(y)))] == [0, 0, 0]


def test_weights_are_one_over_the_density() -> None:
    miner = DistanceWeighted(dimension=16)
    d = torch.tensor([0.1, 0.5, 0.9, 1.3, 1.41])
    log_q = [14 * math.log(v) + 13 / 2 * math.log(1 - v * v / 4) for v in (0.5, 0.5, 0.9, 1.3)]
    torch.testing.assert_close(miner.log_weights(d)[:4], -torch.tensor(log_q))
    assert miner.log_weights(d)[4] == -math.inf


def test_the_density_is_that_of_random_distances() -> None:
    """Weights undo the histogram of distances on the sphere: it becomes flat."""
    generator = torch.Generator().manual_seed(0)
    z = torch.nn.functional.normalize(torch.randn(3000, 6, generator=generator))
    d = torch.nn.functional.pdist(z)
    weights = DistanceWeighted(6, nearest=0.5, farthest=1.9).log_weights(d).exp()
    edges = torch.linspace(0.6, 1.8, 7)
    mass = torch.stack([weights[(d >= a) & (d < b)].sum() for a, b in pairwise(edges)])
    torch.testing.assert_close(mass / mass.mean(), torch.ones(6), atol=0.05, rtol=0)


def test_negatives_are_drawn_by_weight() -> None:
    torch.manual_seed(0)
    d = torch.tensor([[0.0, 0.3, 0.2, 0.8, 1.2, 1.5]])
    same = torch.tensor([[False, True, False, False, False, False]])
    different = torch.tensor([[False, False, True, True, True, True]])
    miner = DistanceWeighted(dimension=4)
    drawn = torch.stack([miner(d, same, different).negative for _ in range(4000)]).flatten()
    share = torch.bincount(drawn, minlength=6) / 4000
    q = [v**2 * math.sqrt(1 - v * v / 4) for v in (0.5, 0.8, 1.2)]
    expected = torch.tensor([0, 0, *(1 / v for v in q), 0]) / sum(1 / v for v in q)
    torch.testing.assert_close(share, expected, atol=0.03, rtol=0)


def test_drawn_triplets_are_one_for_each_pair() -> None:
    d, y, same, different = scene(0, size=30)
    anchor, positive, negative = DistanceWeighted(5)(d, same, different)
    reachable = (different & (d <= 1.4)).any(dim=1, keepdim=True)
    assert torch.stack((anchor, positive), 1).tolist() == (same & reachable).nonzero().tolist()
    assert (y[negative] != y[anchor]).all()
    assert (d[anchor, negative] <= 1.4).all()


@pytest.mark.parametrize("arguments", [(2,), (8, 0.0), (8, 1.0, 0.9), (8, 0.5, 2.1)], ids=str)
def test_wrong_arguments(arguments) -> None:
    with pytest.raises(InputError):
        DistanceWeighted(*arguments)
