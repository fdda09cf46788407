"""Miners by name and with parameters, and what they choose as pairs and as triplets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from likewise.errors import InputError
from likewise.mining import (
    BatchHard,
    Curriculum,
    DistanceWeighted,
    MultiSimilarityPairs,
    SemiHard,
    create_miner,
    list_miners,
    mine_pairs,
    mine_triplets,
    pair_masks,
    register_miner,
)
from likewise.mining.registry import REGISTERED


@pytest.fixture
def registry() -> Iterator[None]:
    before = dict(REGISTERED)
    yield
    REGISTERED.clear()
    REGISTERED.update(before)


def scene(seed: int = 0, size: int = 12) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    z = torch.nn.functional.normalize(torch.randn(size, 5, generator=generator))
    return torch.cdist(z, z), *pair_masks(torch.randint(0, 4, (size,), generator=generator))


def test_names_and_parameters() -> None:
    assert create_miner(None) is create_miner("all") is create_miner("batch_all") is None
    assert create_miner("batch_hard") == BatchHard()
    assert create_miner({"name": "multi_similarity", "epsilon": 0.3}) == MultiSimilarityPairs(0.3)
    assert create_miner({"name": "distance_weighted", "farthest": 1.2}) == DistanceWeighted(
        farthest=1.2
    )
    curriculum = create_miner({"name": "curriculum", "step": 0.5})
    assert isinstance(curriculum, Curriculum)
    assert curriculum.step == 0.5
    own = MultiSimilarityPairs()
    assert create_miner(own) is own


@pytest.mark.parametrize("name", list_miners())
def test_every_name_gives_pairs_and_triplets(name: str) -> None:
    """The pairs of the triplets are among the pairs, and labels agree."""
    d, same, different = scene()
    miner = create_miner({"name": name, "dimension": 5} if name == "distance_weighted" else name)
    kept_same, kept_different = mine_pairs(miner, d, same, different)
    assert (kept_same <= same).all()
    assert (kept_different <= different).all()
    if miner is None:
        assert torch.equal(kept_same, same)
        return
    triplets = mine_triplets(miner, d, same, different)
    assert same[triplets.anchor, triplets.positive].all()
    assert different[triplets.anchor, triplets.negative].all()


@pytest.mark.parametrize("margin", [0.1, 0.6])
def test_semi_hard_equals_the_loop(margin: float) -> None:
    d, same, different = scene(size=16)
    rows = range(16)
    expected = [
        (a, p, n)
        for a in rows
        for p in rows
        for n in rows
        if same[a, p] and different[a, n] and d[a, p] < d[a, n] < d[a, p] + margin
    ]
    found = SemiHard(margin)(d, same, different)
    assert sorted(zip(*(t.tolist() for t in found), strict=True)) == sorted(expected)


def test_triplets_become_pairs_and_pairs_become_triplets() -> None:
    d, same, different = scene()
    anchor, positive, negative = BatchHard()(d, same, different)
    pairs = mine_pairs(BatchHard(), d, same, different)
    for mask, column in zip(pairs, (positive, negative), strict=True):
        expected = sorted({(int(a), int(c)) for a, c in zip(anchor, column, strict=True)})
        assert [tuple(p) for p in mask.nonzero().tolist()] == expected
    kept = MultiSimilarityPairs()(d, same, different)
    triplets = mine_triplets(MultiSimilarityPairs(), d, same, different)
    rows = range(len(d))
    assert sorted(zip(*(t.tolist() for t in triplets), strict=True)) == [
        (a, p, n) for a in rows for p in rows for n in rows if kept[0][a, p] and kept[1][a, n]
    ]


def test_masks_between_two_sets() -> None:
    same, different = pair_masks(torch.tensor([1, 2, 1]), of=torch.tensor([1, 7]))
    assert same.tolist() == [[True, False, True], [False, False, False]]
    assert torch.equal(different, ~same)


def test_a_miner_of_ones_own_by_name(registry: None) -> None:
    @register_miner("near")
    @dataclass(frozen=True)
    class Near:
        most: float = 0.5

        def __call__(self, d: Tensor, same: Tensor, different: Tensor, /) -> tuple[Tensor, Tensor]:
            return same, different & (d < self.most)

    d, same, different = scene()
    miner = create_miner({"name": "near", "most": 0.8})
    assert torch.equal(mine_pairs(miner, d, same, different)[1], different & (d < 0.8))

    @register_miner("nearer")
    def nearer(most: float) -> Near:
        return Near(most)

    assert create_miner({"name": "nearer", "most": 0.3}) == Near(0.3)
    with pytest.raises(InputError, match="miner.most: none given; the miner nearer needs it"):
        create_miner("nearer")
    for name in ("near", "all"):
        with pytest.raises(InputError, match="the name is taken"):
            register_miner(name)
    with pytest.raises(InputError, match="letters, digits and _"):
        register_miner("near + far")


@pytest.mark.parametrize(
    ("miner", "message"),
    [
        ("balance", "did you mean 'balanced'"),
        ({"epsilon": 0.1}, "miner: no name"),
        ({"name": "multi_similarity", "epsilom": 0.1}, "did you mean 'epsilon'"),
        ({"name": "multi_similarity", "epsilon": -1}, "epsilon: -1"),
        ({"name": "all", "epsilon": 1}, "miner.epsilon: the miner all has no parameters"),
        ({"name": "batch_hard", "margin": 1}, "the miner batch_hard has no parameters"),
        ({"name": "semi_hard", "margin": 0}, "margin: 0; must be a number above 0"),
        ({"name": "distance_weighted", "nearest": "a"}, "nearest: 'a'; must be a finite number"),
        ({"name": "curriculum", "detector": 3}, "detector: 3; must be a CollapseDetector"),
        (3, "miner: 3; must be a name or a miner"),
    ],
)
def test_wrong_miners(miner: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        create_miner(miner)


def test_a_miner_that_returns_something_else() -> None:
    for mine in (mine_pairs, mine_triplets):
        with pytest.raises(InputError, match="miner: function returned Tensor; must be two masks"):
            mine(lambda d, _same, _different: d, *scene())


def test_distance_weighted_needs_the_dimension() -> None:
    with pytest.raises(InputError, match="dimension: none given"):
        DistanceWeighted()(*scene())
