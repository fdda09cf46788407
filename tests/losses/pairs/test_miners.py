"""One keyword for miners in every loss: against plain loops, and against the peer."""

from __future__ import annotations

import pytest
import torch
from pytorch_metric_learning import losses, miners, reducers
from torch import Tensor, nn

from likewise.errors import InputError
from likewise.losses import (
    Circle,
    Contrastive,
    CrossBatchMemory,
    MultiSimilarity,
    NTXent,
    ProxyAnchor,
    ProxyNCA,
    SiameseClassifier,
    SupCon,
    Triplet,
    create_loss,
)
from likewise.losses.registry import registered_losses, takes
from likewise.mining import (
    DistanceWeighted,
    MultiSimilarityPairs,
    SemiHard,
    list_miners,
    mine_triplets,
    pair_masks,
)
from tests.losses.pairs.reference import cosine, log1p, mean
from tests.losses.pairs.selected import MINED, Selected, assert_equal, rows_of, scene

every_loss = pytest.mark.parametrize("case", MINED, ids=str)


class Some:
    """Keeps about half of the pairs, the same ones every time."""

    def __call__(self, d: Tensor, same: Tensor, different: Tensor) -> tuple[Tensor, Tensor]:
        assert not d.requires_grad
        kept = torch.rand(d.shape, generator=torch.Generator().manual_seed(3)) < 0.5
        return same & kept, different & kept


@every_loss
@pytest.mark.parametrize("seed", [0, 1])
def test_kept_pairs_equal_the_loop(case: Selected, seed: int) -> None:
    loss = case.make(Some()).double()
    z, y = scene(seed)
    same, different = Some()(z.detach() @ z.detach().T, *pair_masks(y))
    ours = loss(z, y)
    assert_equal(ours, case.loop(z, z, rows_of(same), rows_of(different), loss), [z])
    assert ours > 0


@every_loss
@pytest.mark.parametrize("name", [n for n in list_miners() if n != "curriculum"])
def test_every_name_does_what_its_pairs_say(case: Selected, name: str) -> None:
    if name == "distance_weighted" and case.name == "siamese":
        pytest.skip("it has no distance")
    if case.name == "triplet" and name in ("adjacent", "all", "batch_all", "semi_hard"):
        pytest.skip("the first is refused; the others are in the formulas of the triplet loss")
    torch.manual_seed(0)
    loss = case.make(name).double()
    z, y = scene(5, size=10)
    seen = []
    if loss.miner is not None:
        miner = loss.miner
        if isinstance(miner, DistanceWeighted):
            miner = DistanceWeighted(dimension=4)

        def watched(d: Tensor, same: Tensor, different: Tensor) -> object:
            chosen = miner(d, same, different)
            if isinstance(loss, Triplet):  # several positives of an anchor have each its negative
                seen.append(mine_triplets(lambda *_: chosen, d, same, different))
            else:
                seen.append(chosen)
            return chosen

        loss.miner = watched
    ours = loss(z, y)
    chosen = seen[0] if seen else pair_masks(y)
    if isinstance(loss, Triplet):
        anchor, positive, negative = (rows.tolist() for rows in chosen)
        terms = [
            case.loop(z[[a]], z, [[p]], [[n]], loss)
            for a, p, n in zip(anchor, positive, negative, strict=True)
        ]
        assert_equal(ours, mean(terms, z), [z])
        return
    masks = chosen
    if len(chosen) == 3:
        masks = torch.zeros(10, 10, dtype=torch.bool), torch.zeros(10, 10, dtype=torch.bool)
        for a, p, n in zip(*(rows.tolist() for rows in chosen), strict=True):
            masks[0][a, p] = masks[1][a, n] = True
    assert_equal(ours, case.loop(z, z, *map(rows_of, masks), loss), [z])


