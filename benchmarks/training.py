"""What the trainer's step costs beyond the bare loop of the same network, loss and optimiser.

python -m benchmarks.training [--quick] [--json FILE]
"""

from __future__ import annotations

import copy
from statistics import median

import torch
from torch import nn

from benchmarks.measure import Result, arguments, interleaved, report, row
from likewise.losses import create_loss
from likewise.models.registry import Backbone, create_backbone
from likewise.training.optimizer import build_optimizer
from likewise.training.recipe import Recipe, recipe_with
from likewise.training.trainer import Trainer

BATCH, SIZE, CLASSES = 64, 112, 1000


def step_vs_bare(rounds: int) -> Result:
    """MobileFaceNet at 112 px, ArcFace over 1,000 classes, AdamW, clipping, float32."""
    torch.manual_seed(0)
    recipe = recipe_with(Recipe(), ["training.device=cpu", "loss.name=arcface"])
    module = create_backbone(Backbone("mobilefacenet", 128), height=SIZE, width=SIZE)
    loss = create_loss("arcface", num_classes=CLASSES, embedding_dim=128)
    bare_module, bare_loss = copy.deepcopy(module).train(), copy.deepcopy(loss)
    preprocess = recipe.input.preprocess()
    trainer = Trainer(recipe, module.train(), loss, preprocess, torch.device("cpu"))
    optimizer = build_optimizer(recipe.optimizer, bare_module, bare_loss)
    weights = [p for group in optimizer.param_groups for p in group["params"]]
    pixels = torch.randint(0, 256, (BATCH, 3, SIZE, SIZE), dtype=torch.uint8)
    labels = torch.randint(0, CLASSES, (BATCH,))

    def ours() -> None:
        value, _ = trainer.step(pixels, labels, 100)
        float(value.detach())

    def bare() -> None:
        images = (pixels.float() / 255 - 0.5) / 0.5
        value = bare_loss(bare_module(images), labels)
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(weights, recipe.optimizer.clip)
        optimizer.step()
        float(value.detach())

    mine, theirs = interleaved([ours, bare], rounds)
    value = median(a / b for a, b in zip(mine, theirs, strict=True))
    return row("training.step_vs_bare", value, "x", "<= 1.05", value <= 1.05)


def results(*, quick: bool) -> list[Result]:
    return [step_vs_bare(5 if quick else 15)]


if __name__ == "__main__":
    options = arguments(__doc__)
    report(results(quick=options.quick), options.json)
