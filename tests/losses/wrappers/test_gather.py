"""One process, two and four take the same steps: real gloo processes, uneven shares."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from likewise.errors import LikewiseError
from likewise.losses import (
    Center,
    Circle,
    Contrastive,
    CrossBatchMemory,
    Gathered,
    MarginLoss,
    MultiSimilarity,
    NTXent,
    Placement,
    PrototypeMemory,
    ProxyAnchor,
    ProxyNCA,
    ProxyNCAPlusPlus,
    Shard,
    SiameseClassifier,
    SmoothAP,
    Softmax,
    SoftTriple,
    Sum,
    SupCon,
    Triplet,
    create_loss,
)

SIZES = {"num_classes": 4, "embedding_dim": 5}
LOSSES = {
    "contrastive": Contrastive,
    "siamese": lambda: SiameseClassifier(embedding_dim=5),
    "batch_all": Triplet,
    "batch_hard": lambda: Triplet(mining="batch_hard"),
    "semi_hard": lambda: Triplet(mining="semi_hard"),
    "curriculum": lambda: Triplet(mining="curriculum"),
    "center": lambda: Center(**SIZES),
    "circle": lambda: Circle(gamma=16),
    "multi_similarity": MultiSimilarity,
    "proxy_nca": lambda: ProxyNCA(**SIZES),
    "proxy_anchor": lambda: ProxyAnchor(**SIZES),
    "proxy_nca_pp": lambda: ProxyNCAPlusPlus(**SIZES),
    "soft_triple": lambda: SoftTriple(**SIZES, centers=2),
    "smooth_ap": lambda: SmoothAP(temperature=0.1),
    "margin_loss": lambda: MarginLoss(miner="all", learn="class", num_classes=4, nu=0.1),
    "supcon": SupCon,
    "ntxent": NTXent,
    "memory": lambda: CrossBatchMemory(NTXent(), embedding_dim=5, memory_size=30),
    "prototype_memory": lambda: PrototypeMemory(**SIZES, memory_size=4),
    "sum": lambda: Sum(SupCon(), 0.1 * Center(update="gradient", **SIZES)),
    "weighted": lambda: NTXent(label_smoothing=0.1),
    "weighted rows": lambda: Sum(
        SupCon(label_smoothing=0.1, reduction="none"), ProxyAnchor(reduction="none", **SIZES)
    ),
    "weighted memory": lambda: CrossBatchMemory(
        Triplet(reduction="sum"), embedding_dim=5, memory_size=30
    ),
    "reference": lambda: Sum(NTXent(miner="multi_similarity"), ProxyNCA(**SIZES)),
    "weighted reference": lambda: Triplet(miner="batch_hard"),
}
BATCH, STEPS = 21, 3


def shares(rank: int, world: int) -> slice:
    """Uneven on purpose: 21 samples are 10 and 11, or 5, 5, 5 and 6."""
    return slice(BATCH * rank // world, BATCH * (rank + 1) // world)


def train(name: str, rank: int, world: int) -> dict[str, Tensor]:
    torch.manual_seed(0)
    model, loss = nn.Linear(6, 5).double(), Gathered(LOSSES[name]().double())
    whole = nn.ModuleList([model, loss])
    for _ in range(STEPS):
        x, y = torch.randn(BATCH, 6, dtype=torch.float64), torch.randint(0, 4, (BATCH,))
        mine = shares(rank, world)
        whole.zero_grad()
        weights = torch.linspace(0, 1, BATCH)[mine] if "weighted" in name else None
        against = {}
        if "reference" in name:
            others, labels = x.flip(1)[mine], y.roll(1)[mine]
            against = {"reference": model(others), "reference_labels": labels}
        value = loss(model(x[mine]), y[mine], weights=weights, **against)
        (value * torch.linspace(1, 2, value.numel())).sum().backward()
        for p in whole.parameters():
            if p.grad is None:
                continue
            if world > 1:  # averaged, as DistributedDataParallel does
                dist.all_reduce(p.grad)
                p.grad /= world
            p.data -= 0.1 * p.grad
    return whole.state_dict()


def plain_shares(rank: int, world: int) -> dict[str, object]:
    """A loop whose loss is not gathered, and what a gradient penalty says of one that is."""
    torch.manual_seed(0)
    center = Center(alpha=0.3, **SIZES).double()
    for _ in range(STEPS):
        z, y = torch.randn(BATCH, 5, dtype=torch.float64), torch.randint(0, 4, (BATCH,))
        center(z[shares(rank, world)].requires_grad_(), y[shares(rank, world)])
    memory = CrossBatchMemory(Gathered(NTXent()), embedding_dim=5, memory_size=100).double()
    apart = CrossBatchMemory(
        Gathered(NTXent()), embedding_dim=5, memory_size=100, in_batch="anchor"
    ).double()
    values, words = [], []
    for _ in range(STEPS):
        z, y = torch.randn(BATCH, 5, dtype=torch.float64), torch.randint(0, 4, (BATCH,))
        mine = shares(rank, world)
        values += [float(loss(z[mine], y[mine])) for loss in (memory, apart)]
    split = Softmax(**SIZES) if world == 1 else create_loss(
        "softmax", **SIZES, placement=Placement(shard=Shard(rank, world))
    )  # fmt: skip
    for loss in (Gathered(SupCon()), split):
        x = torch.randn(8, 5).requires_grad_()
        (by_x,) = torch.autograd.grad(loss(x, torch.arange(8) // 2), x, create_graph=True)
        try:
            torch.autograd.grad(by_x.square().sum(), x)
        except LikewiseError as error:
            words.append(str(error))
    return {"centers": center.centers.data, "values": values, "words": words}


def work(rank: int, world: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meet-{world}", rank=rank, world_size=world
    )
    results = {name: train(name, rank, world) for name in LOSSES}
    if rank == world - 1:
        torch.save(results, Path(folder) / f"{world}.pt")
    torch.save(plain_shares(rank, world), Path(folder) / f"{rank}-of-{world}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize("world", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_processes_together_equal_one(world: int, tmp_path: Path) -> None:
    server = multiprocessing.get_context("forkserver")  # imports torch once for all processes
    server.set_forkserver_preload(["torch", "torch.distributed", __name__])
    processes = [
        server.Process(target=work, args=(rank, world, str(tmp_path))) for rank in range(world)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
        assert process.exitcode == 0
    together = torch.load(tmp_path / f"{world}.pt")
    for name in LOSSES:
        alone = train(name, 0, 1)
        assert alone.keys() == together[name].keys()
        for key, value in alone.items():
            there = together[name][key]
            assert torch.allclose(there, value, rtol=1e-9, atol=1e-9), (name, key, there - value)

    # Centres move by the whole batch without a Gathered too; second derivatives are refused.
    expected = plain_shares(0, 1)
    assert expected["words"] == []
    for rank in range(world):
        there = torch.load(tmp_path / f"{rank}-of-{world}.pt")
        torch.testing.assert_close(there["centers"], expected["centers"])
        assert there["values"] == pytest.approx(expected["values"])
        over_batch, over_classes = there["words"]
        assert over_batch.startswith("a loss over the batch of several processes is differentiable")
        assert over_classes.startswith("Softmax with sharded classes is")
