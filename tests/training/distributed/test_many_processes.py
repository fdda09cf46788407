"""One, two and four processes take the same steps: losses and weights to 1e-9 in float64."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from likewise.losses import Distillation, Placement, Shard, class_rows, create_loss
from likewise.models.embedder import Embedder
from likewise.training.distributed.processes import Processes
from likewise.training.recipe.recipe import Recipe
from likewise.training.step.teacher import Distilling
from likewise.training.trainer import Trainer
from tests.conftest import quick_recipe
from tests.gloo import together

CLASSES, BATCH, STEPS = 10, 21, 20
CASES = {
    "cosface": (),
    "cosface, clipped apart": ("optimizer.clip=0.5", "optimizer.loss_clip=0.1"),
    "arcface, sgd": ("loss.name=arcface", "optimizer.name=sgd"),
    "subcenter_arcface": ("loss.name=subcenter_arcface",),
    "cosface, sampled": ("head.sample=0.5",),  # the optimiser's way; the loss takes all classes
    "cosface, sampled, sgd": ("head.sample=0.5", "optimizer.name=sgd"),
    "triplet": ("loss.name=triplet",),
    "triplet, cached": ("loss.name=triplet", "batch.micro=4"),
    "softmax + center": ("loss.name=softmax + 0.1*center",),
    "proxy_anchor": ("loss.name=proxy_anchor",),
    "prototype_memory": ("loss.name=prototype_memory",),
    "held": ("model.freeze=['1.*', '2.*']",),
    "held for a while": ("model.freeze=['1.*', '2.*']", "model.unfreeze_epoch=1"),
    "distilled": ("loss.name=triplet", "distill.kind=relational"),
    "distilled, projected": ("distill.kind=cosine",),
}


class Doubled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.double()


def network(normalised: bool) -> nn.Module:
    norms = [nn.BatchNorm2d(4), nn.BatchNorm1d(6)] if normalised else [nn.Identity()] * 2
    return nn.Sequential(
        Doubled(), nn.Conv2d(3, 4, 3, 2), norms[0], nn.PReLU(), nn.Flatten(),
        nn.Linear(36, 6), norms[1],
    ).double()  # fmt: skip


def loss_of(recipe: Recipe, processes: Processes) -> nn.Module:
    sampled = recipe.head.sample < 1
    loss: nn.Module = create_loss(
        recipe.loss.name,
        num_classes=CLASSES,
        embedding_dim=6,
        placement=Placement(
            Shard(processes.rank, processes.count), sample=1.0 if sampled else None
        ),
        **recipe.loss.parameters(),
    )
    return loss.double()


def taught(recipe: Recipe, loss: nn.Module) -> nn.Module:
    """The loss with a teacher of 5 numbers beside it."""
    teacher = Embedder(nn.Sequential(nn.Flatten(), nn.Linear(192, 5)), recipe.input.preprocess())
    kind = recipe.distill.kind
    return Distilling(loss, teacher, Distillation(kind, student_dim=6, teacher_dim=5).double(), 2.0)


def trained(name: str, rank: int, world: int) -> dict[str, Any]:
    """Losses, hits and weights after the steps; split rows with their place."""
    processes = Processes()
    processes.rank, processes.count = rank, world
    recipe = quick_recipe("input.height=8", "input.width=8", "model.embedding_dim=6", *CASES[name],
                          "optimizer.clip=0.5")  # fmt: skip
    torch.manual_seed(1)
    module = network(normalised="cached" not in name)
    loss = loss_of(recipe, processes)
    if name.startswith("distilled"):
        torch.manual_seed(2)
        loss = taught(recipe, loss)
    trainer = Trainer(
        recipe, module, loss, recipe.input.preprocess(), torch.device("cpu"), processes
    )
    trainer.module.train()
    trainer.gradients.freezing.apply(0)
    drawn = torch.Generator().manual_seed(7)
    own = np.array_split(np.arange(BATCH), world)
    trainer.gradients.shares = (len(own[0]), len(own[-1]))
    values, hits = [], 0
    for _ in range(STEPS):
        pixels = torch.randint(256, (BATCH, 3, 8, 8), generator=drawn).to(torch.uint8)
        labels = torch.randint(CLASSES, (BATCH,), generator=drawn)
        value, right = trainer.step(pixels[own[rank]], labels[own[rank]], 5)
        values.append(float(value))
        hits += int(right.sum())
    weights = trainer.network().state_dict()
    before = copy.deepcopy({**weights, **loss.state_dict()})
    if rank == world - 1:  # one of them comes upon a number that is not finite
        handle = trainer.module[1].register_forward_hook(lambda _, __, out: out * torch.nan)
    assert trainer.step(pixels[own[rank]], labels[own[rank]], 5)[0].isnan()
    if rank == world - 1:
        handle.remove()
    after = {**trainer.network().state_dict(), **loss.state_dict()}
    return {
        "kept": all(torch.equal(tensor, after[key]) for key, tensor in before.items()),
        "skipped": trainer.guard.in_a_row,
        "values": values,
        "hits": hits,
        "network": weights,
        "loss": loss.state_dict(),
        "rows": class_rows(loss),
    }


def work(rank: int, world: int) -> dict[str, dict[str, Any]]:
    return {name: trained(name, rank, world) for name in CASES}


@pytest.fixture(scope="module")
def alone() -> dict[str, dict[str, Any]]:
    return work(0, 1)


@pytest.mark.parametrize("world", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_processes_together_equal_one(
    world: int, alone: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    shares = together(work, world, tmp_path)
    for name in CASES:
        expected, found = alone[name], [share[name] for share in shares]
        # A teacher answers in float32, whose last digits depend on how many photos come at once.
        nearly = 1e-6 if name.startswith("distilled") else 1e-9
        for one in found:
            np.testing.assert_allclose(one["values"], expected["values"], rtol=nearly, atol=nearly)
            assert one["hits"] == expected["hits"], name
            assert (one["kept"], one["skipped"]) == (True, 1), name
            assert one["network"].keys() == expected["network"].keys()
            for key, tensor in expected["network"].items():
                close(one["network"][key], tensor, nearly, (name, key))
        for key, tensor in expected["loss"].items():
            parts = [one["loss"][key] for one in found]
            if key in expected["rows"]:
                assert all(len(part) < len(tensor) for part in parts)
                close(torch.cat(parts), tensor, nearly, (name, key))
            else:
                for part in parts:
                    close(part, tensor, nearly, (name, key))


def close(found: Tensor, expected: Tensor, nearly: float, where: tuple[str, str]) -> None:
    worst = (found - expected).abs().max() if found.numel() else 0
    assert torch.allclose(found, expected, rtol=nearly, atol=nearly), (*where, worst)
