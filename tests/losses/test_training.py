"""Each loss teaches a linear map to tell classes apart that noise hides."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from likewise.distances import Cosine
from likewise.losses import (
    ArcFace,
    Contrastive,
    CrossBatchMemory,
    NTXent,
    Sum,
    SupCon,
    Triplet,
    create_loss,
    list_losses,
)
from likewise.mining import DistanceWeighted, pair_masks

CLASSES, SEEN, HIDDEN = 12, 6, 30
SIZES = {"num_classes": CLASSES, "embedding_dim": 8}
# What so few steps and so few classes need: a soft scale, mostly; ``Center`` alone collapses.
SOFT = {"scale": "auto"}
PARAMETERS: dict[str, dict[str, Any]] = {
    "adaface": SOFT,
    "airface": SOFT,
    "arcface": SOFT,
    "circle": {"margin": 0.4, "gamma": 16},
    "combined": SOFT,
    "cosface": SOFT,
    "curricularface": SOFT,
    "elastic_arcface": SOFT,
    "elastic_cosface": SOFT,
    "magface": SOFT,
    "normalized_softmax": SOFT,
    "proxy_anchor": {"alpha": 8},
    "proxy_nca": {"scale": 4},
    "smooth_ap": {"temperature": 0.05},
    "siamese_classifier": {"miner": "balanced"},
    "subcenter_arcface": SOFT,
    "uniface": SOFT,
}


def make(name: str) -> nn.Module:
    """The loss called ``name``, fit for the toy."""
    loss = create_loss(name, **SIZES, **PARAMETERS.get(name, {}))
    return Sum(SupCon(), 0.01 * loss) if name == "center" else loss


# Every loss that has a name, so that a new one is in it too; then other settings of some.
LOSSES: dict[str, Callable[[], nn.Module]] = {
    **{name: partial(make, name) for name in list_losses()},
    "arcface-detached": lambda: ArcFace(**SIZES, scale="auto", gradient="detached"),
    "contrastive-balanced": lambda: Contrastive(miner="balanced"),
    **{
        f"triplet-{mining}": partial(Triplet, mining=mining)
        for mining in (
            "batch_hard",
            "semi_hard",
            "easy_positive",
            "distance_weighted",
            "curriculum",
        )
    },
    "triplet-soft": lambda: Triplet(margin="soft", mining="batch_hard"),
    "memory": lambda: CrossBatchMemory(NTXent(), embedding_dim=8, memory_size=96),
}


def draw(size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The class shows in the first SEEN coordinates; louder noise fills the others."""
    points = torch.randn(CLASSES, SEEN, generator=torch.Generator().manual_seed(7))
    y = torch.arange(size) % CLASSES
    signal = points[y] + 0.2 * torch.randn(size, SEEN, generator=generator)
    return torch.cat([signal, 1.5 * torch.randn(size, HIDDEN, generator=generator)], dim=1), y


def auc(model: nn.Module) -> float:
    x, y = draw(120, torch.Generator().manual_seed(99))
    with torch.no_grad():
        z = model(x)
        same, different = pair_masks(y)
        kept = same | different
        return float(roc_auc_score(same[kept], Cosine().pairwise(z, z)[kept]))


@pytest.mark.parametrize("name", LOSSES)
def test_verification_improves(name: str) -> None:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    whole = nn.ModuleList([nn.Linear(SEEN + HIDDEN, 8, bias=False), LOSSES[name]()])
    model, loss = whole
    before = auc(model)
    for step in range(60):
        rate = 0.1 * (1 - step / 60)
        x, y = draw(48, generator)
        whole.zero_grad()
        loss(model(x), y).backward()
        for p in whole.parameters():
            if p.grad is not None:  # steps of one length suit losses of every scale
                p.data -= rate * p.norm() * p.grad / (p.grad.norm() + 1e-12)
    after = auc(model)
    assert after > before + 0.1, f"AUC {before:.3f} at the start, {after:.3f} at the end"


def test_a_miner_of_ones_own() -> None:
    """The loss of drawn triplets is the mean over just these."""
    torch.manual_seed(0)
    z = torch.randn(20, 6, dtype=torch.float64, requires_grad=True)
    y = torch.arange(20) // 4
    kept = []

    def miner(distances: Tensor, same: Tensor, different: Tensor) -> tuple[Tensor, ...]:
        kept.append(DistanceWeighted(6)(distances, same, different))
        return kept[0]

    value = Triplet(mining=miner, margin=0.3)(z, y)
    unit = z / z.norm(dim=1, keepdim=True)
    terms = [
        (0.3 + (unit[a] - unit[p]).norm() - (unit[a] - unit[n]).norm()).clamp(min=0)
        for a, p, n in zip(*(t.tolist() for t in kept[0]), strict=True)
    ]
    expected = torch.stack(terms).mean()
    torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-10)
    gradients = [torch.autograd.grad(v, z)[0] for v in (value, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-10)


def test_the_state_of_the_curriculum_is_in_the_checkpoint() -> None:
    assert "miner.hardness" in Triplet(mining="curriculum").state_dict()