def test_distance_weighted_gets_distances_on_the_sphere_from_cosines() -> None:
    """Negatives beyond the farthest distance are never kept."""
    torch.manual_seed(0)
    z, y = scene(0, size=30)
    d = torch.cdist(*[nn.functional.normalize(z.detach())] * 2)
    for loss in (NTXent(miner={"name": "distance_weighted", "farthest": 1.2}), Contrastive()):
        if isinstance(loss, Contrastive):
            loss = Contrastive(miner={"name": "distance_weighted", "farthest": 1.2})
        seen = []
        fit = DistanceWeighted(dimension=4, farthest=1.2)
        loss.miner = lambda *given, fit=fit, seen=seen: seen.append(given[0]) or fit(*given)
        loss(z, y)
        # A miner of another kind gets what the loss compares: 1 - cosine, or the distance itself.
        compared = d if isinstance(loss, Contrastive) else d.square() / 2
        off = ~torch.eye(30, dtype=torch.bool)
        torch.testing.assert_close(seen[0][off], compared[off])
    kept = []
    own = NTXent(miner=DistanceWeighted(farthest=1.2))

    class Recording(DistanceWeighted):
        def __call__(self, distances: Tensor, same: Tensor, different: Tensor) -> object:
            kept.append(distances)
            return super().__call__(distances, same, different)

    own.miner = Recording(farthest=1.2)
    own(z, y)
    off = ~torch.eye(30, dtype=torch.bool)
    torch.testing.assert_close(kept[0][off], d[off])


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (NTXent(temperature=0.1, miner="multi_similarity"), losses.NTXentLoss(temperature=0.1)),
        (SupCon(miner="multi_similarity"), losses.SupConLoss(temperature=0.1)),
        (Circle(margin=0.4, gamma=80, miner="multi_similarity"), losses.CircleLoss(m=0.4)),
        (MultiSimilarity(), losses.MultiSimilarityLoss(alpha=2, beta=50, base=0.5)),
    ],
    ids=["ntxent", "supcon", "circle", "multi_similarity"],
)
def test_agreement_with_the_peer(ours: nn.Module, theirs: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(24, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    y = torch.randint(0, 6, (24,), generator=generator)
    theirs.reducer = reducers.AvgNonZeroReducer()
    if isinstance(ours, MultiSimilarity):
        theirs.reducer = reducers.MeanReducer()
    a, b = ours(z, y), theirs(z, y, miners.MultiSimilarityMiner(epsilon=0.1)(z, y))
    torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(
        *(torch.autograd.grad(v, z)[0] for v in (a, b)), rtol=1e-6, atol=1e-8
    )


def test_semi_hard_by_name_and_listed_are_the_same() -> None:
    z, y = scene(0, size=20)
    by_name = Triplet(margin=0.3, miner="semi_hard")
    for listed in (SemiHard(0.3), {"name": "semi_hard", "margin": 0.3}):
        loss = Triplet(margin=0.3, miner=listed)
        assert loss.miner == SemiHard(0.3)
        assert_equal(loss(z, y), by_name(z, y), [z])


def test_triplet_takes_either_name_of_the_argument() -> None:
    z, y = scene(0)
    for name in ("batch_hard", "batch_all", "semi_hard"):
        old, new = Triplet(mining=name), Triplet(miner=name)
        assert old.mining == new.mining == name
        assert torch.equal(old(z, y), new(z, y))
    assert Triplet().mining == Triplet(miner="all").mining == "batch_all"
    with pytest.raises(InputError, match="miner, mining: both given"):
        Triplet(miner="batch_hard", mining="batch_hard")


def proxy_nca(z: Tensor, proxies: Tensor, own: Tensor, others: Tensor) -> Tensor:
    terms = []
    for i in range(len(z)):
        term = z.new_zeros(())
        if own[i].any() and others[i].any():
            near = [torch.exp(2 * 3 * (cosine(z[i], p) - 1)) for p in proxies]
            rest = sum(near[j] for j in others[i].nonzero()[:, 0].tolist())
            term = -torch.log(near[int(own[i].nonzero())] / rest)
        terms.append(term)
    return mean(terms, z)


def proxy_anchor(z: Tensor, proxies: Tensor, own: Tensor, others: Tensor) -> Tensor:
    pull, push = [], []
    for j, proxy in enumerate(proxies):
        s = [cosine(row, proxy) for row in z]
        mine, rest = (m[:, j].nonzero()[:, 0].tolist() for m in (own, others))
        if mine:
            pull.append(log1p(sum(torch.exp(-32 * (s[i] - 0.1)) for i in mine)))
        far = sum((torch.exp(32 * (s[i] + 0.1)) for i in rest), start=z.new_zeros(()))
        push.append(log1p(far))
    return mean(pull, z) + mean(push, z)


@pytest.mark.parametrize("miner", [Some(), "multi_similarity", "batch_hard", "balanced"])
@pytest.mark.parametrize("kind", [ProxyNCA, ProxyAnchor])
def test_proxies(kind: type[nn.Module], miner: object) -> None:
    torch.manual_seed(0)
    arguments = {"scale": 3.0} if kind is ProxyNCA else {}
    loss = kind(num_classes=5, embedding_dim=4, miner=miner, **arguments).double()
    z, y = scene(0)
    own = torch.nn.functional.one_hot(y, 5).bool()
    chosen = []
    inner = loss.miner
    loss.miner = lambda *given: chosen.append(inner(*given)) or chosen[0]
    ours = loss(z, y)
    masks = chosen[0]
    if len(masks) == 3:
        masks = torch.zeros_like(own), torch.zeros_like(own)
        masks[0][chosen[0][0], chosen[0][1]] = True
        masks[1][chosen[0][0], chosen[0][2]] = True
    assert (masks[0] <= own).all()
    assert not (masks[1] & own).any()
    loop = proxy_nca if kind is ProxyNCA else proxy_anchor
    assert_equal(ours, loop(z, loss.proxies, *masks), [z, loss.proxies])


def test_the_state_of_a_miner_is_in_the_checkpoint_of_every_loss() -> None:
    z, y = scene(0, size=20)
    for make in (NTXent, SupCon, Circle, MultiSimilarity, Contrastive, Triplet):
        loss = make(miner={"name": "curriculum", "step": 0.25})
        loss(z, y)
        assert loss.state_dict()["miner.hardness"] == 0.25


def test_every_loss_that_compares_takes_a_miner_from_a_recipe() -> None:
    """The names are those of the losses that compare samples or proxies."""
    comparing = {"circle", "contrastive", "multi_similarity", "ntxent", "proxy_anchor", "proxy_nca",
                 "siamese_classifier", "supcon", "triplet"}  # fmt: skip
    assert comparing <= {name for name in registered_losses() if takes(name, "miner")}
    for name in comparing:
        loss = create_loss(
            name,
            num_classes=3,
            embedding_dim=4,
            miner={"name": "multi_similarity", "epsilon": 0.05},
        )
        assert loss.miner == MultiSimilarityPairs(epsilon=0.05)
        assert torch.isfinite(loss.double()(*scene(0)))


def test_a_memory_is_mined_too() -> None:
    memory = CrossBatchMemory(NTXent(miner="batch_hard"), embedding_dim=4).double()
    (z0, y0), (z1, y1) = scene(0), scene(1)
    memory(z0, y0)
    both, labels = torch.cat([z1, z0.detach()]), torch.cat([y1, y0])
    expected = NTXent(miner="batch_hard")(both, labels, anchors=len(y1))
    torch.testing.assert_close(memory(z1, y1), expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NTXent(miner="batch_hrd"), "did you mean 'batch_hard'"),
        (lambda: NTXent(miner="distance_weighted", distance="dot"), "NTXent: miner: distance_w"),
        (
            lambda: Contrastive(miner="distance_weighted", normalize=False),
            "not euclidean of embeddings of any length",
        ),
        (
            lambda: SiameseClassifier(embedding_dim=4, miner="distance_weighted"),
            "not learned scores",
        ),
        (lambda: Triplet(miner="adjacent"), "which makes no triplet"),
        (
            lambda: ProxyNCA(num_classes=3, embedding_dim=4, miner="adjacent"),
            "proxies are compared",
        ),
    ],
)
def test_miners_that_do_not_fit(make: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
