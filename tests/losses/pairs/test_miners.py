"""``miner=`` of every loss that takes one equals the pairs kept by hand, in plain loops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from likewise.losses import (
    Circle,
    Contrastive,
    MarginLoss,
    MultiSimilarity,
    NTXent,
    ProxyAnchor,
    ProxyNCA,
    ProxyNCAPlusPlus,
    SiameseClassifier,
    SupCon,
    Triplet,
)
from likewise.mining import (
    AdjacentPairs,
    BatchHard,
    Curriculum,
    EasyPositive,
    MultiSimilarityPairs,
    SemiHard,
)
from tests.losses.cases import batch, on_sphere, one_minus_cosine
from tests.losses.pairs import reference, younger_reference
from tests.losses.pairs.chosen_pairs import Columns, comparing, kept_by_hand
from tests.losses.pairs.reference import euclidean, negatives, positives, unit

SIZES = {"num_classes": 5, "embedding_dim": 4}


BY_LOOP = ["adjacent", "batch_hard", "curriculum", "easy_positive", "multi_similarity", "semi_hard"]
OBJECTS: dict[str, Callable[[], Any]] = {
    "adjacent": AdjacentPairs,
    "batch_hard": BatchHard,
    "curriculum": Curriculum,
    "easy_positive": EasyPositive,
    "multi_similarity": MultiSimilarityPairs,
    "semi_hard": SemiHard,
}


def on_unit_sphere(x: Tensor, y: Tensor) -> Tensor:
    return euclidean(unit(x), unit(y))


def negated_score(x: Tensor, y: Tensor) -> Tensor:
    return (x - y).abs().sum() / 4 - 1  # of the parameters that the loss starts with


@dataclass
class Mined:
    """A loss on pairs, its loop on all that it compares, and the distance that its miner sees."""

    name: str
    make: Callable[..., nn.Module]
    loop: Callable[..., Tensor]
    d: Callable[[Tensor, Tensor], Tensor] = one_minus_cosine
    weights: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


ON_PAIRS = [
    Mined("ntxent", NTXent, partial(reference.ntxent, temperature=0.07)),
    Mined(
        "ntxent-smoothed",
        partial(NTXent, label_smoothing=0.1),
        partial(reference.ntxent, temperature=0.07, smoothing=0.1),
    ),
    Mined(
        "supcon",
        partial(SupCon, label_smoothing=0.2),
        partial(reference.supcon, temperature=0.1, smoothing=0.2),
    ),
    Mined("circle", partial(Circle, gamma=20), partial(reference.circle, margin=0.25, gamma=20)),
    Mined(
        "multi_similarity",
        MultiSimilarity,
        partial(reference.multi_similarity, alpha=2, beta=50, base=0.5, epsilon=None),
    ),
    Mined(
        "contrastive",
        partial(Contrastive, margin=1.2),
        on_sphere(partial(reference.contrastive, margin=1.2)),
        on_unit_sphere,
    ),
    Mined(
        "contrastive-cosine",
        partial(Contrastive, margin=0.8, distance="cosine"),
        partial(reference.contrastive, margin=0.8, d=one_minus_cosine),
    ),
    Mined(
        "contrastive-plain",
        partial(Contrastive, margin=2.0, normalize=False),
        partial(reference.contrastive, margin=2.0),
        euclidean,
    ),
    Mined(
        "siamese",
        partial(SiameseClassifier, embedding_dim=4),
        reference.siamese_classifier,
        negated_score,
        ("alpha", "beta"),
    ),
]


def masks(z: Tensor, y: list[int], name: str, d: Callable[..., Tensor]) -> tuple[Columns, Columns]:
    table = [[float(d(a, b).detach()) for b in z] for a in z]
    rows = range(len(y))
    everyone = [positives(y, i) for i in rows], [negatives(y, i) for i in rows]
    return kept_by_hand(name, table, *everyone)


def assert_same(loss: nn.Module, value: Tensor, expected: Tensor, z: Tensor) -> None:
    torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-10)
    wanted = [z, *loss.parameters()]
    torch.testing.assert_close(
        torch.autograd.grad(value, wanted),
        torch.autograd.grad(expected, wanted, retain_graph=True),
        rtol=1e-10,
        atol=1e-10,
    )


@pytest.mark.parametrize("mined", ON_PAIRS, ids=str)
@pytest.mark.parametrize("name", BY_LOOP)
def test_it_equals_the_pairs_kept_by_hand(mined: Mined, name: str) -> None:
    z, y = batch(seed=1, size=14)
    loss = mined.make(miner=name).double()
    kept = masks(z, y.tolist(), name, mined.d)
    with comparing(*kept):
        given = {key: getattr(loss, key) for key in mined.weights}
        expected = mined.loop(z, y.tolist(), **given)
    assert_same(loss, loss(z, y), expected, z)
    by_object, by_mapping = (
        mined.make(miner=m).double() for m in (OBJECTS[name](), {"name": name})
    )
    assert by_object(z, y) == by_mapping(z, y)
    torch.testing.assert_close(mined.make(miner=OBJECTS[name]()).double()(z, y), expected)
    assert sum(map(len, kept[0])) < sum(len(positives(y.tolist(), i)) for i in range(14)) or (
        sum(map(len, kept[1])) < sum(len(negatives(y.tolist(), i)) for i in range(14))
    )


@pytest.mark.parametrize("mined", ON_PAIRS, ids=str)
@pytest.mark.parametrize("nothing", ["all", "batch_all", None, {"name": "all"}])
def test_no_mining_has_several_names(mined: Mined, nothing: Any) -> None:
    z, y = batch()
    loss = mined.make(miner=nothing).double()
    given = {key: getattr(loss, key) for key in mined.weights}
    torch.testing.assert_close(loss(z, y), mined.loop(z, y.tolist(), **given))


@pytest.mark.parametrize("mined", ON_PAIRS, ids=str)
def test_a_miner_against_a_reference_set(mined: Mined) -> None:
    """The nearest negative and the farthest positive of each query, of the set alone."""
    z, y = batch(seed=2, size=14)
    loss = mined.make(miner="batch_hard").double()
    table = [[float(mined.d(a, b).detach()) for b in z] for a in z]
    columns = range(5, 14)
    same = [[j for j in columns if y[j] == y[i]] for i in range(5)]
    different = [[j for j in columns if y[j] != y[i]] for i in range(5)]
    kept = kept_by_hand("batch_hard", table[:5], same, different)
    with comparing(*(part + [[]] * 9 for part in kept)):
        given = {key: getattr(loss, key) for key in mined.weights}
        expected = mined.loop(z, y.tolist(), **given)
    if mined.name == "multi_similarity":
        expected = expected * 14 / 5  # this loop divides by all rows
    value = loss(z[:5], y[:5], reference=z[5:], reference_labels=y[5:])
    assert_same(loss, value, expected, z)


def triplets_by_hand(name: str, z: Tensor, y: list[int], squared: bool) -> Tensor:
    same, different = masks(z, y, name, on_unit_sphere)
    terms = []
    for a in range(len(y)):
        to = [on_unit_sphere(z[a], other) for other in z]
        for p in same[a]:
            for n in different[a]:
                if name == "semi_hard" and not to[p] < to[n] < to[p] + 0.2:
                    continue
                gap = to[p] ** 2 - to[n] ** 2 if squared else to[p] - to[n]
                terms.append(reference.plus(0.4 + gap))
    return reference.mean(terms, z)


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("name", [name for name in BY_LOOP if name != "adjacent"])
def test_triplets_of_every_miner(name: str, squared: bool) -> None:
    """Miners see d, whether or not its square is compared; of pairs, all triplets of those kept."""
    z, y = batch(seed=1, size=14)
    expected = triplets_by_hand(name, z, y.tolist(), squared)
    by_name = {"name": name, **({"margin": 0.2} if name == "semi_hard" else {})}
    for given in ({"miner": OBJECTS[name]()}, {"miner": by_name}, {"mining": OBJECTS[name]()}):
        loss = Triplet(margin=0.4, squared=squared, **given).double()
        assert_same(loss, loss(z, y), expected, z)


def test_margin_loss_with_a_miner_of_pairs() -> None:
    z, y = batch(seed=1, size=14)
    loss = MarginLoss(miner="multi_similarity", nu=0.1, beta=0.9).double()
    with comparing(*masks(z, y.tolist(), "multi_similarity", on_unit_sphere)):
        expected = younger_reference.margin_loss(z, y.tolist(), beta=loss.beta, nu=0.1)
    assert_same(loss, loss(z, y), expected, z)


PROXIES: dict[str, Callable[..., nn.Module]] = {
    "nca": partial(ProxyNCA, scale=3, **SIZES),
    "nca++": partial(ProxyNCAPlusPlus, temperature=0.2, **SIZES),
    "anchor": partial(ProxyAnchor, alpha=8, **SIZES),
}


def proxies_by_hand(kind: str, z: Tensor, y: list[int], proxies: Tensor, name: str) -> Tensor:
    """Rows of the table are samples, columns are proxies."""
    table = [[float(one_minus_cosine(a, p).detach()) for p in proxies] for a in z]
    everyone = [[c] for c in y], [[j for j in range(5) if j != c] for c in y]
    same, different = kept_by_hand(name, table, *everyone)
    s = [[reference.cosine(a, p) for p in proxies] for a in z]
    total = 0 * z.sum()
    rows = range(len(y))
    if kind == "anchor":
        present = [j for j in range(5) if any(j in same[i] for i in rows)]
        for j in range(5):
            own = [s[i][j] for i in rows if j in same[i]]
            rest = [s[i][j] for i in rows if j in different[i]]
            if own:
                near = sum(torch.exp(-8 * (c - 0.1)) for c in own)
                total = total + reference.log1p(near) / len(present)
            if rest:
                total = total + reference.log1p(sum(torch.exp(8 * (c + 0.1)) for c in rest)) / 5
        return total
    scale = 3 if kind == "nca" else 5
    for i in rows:
        if same[i] and different[i]:
            e = {j: torch.exp(scale * (2 * s[i][j] - 2)) for j in [y[i], *different[i]]}
            among = [x for j, x in e.items() if kind == "nca++" or j != y[i]]
            total = total - torch.log(e[y[i]] / sum(among)) / len(y)
    return total


@pytest.mark.parametrize("kind", PROXIES)
@pytest.mark.parametrize("name", ["batch_hard", "curriculum", "multi_similarity", "semi_hard"])
def test_proxies_kept_by_hand(kind: str, name: str) -> None:
    torch.manual_seed(0)
    z, y = batch(seed=1, size=14)
    loss = PROXIES[kind](miner=name).double()
    expected = proxies_by_hand(kind, z, y.tolist(), loss.proxies, name)
    assert_same(loss, loss(z, y), expected, z)
    assert loss(z, y) != PROXIES[kind](miner="all").double()(z, y)


def test_proxies_without_any_kept_pair_have_no_loss() -> None:
    z, y = batch()
    nothing = lambda d, same, different: (same & (d < -9), different & (d < -9))  # noqa: E731  # short
    for make in PROXIES.values():
        loss = make(miner=nothing).double()
        value = loss(z, y)
        assert value == 0
        for gradient in torch.autograd.grad(value, (z, loss.proxies)):
            assert not gradient.any()
