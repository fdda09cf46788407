"""The trainer's step against a bare PyTorch loop, and each of its options against none.

python -m benchmarks.training [--quick] [--json FILE]
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from statistics import median

import torch
from torch import nn

from benchmarks import training_gpu
from benchmarks.measure import Result, arguments, fresh, interleaved, report, row
from benchmarks.small_epochs import small_epochs_vs_bare
from likewise.losses import create_loss
from likewise.models.registry import Backbone, create_backbone
from likewise.training.recipe.recipe import Recipe, recipe_with
from likewise.training.step.optimizer import build_optimizer
from likewise.training.trainer import Trainer

BATCH, SIZE, CLASSES = 64, 112, 1000
SETTINGS = ("training.device=cpu", "loss.name=arcface")

# One step in a new process: the peak of its memory above what it held before.
MEMORY = """
from benchmarks.measure import resident_bytes
from benchmarks.training import stepper
step = stepper({settings}, {batch})
stepper({settings}, 2)()  # the libraries allocate their own memory
before = resident_bytes()
step()
print((resident_bytes(peak=True) - before) / 2**30)
"""


def batch_of(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, 3, SIZE, SIZE), dtype=torch.uint8, generator=generator)
    return pixels, torch.randint(0, CLASSES, (count,), generator=generator)


def stepper(settings: tuple[str, ...], count: int) -> Callable[[], float]:
    """One step of MobileFaceNet at 112 px with ArcFace over 1,000 classes, under these settings."""
    torch.manual_seed(0)
    recipe = recipe_with(Recipe(), [*SETTINGS, *settings])
    module = create_backbone(Backbone("mobilefacenet", 128), height=SIZE, width=SIZE)
    loss = create_loss("arcface", num_classes=CLASSES, embedding_dim=128)
    trainer = Trainer(recipe, module.train(), loss, recipe.input.preprocess(), torch.device("cpu"))
    batch = batch_of(count)
    return lambda: float(trainer.step(*batch, 100)[0])


def step_vs_bare(rounds: int) -> Result:
    """AdamW, clipping, float32; the same memory format on both sides."""
    torch.manual_seed(0)
    recipe = recipe_with(Recipe(), [*SETTINGS, "training.channels_last=false"])
    module = create_backbone(Backbone("mobilefacenet", 128), height=SIZE, width=SIZE)
    loss = create_loss("arcface", num_classes=CLASSES, embedding_dim=128)
    bare_module, bare_loss = copy.deepcopy(module).train(), copy.deepcopy(loss)
    preprocess = recipe.input.preprocess()
    trainer = Trainer(recipe, module.train(), loss, preprocess, torch.device("cpu"))
    optimizer = build_optimizer(recipe.optimizer, bare_module, bare_loss)
    weights = [p for group in optimizer.param_groups for p in group["params"]]
    pixels, labels = batch_of(BATCH)

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


# By the name of the result: the settings, and those to compare with. {} is a quarter of the batch.
OPTIONS = {
    "channels_last": (("training.channels_last=true",), ("training.channels_last=false",)),
    "bf16": (("training.precision=bf16",), ()),
    "cached_by_quarters": (("batch.micro={}",), ()),
    "activations_twice": (("training.checkpoint_activations=true",), ()),
    "compiled": (("training.compile=true",), ()),
}
SAVES_MEMORY = ("cached_by_quarters", "activations_twice")


def switches(rounds: int, names: list[str], count: int) -> list[Result]:
    """Each option against the same step without it: time, and memory where it saves memory."""
    found = []
    for name in names:
        with_it, without = (tuple(s.format(count // 4) for s in side) for side in OPTIONS[name])
        sides = interleaved([stepper(with_it, count), stepper(without, count)], rounds)
        ratio = median(a / b for a, b in zip(*sides, strict=True))
        found.append(row(f"training.{name}", ratio, "x"))
        if name in SAVES_MEMORY:
            gib = [
                float(fresh(MEMORY.format(settings=repr(side), batch=count)).split()[-1])
                for side in (with_it, without)
            ]
            found.append(row(f"training.{name}_memory", gib[0] / gib[1], "x"))
    return found


def fused_optimizer(rounds: int) -> Result:
    """The step of the optimiser on MobileFaceNet and its head: fused over not fused."""
    sides = []
    for fused in (True, None):
        module = create_backbone(Backbone("mobilefacenet", 128), height=SIZE, width=SIZE)
        loss = create_loss("arcface", num_classes=CLASSES, embedding_dim=128)
        optimizer = build_optimizer(Recipe().optimizer, module, loss)
        for group in optimizer.param_groups:
            group["fused"] = fused
            for parameter in group["params"]:
                parameter.grad = torch.randn_like(parameter)
        sides.append(optimizer.step)
    value = median(a / b for a, b in zip(*interleaved(sides, rounds), strict=True))
    return row("training.fused_optimizer", value, "x")


def results(*, quick: bool) -> list[Result]:
    names = [name for name in OPTIONS if not (quick and name == "compiled")]
    return [
        step_vs_bare(4 if quick else 15),
        *(small_epochs_vs_bare(1 if quick else 3, workers, quick=quick) for workers in (0, None)),
        fused_optimizer(15),
        *switches(2 if quick else 7, names, 16 if quick else BATCH),
        *(training_gpu.results(quick=quick) if torch.cuda.is_available() else []),
    ]


if __name__ == "__main__":
    options = arguments(__doc__)
    report(results(quick=options.quick), options.json)
