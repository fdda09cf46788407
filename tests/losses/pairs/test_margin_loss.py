"""Margin loss: the triplets it draws, and the distance that it learns."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from likewise.losses import MarginLoss
from likewise.mining import DistanceWeighted
from tests.losses.pairs import younger_reference


class Kept:
    """A miner that keeps what it drew."""

    def __init__(self, dimension: int) -> None:
        self.miner = DistanceWeighted(dimension)
        self.triplets: list[tuple[int, ...]] = []

    def __call__(self, d: Tensor, same: Tensor, different: Tensor) -> tuple[Tensor, ...]:
        found = self.miner(d, same, different)
        self.triplets = list(zip(*(part.tolist() for part in found), strict=True))
        return found


@pytest.mark.parametrize("learn", ["global", "class", "none"])
def test_drawn_triplets_equal_the_loop(learn: str) -> None:
    torch.manual_seed(0)
    z = torch.randn(20, 6, dtype=torch.float64, requires_grad=True)
    y = torch.arange(20) // 4
    kept = Kept(6)
    nu = 0.0 if learn == "none" else 0.05
    loss = MarginLoss(learn=learn, num_classes=5, nu=nu, miner=kept).double()
    value = loss(z, y)
    assert len(kept.triplets) == 60  # a negative for each pair
    expected = younger_reference.margin_loss(
        z, y.tolist(), beta=loss.beta, nu=nu, per_class=learn == "class", triplets=kept.triplets
    )
    inputs = [z, *loss.parameters()]
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        torch.autograd.grad(value, inputs),
        torch.autograd.grad(expected, inputs),
        rtol=1e-10,
        atol=1e-10,
    )


def test_distance_weighted_by_name_draws_the_same() -> None:
    z, y = torch.randn(20, 6), torch.arange(20) // 4
    values = []
    for miner in ("distance_weighted", DistanceWeighted(6)):
        torch.manual_seed(1)
        values.append(MarginLoss(miner=miner)(z, y))
    assert values[0] == values[1] != 0


def test_beta_settles_between_the_distances() -> None:
    """Two classes at a point each: β settles where as many terms push it up as pull it down."""
    z = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]).double()
    y = torch.tensor([0, 0, 1, 1])  # distances 0 within, √2 between
    for start in (0.1, 1.9):
        loss = MarginLoss(miner="all", beta=start, margin=0.2).double()
        optimizer = torch.optim.SGD(loss.parameters(), 0.05)
        for _ in range(200):
            optimizer.zero_grad()
            loss(z, y).backward()
            optimizer.step()
        assert loss(z, y) == 0
        assert 0.2 <= loss.beta.item() <= 2**0.5 - 0.2


def test_nu_pulls_beta_down_while_a_term_is_active() -> None:
    z = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]).double()
    y = torch.tensor([0, 0, 1])
    loss = MarginLoss(miner="all", beta=1.3, nu=0.5).double()
    loss(z, y).backward()
    assert float(loss.beta.grad) > 0
    quiet = MarginLoss(miner="all", beta=0.7, nu=0.5).double()
    assert quiet(z, y) == 0  # no term, so no ν·β either


def test_beta_has_no_weight_decay_and_is_saved() -> None:
    loss = MarginLoss(learn="class", num_classes=3)
    assert loss.beta.ndim == 1  # the optimiser decays matrices only
    assert list(loss.state_dict()) == ["beta"]
    assert list(MarginLoss(learn="none").state_dict()) == ["beta"]
    assert not list(MarginLoss(learn="none").parameters())
    assert "learn=class, nu=0, miner=distance_weighted" in repr(loss)


def test_a_label_without_a_beta() -> None:
    loss = MarginLoss(learn="class", num_classes=2)
    with pytest.raises(ValueError, match="labels: 2 in row 3; must be from 0 to 1"):
        loss(torch.randn(4, 6), torch.tensor([0, 0, 1, 2]))


def test_a_row_is_the_share_of_an_anchor() -> None:
    """Weights of 0 leave out an anchor's terms, and change nothing else."""
    z, y = torch.randn(12, 6, dtype=torch.float64), torch.arange(12) // 3
    rows = MarginLoss(miner="all", nu=0.1, reduction="none").double()(z, y)
    unit = z / z.norm(dim=1, keepdim=True)
    pulled, pushed = {}, {}
    for a in range(12):
        d = [float((unit[a] - other).norm()) for other in unit]
        pulled[a] = [max(0.2 + d[j] - 1.2, 0) for j in range(12) if j != a and y[j] == y[a]]
        pushed[a] = [max(0.2 + 1.2 - d[j], 0) for j in range(12) if y[j] != y[a]]
    terms = [term for part in (pulled, pushed) for found in part.values() for term in found]
    active = sum(term > 0 for term in terms)
    expected = [(sum(pulled[a]) + sum(pushed[a]) + 0.1 * 1.2 * 11) * 12 / active for a in range(12)]
    torch.testing.assert_close(rows.tolist(), expected, rtol=1e-7, atol=0)
    weights = torch.rand(12, dtype=torch.float64) * (torch.arange(12) != 5)
    weighted = MarginLoss(miner="all", nu=0.1).double()(z, y, weights=weights)
    torch.testing.assert_close(weighted, (weights * rows).mean())


def test_a_miner_of_pairs_counts_each_pair_once() -> None:
    z, y = torch.randn(8, 6, dtype=torch.float64), torch.arange(8) // 2
    value = MarginLoss(miner="adjacent", beta=0.9).double()(z, y)
    unit = z / z.norm(dim=1, keepdim=True)
    terms = [max(0.2 + float((unit[a] - unit[a ^ 1]).norm()) - 0.9, 0) for a in range(8)]
    assert value.item() == pytest.approx(sum(terms) / sum(term > 0 for term in terms))


def test_a_reference_set() -> None:
    z, y = torch.randn(6, 5, dtype=torch.float64), torch.arange(6) % 3
    r, of = torch.randn(9, 5, dtype=torch.float64), torch.arange(9) % 3
    beta = torch.tensor([0.9, 1.0, 1.1], dtype=torch.float64)
    loss = MarginLoss(miner="all", learn="class", num_classes=3, nu=0.1).double()
    loss.beta.data.copy_(beta)
    value = loss(z, y, reference=r, reference_labels=of)
    terms, regularised = [], 0.0
    for row, label in zip(z, y, strict=True):
        for other, other_label in zip(r, of, strict=True):
            d = float((row / row.norm() - other / other.norm()).norm())
            sign = 1 if label == other_label else -1
            terms.append(max(0.2 + sign * (d - float(beta[label])), 0))
            regularised += 0.1 * float(beta[label])
    expected = (sum(terms) + regularised) / sum(term > 0 for term in terms)
    assert value.item() == pytest.approx(expected)


def test_a_miner_that_returns_something_else() -> None:
    with pytest.raises(ValueError, match="MarginLoss: miner: function returned 1 tensors"):
        MarginLoss(miner=lambda *_: (torch.zeros(1),))(torch.randn(4, 6), torch.arange(4) // 2)
