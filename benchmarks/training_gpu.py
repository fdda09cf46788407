"""On a GPU: IResNet-50 at 112 px in bf16 with a million classes, against a bare PyTorch loop."""

from __future__ import annotations

import copy
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch
from torch import nn

from benchmarks.measure import Result, interleaved, row
from likewise.losses import create_loss
from likewise.models.registry import Backbone, create_backbone
from likewise.training.monitoring.profile import StepProfile
from likewise.training.recipe.recipe import Recipe, recipe_with
from likewise.training.trainer import Trainer

BATCH, SIZE, CLASSES, DIMENSION = 128, 112, 1_000_000, 512
SETTINGS = (
    "training.device=cuda", "training.precision=bf16", "optimizer.name=sgd", "loss.name=arcface",
    "optimizer.clip=0",
)  # fmt: skip


def results(*, quick: bool) -> list[Result]:
    """Images per second, the step over that of the bare loop, and the head's share of the step."""
    torch.manual_seed(0)
    device = torch.device("cuda")
    recipe = recipe_with(Recipe(), SETTINGS)
    module = create_backbone(Backbone("iresnet50", DIMENSION), height=SIZE, width=SIZE)
    loss = create_loss("arcface", num_classes=CLASSES, embedding_dim=DIMENSION)
    bare_module = copy.deepcopy(module).to(device, memory_format=torch.channels_last).train()
    bare_loss = copy.deepcopy(loss).to(device)
    trainer = Trainer(recipe, module.train(), loss, recipe.input.preprocess(), device)
    optimizer = torch.optim.SGD(
        [*bare_module.parameters(), *bare_loss.parameters()], lr=1e-3, momentum=0.9, fused=True
    )
    pixels = torch.randint(0, 256, (BATCH, 3, SIZE, SIZE), dtype=torch.uint8).pin_memory()
    labels = torch.randint(0, CLASSES, (BATCH,)).pin_memory()

    def ours() -> None:
        trainer.step(pixels, labels, 100)
        torch.cuda.synchronize()

    def bare() -> None:
        images = pixels.to(device, non_blocking=True).contiguous(memory_format=torch.channels_last)
        images = (images.float() / 255 - 0.5) / 0.5
        with torch.autocast("cuda", dtype=torch.bfloat16):
            embeddings: torch.Tensor = bare_module(images)
        value = bare_loss(embeddings.float(), labels.to(device, non_blocking=True))
        optimizer.zero_grad()
        value.backward()
        nn.utils.get_total_norm(p.grad for p in bare_module.parameters() if p.grad is not None)
        optimizer.step()
        torch.cuda.synchronize()

    mine, theirs = interleaved([ours, bare], 5 if quick else 20)
    ratio = median(a / b for a, b in zip(mine, theirs, strict=True))
    with TemporaryDirectory() as folder:
        trainer.profile = StepProfile(5, device, Path(folder) / "trace.json")
        while not trainer.profile.enough:
            ours()
            trainer.profile.end_step()
        found = trainer.profile.result
    # The head computes its gradient together with its loss; "backward" only scales it.
    share = found.phases["loss"] / found.seconds if found else float("nan")
    return [
        row("training.gpu_images_per_s_1m", BATCH / median(mine), "1/s"),
        row("training.gpu_step_vs_bare_1m", ratio, "x"),
        row("training.gpu_head_share_1m", share, ""),
    ]
