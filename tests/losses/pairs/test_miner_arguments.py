"""Names and objects of ``miner=``, what is refused, and agreement with pytorch-metric-learning."""

from __future__ import annotations

import inspect
from functools import partial

import pytest
import torch
from pytorch_metric_learning import distances, losses, miners, reducers
from torch import nn

from likewise.errors import InputError
from likewise.losses import (
    Circle,
    Contrastive,
    CrossBatchMemory,
    MultiSimilarity,
    NTXent,
    ProxyNCA,
    SupCon,
    Triplet,
    create_loss,
    list_losses,
)
from likewise.losses.registration import REGISTERED
from likewise.mining import (
    list_miners,
)
from tests.losses.cases import batch

SIZES = {"num_classes": 5, "embedding_dim": 4}
COSINE = distances.CosineSimilarity()
MEAN = reducers.MeanReducer()
THEIRS: dict[str, tuple[nn.Module, nn.Module, nn.Module]] = {
    f"{name}-{miner}": (ours(miner=miner), theirs, theirs_mined)
    for name, ours, theirs in (
        ("ntxent", NTXent, losses.NTXentLoss(temperature=0.07)),
        ("supcon", SupCon, losses.SupConLoss(temperature=0.1)),
        ("circle", partial(Circle, margin=0.4, gamma=80), losses.CircleLoss(m=0.4, gamma=80)),
        (
            "multi_similarity",
            MultiSimilarity,
            losses.MultiSimilarityLoss(alpha=2, beta=50, base=0.5),
        ),
    )
    for miner, theirs_mined in (
        ("multi_similarity", miners.MultiSimilarityMiner(0.1)),
        ("batch_hard", miners.BatchHardMiner(distance=COSINE)),
        ("easy_positive", miners.BatchEasyHardMiner("easy", "hard", distance=COSINE)),
    )
}
THEIRS["triplet-multi_similarity"] = (
    Triplet(margin=0.3, distance="cosine", miner="multi_similarity"),
    losses.TripletMarginLoss(margin=0.3, distance=COSINE, reducer=MEAN),
    miners.MultiSimilarityMiner(0.1),
)


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("seed", [0, 1])
def test_agreement_with_pytorch_metric_learning(name: str, seed: int) -> None:
    ours, theirs, miner = THEIRS[name]
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(24, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    y = torch.randint(0, 6, (24,), generator=generator)
    a, b = ours(z, y), theirs(z, y, miner(z, y))
    torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(
        torch.autograd.grad(a, z), torch.autograd.grad(b, z), rtol=1e-6, atol=1e-8
    )


TAKING = [
    name for name in list_losses() if "miner" in inspect.signature(REGISTERED[name].kind).parameters
]


def test_which_losses_take_one() -> None:
    """All that compare samples or proxies, but for two that rank or share out all of them."""
    assert set(TAKING) == {
        "circle", "contrastive", "margin_loss", "multi_similarity", "ntxent", "proxy_anchor",
        "proxy_nca", "proxy_nca_pp", "siamese_classifier", "supcon", "triplet",
    }  # fmt: skip


@pytest.mark.parametrize("name", TAKING)
@pytest.mark.parametrize("miner", list_miners())
def test_every_loss_takes_every_miner_or_says_why_not(name: str, miner: str) -> None:
    """In a batch with a memory too; gradients are finite."""
    torch.manual_seed(0)
    try:
        loss = create_loss(name, miner=miner, **SIZES)
    except InputError as refusal:
        refused = {"distance_weighted": ("siamese_classifier",)}
        refused["adjacent"] = ("proxy_anchor", "proxy_nca", "proxy_nca_pp", "triplet")
        assert name in refused.get(miner, ())
        assert str(refusal).startswith(f"{REGISTERED[name].kind.__name__}: miner: ")
        return
    memory = CrossBatchMemory(loss, embedding_dim=4, memory_size=16)
    for seed in range(2):
        z, y = batch(seed, dtype=torch.float32)
        value = memory(z, y)
        (gradient,) = torch.autograd.grad(value, z)
        assert value.isfinite()
        assert gradient.isfinite().all()


@pytest.mark.parametrize("name", TAKING)
def test_wrong_miners_are_one_line(name: str) -> None:
    for miner, message in (
        ("batch_hrd", "did you mean 'batch_hard'"),
        ({"name": "multi_similarity", "epsilom": 1}, "did you mean 'epsilon'"),
        ({"name": "batch_hard", "epsilon": 1}, "miner.epsilon: the miner batch_hard has no param"),
        (7, "miner: 7; must be a name or a miner"),
    ):
        with pytest.raises(InputError, match=message) as refusal:
            create_loss(name, miner=miner, **SIZES)
        assert "\n" not in str(refusal.value)


def test_distance_weighted_needs_the_unit_sphere() -> None:
    """Euclidean distances of embeddings of any length would be drawn from a wrong density."""
    z, y = batch()
    for make in (NTXent, SupCon, MultiSimilarity):
        assert make(miner="distance_weighted")(z, y).isfinite()
        with pytest.raises(InputError, match="distance_weighted needs .* not euclidean of emb"):
            make(miner="distance_weighted", distance="euclidean")
    assert Contrastive(miner="distance_weighted")(z, y).isfinite()
    with pytest.raises(InputError, match="not euclidean of embeddings of any length"):
        Contrastive(miner="distance_weighted", normalize=False)


def test_a_miner_with_a_state_is_in_the_checkpoint() -> None:
    z, y = batch(dtype=torch.float32)
    for make in (NTXent, Contrastive, partial(ProxyNCA, **SIZES)):
        loss, again = (make(miner={"name": "curriculum", "step": 0.25}) for _ in "ab")
        loss(z, y)
        assert float(loss.miner.hardness) == 0.25
        again.load_state_dict(loss.state_dict())
        assert again(z, y) == loss(z, y)
        assert float(again.miner.hardness) == 0.5


def test_triplet_has_one_argument_of_two_names() -> None:
    with pytest.raises(InputError, match="Triplet: miner, mining: both given"):
        Triplet(miner="batch_hard", mining="batch_hard")
    assert "miner=semi_hard" in repr(Triplet(mining="semi_hard"))
