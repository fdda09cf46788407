"""ElasticFace: margins drawn as published, alike everywhere, and handed out by the cosine."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from likewise.losses import ElasticArcFace, Placement, create_loss
from likewise.losses.margins.normal_draws import NormalDraws
from tests.losses.batches import batch, double_loss
from tests.losses.margins import reference

NAMES = ["elastic_arcface", "elastic_cosface"]
TARGETS = {
    "elastic_arcface": reference.shifted,
    "elastic_cosface": lambda c, m: c - m,
}
MEANS = {"elastic_arcface": 0.5, "elastic_cosface": 0.35}


def split_mix(state: int) -> int:
    """SplitMix64, with the unlimited whole numbers of Python."""
    x = state % 2**64
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
    return x ^ (x >> 31)


def drawn(seed: int, step: int, count: int) -> list[float]:
    """The normal numbers of a step, one at a time."""
    golden = 0x9E3779B97F4A7C15
    key = split_mix(split_mix(seed) + golden * step)
    uniform = [
        ((split_mix(key + golden * place) >> 40) + 0.5) / 2**24 for place in range(1, 2 * count + 1)
    ]
    pairs = zip(uniform[:count], uniform[count:], strict=True)
    return [math.sqrt(-2 * math.log(u)) * math.cos(2 * math.pi * v) for u, v in pairs]


def expected_loss(name: str, z: Tensor, W: Tensor, y: Tensor, margins: list[float]) -> Tensor:
    rows = []
    for row, label, m in zip(z, y.tolist(), margins, strict=True):
        target = TARGETS[name](reference.cosine(row, W[label]), m)
        others = [8.0 * reference.cosine(row, w) for j, w in enumerate(W) if j != label]
        rows.append(reference.cross_entropy(8.0 * target, others))
    return sum(rows) / len(rows)


@pytest.mark.parametrize(("seed", "step"), [(0, 0), (3, 0), (0, 5), (2**40, 2**33)])
def test_numbers_equal_those_of_plain_integers(seed: int, step: int) -> None:
    draws = NormalDraws(seed)
    draws.state[1] = step
    np.testing.assert_allclose(draws.draw(50).numpy(), drawn(seed, step, 50), rtol=1e-12)
    assert draws.state.tolist() == [seed, step + 1]


def test_numbers_are_normal_and_independent() -> None:
    draws = NormalDraws(1)
    table = torch.stack([draws.draw(200) for _ in range(100)])
    assert stats.kstest(table.flatten().numpy(), "norm").pvalue > 0.01
    for pairs in (table[1:] * table[:-1], table[:, 1:] * table[:, :-1]):  # steps, rows
        assert abs(pairs.mean()) < 4 / math.sqrt(pairs.numel())
    apart = NormalDraws(2).draw(20_000) * NormalDraws(3).draw(20_000)
    assert abs(apart.mean()) < 4 / math.sqrt(20_000)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("plus", [False, True])
def test_value_and_gradient_equal_the_loop(name: str, plus: bool) -> None:
    loss = double_loss(name, scale=8.0, deviation=0.1, plus=plus)
    for step in range(3):
        z, y = batch(rows=9, seed=step)
        margins = [MEANS[name] + 0.1 * n for n in drawn(0, step, 9)]
        if plus:  # the farthest row takes the largest margin, and so on
            cosines = [
                reference.cosine(row, loss.weight[label]).item()
                for row, label in zip(z, y.tolist(), strict=True)
            ]
            farthest_first = sorted(range(9), key=lambda row: cosines[row])
            largest_first = sorted(margins, reverse=True)
            margins = [largest_first[farthest_first.index(row)] for row in range(9)]
        value = loss(z, y)
        expected = expected_loss(name, z, loss.weight, y, margins)
        wanted = (z, loss.weight)
        torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(
            torch.autograd.grad(value, wanted),
            torch.autograd.grad(expected, wanted),
            rtol=1e-10,
            atol=1e-10,
        )


@pytest.mark.parametrize("name", NAMES)
def test_weights_and_rows(name: str) -> None:
    """Weights of rows do not change what is drawn, nor which row gets it."""
    z, y = batch(rows=9)
    weights = torch.rand(9, dtype=torch.float64)
    rows = double_loss(name, scale=8.0, plus=True, reduction="none")(z, y)
    weighted = double_loss(name, scale=8.0, plus=True)(z, y, weights=weights)
    plain = double_loss(name, scale=8.0, plus=True)(z, y)
    torch.testing.assert_close(rows.mean(), plain)
    torch.testing.assert_close((weights * rows).mean(), weighted)
    torch.testing.assert_close(
        torch.autograd.grad(weighted, z), torch.autograd.grad((weights * rows).mean(), z)
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("plus", [False, True])
def test_evaluation_has_the_mean_margin(name: str, plus: bool) -> None:
    loss = double_loss(name, scale=8.0, plus=plus).eval()
    z, y = batch()
    expected = expected_loss(name, z, loss.weight, y, [MEANS[name]] * 6)
    torch.testing.assert_close(loss(z, y), expected)
    assert loss.draws.state.tolist() == [0, 0]


@pytest.mark.parametrize("name", NAMES)
def test_warm_up_scales_mean_and_deviation(name: str) -> None:
    loss = double_loss(name, deviation=0.1)
    loss.set_margin_fraction(0.25)
    got = loss.margins(torch.ones(5, dtype=torch.float64))
    expected = [0.25 * (MEANS[name] + 0.1 * n) for n in drawn(0, 0, 5)]
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_head_draws_on(name: str) -> None:
    loss = double_loss(name, plus=True)
    for seed in range(3):
        loss(*batch(seed=seed))
    other = double_loss(name, seed=9, plus=True)
    other.load_state_dict(loss.state_dict())
    for seed in range(3, 6):
        assert torch.equal(loss(*batch(seed=seed)), other(*batch(seed=seed)))


def test_the_seed_is_that_of_the_placement() -> None:
    def margins(seed: int) -> Tensor:
        placement = Placement(seed=seed)
        sizes = {"num_classes": 4, "embedding_dim": 2}
        loss = create_loss("elastic_arcface", **sizes, placement=placement)
        return loss.margins(torch.ones(3))

    assert torch.equal(margins(5), margins(5))
    assert not torch.equal(margins(5), margins(6))


def test_the_published_code_hands_the_sorted_margins_to_other_rows() -> None:
    """It picks the sorted margins by the sorting order itself, where its inverse is needed."""
    loss = ElasticArcFace(num_classes=3, embedding_dim=3, plus=True)
    cosine = torch.tensor([0.1, 0.9, 0.5])
    margins = torch.tensor([0.4, 0.6, 0.5])
    torch.testing.assert_close(loss._handed_out(cosine, margins), torch.tensor([0.6, 0.4, 0.5]))
    order = torch.sort(cosine, descending=True).indices
    theirs = torch.sort(margins).values[order]
    torch.testing.assert_close(theirs, torch.tensor([0.5, 0.6, 0.4]))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"deviation": -0.1}, "deviation: -0.1; must be a number of at least 0"),
        ({"margin": 4}, "margin: 4; must be a number from 0 to 3.14159"),
    ],
)
def test_wrong_arguments(params: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ElasticArcFace(num_classes=3, embedding_dim=3, **params)


def test_repr_names_the_deviation() -> None:
    head: nn.Module = ElasticArcFace(num_classes=3, embedding_dim=3, plus=True)
    assert "margin=0.5, deviation=0.05, plus=True" in repr(head)
